package polarizedattention

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/layers"
)

// Polarized is the attention of the paper: x [B H W C] → [B H W C]. Parallel adds x weighed by channel and x weighed by
// position (equation 4), Sequential weighs by channel first and then by position (equation 5). The code layouts are what the
// authors released in place of the equations, see ReleasedPosition.
//
// It has 2C² + C parameters, and 2C more with the normalisation. It panics on other layouts, and on an odd number of channels.
func Polarized(s *model.Scope, x *graph.Node, layout Layout, noNorm bool) *graph.Node {
	if channels := x.Shape().Dimensions[3]; channels%2 != 0 {
		Panicf("polarizedattention.Polarized: %d channels; half of them are needed, so the number must be even", channels)
	}
	channel, position := s.In("channel"), s.In("position")
	switch layout {
	case Parallel:
		return graph.Add(
			graph.Mul(x, ChannelMask(channel, x, noNorm)),
			graph.Mul(x, PositionMask(position, x))) // [B H W C]
	case Sequential:
		x = graph.Mul(x, ChannelMask(channel, x, noNorm))
		return graph.Mul(x, PositionMask(position, x)) // [B H W C]
	case ReleasedParallel:
		return graph.Add(
			graph.Mul(x, ChannelMask(channel, x, true)),
			graph.Mul(x, ReleasedPosition(position, x)))
	}
	Panicf("polarizedattention.Polarized: layout %q, want %q, %q or %q", layout, Parallel, Sequential, ReleasedParallel)
	return nil
}

// ChannelMask weighs channels by what the positions hold that count (equation 1):
//
//	value = W_v x [B HW C/2], query = softmax over HW of W_q x [B HW]
//	mask  = sigmoid(LN(W_z Σ_HW query·value)) [B 1 1 C]
//
// Space collapses to one vector while half of the channels stay. Scopes: "value", "query", "up" and "norm".
func ChannelMask(s *model.Scope, x *graph.Node, noNorm bool) *graph.Node {
	batch, channels := x.Shape().Dimensions[0], x.Shape().Dimensions[3]
	value := graph.Reshape(pointwise(s.In("value"), x, channels/2), batch, -1, channels/2)  // [B HW C/2]
	query := graph.Reshape(pointwise(s.In("query"), x, 1), batch, -1)                       // [B HW]
	y := graph.Einsum("bn,bnc->bc", graph.Softmax(query, -1), value)                        // [B C/2]
	y = layers.DenseWith(s.In("up"), y, layers.DenseOptions{Units: channels, NoBias: true}) // [B C]
	if !noNorm {
		y = layers.LayerNorm(s.In("norm"), y, layers.LayerNormOptions{})
	}
	return graph.InsertAxes(graph.Sigmoid(y), 1, 1) // [B 1 1 C]
}

// PositionMask weighs positions by a mix of channels that the whole image chooses (equation 2):
//
//	query = softmax over C/2 of the mean of W_q x [B C/2], value = W_v x [B HW C/2]
//	mask  = sigmoid(Σ_C/2 query·value) [B H W 1]
//
// Channels collapse to one while all of space stays. Scopes: "query" and "value".
func PositionMask(s *model.Scope, x *graph.Node) *graph.Node {
	query, value := positionParts(s, x)
	y := graph.Einsum("bc,bhwc->bhw", graph.Softmax(query, -1), value) // [B H W]
	return graph.InsertAxes(graph.Sigmoid(y), -1)                      // [B H W 1]
}

// ReleasedPosition is the mask of the authors' code, whose softmax stands behind the product and runs over space: its values
// sum to one over H·W positions, so the sigmoid is close to a half everywhere, and more so the larger the image is.
func ReleasedPosition(s *model.Scope, x *graph.Node) *graph.Node {
	query, value := positionParts(s, x)
	dims := x.Shape().Dimensions
	y := graph.Reshape(graph.Einsum("bc,bhwc->bhw", query, value), dims[0], -1)             // [B HW]
	return graph.Reshape(graph.Sigmoid(graph.Softmax(y, -1)), dims[0], dims[1], dims[2], 1) // [B H W 1]
}

func positionParts(s *model.Scope, x *graph.Node) (query, value *graph.Node) {
	channels := x.Shape().Dimensions[3]
	query = layers.GlobalMeanPool(pointwise(s.In("query"), x, channels/2)) // [B C/2]
	return query, pointwise(s.In("value"), x, channels/2)                  // [B H W C/2]
}

func pointwise(s *model.Scope, x *graph.Node, filters int) *graph.Node {
	return layers.Conv(s, x, layers.ConvOptions{Filters: filters, Size: 1, NoBias: true})
}
