package layers

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"
	"gonum.org/v1/gonum/stat/distuv"
)

// Mixed is a batch that has been mixed with itself backwards: example i with example B−1−i, which in a shuffled batch is
// any other.
type Mixed struct {
	X     *graph.Node // [B …]
	Share *graph.Node // λ: how much of each example is its own, a float32 scalar; the rest is its partner's
}

// Mixup adds images: x ← λ·x + (1−λ)·x' with one λ ~ Beta(alpha, alpha) for the batch (Zhang et al. 2018, section 2).
func Mixup(s *model.Scope, x *graph.Node, alpha float64) Mixed {
	share := randomBeta(s, x.Graph(), alpha)
	own := convert(share, x.DType())
	return Mixed{graph.Add(graph.Mul(x, own), graph.Mul(graph.Reverse(x, 0), graph.OneMinus(own))), share}
}

// CutMix puts a rectangle of x' into x [B H W C], of 1−λ of the image's area and with its centre anywhere; what the border
// cuts off counts for neither (Yun et al. 2019, eq. 1 and 2).
func CutMix(s *model.Scope, x *graph.Node, alpha float64) Mixed {
	if x.Rank() != 4 {
		Panicf("layers.CutMix: input %s, want [B H W C]", x.Shape())
	}
	g := x.Graph()
	side := graph.Sqrt(graph.OneMinus(randomBeta(s, g, alpha))) // of the rectangle, as a share of the image's
	inside := func(axis int) *graph.Node {                      // [H] or [W] of 1 inside of the rectangle
		size := x.Shape().Dimensions[axis]
		center := graph.MulScalar(s.RandomUniform(g, shapes.Make(dtypes.Float32)), float64(size))
		half := graph.MulScalar(side, float64(size)/2)
		at := graph.AddScalar(graph.Iota(g, shapes.Make(dtypes.Float32, size), 0), 0.5) // middles of the pixels
		return graph.ConvertDType(graph.LessThan(graph.Abs(graph.Sub(at, center)), half), dtypes.Float32)
	}
	rows, columns := inside(1), inside(2)
	mask := graph.Mul(graph.InsertAxes(rows, -1), graph.InsertAxes(columns, 0)) // [H W]
	share := graph.OneMinus(graph.ReduceAllMean(mask))
	taken := graph.BroadcastToDims(graph.GreaterThan(graph.InsertAxes(mask, 0, -1), graph.ScalarZero(g, dtypes.Float32)), x.Shape().Dimensions...)
	return Mixed{graph.Where(taken, graph.Reverse(x, 0), x), share}
}

// Loss is λ·loss(labels) + (1−λ)·loss(labels of the partners), for a loss that is linear in the target as cross-entropy is.
func (m Mixed) Loss(loss func(labels []*graph.Node) *graph.Node, labels []*graph.Node) *graph.Node {
	partners := make([]*graph.Node, len(labels))
	for i, label := range labels {
		partners[i] = graph.Reverse(label, 0)
	}
	own, other := loss(labels), loss(partners)
	share := convert(m.Share, own.DType())
	return graph.Add(graph.Mul(share, own), graph.Mul(graph.OneMinus(share), other))
}

// quantiles is how many values randomBeta draws from.
const quantiles = 1024

// randomBeta draws from Beta(alpha, alpha): one of the middles of 1024 slices of equal probability, a float32 scalar.
func randomBeta(s *model.Scope, g *graph.Graph, alpha float64) *graph.Node {
	if !(alpha > 0) || math.IsInf(alpha, 0) {
		Panicf("layers: mixing with alpha %g, want a positive number; 1 draws the shares uniformly", alpha)
	}
	beta, table := distuv.Beta{Alpha: alpha, Beta: alpha}, make([]float32, quantiles)
	for i := range table {
		table[i] = float32(beta.Quantile((float64(i) + 0.5) / quantiles))
	}
	u := s.RandomUniform(g, shapes.Make(dtypes.Float32))
	index := graph.MinScalar(graph.ConvertDType(graph.MulScalar(u, quantiles), dtypes.Int32), quantiles-1)
	return graph.Reshape(graph.Gather(graph.Const(g, table), graph.Reshape(index, 1, 1)))
}
