package scattering

import (
	"context"
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"fovea/datasets"
	"fovea/datasets/synth"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// digitsSeed begins the generated images; seeds 100 to 102 were those of the choices.
const digitsSeed = 34

var digitsClaim = recipes.Claim[Config]{
	Name:      "digits",
	Statement: "On digits that are moved and warped, a linear classifier on features of two layers is right at least 10 points more often than one on pixels.",
	Arms: []recipes.Arm[Config]{
		{Name: "pixels", Config: Variants["pixels"]}, {Name: "one layer", Config: Variants["one layer"]}, {Name: "two layers", Config: Variants["wavelets"]},
	},
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		data, err := t.Generated(fmt.Sprintf("digits, moved and warped, %d", t.Seed), digitsSeed+uint64(t.Seed), func() (recipes.Data, error) {
			scale := 1
			if t.Scale == recipes.PaperScale {
				scale = 10
			}
			return drawDigits(digitsSeed+uint64(t.Seed), 300*scale, 300*scale, 1000*scale)
		})
		if err != nil {
			return nil, err
		}
		_, test, err := classify(ctx, t, c, data)
		return recipes.Values{"error": 100 * (1 - test)}, err
	},
	Tests: []recipes.Test{
		{
			Name: "two layers", Statement: "what two layers take from the test error on pixels", Unit: "points", Threshold: 10,
			Value: func(v map[string]recipes.Values) float64 { return v["pixels"]["error"] - v["two layers"]["error"] },
		},
		{
			Name: "second layer", Statement: "what the second layer takes from the test error with one", Unit: "points", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v["one layer"]["error"] - v["two layers"]["error"] },
		},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		var arms []string
		var runs [][]float64
		for _, arm := range r.Arms {
			arms, runs = append(arms, arm.Name), append(runs, arm.Values["error"].Seeds)
		}
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Bars(arms, []fig.BarSeries{fig.SeedBars("test error (%)", runs)}, fig.BarOptions{
				Title: "A linear classifier on moved and warped digits", Label: "test error (%)", Format: "%.1f",
				Caption: fmt.Sprintf("mean of %d seeds ± 2 standard errors; 300 training digits of 28×28 (synthetic)", len(r.Seeds)),
			})
		})
		return map[string]recipes.Figure{"digits": f}, err
	},
}

// drawDigits draws digits that move by up to an eighth of the image and bend by a tenth of their height.
func drawDigits(seed uint64, train, valid, test int) (recipes.Data, error) {
	var d recipes.Data
	o := synth.DigitsOptions{Shift: 0.125, Warp: 0.1, Seed: seed}
	for _, part := range []struct {
		images **datasets.Images
		name   string
		n      int
	}{{&d.Train, "train", train}, {&d.Valid, "valid", valid}, {&d.Test, "test", test}} {
		var err error
		o.N = part.n
		if *part.images, err = synth.Digits(o); err != nil {
			return d, err
		}
		(*part.images).Name = "moved digits/" + part.name
		o.First += part.n
	}
	return d, nil
}

// penalties are those that validation images choose from, for each trial and each arm.
var penalties = []float64{0.01, 0.1, 1, 10}

// classify fits a linear classifier on the features of the training images, and returns how often it is right.
func classify(ctx context.Context, t *recipes.Trial, c Config, data recipes.Data) (valid, test float64, err error) {
	exec, err := graph.NewExec(t.Backend, func(x *graph.Node) *graph.Node { return flat(x, c) })
	if err != nil {
		return 0, 0, err
	}
	defer exec.Finalize()
	var features [3][][]float64
	for i, images := range []*datasets.Images{data.Train, data.Valid, data.Test} {
		if features[i], err = ImageFeatures(ctx, exec, images); err != nil {
			return 0, 0, err
		}
	}
	l, err := FitLinear(features[0], data.Train.Labels, len(data.Train.Classes), penalties, features[1], data.Valid.Labels)
	if err != nil {
		return 0, 0, err
	}
	return l.Accuracy(features[1], data.Valid.Labels), l.Accuracy(features[2], data.Test.Labels), nil
}

// ImageFeatures runs all images through a program [B H W C] → [B n], for FitLinear.
func ImageFeatures(ctx context.Context, exec *graph.Exec, images *datasets.Images) (rows [][]float64, err error) {
	const batch = 100
	for i := 0; i < images.N; i += batch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		x := images.Tensor(i, min(i+batch, images.N))
		outputs, err := exec.Call(x)
		_ = x.FinalizeAll()
		if err != nil {
			return nil, err
		}
		n := outputs[0].Shape().Dimensions[1]
		flat := tensors.MustCopyFlatData[float32](outputs[0])
		_ = outputs[0].FinalizeAll()
		for k := 0; k < len(flat); k += n {
			row := make([]float64, n)
			for j, v := range flat[k : k+n] {
				row[j] = float64(v)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}
