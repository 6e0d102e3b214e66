package siscore

import (
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
)

// StandardConv is a convolution without a bias whose kernel is standardised first (Qiao et al. 2019): each filter has mean 0 and
// variance 1 whatever its weights are. x [B H W C] → [B H' W' Filters]. Variable: "weights" [h w C Filters].
func StandardConv(s *model.Scope, x *graph.Node, o layers.ConvOptions) *graph.Node {
	size := o.Size
	if size == 0 {
		size = 3
	}
	channels := x.Shape().Dimensions[x.Rank()-1]
	weights := s.VariableWithShape("weights", shapes.Make(x.DType(), size, size, channels, o.Filters)).NodeValue(x.Graph())
	return layers.Convolution(x, Standardise(weights), o)
}

// Standardise gives each filter of a kernel [h w C K] mean 0 and variance 1.
func Standardise(kernel *graph.Node) *graph.Node {
	centred := graph.Sub(kernel, graph.ReduceAndKeep(kernel, graph.ReduceMean, 0, 1, 2)) // [h w C K]
	variance := graph.ReduceAndKeep(graph.Square(centred), graph.ReduceMean, 0, 1, 2)    // [1 1 1 K]
	return graph.Div(centred, graph.Sqrt(graph.AddScalar(variance, 1e-8)))
}
