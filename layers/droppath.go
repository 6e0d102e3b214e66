package layers

import (
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// DropPath sets whole examples of a residual branch to zero with probability rate in training, and scales the others by
// 1/(1−rate), so that it is the identity in evaluation: stochastic depth as Larsson et al. 2017 and timm have it.
//
// x [B …] → [B …]. It panics unless 0 ≤ rate < 1.
func DropPath(s *model.Scope, x *graph.Node, rate float64) *graph.Node {
	return dropPath(s, x, rate, x.Shape().Dimensions[0])
}

// DropPathBatch is DropPath with a single draw for the whole batch: the branch is there for all examples or for none,
// as in Huang et al. 2016, who, however, scale in evaluation.
func DropPathBatch(s *model.Scope, x *graph.Node, rate float64) *graph.Node {
	return dropPath(s, x, rate, 1)
}

func dropPath(s *model.Scope, x *graph.Node, rate float64, draws int) *graph.Node {
	if rate < 0 || rate >= 1 {
		Panicf("layers.DropPath in scope %q: rate %g, want 0 ≤ rate < 1: the share of branches that is dropped", s.Scope(), rate)
	}
	g := x.Graph()
	if rate == 0 || !s.IsTraining(g) {
		return x
	}
	dimensions := make([]int, x.Rank())
	for i := range dimensions {
		dimensions[i] = 1
	}
	dimensions[0] = draws
	shape := shapes.Make(storageDType(x.DType()), dimensions...)
	kept := graph.LessThan(s.RandomUniform(g, shape), graph.Scalar(g, shape.DType, 1-rate)) // [B 1 …]
	kept = graph.BroadcastToDims(kept, x.Shape().Dimensions...)
	return graph.Where(kept, graph.MulScalar(x, 1/(1-rate)), graph.ScalarZero(g, x.DType()))
}
