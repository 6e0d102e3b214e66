package sppnet

import (
	"context"
	"fmt"
	"time"

	"fovea/notebooks/fig"
	"fovea/recipes"
)

// small is the network of the claims: a map of a quarter of the image's size, and 21 bins.
func small(sizes ...int) Config {
	return Config{
		Convs: []Conv{
			{Filters: 16, Size: 3, Stride: 1, Pad: 1, Pool: 2, PoolStride: 2}, {Filters: 32, Size: 3, Stride: 1, Pad: 1, Pool: 2, PoolStride: 2},
			{Filters: 64, Size: 3, Stride: 1, Pad: 1},
		},
		Levels: []int{4, 2, 1}, Hidden: []int{64}, Classes: 10, Sizes: sizes,
	}
}

// smallFit was chosen on validation images, as the card says. A size has a third of the epochs, six of them.
var smallFit = recipes.Fit{Epochs: 18, Batch: 32, LearningRate: 0.005, LogEvery: 25}

// testSizes are the heights and widths of the test images; the first is that of the single-size training.
var testSizes = []int{24, 16, 18, 32, 36, 40}

var sizesClaim = recipes.Claim[Config]{
	Name:      "sizes",
	Statement: "Training in turn at 16, 24 and 32 pixels beats training at 24 alone by 5 points of accuracy on images of other sizes.",
	Arms:      []recipes.Arm[Config]{{Name: "one size", Config: small(24)}, {Name: "three sizes", Config: small(24, 16, 32)}},
	Seeds:     4,
	Budget:    10 * time.Minute,
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		// Images are drawn at the largest size and shrunk to the others: the same images at each.
		options, fit, sizes := recipes.ImageOptions{Sets: []string{"shapes"}, Size: 40, Train: 2750, Test: 1000, Seed: 1}, smallFit, testSizes
		if t.Scale == recipes.PaperScale {
			several := len(c.Sizes) > 1
			c, fit, sizes = Variants["zf5-spp50"], paperFit, []int{224, 160, 180, 200, 256, 288}
			if several {
				c = Variants["zf5-spp50-multi"]
			}
			options = recipes.ImageOptions{Size: 288, Seed: 1}
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
		feed, err := newTurns(data.Train, c.Sizes, fit.Batch, t.Seed)
		if err != nil {
			return nil, err
		}
		if err := trainer.RunFeed(ctx, feed, nil); err != nil {
			return nil, err
		}
		values := recipes.Values{}
		for i, size := range sizes {
			test, err := trainer.Evaluate(ctx, Resized(data.Test, size))
			if err != nil {
				return nil, err
			}
			values[fmt.Sprint(size)] = 100 * test.Accuracy
			if i > 0 {
				values["other sizes"] += 100 * test.Accuracy / float64(len(sizes)-1)
			} else {
				values["own size"] = 100 * test.Accuracy
			}
		}
		return values, nil
	},
	Tests: []recipes.Test{
		{Name: "other sizes", Statement: "what three sizes gain, mean over the other test sizes", Unit: "points", Threshold: 5, Value: gain("other sizes")},
		{Name: "own size", Statement: "what three sizes gain at the size that both were trained at", Unit: "points", Reported: true, Value: gain("own size")},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		f, err := fig.Maybe(func() *fig.Figure {
			var series []fig.Series
			for _, arm := range r.Arms {
				var x []float64
				runs := make([][]float64, len(r.Seeds))
				for size := 1; size <= 1024; size++ {
					if v, ok := arm.Values[fmt.Sprint(size)]; ok {
						x = append(x, float64(size))
						for i, value := range v.Seeds {
							runs[i] = append(runs[i], value)
						}
					}
				}
				s := fig.SeedSeries(arm.Name, x, runs)
				s.Points = true
				series = append(series, s)
			}
			return fig.Curves(fig.CurveOptions{
				Title: "Test accuracy by the size of the test images", XLabel: "height and width (pixels)", YLabel: "test accuracy (%)",
				Caption: fmt.Sprintf("%s; mean of %d seeds", r.Data[0].Name, len(r.Seeds)),
			}, series...)
		})
		return map[string]recipes.Figure{"sizes": f}, err
	},
}

func gain(value string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return v["three sizes"][value] - v["one size"][value] }
}
