package salientrelevance

import (
	"context"
	"fmt"

	"fovea/datasets"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// small is the method at the size of the claims' images, of which 7 pixels would be a quarter, not the 35th part; and at 0.5
// of their size 16 pixels would be left, on which no object keeps its place.
func small(network string) Config {
	c := Default
	c.Patch, c.Neighbours, c.Scales, c.Network = 3, 16, []float64{1, 0.8}, network
	return c
}

// imageSeed begins the generated images of the claim. All that is below was fixed on images of another seed.
const imageSeed = 5401

var regionsClaim = recipes.Claim[Config]{
	Name: "regions",
	Statement: "Salient relevance lies on the object, more than the gradient by 0.15 and hardly less than relevance, and in far fewer pieces; " +
		"and the network needs what it shows.",
	Arms:    []recipes.Arm[Config]{{Name: "alexnet", Config: small("alexnet")}, {Name: "vgg", Config: small("vgg")}},
	Measure: measure,
	Tests: []recipes.Test{
		{
			Name: "against the gradient", Statement: "share inside the object, salient relevance minus gradient, mean of both networks", Threshold: 0.15,
			Value: both(func(v recipes.Values) float64 { return v["inside, salient relevance"] - v["inside, gradient"] }),
		},
		{
			Name: "against relevance", Statement: "share inside the object, salient relevance minus relevance, mean of both networks", Threshold: -0.05,
			Value: both(func(v recipes.Values) float64 { return v["inside, salient relevance"] - v["inside, relevance"] }),
		},
		{
			Name: "pieces", Statement: "connected parts of the largest tenth, salient relevance over relevance, mean of both networks", Unit: "×", Threshold: 0.3, AtMost: true,
			Value: both(func(v recipes.Values) float64 { return v["pieces, salient relevance"] / v["pieces, relevance"] }),
		},
		{
			Name: "deletion", Statement: "fall of the logit when salient relevance's largest fifth is blurred, over that for random pixels, mean of both networks", Unit: "×", Threshold: 2,
			Value: both(func(v recipes.Values) float64 { return v["drop, salient relevance"] / v["drop, random"] }),
		},
		{
			Name: "deletion of regions", Statement: "the same, over that for the region of another image", Unit: "×", Reported: true,
			Value: both(func(v recipes.Values) float64 { return v["drop, salient relevance"] / v["drop, another's"] }),
		},
		{
			Name: "accuracy", Statement: "test accuracy, mean of both networks", Reported: true,
			Value: both(func(v recipes.Values) float64 { return v["accuracy"] }),
		},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) { return bars(r) },
}

// both is the mean of a number over the two networks.
func both(of func(recipes.Values) float64) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return (of(v["alexnet"]) + of(v["vgg"])) / 2 }
}

func measure(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
	options := recipes.ImageOptions{Sets: []string{"shapes"}, Size: 32, Classes: 4, Train: 5000, Test: 120, Valid: 0.05, Seed: imageSeed}
	fit := recipes.Fit{Epochs: 3, Batch: 32, LearningRate: 0.02, LogEvery: 25}
	if t.Scale == recipes.PaperScale {
		options.Size, options.Classes, options.Train, options.Test = 112, 0, 100_000, 2000
		c.Patch, c.Neighbours, c.Scales = Default.Patch, Default.Neighbours, Default.Scales
		fit.Epochs = 10
	}
	data, err := t.Images(ctx, options)
	if err != nil {
		return nil, err
	}
	if data.Test.Masks == nil {
		return nil, fmt.Errorf("%s has no masks to compare with; use shapes", data.Test.Name)
	}
	trainer, err := t.Trainer(Classifier(c.Network, len(data.Train.Classes)), fit)
	if err != nil {
		return nil, err
	}
	if err := trainer.Run(ctx, data.Train, nil); err != nil {
		return nil, err
	}
	evaluation, err := trainer.Evaluate(ctx, data.Test)
	if err != nil {
		return nil, err
	}
	m, err := explain(ctx, t, trainer, data.Test, c)
	if err != nil {
		return nil, err
	}
	values, err := m.compare(ctx, trainer, data.Test, uint64(t.Seed))
	if err != nil {
		return nil, err
	}
	values["accuracy"] = evaluation.Accuracy
	if !t.Pictures() {
		return values, nil
	}
	f, err := rows(data.Test, m, t.Arm)
	if err != nil {
		return nil, err
	}
	return values, t.Figure(t.Arm, f)
}

// rows draws the paper's figure: image, gradient, relevance and salient relevance, one image a row.
func rows(im *datasets.Images, m *maps, network string) (*fig.Figure, error) {
	var pictures []fig.Image
	var titles []string
	return fig.Maybe(func() *fig.Figure {
		for i := range min(6, im.N) {
			pictures = append(pictures, fig.FromImage(im.Image(i)))
			titles = append(titles, im.Class(i))
			for _, kind := range kinds {
				pictures = append(pictures, fig.FromFloats(m.of[kind][i], im.H, im.W)...)
				titles = append(titles, kind)
			}
		}
		return fig.Grid(pictures, fig.GridOptions{
			Title: "What the network in the manner of " + map[string]string{"alexnet": "AlexNet", "vgg": "VGG"}[network] + " looks at", Caption: "each map from its least to its largest value; " + source(im.Name, im.Synthetic),
			Titles: titles, Columns: 1 + len(kinds), Scale: 4, Normalize: fig.PerImage, Colormap: fig.Magma,
		})
	})
}

// bars draws the shares inside the object and the pieces, with two standard errors.
func bars(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
	chart := func(value, title, label, format string) *fig.Figure {
		var series []fig.BarSeries
		for _, arm := range r.Arms {
			var runs [][]float64
			for _, kind := range kinds {
				runs = append(runs, arm.Values[value+", "+kind].Seeds)
			}
			series = append(series, fig.SeedBars(arm.Name, runs))
		}
		caption := fmt.Sprintf("mean of %d seeds ± 2 standard errors", len(r.Seeds))
		for _, d := range r.Data {
			caption += "; " + source(d.Name, d.Synthetic)
		}
		return fig.Bars(kinds, series, fig.BarOptions{Title: title, Caption: caption, Label: label, Format: format})
	}
	f, err := fig.Maybe(func() *fig.Figure {
		return fig.Column(chart("inside", "Share of the map inside the object", "share", "%.2f"),
			chart("pieces", "Connected parts of the largest tenth", "parts", "%.1f"))
	})
	return map[string]recipes.Figure{"regions": f}, err
}

func source(name string, synthetic bool) string {
	if synthetic {
		return name + " (synthetic)"
	}
	return name
}
