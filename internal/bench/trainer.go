package main

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/recipes"
)

// A gate is a feed that gives the trainer of the recipes one batch for each ticket, so that its training can be
// measured in turns with others.
type gate struct {
	inputs, labels func() *tensors.Tensor
	asked          chan struct{} // the trainer wants a batch: it is done with the one before
	tickets        chan struct{}
	opened         bool
}

// endless is more steps than are ever taken.
const endless = 1 << 30

func (g *gate) Name() string { return "benchmark" }
func (g *gate) Steps() int   { return endless }
func (g *gate) Seek(int)     {}

func (g *gate) Iter() iter.Seq2[train.Batch, error] {
	free := !g.opened // the trainer looks at the shapes of a first batch before it trains
	g.opened = true
	return func(yield func(train.Batch, error) bool) {
		for {
			if !free {
				g.asked <- struct{}{}
				if _, ok := <-g.tickets; !ok {
					return
				}
			}
			if !yield(train.Batch{Inputs: []*tensors.Tensor{g.inputs()}, Labels: []*tensors.Tensor{g.labels()}}, nil) {
				return
			}
		}
	}
}

// recipeTraining takes steps through the trainer of the recipes: with its accuracy, history and checks of the loss, which it
// reads once in a few steps. Nothing is written to disk.
func recipeTraining(ctx context.Context, b compute.Backend, net builder, lossFn train.LossFn, o func(int) optimizer.Interface, inputs, labels func() *tensors.Tensor) (*runner, error) {
	trainer, err := recipes.NewTrainer(b, net, recipes.Fit{Steps: endless, Seed: 1, LogEvery: 6, EvalEvery: endless,
		Loss: lossFn, Optimizer: o, Progress: recipes.NoProgress, Log: io.Discard})
	if err != nil {
		return nil, err
	}
	g := &gate{inputs: inputs, labels: labels, asked: make(chan struct{}), tickets: make(chan struct{})}
	done := make(chan error, 1)
	go func() { done <- trainer.RunFeed(ctx, g, nil) }()
	// turn waits until the trainer wants a batch.
	turn := func() error {
		select {
		case <-g.asked:
			return nil
		case err := <-done:
			done <- err
			if err == nil {
				err = errors.New("the training ended early")
			}
			return err
		}
	}
	if err := turn(); err != nil {
		return nil, err
	}
	r := &runner{close: func() { close(g.tickets); <-done; trainer.Close() }}
	r.run = func(n int) (float64, error) {
		for range n {
			select {
			case g.tickets <- struct{}{}:
			case err := <-done:
				done <- err
				return 0, err
			}
			if err := turn(); err != nil {
				return 0, err
			}
		}
		if h := trainer.History(); len(h) > 0 {
			return float64(h[len(h)-1].Loss), nil
		}
		return 0, nil
	}
	r.parameters = trainable(trainer.Store())
	return r, nil
}
