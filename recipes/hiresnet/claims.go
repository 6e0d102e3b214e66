package hiresnet

import (
	"context"
	"fmt"
	"time"

	"fovea/datasets"
	"fovea/layers/resnet"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// small is a plain net of 20 convolutions in four stages, deep enough that the way of the gradient matters. The first stage has but
// one unit, since a unit costs four times as much there as in any later one. The wide net makes up for the parameters of the
// residuals, and somewhat more.
func small(hi bool, widths ...int) Config {
	host := resnet.Config{Stages: []int{1, 3, 3, 3}, Widths: widths, Classes: 10, Shortcut: resnet.None}
	return Config{Host: host, Hi: hi, Size: 16}
}

// smallFit is the same for all arms. After 3 epochs plain nets of this depth had hardly begun, and their seeds spread widely.
var smallFit = recipes.Fit{Epochs: 6, Batch: 32, LearningRate: 0.05, LogEvery: 14, Augment: datasets.Flip()}

var hierarchyClaim = recipes.Claim[Config]{
	Name:      "hierarchy",
	Statement: "Hierarchical residuals gain 3 points of test accuracy on a plain net at equal epochs, and on one that is wider by as many parameters.",
	Arms: []recipes.Arm[Config]{
		{Name: "plain", Config: small(false, 16, 16, 32, 32)},
		{Name: "plain, wider", Config: small(false, 17, 17, 33, 33)},
		{Name: "plain + Hi", Config: small(true, 16, 16, 32, 32)},
	},
	Seeds:   4,
	Budget:  10 * time.Minute, // with twice the seeds
	Measure: measure,
	Tests: []recipes.Test{
		{Name: "plain", Statement: "what hierarchical residuals gain on a plain net", Unit: "points", Threshold: 3, Value: gain("plain + Hi", "plain")},
		{Name: "wider", Statement: "what they gain on a wider plain net", Unit: "points", Threshold: 3, Value: gain("plain + Hi", "plain, wider")},
	},
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
		c.Host.Stages, c.Host.Widths = []int{2, 2, 2, 2}, widths
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
