package layers

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// LayerNormOptions configures LayerNorm. The zero value is PyTorch's default.
type LayerNormOptions struct {
	Epsilon  float64 // added to the variance; 0: 1e-5
	NoAffine bool    // neither γ nor β
}

// LayerNorm normalises the channels of each position by themselves (Ba et al. 2016, eq. 3), as transformers and ConvNeXt
// have it; over space and channels together it is GroupNorm with one group.
//
//	y = γ·(x − μ)/√(σ² + ε) + β
//
// x [B … C] → [B … C]. Variables: "scale" γ and "offset" β, [C], float32.
func LayerNorm(s *model.Scope, x *graph.Node, o LayerNormOptions) *graph.Node {
	if x.Rank() < 2 {
		Panicf("layers.LayerNorm in scope %q: input %s, want [B … C]", s.Scope(), x.Shape())
	}
	dtype, channels := x.DType(), x.Shape().Dimensions[x.Rank()-1]
	y := convert(x, storageDType(dtype))
	y = graph.Sub(y, graph.ReduceAndKeep(y, graph.ReduceMean, -1))
	variance := graph.ReduceAndKeep(graph.Square(y), graph.ReduceMean, -1) // [B … 1]
	y = graph.Mul(y, graph.Reciprocal(graph.Sqrt(graph.AddScalar(variance, orDefault(o.Epsilon, 1e-5)))))
	if !o.NoAffine {
		y = graph.Mul(y, expandLast(variable(s, y, "scale", initializer.One, channels), y))
		y = addLast(y, variable(s, y, "offset", initializer.Zero, channels))
	}
	return noted(convert(y, dtype), note{kind: "LayerNorm"})
}
