package multisampledropout

import (
	"context"
	"fmt"
	"time"

	"fovea/notebooks/fig"
	"fovea/recipes"
)

// small is the net of the claim: 4 convolutions, 512 features, one hidden layer; only the number of samples differs.
func small(samples int) Config {
	return Config{Stages: [][]int{{16, 16}, {32, 32}}, Hidden: 128, Dropout: 0.5, Samples: samples, Classes: 10, Size: 16}
}

// smallFit was chosen for one sample, by validation accuracy with one seed, and is the same for all arms.
var smallFit = recipes.Fit{Epochs: 14, Batch: 64, LearningRate: 0.05, LogEvery: 4}

// goal is the training loss whose first crossing is counted. One sample gets there in the given steps, just.
const goal = 1.0

var samplesClaim = recipes.Claim[Config]{
	Name:      "samples",
	Statement: "8 dropout samples reach the training loss of one in at most 0.8 of its steps, and lower the test error by half a point at equal steps.",
	Arms: []recipes.Arm[Config]{
		{Name: "1 sample", Config: small(1)}, {Name: "8 samples", Config: small(8)},
	},
	// The difference in test error scatters by a point from seed to seed.
	Seeds: 8, Budget: 20 * time.Minute,
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		options, fit := recipes.ImageOptions{Size: c.Size, Train: 4000, Test: 2000, Seed: 1}, smallFit
		if t.Scale == recipes.PaperScale {
			samples := c.Samples
			c, fit = Variants["M8"], paperFit
			c.Samples, options = samples, recipes.ImageOptions{Size: c.Size, Seed: 1}
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
		test, err := trainer.Evaluate(ctx, data.Test)
		if err != nil {
			return nil, err
		}
		steps, reached := stepsTo(goal, trainer.History().Split("train"))
		if !reached {
			fmt.Fprintf(t.Log, "%s, seed %d: the training loss did not reach %g: its %d steps are counted\n", t.Arm, t.Seed, goal, steps)
		}
		if t.Pictures() {
			if err := t.Figure("training-"+fmt.Sprint(c.Samples), curve(trainer.History())); err != nil {
				return nil, err
			}
		}
		return recipes.Values{"steps": float64(steps), "error": 100 * (1 - test.Accuracy), "step time": stepTime(trainer.History())}, nil
	},
	Tests: []recipes.Test{
		{
			Name: "steps", Statement: fmt.Sprintf("steps of 8 samples to a training loss of %.1f, over those of 1", goal), Unit: "×", Threshold: 0.8, AtMost: true,
			Value: func(v map[string]recipes.Values) float64 { return v["8 samples"]["steps"] / v["1 sample"]["steps"] },
		},
		{
			Name: "error", Statement: "what 8 samples take from the test error of 1", Unit: "points", Threshold: 0.5,
			Value: func(v map[string]recipes.Values) float64 { return v["1 sample"]["error"] - v["8 samples"]["error"] },
		},
		{
			Name: "cost", Statement: "time of a step with 8 samples over that with 1", Unit: "×", Reported: true,
			Value: func(v map[string]recipes.Values) float64 {
				return v["8 samples"]["step time"] / v["1 sample"]["step time"]
			},
		},
	},
	Remark: "A step costs more than the paper's few percent here, since the convolutions before the head are small beside it.",
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		var names []string
		var steps, errors [][]float64
		for _, arm := range r.Arms {
			names = append(names, arm.Name)
			steps = append(steps, arm.Values["steps"].Seeds)
			errors = append(errors, arm.Values["error"].Seeds)
		}
		caption := fmt.Sprintf("mean of %d seeds ± 2 standard errors", len(r.Seeds))
		figures := map[string]recipes.Figure{}
		for name, o := range map[string]struct {
			title, label string
			runs         [][]float64
		}{
			"steps": {fmt.Sprintf("Steps to a training loss of %.1f", goal), "steps", steps},
			"error": {"Test error after equal steps", "test error (%)", errors},
		} {
			f, err := fig.Maybe(func() *fig.Figure {
				return fig.Bars(names, []fig.BarSeries{fig.SeedBars(o.label, o.runs)}, fig.BarOptions{Title: o.title, Caption: caption, Label: o.label, Format: "%.1f"})
			})
			if err != nil {
				return nil, err
			}
			figures[name] = f
		}
		return figures, nil
	},
}

// stepsTo is the step at which the mean of five neighbouring points of the training loss first lies under the goal: single
// batches are too noisy to tell. It is the last step, and false, if that never happens.
func stepsTo(goal float64, h recipes.History) (int, bool) {
	const window = 5
	var sum float64
	for i, p := range h {
		sum += p.Loss
		if i >= window {
			sum -= h[i-window].Loss
		}
		if i >= window-1 && sum/window < goal {
			return p.Step, true
		}
	}
	return h[len(h)-1].Step, false
}

// stepTime is the time of a step in milliseconds, without the first tenth in which the program is compiled.
func stepTime(h recipes.History) float64 {
	train := h.Split("train")
	first, last := train[len(train)/10], train[len(train)-1]
	return 1000 * (last.Seconds - first.Seconds) / float64(last.Step-first.Step)
}

func curve(h recipes.History) *fig.Figure {
	steps, losses := h.Split("train").Curve(func(p recipes.Point) float64 { return p.Loss })
	return fig.Curves(fig.CurveOptions{Title: "Training loss", XLabel: "step", YLabel: "mean cross-entropy of the samples"}, fig.Series{Name: "training", X: steps, Y: losses})
}
