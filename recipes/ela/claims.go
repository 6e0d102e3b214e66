package ela

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

// small is the net of the claim: a stem and two bottleneck units without shortcuts, each with a module at its end. Three of its
// convolutions are 3×3, so without a module each output sees 7×7 pixels: a glyph, and rarely the tick beside it.
func small(m Module) Config {
	host := resnet.Config{Stages: []int{2}, Widths: []int{8}, StemWidth: 16, Bottleneck: true, Classes: len(synth.Glyphs), Shortcut: resnet.None}
	return Config{Host: host, Module: m, Size: rowSize}
}

// smallFit is the same for all arms and was fixed beforehand; one seed on validation images confirmed it.
var smallFit = recipes.Fit{Epochs: 8, Batch: 32, LearningRate: 0.05, LogEvery: 25}

var rowClaim = recipes.Claim[Config]{
	Name:      "rows",
	Statement: "Where a tick at the border says which row counts, ELA and coordinate attention gain 15 points on a plain net; channel attention stays within 5 points of it.",
	Arms: []recipes.Arm[Config]{
		{Name: "plain", Config: small(Plain)}, {Name: "SE", Config: small(SE)}, {Name: "ECA", Config: small(ECA)},
		{Name: "CA", Config: small(CA)}, {Name: "ELA-B", Config: small(ELAB)},
	},
	Budget: 15 * time.Minute,
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
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
		if t.Pictures() && t.Arm == "plain" {
			if err := t.Figure("images", examples(data)); err != nil {
				return nil, err
			}
		}
		return recipes.Values{"accuracy": 100 * test.Accuracy}, nil
	},
	Tests: []recipes.Test{
		{Name: "ELA", Statement: "what ELA-B gains on the plain net", Unit: "points", Threshold: 15, Value: gain("ELA-B")},
		{Name: "CA", Statement: "what coordinate attention gains on the plain net", Unit: "points", Threshold: 15, Value: gain("CA")},
		{
			Name: "SE", Statement: "distance of squeeze and excite from the plain net", Unit: "points", Threshold: 5, AtMost: true,
			Value: func(v map[string]recipes.Values) float64 { return math.Abs(gain("SE")(v)) },
		},
		{
			Name: "ECA", Statement: "distance of ECA from the plain net", Unit: "points", Threshold: 5, AtMost: true,
			Value: func(v map[string]recipes.Values) float64 { return math.Abs(gain("ECA")(v)) },
		},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		var names []string
		var runs [][]float64
		for _, arm := range r.Arms {
			names = append(names, arm.Name)
			runs = append(runs, arm.Values["accuracy"].Seeds)
		}
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Bars(names, []fig.BarSeries{fig.SeedBars("accuracy", runs)}, fig.BarOptions{
				Title: "Test accuracy by module", Label: "test accuracy (%)", Format: "%.1f",
				Caption: fmt.Sprintf("marked rows (synthetic); mean of %d seeds ± 2 standard errors", len(r.Seeds)),
			})
		})
		return map[string]recipes.Figure{"accuracy": f}, err
	},
}

// setUp draws the images, or at paper scale opens those that the user names and takes ResNet-50 with the arm's module.
func setUp(ctx context.Context, t *recipes.Trial, c *Config) (recipes.Data, recipes.Fit, error) {
	if t.Scale != recipes.PaperScale {
		data, err := t.Generated("marked rows", 1, rowData)
		return data, smallFit, err
	}
	*c = imagenet(50, c.Module)
	data, err := t.Images(ctx, recipes.ImageOptions{Size: c.Size, Seed: 1})
	if err == nil {
		c.Host.Classes = len(data.Train.Classes)
	}
	return data, paperFit, err
}

func gain(arm string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return v[arm]["accuracy"] - v["plain"]["accuracy"] }
}

func examples(data recipes.Data) *fig.Figure {
	const n = 8
	var pictures []fig.Image
	var titles []string
	for i := range n {
		pictures = append(pictures, fig.FromImage(data.Train.Image(i)))
		titles = append(titles, data.Train.Class(i))
	}
	return fig.Grid(pictures, fig.GridOptions{Title: "What is asked", Caption: "the tick at the left border says which shape counts (synthetic)", Titles: titles, Columns: n, Scale: 3})
}
