package ecanet

import (
	"context"
	"fmt"
	"math"
	"time"

	"fovea/datasets/synth"
	"fovea/layers/resnet"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// small is the net of the claim: a stem and two bottleneck units without shortcuts, each with a gate at its end. Three of its
// convolutions are 3×3, so without a gate each output sees 7×7 pixels: enough for a shape, too few for the cue.
func small(g Gate, kernels ...int) Config {
	host := resnet.Config{Stages: []int{2}, Widths: []int{12}, Bottleneck: true, Classes: len(synth.Glyphs), Shortcut: resnet.None}
	return Config{Host: host, Gate: g, Kernels: kernels, Ratio: 8, Size: cueSize}
}

// smallFit is the same for all arms; its length was chosen on validation images with one seed, for gates in the units.
var smallFit = recipes.Fit{Epochs: 6, Batch: 32, LearningRate: 0.05, LogEvery: 25}

var cueClaim = recipes.Claim[Config]{
	Name:      "cue",
	Statement: "Where a global cue says which of two channels counts, ECA gains 15 points on no gate, and is within 3 points of squeeze and excite with a hundredth of its parameters.",
	Arms: []recipes.Arm[Config]{
		{Name: "no gate", Config: small(Ungated)}, {Name: "SE", Config: small(SE)}, {Name: "ECA", Config: small(ECA, 3)},
	},
	Budget:  10 * time.Minute,
	Measure: measure,
	Tests: []recipes.Test{
		{Name: "gate", Statement: "what ECA gains on no gate", Unit: "points", Threshold: 15, Value: accuracy("ECA", "no gate")},
		{
			Name: "SE", Statement: "distance between ECA and squeeze and excite", Unit: "points", Threshold: 3, AtMost: true,
			Value: func(v map[string]recipes.Values) float64 { return math.Abs(accuracy("ECA", "SE")(v)) },
		},
		{
			Name: "parameters", Statement: "parameters of ECA's gates over those of squeeze and excite", Unit: "×", Threshold: 0.01, AtMost: true,
			Value: func(v map[string]recipes.Values) float64 {
				return v["ECA"]["parameters of the gates"] / v["SE"]["parameters of the gates"]
			},
		},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) { return bars("accuracy", r) },
}

// early is the same net with one gate alone, on the three planes of the image, and without the plane of the cue behind it. There no
// convolution has mixed the planes yet, a shape's own mean says nothing of the cue, and nothing but the gate can know it.
func early(g Gate) Config {
	c := small(g, 3)
	c.Planes = true
	return c
}

const planes = 3 // of an image

var interactionClaim = recipes.Claim[Config]{
	Name:      "interaction",
	Statement: "Where a gate's own channel doesn't hold the cue and its neighbour does, ECA gains 10 points on a gate that sees its own channel alone.",
	Arms:      []recipes.Arm[Config]{{Name: "ECA", Config: early(ECA)}, {Name: "per channel", Config: early(PerChannel)}},
	Budget:    10 * time.Minute,
	Measure:   measure,
	Tests: []recipes.Test{
		{Name: "interaction", Statement: "what ECA gains on a gate without interaction", Unit: "points", Threshold: 10, Value: accuracy("ECA", "per channel")},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) { return bars("interaction", r) },
}

func measure(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
	data, fit, err := setUp(ctx, t, &c)
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
	if t.Pictures() && t.Arm == "no gate" {
		if err := t.Figure("images", examples(data)); err != nil {
			return nil, err
		}
	}
	return recipes.Values{"accuracy": 100 * test.Accuracy, "parameters of the gates": float64(parameters(c))}, nil
}

// bars draws the accuracy of each arm beside the parameters of its gates.
func bars(file string, r recipes.ClaimResult) (map[string]recipes.Figure, error) {
	var names []string
	var runs [][]float64
	for _, arm := range r.Arms {
		names = append(names, fmt.Sprintf("%s (%.0f)", arm.Name, arm.Values["parameters of the gates"].Mean))
		runs = append(runs, arm.Values["accuracy"].Seeds)
	}
	f, err := fig.Maybe(func() *fig.Figure {
		return fig.Bars(names, []fig.BarSeries{fig.SeedBars("accuracy", runs)}, fig.BarOptions{
			Title: "Test accuracy by gate (its parameters)", Label: "test accuracy (%)", Format: "%.1f",
			Caption: fmt.Sprintf("cued glyphs (synthetic); mean of %d seeds ± 2 standard errors", len(r.Seeds)),
		})
	})
	return map[string]recipes.Figure{file: f}, err
}

// setUp draws the images, or at paper scale opens those that the user names and takes ResNet-50 with the arm's gate.
func setUp(ctx context.Context, t *recipes.Trial, c *Config) (recipes.Data, recipes.Fit, error) {
	if t.Scale != recipes.PaperScale {
		if c.Planes {
			fit := smallFit
			fit.Epochs /= 2 // one gate before everything else is learnt sooner than those in the units
			data, err := t.Generated("cued glyphs, loud", 1, loudCueData)
			return data, fit, err
		}
		data, err := t.Generated("cued glyphs", 1, cueData)
		return data, smallFit, err
	}
	gate := c.Gate
	*c = Variants["50"]
	c.Gate = gate
	data, err := t.Images(ctx, recipes.ImageOptions{Size: c.Size, Seed: 1})
	if err == nil {
		c.Host.Classes = len(data.Train.Classes)
	}
	return data, paperFit, err
}

func accuracy(arm, than string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return v[arm]["accuracy"] - v[than]["accuracy"] }
}

// parameters of all gates of a network.
func parameters(c Config) (n int) {
	units := c.Host.Units()
	if c.Planes {
		units = []resnet.Unit{{Out: planes}}
	}
	for _, u := range units {
		switch c.Gate {
		case ECA:
			n += c.kernel(u.Stage, u.Out)
		case SE:
			n += 2 * u.Out * max(1, u.Out/max(c.Ratio, 1))
		case PerChannel:
			n += u.Out
		}
	}
	return n
}

// examples shows what is asked: the same two planes can have either answer.
func examples(data recipes.Data) *fig.Figure {
	const n = 8
	var pictures []fig.Image
	var titles []string
	for i := range n {
		pictures = append(pictures, fig.FromImage(data.Train.Image(i)))
		titles = append(titles, data.Train.Class(i))
	}
	return fig.Grid(pictures, fig.GridOptions{Title: "What is asked", Caption: "the mean of green says whether the red or the blue shape counts (synthetic)", Titles: titles, Columns: n, Scale: 4})
}
