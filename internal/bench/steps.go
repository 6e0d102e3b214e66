package main

import (
	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers/loss"
)

// stepping trains with several steps in one program, each on a batch of its own. If the batches are resident they stay on the
// device from call to call.
func stepping(b compute.Backend, n network, batch, steps int, resident bool) (*runner, error) {
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(1); err != nil {
		return nil, err
	}
	net, lossFn, adam := ours.build(n), loss.SoftmaxCrossEntropy(0), adam()
	exec, err := model.NewExec(b, store, func(s *model.Scope, in []*graph.Node) *graph.Node {
		g := in[0].Graph()
		store.SetTraining(g, true)
		var value *graph.Node
		for i := range steps { // a step sees the weights that the one before it has set
			value = lossFn(in[2*i+1:2*i+2], []*graph.Node{net(store.RootScope(), in[2*i])})
			adam.UpdateGraph(s, g, value)
		}
		return value
	})
	if err != nil {
		return nil, err
	}
	inputs, labels := examples(batch, n)
	batches := func() (args []any) {
		for range steps {
			args = append(args, inputs(), labels())
		}
		return args
	}
	finalize := func(args []any) {
		for _, t := range args {
			t.(*tensors.Tensor).FinalizeAll()
		}
	}
	var kept []any
	if resident {
		kept = batches()
	}
	r := &runner{close: func() { finalize(kept); exec.Finalize(); store.Finalize() }}
	r.run = func(n int) (value float64, err error) {
		losses := make([]*tensors.Tensor, max(1, n/steps))
		for i := range losses {
			args := kept
			if !resident {
				args = batches()
			}
			outputs, err := exec.Call(args...)
			if !resident {
				finalize(args)
			}
			if err != nil {
				return 0, err
			}
			losses[i] = outputs[0]
		}
		for _, t := range losses { // reading waits for the device
			value = float64(tensors.ToScalar[float32](t))
			t.FinalizeAll()
		}
		return value, nil
	}
	if _, err := r.run(1); err != nil {
		return nil, err
	}
	r.parameters = trainable(store)
	return r, nil
}
