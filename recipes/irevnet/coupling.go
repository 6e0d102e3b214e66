package irevnet

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
)

// coupling is a block on two streams (section 3.1): a, b → S b, F(b) + S a, where S is the squeeze at stride 2 and else nothing. F
// need not be invertible: what it was computed from is still there, so it can be computed again and taken away.
type coupling struct {
	name           string // scope and tap
	stage, number  int    // from 1
	in, inner, out int    // channels of a stream before, inside F, and after
	stride         int    // 1 or 2
	zeros          int    // channels of zeros that the first block adds to the image
	first          bool   // without normalisation and activation at the start: the image itself
}

func (k coupling) scope(s *model.Scope) *model.Scope {
	return s.At("stage%d", k.stage).In("block%d", k.number)
}

// forward takes a and b, [B H W in] each, to [B H/stride W/stride out] each.
func (k coupling) forward(s *model.Scope, a, b *graph.Node) (*graph.Node, *graph.Node) {
	if k.zeros > 0 {
		x := merge(a, b)
		shape := x.Shape().Clone()
		shape.Dimensions[3] = k.zeros
		// Not graph.Zeros: after its broadcast the pure-Go backend (compute v0.1.6) gives other outputs of the graph wrong shapes.
		zeros := graph.MulScalar(graph.Iota(x.Graph(), shape, 3), 0)
		a, b = split(graph.Concatenate([]*graph.Node{x, zeros}, 3), k.in) // [B H W in] each
	}
	f := k.branch(s, b)
	if k.stride == 2 {
		a, b = Squeeze(a), Squeeze(b)
	}
	return b, graph.Add(f, a)
}

// inverse undoes forward.
func (k coupling) inverse(s *model.Scope, a, b *graph.Node) (*graph.Node, *graph.Node) {
	before := a // S b of forward
	if k.stride == 2 {
		before = Unsqueeze(before)
	}
	if k.zeros > 0 {
		before = k.clear(before)
	}
	after := graph.Sub(b, k.branch(s, before)) // S a of forward
	if k.stride == 2 {
		after = Unsqueeze(after)
	}
	if k.zeros == 0 {
		return after, before
	}
	x := merge(after, before)
	n := 2*k.in - k.zeros
	return split(graph.SliceAxis(x, 3, graph.AxisRange(0, n)), n/2)
}

// clear sets channels of the second stream to zero that forward filled with zeros. They have come back with a rounding error, and the
// normalisations inside F, to which they never varied, would enlarge it by 1/√ε each.
func (k coupling) clear(b *graph.Node) *graph.Node {
	image := max(0, k.in-k.zeros) // channels of the stream that are the image's
	channel := graph.Iota(b.Graph(), b.Shape(), 3)
	return graph.Where(graph.LessThan(channel, graph.Scalar(b.Graph(), b.DType(), image)), b, graph.MulScalar(channel, 0))
}

// branch is F: three convolutions with a bottleneck between, [B H W in] → [B H/stride W/stride out].
func (k coupling) branch(s *model.Scope, x *graph.Node) *graph.Node {
	for i, o := range []layers.ConvOptions{{Filters: k.inner, Stride: k.stride}, {Filters: k.inner}, {Filters: k.out}} {
		if i > 0 || !k.first {
			x = layers.ReLU(layers.BatchNorm(s.In("norm%d", i+1), x, layers.BatchNormOptions{}))
		}
		o.NoBias = true
		x = layers.Conv(s.In("conv%d", i+1), x, o)
	}
	return x
}

// Squeeze moves each 2×2 pixels into channels, which loses nothing: [B H W C] → [B H/2 W/2 4C].
func Squeeze(x *graph.Node) *graph.Node {
	d := x.Shape().Dimensions
	x = graph.Reshape(x, d[0], d[1]/2, 2, d[2]/2, 2, d[3])
	x = graph.TransposeAllAxes(x, 0, 1, 3, 2, 4, 5)       // [B H/2 W/2 2 2 C]
	return graph.Reshape(x, d[0], d[1]/2, d[2]/2, 4*d[3]) // [B H/2 W/2 4C]
}

// Unsqueeze undoes Squeeze: [B H W 4C] → [B 2H 2W C].
func Unsqueeze(x *graph.Node) *graph.Node {
	d := x.Shape().Dimensions
	x = graph.Reshape(x, d[0], d[1], d[2], 2, 2, d[3]/4)
	x = graph.TransposeAllAxes(x, 0, 1, 3, 2, 4, 5)       // [B H 2 W 2 C]
	return graph.Reshape(x, d[0], 2*d[1], 2*d[2], d[3]/4) // [B 2H 2W C]
}

func merge(a, b *graph.Node) *graph.Node { return graph.Concatenate([]*graph.Node{a, b}, 3) }

// split gives the first channels, and the rest.
func split(x *graph.Node, first int) (*graph.Node, *graph.Node) {
	return graph.SliceAxis(x, 3, graph.AxisRange(0, first)), graph.SliceAxis(x, 3, graph.AxisRange(first))
}
