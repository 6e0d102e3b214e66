package vgg

import (
	"context"
	"fmt"
	"time"

	"fovea/datasets/synth"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// small is the family that the depth claim compares: only the number of convolutions in a stage differs.
func small(convolutions int) Config {
	c := Config{Hidden: []int{128}, Classes: 10, Size: 16, Channels: 3}
	for _, filters := range []int{16, 32, 64} {
		stage := make([]int, convolutions)
		for i := range stage {
			stage[i] = filters
		}
		c.Stages = append(c.Stages, stage)
	}
	return c
}

// depthFit is that of both arms. With a rate of 0.05 some seeds never start.
var depthFit = recipes.Fit{Epochs: 4, Batch: 128, LearningRate: 0.02, LogEvery: 20, Augment: ScaleJitter(1, 1)}

// jitterFit trains for long enough that the net at one scale is good there and so can lose by being seen at others, and that one
// at jittered scales, which has more to learn, gets as far.
var jitterFit = recipes.Fit{Steps: 1050, Batch: 128, LearningRate: 0.05, LogEvery: 20}

var depthClaim = recipes.Claim[Config]{
	Name:      "depth",
	Statement: "At equal width and equal steps, stages of 2 convolutions beat stages of 1 by at least 2 points of test accuracy.",
	Arms:      []recipes.Arm[Config]{{Name: "1 a stage", Config: small(1)}, {Name: "2 a stage", Config: small(2)}},
	Budget:    8 * time.Minute,
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		data, c, fit, err := setUp(ctx, t, c, depthFit, turnedShapes)
		if err != nil {
			return nil, err
		}
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
		if t.Pictures() && t.Arm == "2 a stage" {
			weights, err := trainer.Store().GetVariable("/stage1/conv1/weights").Value()
			if err != nil {
				return nil, err
			}
			f, err := fig.Maybe(func() *fig.Figure { return fig.Filters(weights, fig.FilterOptions{}) })
			if err != nil {
				return nil, err
			}
			if err := t.Figure("filters", f); err != nil {
				return nil, err
			}
		}
		return recipes.Values{"error": 100 * (1 - test.Accuracy)}, nil
	},
	Tests: []recipes.Test{
		{
			Name: "2 against 1", Statement: "2 convolutions a stage lower the test error of 1 by 2 points", Unit: "points", Threshold: 2,
			Value: func(v map[string]recipes.Values) float64 { return v["1 a stage"]["error"] - v["2 a stage"]["error"] },
		},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		return errorBars("depth", "Test error by convolutions a stage", r, []string{"error"})
	},
}

var jitterClaim = recipes.Claim[Config]{
	Name:      "jitter",
	Statement: "Training at jittered scales beats training at one scale by at least 5 points on images at other scales.",
	Arms:      []recipes.Arm[Config]{{Name: "one scale", Config: small(2)}, {Name: "jittered", Config: small(2)}},
	Budget:    15 * time.Minute, // enough for twice the seeds
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		augment := ScaleJitter(1, 1)
		if t.Arm == "jittered" {
			augment = ScaleJitter(jitterFrom, jitterTo)
		}
		fit := jitterFit
		fit.Augment = augment
		data, c, fit, err := setUp(ctx, t, c, fit, photographs)
		if err != nil {
			return nil, err
		}
		trainer, err := t.Trainer(Model(c), fit)
		if err != nil {
			return nil, err
		}
		if err := trainer.Run(ctx, data.Train, nil); err != nil {
			return nil, err
		}
		values := recipes.Values{}
		for name, scale := range map[string]float64{"smaller": jitterFrom, "own scale": 1, "larger": jitterTo} {
			test, err := trainer.Evaluate(ctx, Rescaled(data.Test, scale))
			if err != nil {
				return nil, err
			}
			values[name] = 100 * (1 - test.Accuracy)
		}
		return values, nil
	},
	Tests: []recipes.Test{
		{
			Name: "other scales", Statement: fmt.Sprintf("jitter lowers the mean test error at scales %.2g and %.2g by 5 points", jitterFrom, jitterTo), Unit: "points", Threshold: 5,
			Value: func(v map[string]recipes.Values) float64 {
				gain := func(name string) float64 { return v["one scale"][name] - v["jittered"][name] }
				return (gain("smaller") + gain("larger")) / 2
			},
		},
		{
			Name: "own scale", Statement: "what jitter does at the training scale itself", Unit: "points", Reported: true,
			Value: func(v map[string]recipes.Values) float64 {
				return v["one scale"]["own scale"] - v["jittered"]["own scale"]
			},
		},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		return errorBars("jitter", "Test error by the scale of the test images", r, []string{"smaller", "own scale", "larger"})
	},
}

// The span of the paper, whose images are seen at 256 to 512 with a test at 256, 384 and 512, is a factor of 2.
const jitterFrom, jitterTo = 0.7, 1.4

// A source opens images of a height and width for a small claim.
type source func(ctx context.Context, t *recipes.Trial, size int) (recipes.Data, error)

// setUp opens the data at small scale and adapts a configuration to it. At paper scale it is the paper's training of net D with
// the arm's convolutions a stage, on whatever set the user names.
func setUp(ctx context.Context, t *recipes.Trial, c Config, fit recipes.Fit, images source) (recipes.Data, Config, recipes.Fit, error) {
	var data recipes.Data
	var err error
	if t.Scale == recipes.PaperScale {
		n := len(c.Stages[0])
		c = imagenet(n, n, n, n, n)
		augment := fit.Augment
		fit = PaperFit
		fit.Augment = augment
		data, err = t.Images(ctx, recipes.ImageOptions{Size: c.Size, Seed: 1})
	} else {
		data, err = images(ctx, t, c.Size)
	}
	if err != nil {
		return data, c, fit, err
	}
	c.Classes, c.Channels = len(data.Train.Classes), data.Train.C
	return data, c, fit, nil
}

func photographs(ctx context.Context, t *recipes.Trial, size int) (recipes.Data, error) {
	return t.Images(ctx, recipes.ImageOptions{Size: size, Train: 8000, Test: 2000, Seed: 1})
}

// turnedShapes are as many images as a short training can use, each seen a few times: what limits a net then is what it can
// compute, and not what it has learnt by heart. The shapes are turned any way, and the backgrounds are as busy as they come, since
// the set's own choice leaves both depths with a few errors in a hundred.
func turnedShapes(_ context.Context, t *recipes.Trial, size int) (recipes.Data, error) {
	const train, rest, seed = 20000, 4000, 1
	return t.Generated("turned shapes", seed, func() (recipes.Data, error) {
		all, err := synth.Shapes(synth.ShapesOptions{N: train + 2*rest, Size: size, Clutter: 1, Turn: 180, Seed: seed})
		if err != nil {
			return recipes.Data{}, err
		}
		all.Name = "turned shapes"
		return recipes.Data{Train: all.Slice(0, train), Valid: all.Slice(train, train+rest), Test: all.Slice(train+rest, all.N)}, nil
	})
}

// errorBars draws measured values with two standard errors: one value by arm, or several values with a bar for each arm.
func errorBars(file, title string, r recipes.ClaimResult, values []string) (map[string]recipes.Figure, error) {
	seeds := func(arm recipes.ArmResult, value string) []float64 { return arm.Values[value].Seeds }
	var categories []string
	var series []fig.BarSeries
	if len(values) == 1 {
		var runs [][]float64
		for _, arm := range r.Arms {
			categories = append(categories, arm.Name)
			runs = append(runs, seeds(arm, values[0]))
		}
		series = []fig.BarSeries{fig.SeedBars(values[0], runs)}
	} else {
		categories = values
		for _, arm := range r.Arms {
			var runs [][]float64
			for _, value := range values {
				runs = append(runs, seeds(arm, value))
			}
			series = append(series, fig.SeedBars(arm.Name, runs))
		}
	}
	caption := fmt.Sprintf("mean of %d seeds ± 2 standard errors", len(r.Seeds))
	for _, d := range r.Data {
		caption += fmt.Sprintf("; %s, %d×%d", d.Name, d.Shape[0], d.Shape[1])
		if d.Synthetic {
			caption += " (synthetic)"
		}
	}
	f, err := fig.Maybe(func() *fig.Figure {
		return fig.Bars(categories, series, fig.BarOptions{Title: title, Caption: caption, Label: "test error (%)", Format: "%.1f"})
	})
	return map[string]recipes.Figure{file: f}, err
}
