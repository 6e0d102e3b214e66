package singleintrachannel

import (
	"math"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// Mask says which inputs an output channel sees when the channels lie on a torus: [C in][C out] of 0 and 1. Along each axis
// of d channels, output o sees the inputs o, o+1, … o+reach−1, counted modulo d. It panics unless 1 ≤ reach ≤ d.
func Mask(torus, reach []int) [][]float32 {
	if len(torus) == 0 || len(torus) != len(reach) {
		Panicf("singleintrachannel.Mask: torus %v and reach %v, want as many axes", torus, reach)
	}
	n := 1
	for i, d := range torus {
		if reach[i] < 1 || reach[i] > d {
			Panicf("singleintrachannel.Mask: reach %v on torus %v, want 1 to the length of each axis", reach, torus)
		}
		n *= d
	}
	sees := func(in, out int) float32 {
		for axis := len(torus) - 1; axis >= 0; axis-- {
			d := torus[axis]
			if (in%d-out%d+d)%d >= reach[axis] {
				return 0
			}
			in, out = in/d, out/d
		}
		return 1
	}
	mask := make([][]float32, n)
	for in := range mask {
		mask[in] = make([]float32, n)
		for out := range mask[in] {
			mask[in][out] = sees(in, out)
		}
	}
	return mask
}

// connections is the share of the connections that the mask leaves.
func connections(torus, reach []int) float64 {
	share := 1.0
	for i := range torus {
		share *= float64(reach[i]) / float64(torus[i])
	}
	return share
}

// Subdivided is a 1×1 convolution without bias under Mask (section 3.2): [B H W C] → [B H W C]. Variable: "weights" [C C].
// It panics unless the torus has C places.
func Subdivided(s *model.Scope, x *graph.Node, torus, reach []int) *graph.Node {
	channels := x.Shape().Dimensions[3]
	mask := Mask(torus, reach)
	if len(mask) != channels {
		Panicf("singleintrachannel.Subdivided: torus %v has %d places for %d channels", torus, len(mask), channels)
	}
	// He's deviation for the inputs that are left.
	deviation := math.Sqrt(2 / (float64(channels) * connections(torus, reach)))
	s = s.WithInitializer(initializer.RandomNormalFn(s, deviation))
	weights := s.VariableWithShape("weights", shapes.Make(x.DType(), channels, channels)).NodeValue(x.Graph())
	weights = graph.Mul(weights, graph.ConvertDType(graph.Const(x.Graph(), mask), x.DType())) // [C C]
	return graph.Einsum("bhwi,io->bhwo", x, weights)
}

// Expand is the transposed convolution within each channel whose stride is its size: each pixel becomes a patch of k×k, the
// pixel's value times a kernel of the channel (section 3.3). [B h w C] → [B kh kw C]. Variable: "weights" [k k C].
func Expand(s *model.Scope, x *graph.Node, k int) *graph.Node {
	d := x.Shape().Dimensions
	s = s.WithInitializer(initializer.RandomNormalFn(s, 1))
	weights := s.VariableWithShape("weights", shapes.Make(x.DType(), k, k, d[3])).NodeValue(x.Graph())
	patches := graph.Mul(graph.Reshape(x, d[0], d[1], 1, d[2], 1, d[3]), graph.Reshape(weights, 1, 1, k, 1, k, d[3])) // [B h k w k C]
	return graph.Reshape(patches, d[0], d[1]*k, d[2]*k, d[3])
}
