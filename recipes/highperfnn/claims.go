package highperfnn

import (
	"context"
	"fmt"
	"time"

	"fovea/datasets"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// small is a network of 2 or 4 convolutions that end in maps of nearly the same size; only the convolutions in between differ. The maps of
// the last two are widths.
func small(deep bool, widths ...int) Config {
	c := Config{Layers: []Layer{{Maps: 8, Kernel: 4, Pool: 2}, {Maps: 16, Kernel: 4, Pool: 2}}, Hidden: 50, Classes: 10, Size: digitSize, Channels: 1}
	if deep {
		c.Layers = []Layer{{Maps: 8, Kernel: 4, Pool: 2}, {Maps: 16, Kernel: 4}, {Maps: widths[0], Kernel: 3, Pool: 2}, {Maps: widths[1], Kernel: 2}}
	}
	return c
}

// An experiment is what the arms of a claim have in common.
type experiment struct {
	digits style
	data   func() (recipes.Data, error)
	fit    recipes.Fit
	epochs int // between the notes of the test error. Nothing is chosen with it
}

// The rate is the same for all and has not been tuned.
var (
	onHard = experiment{hard, hardDigits, recipes.Fit{Epochs: 10, Batch: 16, LearningRate: 0.01, LogEvery: 25}, 2}
	onMild = experiment{mild, mildDigits, recipes.Fit{Epochs: 60, Batch: 16, LearningRate: 0.01, LogEvery: 25, Augment: Distort}, 10}
)

var depthClaim = recipes.Claim[Config]{
	Name:      "depth",
	Statement: "Four convolutions have at most 0.8 of the test error of two.",
	Arms:      []recipes.Arm[Config]{{Name: "2 layers", Config: small(false)}, {Name: "4 layers", Config: small(true, 24, 32)}},
	Measure:   onHard.measure,
	Seeds:     5,
	Budget:    10 * time.Minute,
	Tests: []recipes.Test{
		{Name: "depth", Statement: "test error of 4 convolutions over that of 2", Unit: "×", Threshold: 0.8, AtMost: true, Value: ratio("4 layers", "2 layers")},
	},
	Figures: onHard.curves,
}

var distortionsClaim = recipes.Claim[Config]{
	Name:      "distortions",
	Statement: "Distortions take at least 30 % from the test error.",
	Arms:      []recipes.Arm[Config]{{Name: "4 layers", Config: small(true, 16, 24)}, {Name: undistorted, Config: small(true, 16, 24)}},
	Measure:   onMild.measure,
	Tests: []recipes.Test{
		{Name: "distortions", Statement: "test error with distortions over that without", Unit: "×", Threshold: 0.7, AtMost: true, Value: ratio("4 layers", undistorted)},
		{
			Name: "rapid", Statement: "test error after 20 epochs over that after 10", Unit: "×", Reported: true,
			Value: func(v map[string]recipes.Values) float64 {
				return v["4 layers"]["error 20"] / v["4 layers"]["error 10"]
			},
		},
	},
	Figures: onMild.curves,
}

// undistorted is the arm that sees its images as they are.
const undistorted = "4 layers, undistorted"

// measure trains and notes the error of every few epochs.
func (x experiment) measure(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
	fit := x.fit
	data, err := t.Generated(x.digits.name, 1, x.data)
	if err != nil {
		return nil, err
	}
	if t.Scale == recipes.PaperScale {
		c, fit = Variants["mnist"], paperFit
		if t.Arm == "2 layers" {
			c.Layers = c.Layers[:2]
		}
	}
	if t.Arm == undistorted {
		fit.Augment = nil
	}
	fit.EvalEvery = x.epochs * (data.Train.N / fit.Batch)
	trainer, err := t.Trainer(Model(c), fit)
	if err != nil {
		return nil, err
	}
	if err := trainer.Run(ctx, data.Train, data.Test); err != nil {
		return nil, err
	}
	values := recipes.Values{}
	for i, p := range trainer.History().Split("eval") {
		values["error"] = 100 * (1 - p.Accuracy) // the last one stays
		values[fmt.Sprintf("error %d", (i+1)*x.epochs)] = values["error"]
	}
	if t.Pictures() && t.Arm == "4 layers" {
		if err := missed(ctx, t, trainer, data.Test); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// curves draws the test errors by epoch.
func (x experiment) curves(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
	f, err := fig.Maybe(func() *fig.Figure {
		var series []fig.Series
		for _, arm := range r.Arms {
			var at []float64
			runs := make([][]float64, len(r.Seeds))
			for epoch := x.epochs; ; epoch += x.epochs {
				errors, ok := arm.Values[fmt.Sprintf("error %d", epoch)]
				if !ok {
					break
				}
				at = append(at, float64(epoch))
				for i, v := range errors.Seeds {
					runs[i] = append(runs[i], v)
				}
			}
			s := fig.SeedSeries(arm.Name, at, runs)
			s.Points = true
			series = append(series, s)
		}
		return fig.Curves(fig.CurveOptions{
			Title: "Test error by epoch", XLabel: "epoch", YLabel: "test error (%)",
			Caption: fmt.Sprintf("%s (synthetic); mean of %d seeds", x.digits.name, len(r.Seeds)),
		}, series...)
	})
	return map[string]recipes.Figure{r.Name: f}, err
}

func ratio(arm, over string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return v[arm]["error"] / v[over]["error"] }
}

// missed draws digits that the network takes for others, as the paper does.
func missed(ctx context.Context, t *recipes.Trial, trainer *recipes.Trainer, test *datasets.Images) error {
	probabilities, err := trainer.Predict(ctx, test)
	if err != nil {
		return err
	}
	var pictures []fig.Image
	var titles []string
	for i, p := range probabilities {
		best := 0
		for k, v := range p {
			if v > p[best] {
				best = k
			}
		}
		if best != int(test.Labels[i]) && len(pictures) < 24 {
			pictures = append(pictures, fig.FromImage(test.Image(i)))
			titles = append(titles, fmt.Sprintf("%s, not %d", test.Class(i), best))
		}
	}
	if len(pictures) == 0 {
		return nil
	}
	f, err := fig.Maybe(func() *fig.Figure {
		return fig.Grid(pictures, fig.GridOptions{Title: "Digits taken for others", Caption: "drawn from fonts (synthetic)", Titles: titles, Columns: 8, Scale: 2})
	})
	if err != nil {
		return err
	}
	return t.Figure("missed", f)
}
