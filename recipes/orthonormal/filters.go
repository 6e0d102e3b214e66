package orthonormal

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// groups are the filters of a layer as matrices whose columns can be orthonormal: weights [… filters] → [fan-in filters], cut
// into groups of at most fan-in columns (section 3.2).
func groups(w *graph.Node) []*graph.Node {
	dims := w.Shape().Dimensions
	filters := dims[len(dims)-1]
	w = graph.Reshape(w, -1, filters) // [fan-in filters]
	fanIn := w.Shape().Dimensions[0]
	var parts []*graph.Node
	for from := 0; from < filters; from += fanIn {
		parts = append(parts, graph.Slice(w, graph.AxisRange(), graph.AxisRange(from, min(from+fanIn, filters))))
	}
	return parts
}

// Penalty is Σ‖WᵀW − I‖² over the groups of filters (eq. 4), a scalar.
func Penalty(w *graph.Node) *graph.Node {
	var sum *graph.Node
	for _, part := range groups(w) {
		gram := graph.Einsum("io,ip->op", part, part) // [n n]
		p := graph.ReduceAllSum(graph.Square(graph.Sub(gram, graph.DiagonalWithValue(graph.ScalarOne(gram.Graph(), gram.DType()), gram.Shape().Dimensions[0]))))
		if sum == nil {
			sum = p
		} else {
			sum = graph.Add(sum, p)
		}
	}
	return sum
}

// Initializer draws normal numbers and makes the columns of each group orthonormal: all singular values are 1.
func Initializer(s *model.Scope) model.VariableInitializer {
	return func(g *graph.Graph, shape shapes.Shape) *graph.Node {
		var parts []*graph.Node
		for _, part := range groups(s.RandomNormal(g, shape)) {
			parts = append(parts, orthonormalize(part))
		}
		return graph.Reshape(graph.Concatenate(parts, -1), shape.Dimensions...)
	}
}

// orthonormalize is the orthonormal matrix next to X [m n], m ≥ n: the polar factor, by Newton's and Schulz's iteration
//
//	X ← X·(3 − XᵀX)/2
//
// which brings every singular value in (0, √3) to 1, doubling the digits once it is near. It needs nothing but products, so
// the weights can be made on any backend.
func orthonormalize(x *graph.Node) *graph.Node {
	const iterations = 26                                             // a singular value grows by half in each while it is small: enough from 10⁻³ on
	x = graph.Div(x, graph.Sqrt(graph.ReduceAllSum(graph.Square(x)))) // the largest singular value is below 1 now
	shape := x.Shape()
	// A loop of the device: unrolled, the products of all layers took a compiler longer than the network itself.
	more := graph.NewClosure(x.Graph(), func(g *graph.Graph) []*graph.Node {
		i := graph.Parameter(g, "i", shapes.Make(dtypes.Int32))
		_ = graph.Parameter(g, "x", shape)
		return []*graph.Node{graph.LessThan(i, graph.Const(g, int32(iterations)))}
	})
	step := graph.NewClosure(x.Graph(), func(g *graph.Graph) []*graph.Node {
		i := graph.Parameter(g, "i", shapes.Make(dtypes.Int32))
		x := graph.Parameter(g, "x", shape)
		gram := graph.Einsum("io,ip->op", x, x) // [n n]
		// Constants are the closure's own: those of graph.MulScalar belong to the graph around it.
		number := func(v float64) *graph.Node { return graph.ConvertDType(graph.Const(g, v), shape.DType) }
		x = graph.Sub(graph.Mul(x, number(1.5)), graph.Mul(graph.Einsum("io,op->ip", x, gram), number(0.5)))
		return []*graph.Node{graph.Add(i, graph.Const(g, int32(1))), x}
	})
	return graph.While(more, step, graph.Const(x.Graph(), int32(0)), x)[1]
}
