package hypernetworks

import (
	"context"
	"fmt"
	"strings"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/layers/optim"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// small is the paper's net of two convolutions for MNIST.
func small(kernels bool, second int) Config {
	c := two
	c.Learned, c.Second = !kernels, second
	return c
}

// smallFit is the same for all arms. Digits must not be mirrored.
var smallFit = recipes.Fit{
	Epochs: 4, Batch: 32, LogEvery: 25,
	Optimizer: func(steps int) optimizer.Interface {
		return optim.AdamW{LearningRate: optim.Cosine{Initial: 3e-3, Steps: steps}, ClipNorm: 1}
	},
}

var kernelClaim = recipes.Claim[Config]{
	Name:      "kernel",
	Statement: "A net whose second kernel is generated from a third of its parameters is within a point of the net that learns it.",
	Arms: []recipes.Arm[Config]{
		{Name: "learned", Config: small(false, 0)}, {Name: "generated", Config: small(true, 0)}, {Name: "learned 4×4", Config: small(false, 4)},
	},
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		options, fit := recipes.ImageOptions{Sets: []string{"digits"}, Size: c.Input[0], Train: 3000, Test: 4000, Seed: 1}, smallFit
		if t.Scale == recipes.PaperScale {
			options, fit = recipes.ImageOptions{Seed: 1}, paperFit
			c = Config{Host: wide(40, 2).Host, Generator: wide(40, 2).Generator, Learned: c.Learned, Input: [3]int{32, 32, 3}}
		}
		data, err := t.Images(ctx, options)
		if err != nil {
			return nil, err
		}
		c.Classes, c.Host.Classes = len(data.Train.Classes), len(data.Train.Classes)
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
		values := recipes.Values{"accuracy": 100 * test.Accuracy, "parameters": float64(kernelParameters(trainer))}
		if t.Pictures() && t.Scale == recipes.SmallScale {
			err = drawKernel(t, trainer, c)
		}
		return values, err
	},
	Tests: []recipes.Test{
		{Name: "accuracy", Statement: "what the generated kernel gains on the learned one", Unit: "points", Threshold: -1, Value: gain("generated", "learned")},
		{
			Name: "parameters", Statement: "parameters of the generated kernel over those of the learned one", Unit: "×", Threshold: 0.34, AtMost: true,
			Value: func(v map[string]recipes.Values) float64 {
				return v["generated"]["parameters"] / v["learned"]["parameters"]
			},
		},
		{Name: "small window", Statement: "what the generated kernel gains on a learned one of as few parameters", Unit: "points", Reported: true, Value: gain("generated", "learned 4×4")},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		var names []string
		var runs [][]float64
		for _, arm := range r.Arms {
			names = append(names, fmt.Sprintf("%s (%.0f)", arm.Name, arm.Values["parameters"].Mean))
			runs = append(runs, arm.Values["accuracy"].Seeds)
		}
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Bars(names, []fig.BarSeries{fig.SeedBars("accuracy", runs)}, fig.BarOptions{
				Title: "Test accuracy by second kernel (its parameters)", Label: "test accuracy (%)", Format: "%.1f",
				Caption: fmt.Sprintf("mean of %d seeds ± 2 standard errors", len(r.Seeds)),
			})
		})
		return map[string]recipes.Figure{"accuracy": f}, err
	},
}

func gain(arm, than string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return v[arm]["accuracy"] - v[than]["accuracy"] }
}

// kernelParameters counts what the second kernel costs, or for residual networks the kernels of all units.
func kernelParameters(t *recipes.Trainer) (n int) {
	for _, v := range t.Variables() {
		if v.Shape().Rank() == 4 && v.Path() != "/conv1/weights" || v.Name() == "embedding" || strings.HasPrefix(v.Path(), "/generator/") {
			n += v.Shape().Size()
		}
	}
	return n
}

// drawKernel draws the second kernel as it is after training.
func drawKernel(t *recipes.Trial, trainer *recipes.Trainer, c Config) error {
	kernel, err := secondKernel(t, trainer, c)
	if err != nil {
		return err
	}
	f, err := fig.Maybe(func() *fig.Figure {
		return fig.Filters(kernel, fig.FilterOptions{Title: "Second kernel, " + t.Arm, Caption: "from the first of 16 channels, after training", Columns: 8, Scale: 6})
	})
	if err != nil {
		return err
	}
	return t.Figure("kernel-"+map[string]string{"learned": "learned", "generated": "generated", "learned 4×4": "small"}[t.Arm], f)
}

func secondKernel(t *recipes.Trial, trainer *recipes.Trainer, c Config) (*tensors.Tensor, error) {
	if v := trainer.Store().GetVariable("/conv2/weights"); v != nil {
		return v.Value()
	}
	return model.CallOnce(t.Backend, trainer.Store(), func(s *model.Scope, like *graph.Node) *graph.Node {
		return c.Generator.Kernel(s.At("conv2"), s.At("generator"), like, c.Window, c.Filters, c.Filters)
	}, tensors.FromScalar(float32(0)))
}
