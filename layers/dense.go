package layers

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// DenseOptions configures DenseWith. Only Units must be set.
type DenseOptions struct {
	Units  int // outputs
	NoBias bool
}

// Dense is a linear layer with a bias: x [B … C] → [B … units], y = x·W + b. See DenseWith.
func Dense(s *model.Scope, x *graph.Node, units int) *graph.Node {
	return DenseWith(s, x, DenseOptions{Units: units})
}

// DenseWith is Dense with options.
//
// Variables: "weights" [C Units], from the scope's initialiser (He's normal one unless s.WithInitializer said
// otherwise), and "biases" [Units], from zero.
//
// It panics if x has fewer than two axes or Units is less than 1. An image must be flattened first.
func DenseWith(s *model.Scope, x *graph.Node, o DenseOptions) *graph.Node {
	if o.Units < 1 || x.Rank() < 2 {
		Panicf("layers.Dense in scope %q: %d units for input %s: want at least one unit, and [B … C]", s.Scope(), o.Units, x.Shape())
	}
	channels := x.Shape().Dimensions[x.Rank()-1]
	weights := variable(s, x, "weights", nil, channels, o.Units)
	dense := Application{Kind: KindDense, Scope: s.Scope(), X: x, Weights: weights, Apply: func(x, weights *graph.Node) *graph.Node {
		return graph.Dot(x, weights).General([]int{-1}, nil, []int{0}, nil) // [B … Units]
	}}
	if !o.NoBias {
		dense.Biases = variable(s, x, "biases", initializer.Zero, o.Units)
	}
	return noted(dense.underRule(), note{kind: "Dense"})
}

// Flatten joins all axes but the first: [B …] → [B n]. Images are flattened row by row with channels varying fastest;
// weights of networks that keep channels first need their rows permuted.
func Flatten(x *graph.Node) *graph.Node {
	if x.Rank() < 2 {
		Panicf("layers.Flatten: input %s, want [B …]", x.Shape())
	}
	batch := x.Shape().Dimensions[0]
	return graph.Reshape(x, batch, x.Shape().Size()/max(batch, 1))
}
