package singleintrachannel

import (
	"context"
	"fmt"

	"fovea/datasets"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

func small(k Kind, width int) Config {
	return Config{Kind: k, Stages: []int{2, 2, 2}, Width: width, Torus: []int{8, 4}, Reach: []int{4, 2}, Classes: 10, Size: 16}
}

// narrow is the width at which a standard layer costs what an intra-channel one does at 32: 1296 and 1312 multiply-adds a pixel.
const wide, narrow = 32, 12

// smallFit is the same for all arms and was fixed beforehand, without a trial.
var smallFit = recipes.Fit{Epochs: 5, Batch: 32, LearningRate: 0.05, LogEvery: 14, Augment: datasets.Flip()}

var efficiencyClaim = recipes.Claim[Config]{
	Name: "efficiency",
	Statement: "A net of intra-channel layers beats a standard net of as many multiply-adds by 2 points, and costs at most a point against one as wide with a fifth of " +
		"its multiply-adds; a quarter of the connections costs at most 2 points more.",
	Arms: []recipes.Arm[Config]{
		{Name: "standard", Config: small(Standard, wide)}, {Name: "standard, narrow", Config: small(Standard, narrow)}, {Name: "intra-channel", Config: small(SIC, wide)},
		{Name: "topology", Config: small(Topology, wide)}, {Name: "bottleneck", Config: small(Bottleneck, wide)},
	},
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		options, fit := recipes.ImageOptions{Size: c.Size, Train: 4400, Test: 2000, Seed: 1}, smallFit
		if t.Scale == recipes.PaperScale {
			width := 4 * c.Width
			c, fit, options = network(c.Kind), paperFit, recipes.ImageOptions{Size: 64, Seed: 1}
			c.Width = width
		}
		data, err := t.Images(ctx, options)
		if err != nil {
			return nil, err
		}
		c.Classes = len(data.Train.Classes)
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
		return recipes.Values{"accuracy": 100 * test.Accuracy, "multiply-adds": MACs(c), "step time": stepTime(trainer.History())}, nil
	},
	Tests: []recipes.Test{
		{Name: "equal work", Statement: "what intra-channel layers gain on a standard net of as many multiply-adds", Unit: "points", Threshold: 2, Value: gain("intra-channel", "standard, narrow")},
		{Name: "equal width", Statement: "what they cost against a standard net as wide", Unit: "points", Threshold: 1, AtMost: true, Value: gain("standard", "intra-channel")},
		{Name: "work", Statement: "their multiply-adds over those of the standard layers as wide", Unit: "×", Threshold: 0.2, AtMost: true, Value: ratio("multiply-adds", "intra-channel", "standard")},
		{Name: "topology", Statement: "what a quarter of the connections costs", Unit: "points", Threshold: 2, AtMost: true, Value: gain("intra-channel", "topology")},
		{Name: "bottleneck", Statement: "what the spatial bottleneck costs", Unit: "points", Reported: true, Value: gain("intra-channel", "bottleneck")},
		{Name: "time", Statement: "time of a step of intra-channel layers over that of the standard ones as wide", Unit: "×", Reported: true, Value: ratio("step time", "intra-channel", "standard")},
	},
	Remark: "Intra-channel layers lead a standard net of as many multiply-adds (1.1 ± 0.6 points, 2 asked), and a quarter of their connections costs 2.1 ± 0.5 points (2 allowed). Against " +
		"the net that is as wide, with seven times their multiply-adds, they lose 5.7 ± 1.5 points where one may be lost.",
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		var names []string
		var runs [][]float64
		for _, arm := range r.Arms {
			names = append(names, fmt.Sprintf("%s (%.0f)", arm.Name, arm.Values["multiply-adds"].Mean))
			runs = append(runs, arm.Values["accuracy"].Seeds)
		}
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Bars(names, []fig.BarSeries{fig.SeedBars("accuracy", runs)}, fig.BarOptions{
				Title: "Test accuracy by layer (multiply-adds per pixel)", Label: "test accuracy (%)", Format: "%.1f",
				Caption: fmt.Sprintf("mean of %d seeds ± 2 standard errors", len(r.Seeds)),
			})
		})
		return map[string]recipes.Figure{"accuracy": f}, err
	},
}

func gain(arm, than string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return v[arm]["accuracy"] - v[than]["accuracy"] }
}

func ratio(value, arm, over string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return v[arm][value] / v[over][value] }
}

// stepTime is the time of a step in milliseconds, without the first tenth in which the program is compiled.
func stepTime(h recipes.History) float64 {
	train := h.Split("train")
	first, last := train[len(train)/10], train[len(train)-1]
	return 1000 * (last.Seconds - first.Seconds) / float64(last.Step-first.Step)
}
