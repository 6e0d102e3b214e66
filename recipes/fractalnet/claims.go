package fractalnet

import (
	"context"
	"fmt"
	"time"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/datasets"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

const without, with = "no drop-path", "drop-path"

// small is the network of the claim; dropout is left out, so that the arms differ in drop-path alone.
func small(dropPath, global float64) Config {
	return Config{Filters: []int{8, 16, 32}, Columns: 3, DropPath: dropPath, Global: global, Classes: 10, Size: 16, Channels: 3}
}

// smallFit was chosen by validation accuracy with drop-path, one seed: of the rates 0.05, 0.1 and 0.15 and batches of 25 and 50,
// as many steps as the time allows.
var smallFit = recipes.Fit{Epochs: 10, Batch: 25, LearningRate: 0.1, Augment: datasets.CropFlip(1), LogEvery: 20}

var columnsClaim = recipes.Claim[Config]{
	Name:      "columns",
	Statement: "With drop-path the deepest column taken out alone keeps three quarters of the whole network's accuracy at least; without, 0.6 of it at most.",
	Arms:      []recipes.Arm[Config]{{Name: without, Config: small(0, 0)}, {Name: with, Config: small(0.15, 0.5)}},
	Budget:    15 * time.Minute, // enough for twice the seeds
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		options, fit := recipes.ImageOptions{Size: c.Size, Train: 3000, Test: 2000, Seed: 1}, smallFit
		if t.Scale == recipes.PaperScale {
			dropPath, global := c.DropPath, c.Global
			c = Variants["cifar"]
			c.DropPath, c.Global = dropPath, global
			options, fit = recipes.ImageOptions{Size: c.Size}, PaperFit
		}
		data, err := t.Images(ctx, options)
		if err != nil {
			return nil, err
		}
		c.Classes, c.Channels = len(data.Train.Classes), data.Train.C
		return measure(ctx, t, c, fit, data.Train, data.Test)
	},
	Tests: []recipes.Test{
		{
			Name: "with drop-path", Statement: "accuracy of the deepest column over that of the whole network, trained with drop-path", Threshold: 0.75,
			Value: func(v map[string]recipes.Values) float64 { return v[with]["column 3"] / v[with]["whole"] },
		},
		{
			Name: "without", Statement: "the same ratio, trained without drop-path", Threshold: 0.6, AtMost: true,
			Value: func(v map[string]recipes.Values) float64 { return v[without]["column 3"] / v[without]["whole"] },
		},
		{
			Name: "anytime", Statement: "the least gain in accuracy from one column to the next deeper one, trained with drop-path", Unit: "points", Reported: true,
			Value: func(v map[string]recipes.Values) float64 {
				return min(v[with]["column 2"]-v[with]["column 1"], v[with]["column 3"]-v[with]["column 2"])
			},
		},
		{
			Name: "whole", Statement: "what drop-path adds to the whole network's accuracy", Unit: "points", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v[with]["whole"] - v[without]["whole"] },
		},
	},
	Figures: figures,
}

// measure trains a network and gives the accuracy, in percent, of the whole and of each column alone.
func measure(ctx context.Context, t *recipes.Trial, c Config, fit recipes.Fit, train, test *datasets.Images) (recipes.Values, error) {
	trainer, err := t.Trainer(Model(c), fit)
	if err != nil {
		return nil, err
	}
	if err := trainer.Run(ctx, train, nil); err != nil {
		return nil, err
	}
	values := recipes.Values{}
	for column := 0; column <= c.Columns; column++ {
		part := c
		part.Column, part.DropPath, part.Global = column, 0, 0
		if err := refresh(ctx, t, trainer.Store(), part, train); err != nil {
			return nil, err
		}
		if values[rowName(column)], err = accuracy(ctx, t, trainer.Store(), part, test); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// refresh measures the statistics of normalisation anew for one network, on training images and without drop-path: the averages of the
// training are of whatever paths its last mini-batches drew, and of no network in particular.
func refresh(ctx context.Context, t *recipes.Trial, store *model.Store, c Config, train *datasets.Images) error {
	const batch, steps, keep = 200, 10, 0.7 // 3 % are left of what was there before
	exec, err := model.NewExec(t.Backend, store, func(s *model.Scope, x *graph.Node) *graph.Node {
		store.SetTraining(x.Graph(), true)
		return graph.ReduceAllSum(network(c, keep)(s, x))
	})
	if err != nil {
		return err
	}
	defer exec.Finalize()
	for i := range min(steps, train.N/batch) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := exec.Call(train.Tensor(i*batch, (i+1)*batch)); err != nil {
			return err
		}
	}
	return nil
}

// accuracy is that of one network on the weights of store, in percent.
func accuracy(ctx context.Context, t *recipes.Trial, store *model.Store, c Config, test *datasets.Images) (float64, error) {
	exec, err := model.NewExec(t.Backend, store, func(s *model.Scope, x, labels *graph.Node) *graph.Node {
		right := graph.Equal(graph.ArgMax(Model(c)(s, x), -1, labels.DType()), graph.Reshape(labels, -1)) // [B]
		return graph.ReduceAllSum(graph.ConvertDType(right, x.DType()))
	})
	if err != nil {
		return 0, err
	}
	defer exec.Finalize()
	batches, err := test.Batches(datasets.BatchOptions{Size: min(test.N, 200)})
	if err != nil {
		return 0, err
	}
	hits := 0.0
	for batch, err := range batches.Iter() {
		if err != nil {
			return 0, err
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		outputs, err := exec.Call(batch.Inputs[0], batch.Labels[0])
		if err != nil {
			return 0, err
		}
		hits += float64(tensors.ToScalar[float32](outputs[0]))
	}
	return 100 * hits / float64(test.N), nil
}

func rowName(column int) string {
	if column == 0 {
		return "whole"
	}
	return fmt.Sprintf("column %d", column)
}

func figures(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
	categories := []string{"column 1", "column 2", "column 3", "whole"}
	var series []fig.BarSeries
	for _, arm := range r.Arms {
		var runs [][]float64
		for _, name := range categories {
			runs = append(runs, arm.Values[name].Seeds)
		}
		series = append(series, fig.SeedBars(arm.Name, runs))
	}
	caption := fmt.Sprintf("mean of %d seeds ± 2 standard errors", len(r.Seeds))
	for _, d := range r.Data {
		caption += fmt.Sprintf("; %s, %d×%d", d.Name, d.Shape[0], d.Shape[1])
		if d.Synthetic {
			caption += " (synthetic)"
		}
	}
	f, err := fig.Maybe(func() *fig.Figure {
		return fig.Bars(categories, series, fig.BarOptions{
			Title: "Columns taken out of one network", Caption: caption, Label: "test accuracy (%)", Format: "%.1f",
		})
	})
	return map[string]recipes.Figure{"columns": f}, err
}
