package layers

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// GroupNormOptions configures GroupNorm. The zero value is PyTorch's default with 32 groups, as in the paper.
type GroupNormOptions struct {
	Groups   int     // groups of neighbouring channels; 0: 32; the number of channels: instance normalisation
	Epsilon  float64 // added to the variance; 0: 1e-5
	NoAffine bool    // neither γ nor β
}

// GroupNorm normalises each example by itself, over space and the channels of a group (Wu, He 2018, eq. 1 and 7). It is the
// same in training and in evaluation, and for any batch size.
//
//	y = γ·(x − μ)/√(σ² + ε) + β
//
// x [B … C] → [B … C]. One group is the layer normalisation of convolutional networks.
//
// Variables: "scale" γ and "offset" β, [C], float32. It panics unless Groups divides the channels.
func GroupNorm(s *model.Scope, x *graph.Node, o GroupNormOptions) *graph.Node {
	if x.Rank() < 2 {
		Panicf("layers.GroupNorm in scope %q: input %s, want [B … C]", s.Scope(), x.Shape())
	}
	dims, groups := x.Shape().Dimensions, o.Groups
	batch, channels := dims[0], dims[x.Rank()-1]
	if groups == 0 {
		groups = 32
	}
	if groups < 1 || channels%groups != 0 {
		Panicf("layers.GroupNorm in scope %q: %d groups don't divide %d channels", s.Scope(), groups, channels)
	}
	dtype := x.DType()
	y := convert(x, storageDType(dtype))                     // sums need the precision
	y = graph.Reshape(y, batch, -1, groups, channels/groups) // [B space G C/G]
	mean := graph.ReduceAndKeep(y, graph.ReduceMean, 1, 3)   // [B 1 G 1]
	centred := graph.Sub(y, mean)
	variance := graph.ReduceAndKeep(graph.Square(centred), graph.ReduceMean, 1, 3) // [B 1 G 1]
	y = graph.Mul(centred, graph.Reciprocal(graph.Sqrt(graph.AddScalar(variance, orDefault(o.Epsilon, 1e-5)))))
	y = graph.Reshape(y, dims...) // [B … C]
	if !o.NoAffine {
		y = graph.Mul(y, expandLast(variable(s, y, "scale", initializer.One, channels), y))
		y = addLast(y, variable(s, y, "offset", initializer.Zero, channels))
	}
	return noted(convert(y, dtype), note{kind: "GroupNorm"})
}
