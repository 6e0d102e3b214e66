package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
	plainloss "github.com/gomlx/gomlx/ml/train/loss"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/layers/loss"
)

// An arm is one way to take a training step.
type arm struct {
	name  string
	step  func(images, labels *tensors.Tensor) (float32, error)
	times []float64 // milliseconds a step, one for each round
}

func trainerArm(b compute.Backend, name string, net network, lossFn train.LossFn) (*arm, error) {
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(1); err != nil {
		return nil, err
	}
	trainer := train.NewTrainer(b, store, net, lossFn, optimizer.Adam().LearningRate(1e-3).Done(), nil, nil)
	return &arm{name: name, step: func(images, labels *tensors.Tensor) (float32, error) {
		metrics, err := trainer.TrainStep(train.Batch{Inputs: []*tensors.Tensor{images}, Labels: []*tensors.Tensor{labels}})
		if err != nil {
			return 0, err
		}
		return tensors.ToScalar[float32](metrics[0]), nil // waits for the device
	}}, nil
}

// measure takes steps of all arms in turns: rounds times perRound steps of each, after two steps to compile and warm up.
func measure(ctx context.Context, b compute.Backend, v variant, batch, rounds, perRound int) ([]result, error) {
	plain, err := trainerArm(b, "GoMLX", plainNetwork(v), plainloss.SparseCategoricalCrossEntropyLogits)
	if err != nil {
		return nil, err
	}
	fovea, err := trainerArm(b, "layers", foveaNetwork(v), loss.SoftmaxCrossEntropy(0))
	if err != nil {
		return nil, err
	}
	arms := []*arm{plain, fovea}
	fmt.Fprintf(os.Stderr, "%s: %d rounds of %d steps each …\n", v.name, rounds, perRound)
	next := examples(batch)
	for round := -1; round < rounds; round++ {
		for i := range arms {
			a := arms[(i+max(round, 0))%len(arms)] // nobody is always first
			start, steps := time.Now(), perRound
			if round < 0 {
				steps = 2
			}
			for range steps {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				images, labels := next()
				l, err := a.step(images, labels)
				if err != nil {
					return nil, err
				}
				if math.IsNaN(float64(l)) || math.IsInf(float64(l), 0) {
					return nil, fmt.Errorf("%s: the loss is %g", a.name, l)
				}
			}
			if round >= 0 {
				a.times = append(a.times, time.Since(start).Seconds()*1e3/float64(steps))
			}
		}
	}
	var results []result
	for _, a := range arms {
		ratios := make([]float64, rounds)
		for i := range ratios {
			ratios[i] = a.times[i] / plain.times[i]
		}
		results = append(results, result{Variant: v.name, Arm: a.name, Median: median(a.times),
			Fastest: slices.Min(a.times), Slowest: slices.Max(a.times), Ratio: median(ratios)})
	}
	return results, nil
}

// examples returns a function that gives the same batch again and again, random images [B 32 32 3] and labels [B 1],
// since trainers consume what they are given.
func examples(batch int) func() (images, labels *tensors.Tensor) {
	r := rand.New(rand.NewPCG(1, 2))
	pixels, classes := make([]float32, batch*32*32*3), make([]int32, batch)
	for i := range pixels {
		pixels[i] = r.Float32() - 0.5
	}
	for i := range classes {
		classes[i] = r.Int32N(10)
	}
	return func() (images, labels *tensors.Tensor) {
		return tensors.FromFlatDataAndDimensions(pixels, batch, 32, 32, 3), tensors.FromFlatDataAndDimensions(classes, batch, 1)
	}
}
