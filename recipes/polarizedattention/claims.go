package polarizedattention

import (
	"context"
	"fmt"
	"time"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/datasets"
	"fovea/layers/optim"
	"fovea/layers/resnet"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// small has a stem and two units of 3×3 convolutions at full resolution: its outputs see 11×11 pixels.
func small(layout Layout) Config {
	return Config{Host: resnet.Config{Stages: []int{2}, Widths: []int{8}}, Layout: layout, Keypoints: 1, Size: [2]int{cells, cells}}
}

// smallFit was chosen on validation images with one seed, for the parallel layout, and is the same for all arms.
var smallFit = recipes.Fit{
	Epochs: 8, Batch: 32, LogEvery: 25, Loss: HeatMapLoss(1),
	Optimizer: func(steps int) optimizer.Interface {
		return optim.AdamW{LearningRate: optim.Cosine{Initial: 1e-2, Steps: steps}, ClipNorm: 5}
	},
}

var cornerClaim = recipes.Claim[Config]{
	Name: "corner",
	Statement: "Where a sign in a far corner says which of two markers is the keypoint, both layouts of polarized attention find 20 points more keypoints within a pixel " +
		"than no attention, which can only guess.",
	Arms: []recipes.Arm[Config]{
		{Name: "no attention", Config: small(NoAttention)}, {Name: "SE", Config: small(SqueezeExcite)}, {Name: "parallel", Config: small(Parallel)},
		{Name: "sequential", Config: small(Sequential)}, {Name: "released parallel", Config: small(ReleasedParallel)},
	},
	Seeds:  6, // some never find the sign: see the card
	Budget: 10 * time.Minute,
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		fit, scale := smallFit, 1
		if t.Scale == recipes.PaperScale { // the paper's network; its heat maps have a quarter of the images' resolution
			keep := c.Layout
			c, fit, scale = baseline(keep), paperFit, 4
			c.Keypoints, c.Size, fit.Loss = 1, [2]int{4 * cells, 4 * cells}, HeatMapLoss(1)
		}
		data, err := t.Generated(fmt.Sprintf("signs and markers at scale %d", scale), 1, cornerData(scale))
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
		maps, err := trainer.Output(ctx, data.Test)
		if err != nil {
			return nil, err
		}
		flat := tensors.MustCopyFlatData[float32](maps)
		if t.Pictures() && (t.Arm == "no attention" || t.Arm == "parallel") {
			if err := t.Figure("maps-"+string(c.Layout), examples(data.Test, flat, t.Arm)); err != nil {
				return nil, err
			}
		}
		values := recipes.Values{}
		for distance := range 5 {
			values[within(distance)] = 100 * CorrectWithin(flat, cells, cells*cells, data.Test.Labels, float64(distance))
		}
		return values, nil
	},
	Tests: []recipes.Test{
		{Name: "parallel", Statement: "what the parallel layout gains on no attention", Unit: "points", Threshold: 20, Value: gain("parallel", "no attention")},
		{Name: "sequential", Statement: "what the sequential layout gains on no attention", Unit: "points", Threshold: 20, Value: gain("sequential", "no attention")},
		{Name: "SE", Statement: "what the parallel layout gains on squeeze and excite", Unit: "points", Reported: true, Value: gain("parallel", "SE")},
		{Name: "layouts", Statement: "what the parallel layout gains on the sequential one", Unit: "points", Reported: true, Value: gain("parallel", "sequential")},
		{Name: "released", Statement: "what the parallel layout gains on the released one", Unit: "points", Reported: true, Value: gain("parallel", "released parallel")},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		f, err := fig.Maybe(func() *fig.Figure {
			var series []fig.Series
			for _, arm := range r.Arms {
				runs := make([][]float64, len(r.Seeds))
				for distance := range 5 {
					for seed, v := range arm.Values[within(distance)].Seeds {
						runs[seed] = append(runs[seed], v)
					}
				}
				series = append(series, fig.SeedSeries(arm.Name, nil, runs))
			}
			return fig.Curves(fig.CurveOptions{
				Title: "Keypoints found by distance", XLabel: "at most this far away (pixels)", YLabel: "test images (%)",
				Caption: fmt.Sprintf("signs and markers (synthetic); mean of %d seeds ± 2 standard errors", len(r.Seeds)),
			}, series...)
		})
		return map[string]recipes.Figure{"found": f}, err
	},
}

// within names the share of keypoints that are found within a distance, in percent.
func within(distance int) string { return fmt.Sprintf("PCK@%d", distance) }

func gain(arm, than string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return v[arm][within(1)] - v[than][within(1)] }
}

// examples shows images above the heat maps for them.
func examples(im *datasets.Images, maps []float32, arm string) *fig.Figure {
	const n = 8
	var pictures []fig.Image
	var titles []string
	for i := range n {
		pictures = append(pictures, fig.FromImage(im.Image(i)))
		titles = append(titles, "at "+im.Class(i))
	}
	for i := range n {
		pictures = append(pictures, fig.FromFloats(maps[i*cells*cells:][:cells*cells], cells, cells)...)
	}
	return fig.Grid(pictures, fig.GridOptions{
		Title: "What is asked, and the heat maps: " + arm, Titles: titles, Columns: n, Scale: 5, Normalize: fig.PerImage,
		Caption: "a plus asks for the red marker, a cross for the blue one (synthetic)",
	})
}
