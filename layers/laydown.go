package layers

import (
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
)

// layDown is x, which is computed once and stays in memory while it is used, whoever uses it: x [B … C] → [B … C].
//
// XLA computes what leads to x anew in each loop that reads x, unless a product of matrices reads it too. A gradient that nine taps
// of a window read was computed nine times, with all that led to it: for a network of depthwise convolutions that was nine tenths
// of its time. So a product reads x here: its sums, which then say whether a sum is above infinity. None is, but compilers
// don't know.
func layDown(x *graph.Node) *graph.Node {
	g, dtype, dims := x.Graph(), x.DType(), x.Shape().Dimensions
	channels := dims[len(dims)-1]
	n := x.Shape().Size() / max(1, channels)
	if n < manyValues || plainForms(g) || storageDType(dtype) != dtype {
		return x
	}
	ones := graph.Ones(g, shapes.Make(dtype, 2, n)) // of one row it would make a loop
	sums := graph.Dot(ones, graph.Reshape(graph.StopGradient(x), n, channels)).Product()
	sum := graph.Reshape(graph.Slice(sums, graph.AxisElem(0), graph.AxisElem(0)))
	never := graph.GreaterThan(sum, graph.Infinity(g, dtype, 1))
	return graph.Where(never, graph.ScalarZero(g, dtype), x)
}

// layDownGradient is x, whose gradient is laid down on its way back.
func layDownGradient(x *graph.Node) *graph.Node {
	return graph.IdentityWithCustomGradient(x, func(_, v *graph.Node) *graph.Node { return layDown(v) })
}
