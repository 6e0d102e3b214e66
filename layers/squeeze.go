package layers

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// SqueezeExciteOptions configures SqueezeExcite. The zero value is the paper's.
type SqueezeExciteOptions struct {
	Ratio  int  // hidden units are C/Ratio, at least one; 0: 16
	Units  int  // hidden units, instead of Ratio
	NoBias bool // as the authors' own code has it; that of torchvision and timm has biases
}

// SqueezeExcite weighs each channel by a gate that sees the means of all (Hu et al. 2018, eq. 2 to 4):
//
//	x [B … C] → mean over space [B C] → Dense, ReLU [B C/Ratio] → Dense, sigmoid [B C] → x · gate [B … C]
//
// Scopes: "fc1" and "fc2", named as in timm.
func SqueezeExcite(s *model.Scope, x *graph.Node, o SqueezeExciteOptions) *graph.Node {
	n := spatialAxes("layers.SqueezeExcite", x)
	channels := x.Shape().Dimensions[n+1]
	if o.Ratio < 0 || o.Units < 0 {
		Panicf("layers.SqueezeExcite in scope %q: ratio %d, %d units: neither may be negative", s.Scope(), o.Ratio, o.Units)
	}
	units := o.Units
	if units == 0 {
		ratio := o.Ratio
		if ratio == 0 {
			ratio = 16
		}
		units = max(1, channels/ratio)
	}
	gate := GlobalMeanPool(x)                                                               // [B C]
	gate = ReLU(DenseWith(s.In("fc1"), gate, DenseOptions{Units: units, NoBias: o.NoBias})) // [B units]
	gate = graph.Sigmoid(DenseWith(s.In("fc2"), gate, DenseOptions{Units: channels, NoBias: o.NoBias}))
	for range n {
		gate = graph.InsertAxes(gate, 1) // [B 1 … C]
	}
	return graph.Mul(x, gate)
}
