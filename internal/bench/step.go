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

// An arm is one way to take training steps.
type arm struct {
	name  string
	steps func(n int) error // returns when the device has done them
	close func()
	times []float64 // milliseconds a step, one for each round
}

// trainerArm takes steps through the trainer of GoMLX.
func trainerArm(b compute.Backend, name string, net network, lossFn train.LossFn, next func() (images, labels *tensors.Tensor)) (*arm, error) {
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(1); err != nil {
		return nil, err
	}
	trainer := train.NewTrainer(b, store, net, lossFn, optimizer.Adam().LearningRate(1e-3).Done(), nil, nil)
	steps := func(n int) error {
		losses := make([]*tensors.Tensor, n)
		for i := range losses {
			images, labels := next()
			metrics, err := trainer.TrainStep(train.Batch{Inputs: []*tensors.Tensor{images}, Labels: []*tensors.Tensor{labels}})
			if err != nil {
				return err
			}
			losses[i] = metrics[0]
		}
		for _, t := range losses { // reading waits for the device
			if l := float64(tensors.ToScalar[float32](t)); math.IsNaN(l) || math.IsInf(l, 0) {
				return fmt.Errorf("%s: the loss is %g", name, l)
			}
		}
		return nil
	}
	return &arm{name: name, steps: steps, close: func() { trainer.ResetComputationGraphs(); store.Finalize() }}, nil
}

// measure takes perRound steps of each arm in turns, for a round to compile and warm up and then for the given rounds.
func measure(ctx context.Context, b compute.Backend, v variant, batch, rounds, perRound int) ([]result, error) {
	fmt.Fprintf(os.Stderr, "%s: %d rounds of %d steps each …\n", v.name, rounds, perRound)
	next := examples(batch)
	var arms []*arm
	defer func() {
		for _, a := range arms {
			a.close()
		}
	}()
	for _, make := range []func() (*arm, error){
		func() (*arm, error) {
			return trainerArm(b, "GoMLX", plainNetwork(v), plainloss.SparseCategoricalCrossEntropyLogits, next)
		},
		func() (*arm, error) {
			return trainerArm(b, "layers", foveaNetwork(v), loss.SoftmaxCrossEntropy(0), next)
		},
		func() (*arm, error) {
			return recipeArm(ctx, b, foveaNetwork(v), next, (rounds+1)*perRound, perRound)
		},
	} {
		a, err := make()
		if err != nil {
			return nil, err
		}
		arms = append(arms, a)
	}
	plain := arms[0]
	for round := -1; round < rounds; round++ {
		for i := range arms {
			a := arms[(i+max(round, 0))%len(arms)] // nobody is always first
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			start := time.Now()
			if err := a.steps(perRound); err != nil {
				return nil, err
			}
			if round >= 0 {
				a.times = append(a.times, time.Since(start).Seconds()*1e3/float64(perRound))
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
