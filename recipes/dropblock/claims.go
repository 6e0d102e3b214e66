package dropblock

import (
	"context"
	"fmt"

	"fovea/datasets"
	"fovea/layers/resnet"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// small is the network of the claims: a stem and three residual units, on maps of 16, 8 and 4. It is wide for so few images.
var small = Config{
	Network: resnet.Config{Stages: []int{1, 1, 1}, Widths: []int{16, 32, 64}, Classes: 10}, Size: 16, Block: 5, Keep: 1, Stages: []float64{1, 1, 1},
}

// smallFit trains until the network without knows its few images by heart. It, the share and the size of the squares are first guesses,
// kept when one seed on validation images showed an effect.
var smallFit = recipes.Fit{Epochs: 20, Batch: 50, LearningRate: 0.05, LogEvery: 20}

const keep = 0.85

var accuracyClaim = recipes.Claim[Config]{
	Name:      "accuracy",
	Statement: "On few images DropBlock lowers the test error of the same network without by at least 1.5 points.",
	Arms: []recipes.Arm[Config]{
		{Name: "none", Config: drops(5, 1)}, {Name: "dropout", Config: drops(1, keep)}, {Name: "DropBlock", Config: drops(5, keep)},
	},
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		options, fit := recipes.ImageOptions{Size: c.Size, Train: 1100, Test: 2000, Seed: 1}, smallFit
		if t.Scale == recipes.PaperScale {
			paper := Variants["resnet50"]
			paper.Block, paper.Keep = c.Block, c.Keep
			if c.Block > 1 {
				paper.Block = Variants["resnet50"].Block
			}
			c, options, fit = paper, recipes.ImageOptions{Size: paper.Size}, PaperFit
		}
		data, err := t.Images(ctx, options)
		if err != nil {
			return nil, err
		}
		c.Network.Classes = len(data.Train.Classes)
		if t.Scale == recipes.PaperScale {
			c.Ramp = fit.Epochs * (data.Train.N / fit.Batch)
		}
		return measure(ctx, t, c, fit, data.Train, data.Test)
	},
	Tests: []recipes.Test{
		{
			Name: "DropBlock", Statement: "what DropBlock takes from the test error without", Unit: "points", Threshold: 1.5,
			Value: func(v map[string]recipes.Values) float64 { return v["none"]["error"] - v["DropBlock"]["error"] },
		},
		{
			Name: "against dropout", Statement: "what DropBlock takes from the test error with dropout", Unit: "points", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v["dropout"]["error"] - v["DropBlock"]["error"] },
		},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		return bars("accuracy", "Test error by what is dropped", "error", "test error (%)", "%.1f", r)
	},
}

func measure(ctx context.Context, t *recipes.Trial, c Config, fit recipes.Fit, train, test *datasets.Images) (recipes.Values, error) {
	trainer, err := t.Trainer(Model(c), fit)
	if err != nil {
		return nil, err
	}
	if err := trainer.Run(ctx, train, nil); err != nil {
		return nil, err
	}
	e, err := trainer.Evaluate(ctx, test)
	if err != nil {
		return nil, err
	}
	last, _ := trainer.History().Split("train").Last("train")
	return recipes.Values{"error": 100 * (1 - e.Accuracy), "training loss": last.Loss}, nil
}

// bars draws one value of each arm with two standard errors.
func bars(file, title, value, label, format string, r recipes.ClaimResult) (map[string]recipes.Figure, error) {
	var arms []string
	var runs [][]float64
	for _, arm := range r.Arms {
		arms, runs = append(arms, arm.Name), append(runs, arm.Values[value].Seeds)
	}
	caption := fmt.Sprintf("mean of %d seeds ± 2 standard errors", len(r.Seeds))
	for _, d := range r.Data {
		caption += fmt.Sprintf("; %s, %d×%d", d.Name, d.Shape[0], d.Shape[1])
		if d.Synthetic {
			caption += " (synthetic)"
		}
	}
	f, err := fig.Maybe(func() *fig.Figure {
		return fig.Bars(arms, []fig.BarSeries{fig.SeedBars(label, runs)}, fig.BarOptions{Title: title, Caption: caption, Label: label, Format: format})
	})
	return map[string]recipes.Figure{file: f}, err
}
