package stochasticdepth

import (
	"context"
	"fmt"

	"fovea/datasets"
	"fovea/layers/resnet"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// small is ResNet-32 at half its widths: deep for the few images that the claim has.
func small(survival float64) Config {
	host := resnet.CIFAR(32)
	host.Widths = []int{8, 16, 32}
	return Config{Host: host, Survival: survival, Size: 16}
}

// smallFit trains until constant depth has learnt its images by heart: without that a regulariser has nothing to do. It
// was fixed beforehand, without a trial.
var smallFit = recipes.Fit{Epochs: 30, Batch: 32, LearningRate: 0.1, LogEvery: 14, Augment: datasets.Flip()}

var depthClaim = recipes.Claim[Config]{
	Name:      "depth",
	Statement: "Survival that falls to 0.5 with depth lowers the test error of constant depth by a point at equal steps.",
	Arms:      []recipes.Arm[Config]{{Name: "constant depth", Config: small(1)}, {Name: "stochastic depth", Config: small(0.5)}},
	Measure:   measure,
	Tests: []recipes.Test{
		{
			Name: "error", Statement: "what stochastic depth takes from the test error", Unit: "points", Threshold: 1,
			Value: func(v map[string]recipes.Values) float64 {
				return v["constant depth"]["test error"] - v["stochastic depth"]["test error"]
			},
		},
		{
			Name: "gap", Statement: "by how much it narrows the gap between training and test error", Unit: "points", Reported: true,
			Value: func(v map[string]recipes.Values) float64 {
				gap := func(arm string) float64 { return v[arm]["test error"] - v[arm]["training error"] }
				return gap("constant depth") - gap("stochastic depth")
			},
		},
		{
			Name: "work", Statement: "expected share of units that are active in a step", Unit: "×", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v["stochastic depth"]["active share"] },
		},
	},
	Remark: "Stochastic depth keeps the training error at 31 % where constant depth comes to nothing, and its test error is 1.3 ± 1.9 points lower: a point is neither shown nor ruled out with three " +
		"seeds, between which the gain differs by up to 3 points (see the card).",
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		var names []string
		var train, test [][]float64
		for _, arm := range r.Arms {
			names = append(names, arm.Name)
			train = append(train, arm.Values["training error"].Seeds)
			test = append(test, arm.Values["test error"].Seeds)
		}
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Bars(names, []fig.BarSeries{fig.SeedBars("training", train), fig.SeedBars("test", test)}, fig.BarOptions{
				Title: "Error with and without stochastic depth", Label: "error (%)", Format: "%.1f",
				Caption: fmt.Sprintf("mean of %d seeds ± 2 standard errors", len(r.Seeds)),
			})
		})
		return map[string]recipes.Figure{"error": f}, err
	},
}

func measure(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
	options, fit := recipes.ImageOptions{Size: c.Size, Train: 1000, Test: 2000, Seed: 1}, smallFit
	if t.Scale == recipes.PaperScale {
		c, fit, options = cifar(110, c.Survival), paperFit, recipes.ImageOptions{Seed: 1}
		fit.Augment = datasets.CropFlip(4)
	}
	data, err := t.Images(ctx, options)
	if err != nil {
		return nil, err
	}
	c.Host.Classes = len(data.Train.Classes)
	trainer, err := t.Trainer(Model(c), fit)
	if err != nil {
		return nil, err
	}
	if err := trainer.Run(ctx, data.Train, nil); err != nil {
		return nil, err
	}
	train, err := trainer.Evaluate(ctx, data.Train)
	if err != nil {
		return nil, err
	}
	test, err := trainer.Evaluate(ctx, data.Test)
	if err != nil {
		return nil, err
	}
	if t.Pictures() {
		if err := t.Figure(t.Arm, curve(t.Arm, trainer.History())); err != nil {
			return nil, err
		}
	}
	units := len(c.Host.Units())
	return recipes.Values{
		"training error": 100 * (1 - train.Accuracy), "test error": 100 * (1 - test.Accuracy),
		"active share": Active(units, c.Survival) / float64(units),
	}, nil
}

func curve(arm string, h recipes.History) *fig.Figure {
	steps, losses := h.Split("train").Curve(func(p recipes.Point) float64 { return p.Loss })
	return fig.Curves(fig.CurveOptions{Title: "Training loss, " + arm, XLabel: "step", YLabel: "cross-entropy"}, fig.Series{Name: "training", X: steps, Y: losses})
}
