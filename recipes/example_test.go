package recipes_test

import (
	"context"
	"fmt"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/datasets"
	"fovea/datasets/synth"
	"fovea/layers"
	"fovea/recipes"
)

// A network of one's own is trained, changed, and trained on, as in the cells of a notebook.
func ExampleTrainer() {
	backend, err := compute.NewWithConfig("go")
	check(err)
	images, err := synth.Shapes(synth.ShapesOptions{N: 200, Size: 16, Classes: 2, Clutter: -1})
	check(err)
	train, valid := images.SplitStratified(0.8, 1)

	network := func(s *model.Scope, x *graph.Node) *graph.Node {
		x = layers.Conv(s.In("conv1"), x, layers.ConvOptions{Filters: 8})
		x = layers.Tap(layers.ReLU(x), "conv1")                                                         // [B 16 16 8]
		return layers.Dense(s.In("output"), layers.Flatten(layers.MaxPool(x, layers.PoolOptions{})), 2) // [B 2]
	}
	trainer, err := recipes.NewTrainer(backend, network, recipes.Fit{Epochs: 2, Batch: 32, Seed: 1, Progress: recipes.NoProgress})
	check(err)
	check(trainer.Run(context.Background(), train, valid))
	fmt.Println("steps:", trainer.Step())

	// Another cell: freeze the convolution, mirror and crop, lower the rate, and train on from the live weights.
	check(trainer.Configure(recipes.Fit{
		Epochs: 1, Batch: 32, LearningRate: 0.01, Freeze: []string{"conv1"}, Augment: datasets.CropFlip(1), Progress: recipes.NoProgress,
	}))
	check(trainer.Run(context.Background(), train, valid))
	fmt.Println("steps:", trainer.Step())

	features, err := trainer.Features(context.Background(), valid.Slice(0, 3), "conv1")
	check(err)
	fmt.Println("features:", features.Shape().Dimensions)
	// Output:
	// steps: 10
	// steps: 15
	// features: [3 16 16 8]
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
