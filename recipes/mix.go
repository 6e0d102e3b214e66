package recipes

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"

	"fovea/layers"
)

// mixedKey is the place in a graph of the layers.Mixed that its batch was made by.
type mixedKey struct{}

// mix mixes the images of a training batch with each other, as the fit says, and notes in the graph for the loss how.
func (f Fit) mix(s *model.Scope, inputs []*graph.Node) []*graph.Node {
	if f.Mixup == 0 && f.CutMix == 0 {
		return inputs
	}
	var m layers.Mixed
	switch x := inputs[0]; {
	case f.CutMix == 0:
		m = layers.Mixup(s, x, f.Mixup)
	case f.Mixup == 0:
		m = layers.CutMix(s, x, f.CutMix)
	default:
		a, b := layers.Mixup(s, x, f.Mixup), layers.CutMix(s, x, f.CutMix)
		first := graph.LessThan(s.RandomUniform(x.Graph(), a.Share.Shape()), graph.Scalar(x.Graph(), a.Share.DType(), 0.5))
		m = layers.Mixed{X: graph.Where(graph.BroadcastToDims(first, x.Shape().Dimensions...), a.X, b.X), Share: graph.Where(first, a.Share, b.Share)}
	}
	inputs[0].Graph().AttachState(mixedKey{}, m)
	return append([]*graph.Node{m.X}, inputs[1:]...)
}

// mixedLoss is a loss that follows what mix did to the batch.
func mixedLoss(loss train.LossFn) train.LossFn {
	return func(labels, predictions []*graph.Node) *graph.Node {
		m, mixed := predictions[0].Graph().State(mixedKey{}).(layers.Mixed)
		if !mixed {
			return loss(labels, predictions)
		}
		return m.Loss(func(labels []*graph.Node) *graph.Node { return loss(labels, predictions) }, labels)
	}
}
