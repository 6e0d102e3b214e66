package hiresnet

import (
	"context"
	"fmt"

	"fovea/datasets"
	"fovea/layers/resnet"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// small has four stages of two units. The wide one makes up for the parameters of the residuals, and somewhat more.
func small(shortcut resnet.Shortcut, hi bool, widths ...int) Config {
	host := resnet.Config{Stages: []int{2, 2, 2, 2}, Widths: widths, Classes: 10, Shortcut: shortcut}
	return Config{Host: host, Hi: hi, Size: 16}
}

// smallFit is the same for all arms and was fixed beforehand, without a trial.
var smallFit = recipes.Fit{Epochs: 5, Batch: 32, LearningRate: 0.05, LogEvery: 14, Augment: datasets.Flip()}

var hierarchyClaim = recipes.Claim[Config]{
	Name:      "hierarchy",
	Statement: "Hierarchical residuals gain 3 points of test accuracy on a plain net at equal epochs, and on one that is wider by as many parameters.",
	Arms: []recipes.Arm[Config]{
		{Name: "plain", Config: small(resnet.None, false, 16, 16, 32, 32)},
		{Name: "plain, wider", Config: small(resnet.None, false, 17, 17, 33, 33)},
		{Name: "plain + Hi", Config: small(resnet.None, true, 16, 16, 32, 32)},
		{Name: "ResNet", Config: small(resnet.Projection, false, 16, 16, 32, 32)},
		{Name: "ResNet + Hi", Config: small(resnet.Projection, true, 16, 16, 32, 32)},
	},
	Measure: measure,
	Tests: []recipes.Test{
		{Name: "plain", Statement: "what hierarchical residuals gain on a plain net", Unit: "points", Threshold: 3, Value: gain("plain + Hi", "plain")},
		{Name: "wider", Statement: "what they gain on a wider plain net", Unit: "points", Threshold: 3, Value: gain("plain + Hi", "plain, wider")},
		{Name: "ResNet", Statement: "what they gain on a residual network", Unit: "points", Reported: true, Value: gain("ResNet + Hi", "ResNet")},
	},
	Remark: "The gain on the plain net is clear (4.6 ± 0.7). The wider plain net spreads by 3 points over its seeds, so the interval of the second one (5.2 ± 3.7) ends below the threshold of 3.",
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		var names []string
		var runs [][]float64
		for _, arm := range r.Arms {
			names = append(names, fmt.Sprintf("%s (%.1fk)", arm.Name, arm.Values["parameters"].Mean/1000))
			runs = append(runs, arm.Values["accuracy"].Seeds)
		}
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Bars(names, []fig.BarSeries{fig.SeedBars("accuracy", runs)}, fig.BarOptions{
				Title: "Test accuracy (parameters)", Label: "test accuracy (%)", Format: "%.1f",
				Caption: fmt.Sprintf("mean of %d seeds ± 2 standard errors", len(r.Seeds)),
			})
		})
		return map[string]recipes.Figure{"accuracy": f}, err
	},
}

func gain(arm, than string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return v[arm]["accuracy"] - v[than]["accuracy"] }
}

func measure(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
	options, fit := recipes.ImageOptions{Size: c.Size, Train: 4400, Test: 2000, Seed: 1}, smallFit
	if t.Scale == recipes.PaperScale {
		widths := make([]int, len(c.Host.Widths)) // the arm's own must stay as they are
		for i, w := range c.Host.Widths {
			widths[i] = w * []int{4, 8, 8, 16}[i] // 64, 128, 256, 512 of 16, 16, 32, 32
		}
		c.Host.Widths = widths
		c.Size, fit, options = 32, paperFit, recipes.ImageOptions{Seed: 1}
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
	test, err := trainer.Evaluate(ctx, data.Test)
	if err != nil {
		return nil, err
	}
	parameters := 0
	for _, v := range trainer.Variables() {
		if v.Trainable {
			parameters += v.Shape().Size()
		}
	}
	return recipes.Values{"accuracy": 100 * test.Accuracy, "parameters": float64(parameters)}, nil
}
