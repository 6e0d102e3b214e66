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
	next    func() (images, labels *tensors.Tensor)
	asked   chan struct{} // the trainer wants a batch: it is done with the one before
	tickets chan struct{}
	total   int
	opened  bool
}

func (g *gate) Name() string { return "benchmark" }
func (g *gate) Steps() int   { return g.total }
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
			images, labels := g.next()
			if !yield(train.Batch{Inputs: []*tensors.Tensor{images}, Labels: []*tensors.Tensor{labels}}, nil) {
				return
			}
		}
	}
}

// recipeArm takes steps through the trainer of the recipes: with its accuracy, history and checks of the loss, which it
// reads once in perRound steps. Nothing is written to disk. perRound steps must be asked for at a time.
func recipeArm(ctx context.Context, b compute.Backend, net network, next func() (images, labels *tensors.Tensor), total, perRound int) (*arm, error) {
	trainer, err := recipes.NewTrainer(b, net, recipes.Fit{Steps: total, Seed: 1, LogEvery: perRound, EvalEvery: total,
		Optimizer: func(int) optimizer.Interface { return optimizer.Adam().LearningRate(1e-3).Done() },
		Progress:  recipes.NoProgress, Log: io.Discard})
	if err != nil {
		return nil, err
	}
	g := &gate{next: next, asked: make(chan struct{}), tickets: make(chan struct{}), total: total}
	done := make(chan error, 1)
	go func() { done <- trainer.RunFeed(ctx, g, nil) }()
	ended := func(err error) error {
		done <- err
		if err == nil {
			err = errors.New("the training ended early")
		}
		return err
	}
	select {
	case <-g.asked:
	case err := <-done:
		return nil, ended(err)
	}
	taken := 0
	return &arm{name: "recipes", steps: func(n int) error {
		for range n {
			g.tickets <- struct{}{}
			taken++
			select {
			case <-g.asked:
			case err := <-done:
				if err != nil || taken < total {
					return ended(err)
				}
			}
		}
		return nil
	}, close: func() {
		close(g.tickets)
		if taken < total {
			<-done
		}
		trainer.Close()
	}}, nil
}
