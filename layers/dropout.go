package layers

import (
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// Dropout sets each value to zero with probability rate in training, and scales the others by 1/(1−rate), so that
// nothing needs to change in evaluation, where it returns x itself (Srivastava et al. 2014, section 10, "inverted").
//
// Any shape. Random numbers come from the state of the store's generator: store.SetRNGStateFromSeed makes them
// repeatable. It panics unless 0 ≤ rate < 1.
func Dropout(s *model.Scope, x *graph.Node, rate float64) *graph.Node {
	if rate < 0 || rate >= 1 {
		Panicf("layers.Dropout in scope %q: rate %g, want 0 ≤ rate < 1: the share of values that is dropped", s.Scope(), rate)
	}
	g := x.Graph()
	if rate == 0 || !s.IsTraining(g) {
		return x
	}
	shape := shapes.Make(storageDType(x.DType()), x.Shape().Dimensions...)
	uniform := s.RandomUniform(g, shape)
	kept := graph.LessThan(uniform, graph.Scalar(g, shape.DType, 1-rate))
	return graph.Where(kept, graph.MulScalar(x, 1/(1-rate)), graph.ScalarZero(g, x.DType()))
}
