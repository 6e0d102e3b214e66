package filterdesign

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	"gonum.org/v1/gonum/mat"

	"fovea/datasets"
	"fovea/notebooks/fig"
	"fovea/recipes"
	"fovea/recipes/scattering"
)

// layer is a single layer of filters, as the first claim compares them.
func layer(l Learner, whiten bool) Config {
	return Config{Init: He, Learner: l, Whiten: whiten, Patch: 6, Filters: 100, Stride: 2, Size: 32}
}

// How much the first claim sees: at paper scale, if a survey has one, it is Coates and Ng's: all images and 1600 filters.
const (
	labelled = 4000
	patches  = 20_000
)

// penalties are those that validation images choose from, for each trial and each arm.
var penalties = []float64{0.003, 0.01, 0.03, 0.1, 0.3, 1}

var unsupervisedClaim = recipes.Claim[Config]{
	Name:      "unsupervised",
	Statement: "Under a linear classifier, k-means filters of whitened patches are right at least 2 points more often than random ones, and 3 points more often than k-means without whitening.",
	Arms: []recipes.Arm[Config]{
		{Name: "random", Config: layer(Random, true)}, {Name: "k-means, not whitened", Config: layer(KMeans, false)}, {Name: "k-means", Config: layer(KMeans, true)},
		{Name: "SOM", Config: layer(SOM, true)}, {Name: "supervised", Config: layer(Supervised, false)},
	},
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		options, some, cut := recipes.ImageOptions{Size: c.Size, Train: 5000, Test: 2000, Valid: 0.2, Seed: 1}, labelled, patches
		if t.Scale == recipes.PaperScale {
			options.Train, options.Test, c.Filters, c.Stride, some, cut = 0, 0, 1600, 1, 1<<30, 400_000
		}
		data, err := t.Images(ctx, options)
		if err != nil {
			return nil, err
		}
		_, test, err := single(ctx, t, c, data, some, cut)
		return recipes.Values{"error": 100 * (1 - test)}, err
	},
	Tests: []recipes.Test{
		{Name: "learnt", Statement: "what k-means takes from the test error of random filters", Unit: "points", Threshold: 2, Value: gain("random", "k-means")},
		{Name: "whitened", Statement: "what whitening takes from the test error of k-means", Unit: "points", Threshold: 3, Value: gain("k-means, not whitened", "k-means")},
		{Name: "supervised", Statement: "what supervision takes from the test error of k-means", Unit: "points", Reported: true, Value: gain("k-means", "supervised")},
		{Name: "SOM", Statement: "what a self-organising map takes from the test error of random filters", Unit: "points", Reported: true, Value: gain("random", "SOM")},
	},
	Figures: bars("unsupervised", "A linear classifier on filters learnt without labels"),
}

// deep is a network of 12 convolutions.
func deep(i Init) Config { return Config{Init: i, Depth: 12, Width: 12, Size: 16} }

var initClaim = recipes.Claim[Config]{
	Name:      "initialisation",
	Statement: "At a depth of 12, He's initialisation ends at least 20 points above filters of deviation 1.",
	Arms: []recipes.Arm[Config]{
		{Name: "normal", Config: deep(Normal)}, {Name: "Glorot", Config: deep(Glorot)}, {Name: "He", Config: deep(He)}, {Name: "LSUV", Config: deep(LSUV)},
	},
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		options := recipes.ImageOptions{Sets: []string{"digits"}, Size: c.Size, Train: 2200, Test: 1000, Seed: 57}
		fit := initFit
		if t.Scale == recipes.PaperScale {
			options, c.Width = recipes.ImageOptions{Size: 32, Seed: 1}, 64
			fit.Epochs = 50
		}
		data, err := t.Images(ctx, options)
		if err != nil {
			return nil, err
		}
		accuracy, err := train(ctx, t, c, fit, data.Train, data.Test)
		return recipes.Values{"error": 100 * (1 - accuracy)}, err
	},
	Tests: []recipes.Test{
		{Name: "He", Statement: "what He's initialisation takes from the test error of deviation 1", Unit: "points", Threshold: 20, Value: gain("normal", "He")},
		{Name: "Glorot", Statement: "what He's initialisation takes from the test error of Glorot's", Unit: "points", Reported: true, Value: gain("Glorot", "He")},
		{Name: "LSUV", Statement: "what LSUV takes from the test error of He's", Unit: "points", Reported: true, Value: gain("He", "LSUV")},
	},
	Figures: bars("initialisation", "12 convolutions from different initialisations"),
}

// initFit was a first guess. Adam's steps do not depend on the scale of gradients, without which the largest weights would end in
// infinities and there was nothing to compare.
var initFit = recipes.Fit{
	Epochs: 4, Batch: 32, LogEvery: 20,
	Optimizer: func(int) optimizer.Interface { return optimizer.Adam().LearningRate(2e-3).Done() },
}

func train(ctx context.Context, t *recipes.Trial, c Config, fit recipes.Fit, images, test *datasets.Images) (float64, error) {
	trainer, err := t.Trainer(Deep(c, len(images.Classes)), fit)
	if err != nil {
		return 0, err
	}
	if c.Init == LSUV {
		var names []string
		for i := range c.Depth {
			names = append(names, convName(i))
		}
		if err := Rescale(ctx, trainer, images.Slice(0, min(256, images.N)), names); err != nil {
			return 0, err
		}
	}
	if err := trainer.Run(ctx, images, nil); err != nil {
		return 0, err
	}
	e, err := trainer.Evaluate(ctx, test)
	return e.Accuracy, err
}

// wide is a single layer of so many filters, trained with labels.
func wide(filters int) Config {
	return Config{Init: He, Learner: Supervised, Patch: 5, Filters: filters, Stride: 1, Size: 16}
}

var numberClaim = recipes.Claim[Config]{
	Name:      "number",
	Statement: "More filters help less and less: going from 32 to 64 gains at most 0.3 of what going from 4 to 8 does.",
	Arms: []recipes.Arm[Config]{
		{Name: "4", Config: wide(4)}, {Name: "8", Config: wide(8)}, {Name: "16", Config: wide(16)}, {Name: "32", Config: wide(32)}, {Name: "64", Config: wide(64)},
	},
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		options := recipes.ImageOptions{Sets: []string{"digits"}, Size: c.Size, Train: 1500, Test: 2000, Seed: 58}
		if t.Scale == recipes.PaperScale {
			options = recipes.ImageOptions{Size: 32, Seed: 1}
		}
		data, err := t.Images(ctx, options)
		if err != nil {
			return nil, err
		}
		accuracy, err := supervised(ctx, t, c, data.Train, data.Test, shallowFit)
		return recipes.Values{"error": 100 * (1 - accuracy)}, err
	},
	Tests: []recipes.Test{
		{
			Name: "saturation", Statement: "0.3 of what 8 filters take from the test error of 4, minus what 64 take from that of 32", Unit: "points", Threshold: 0,
			Value: func(v map[string]recipes.Values) float64 { return 0.3*gain("4", "8")(v) - gain("32", "64")(v) },
		},
		{Name: "first doubling", Statement: "what 8 filters take from the test error of 4", Unit: "points", Reported: true, Value: gain("4", "8")},
		{Name: "last doubling", Statement: "what 64 filters take from the test error of 32", Unit: "points", Reported: true, Value: gain("32", "64")},
	},
	Figures: bars("number", "Test error by the number of filters"),
}

var shallowFit = recipes.Fit{
	Epochs: 8, Batch: 50, LogEvery: 20,
	Optimizer: func(int) optimizer.Interface { return optimizer.Adam().LearningRate(3e-3).Done() },
}

// supervised trains a single layer with labels.
func supervised(ctx context.Context, t *recipes.Trial, c Config, images, test *datasets.Images, fit recipes.Fit) (float64, error) {
	trainer, err := t.Trainer(Shallow(c, len(images.Classes)), fit)
	if err != nil {
		return 0, err
	}
	if err := trainer.Run(ctx, images, nil); err != nil {
		return 0, err
	}
	if t.Pictures() && c.Patch == 6 {
		value, err := trainer.Store().GetVariable("/conv1/weights").Value()
		if err != nil {
			return 0, err
		}
		if err := mosaic(t, value); err != nil {
			return 0, err
		}
	}
	e, err := trainer.Evaluate(ctx, test)
	return e.Accuracy, err
}

// single learns a layer of filters from patches of all training images, fits a linear classifier on their responses to some that have
// labels, and returns how often it is right.
func single(ctx context.Context, t *recipes.Trial, c Config, data recipes.Data, some, cut int) (valid, test float64, err error) {
	known := data.Train.Slice(0, min(some, data.Train.N))
	if c.Learner == Supervised {
		fit := shallowFit
		fit.Epochs = 10
		test, err = supervised(ctx, t, c, known, data.Test, fit)
		return 0, test, err
	}
	r := rand.New(rand.NewPCG(uint64(t.Seed), 57))
	x := Patches(data.Train, c.Patch, cut, r)
	basis, err := PCA(x)
	if err != nil {
		return 0, 0, err
	}
	e := &Encoder{Patch: c.Patch, Stride: c.Stride, Mean: basis.Mean}
	if c.Whiten {
		e.Whiten = basis.Whitening()
	}
	if e.Filters, err = c.Learner.Learn(e.Apply(x), c.Filters, r); err != nil {
		return 0, 0, err
	}
	if t.Pictures() {
		if err := mosaic(t, kernels(e.Filters, c.Patch)); err != nil {
			return 0, 0, err
		}
	}
	exec, err := graph.NewExec(t.Backend, e.Features)
	if err != nil {
		return 0, 0, err
	}
	defer exec.Finalize()
	var features [3][][]float64
	for i, images := range []*datasets.Images{known, data.Valid, data.Test} {
		plain := *images
		plain.Norm = datasets.Normalization{} // pixels from 0 to 1, as patches have them
		if features[i], err = scattering.ImageFeatures(ctx, exec, &plain); err != nil {
			return 0, 0, err
		}
	}
	l, err := scattering.FitLinear(features[0], known.Labels, len(known.Classes), penalties, features[1], data.Valid.Labels)
	if err != nil {
		return 0, 0, err
	}
	return l.Accuracy(features[1], data.Valid.Labels), l.Accuracy(features[2], data.Test.Labels), nil
}

// kernels are filters [K d] as convolution weights [patch patch C K].
func kernels(filters *mat.Dense, patch int) *tensors.Tensor {
	k, d := filters.Dims()
	flat := make([]float32, k*d)
	for i := range k {
		for j, v := range filters.RawRowView(i) {
			flat[j*k+i] = float32(v)
		}
	}
	return tensors.FromFlatDataAndDimensions(flat, patch, patch, d/patch/patch, k)
}

func mosaic(t *recipes.Trial, weights *tensors.Tensor) error {
	f, err := fig.Maybe(func() *fig.Figure {
		return fig.Filters(weights, fig.FilterOptions{Title: "Filters: " + t.Arm, Max: 100, Columns: 20})
	})
	if err != nil {
		return err
	}
	name := map[string]string{
		"random": "filters-random", "k-means, not whitened": "filters-kmeans-raw", "k-means": "filters-kmeans", "SOM": "filters-som", "supervised": "filters-supervised",
	}[t.Arm]
	return t.Figure(name, f)
}

// gain is what an arm takes from the error of another.
func gain(of, by string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return v[of]["error"] - v[by]["error"] }
}

// bars draws the test error of each arm with two standard errors.
func bars(file, title string) func(recipes.ClaimResult) (map[string]recipes.Figure, error) {
	return func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		var arms []string
		var runs [][]float64
		for _, arm := range r.Arms {
			arms, runs = append(arms, arm.Name), append(runs, arm.Values["error"].Seeds)
		}
		caption := fmt.Sprintf("mean of %d seeds ± 2 standard errors", len(r.Seeds))
		for _, d := range r.Data {
			caption += fmt.Sprintf("; %s, %d×%d", d.Name, d.Shape[0], d.Shape[1])
			if d.Synthetic {
				caption += " (synthetic)"
			}
		}
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Bars(arms, []fig.BarSeries{fig.SeedBars("test error (%)", runs)}, fig.BarOptions{Title: title, Caption: caption, Label: "test error (%)", Format: "%.1f"})
		})
		return map[string]recipes.Figure{file: f}, err
	}
}
