package pyramidnet

import (
	"context"
	"fmt"
	"time"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/stat"

	"fovea/datasets"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// small is a network of 20 layers: pyramidal, or with Steps the pre-activation residual network, whose units begin with an
// activation and do not end with a normalisation.
func small(g Growth) Config {
	return Config{Depth: 20, Alpha: 12, Growth: g, FirstReLU: g == Steps, NoLastNorm: g == Steps, Start: 8, Classes: 10, Size: 16}
}

// smallFit is the same for both arms and was fixed beforehand, without a trial.
var smallFit = recipes.Fit{Epochs: 5, Batch: 32, LearningRate: 0.05, LogEvery: 14, Augment: datasets.Flip()}

var deletionClaim = recipes.Claim[Config]{
	Name:      "deletion",
	Statement: "Taking out a unit after training matters more evenly in a PyramidNet: the deviation of the error's increase over the units is at most 0.6 of a residual network's.",
	Arms:      []recipes.Arm[Config]{{Name: "ResNet", Config: small(Steps)}, {Name: "PyramidNet", Config: small(Additive)}},
	Budget:    10 * time.Minute, // enough for twice the seeds
	Measure:   measure,
	Tests: []recipes.Test{
		{
			Name: "evenness", Statement: "deviation of the increase over the units, PyramidNet's over ResNet's", Unit: "×", Threshold: 0.6, AtMost: true,
			Value: func(v map[string]recipes.Values) float64 {
				return v["PyramidNet"]["deviation"] / v["ResNet"]["deviation"]
			},
		},
		{
			Name: "halving", Statement: "how often the ResNet's worst unit is one that halves the image", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v["ResNet"]["worst halves"] },
		},
		{
			Name: "error", Statement: "what PyramidNet takes from the test error", Unit: "points", Reported: true,
			Value: func(v map[string]recipes.Values) float64 {
				return v["ResNet"]["test error"] - v["PyramidNet"]["test error"]
			},
		},
	},
	Remark: "With 6 seeds the increases are not surely more even in the PyramidNet (0.90 ± 0.19 of the deviation): its first units, which nothing precedes, matter as much " +
		"as the halving ones of the ResNet, one of which is the worst in five of six; nets of nine units leave little room beside these.",
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		var units []string
		var series []fig.BarSeries
		for i, arm := range r.Arms {
			var runs [][]float64
			for k := 0; ; k++ {
				increase, ok := arm.Values[increaseOf(k)]
				if !ok {
					break
				}
				runs = append(runs, increase.Seeds)
				if i == 0 {
					units = append(units, fmt.Sprint(k+1))
				}
			}
			series = append(series, fig.SeedBars(arm.Name, runs))
		}
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Bars(units, series, fig.BarOptions{
				Title: "Increase of the error without one unit", Label: "points of test error", Format: "%.0f",
				Caption: fmt.Sprintf("by unit; mean of %d seeds ± 2 standard errors", len(r.Seeds)),
			})
		})
		return map[string]recipes.Figure{"deletion": f}, err
	},
}

func increaseOf(unit int) string { return fmt.Sprintf("increase without unit %d", unit+1) }

func measure(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
	options, fit := recipes.ImageOptions{Size: c.Size, Train: 4400, Test: 1024, Seed: 1}, smallFit
	if t.Scale == recipes.PaperScale {
		c.Depth, c.Alpha, c.Start, c.Size = 110, 48, 16, 32
		fit, options = paperFit, recipes.ImageOptions{Seed: 1}
		fit.Augment = datasets.CropFlip(4)
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
	errors, err := withoutEach(ctx, t, trainer.Store(), c, data.Test)
	if err != nil {
		return nil, err
	}
	whole, each := errors[0], errors[1:]
	values := recipes.Values{"test error": whole}
	worst := 0
	for k := range each {
		each[k] -= whole
		values[increaseOf(k)] = each[k]
		if each[k] > each[worst] {
			worst = k
		}
	}
	values["deviation"] = stat.StdDev(each, nil)
	if perStage := len(each) / 3; worst > 0 && worst%perStage == 0 {
		values["worst halves"] = 1
	} else {
		values["worst halves"] = 0
	}
	return values, nil
}

// withoutEach returns the test error in percent of the whole network, and then without each unit. The gates are an input, so
// one program serves for all.
func withoutEach(ctx context.Context, t *recipes.Trial, store *model.Store, c Config, images *datasets.Images) ([]float64, error) {
	exec, err := model.NewExec(t.Backend, store, func(s *model.Scope, x, gates *graph.Node) *graph.Node {
		return graph.ArgMax(build(s, x, c, gates), -1)
	})
	if err != nil {
		return nil, err
	}
	defer exec.Finalize()
	const batch = 128
	n := c.units()
	wrong := make([]float64, n+1)
	counted := 0
	for from := 0; from+batch <= images.N; from += batch { // whole batches: another shape would be another program
		x := images.Tensor(from, from+batch)
		for k := range wrong {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			gates := make([]float32, n)
			for i := range gates {
				gates[i] = 1
			}
			if k > 0 {
				gates[k-1] = 0
			}
			out, err := exec.Call(x, gates)
			if err != nil {
				return nil, err
			}
			for i, class := range tensors.MustCopyFlatData[int32](out[0]) {
				if class != images.Labels[from+i] {
					wrong[k]++
				}
			}
		}
		counted += batch
	}
	if counted == 0 {
		return nil, fmt.Errorf("%d test images, want at least %d", images.N, batch)
	}
	for k := range wrong {
		wrong[k] *= 100 / float64(counted)
	}
	return wrong, nil
}
