package attr

import (
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// SmoothCAMOptions configures SmoothGradCAMPlusPlus.
type SmoothCAMOptions struct {
	SmoothOptions
	// PaperLiteral puts the first derivative in the numerator of α, as the paper's equation has it. It does not have the units
	// of the rest: scaling the score changes the map. Without it α is Grad-CAM++'s of averaged derivatives.
	PaperLiteral bool
	Maps         []int    // feature maps to look at; nil: all of the tap
	Neurons      [][2]int // places (row, column) of the feature maps to look at; nil: all
}

// SmoothGradCAMPlusPlus is Grad-CAM++ with derivatives that are averaged over noisy versions of the image (Omeiza et al.
// 2019, equations 9 to 11). With D1, D2, D3 the means of g, g² and g³:
//
//	α = D2 / (2 D2 + Σ_ab A_ab · D3),  w_k = Σ_ij α_ijk ReLU(D1_ijk)
//
// A are the feature maps of the image without noise. One sample without noise gives Grad-CAM++. Maps and Neurons restrict it
// to a subset of the feature maps, or of the neurons within them: nothing else counts in the weights or is shown.
func SmoothGradCAMPlusPlus(tap string, o SmoothCAMOptions) Method {
	return func(s *model.Scope, network Network, x *Node, target Target) *Node {
		smooth := o.withDefaults()
		a := forward(s, network, x, target, tap).taps[0]
		checkFeatures(tap, a)
		a = asFloat32(a) // [B h w C]
		var d1, d2, d3 *Node
		for k, versions := range smooth.noisy(x) {
			_, g := FeatureGradient(s, network, versions, target, tap)
			g = unflat(g, k) // [k B h w C]
			d1 = sumUp(d1, ReduceSum(g, 0))
			d2 = sumUp(d2, ReduceSum(Square(g), 0))
			d3 = sumUp(d3, ReduceSum(Mul(Square(g), g), 0))
		}
		n := float64(smooth.Samples)
		d1, d2, d3 = DivScalar(d1, n), DivScalar(d2, n), DivScalar(d3, n) // [B h w C]
		numerator := d2
		if o.PaperLiteral {
			numerator = d1
		}
		chosen := o.chosen(tap, a)
		alpha := alphaOf(a, numerator, d2, d3)
		weights := ReduceSum(Mul(Mul(alpha, positive(d1)), chosen), 1, 2) // [B C]
		return toImage(positive(weigh(Mul(a, chosen), weights)), x)
	}
}

// chosen is one for the neurons to look at and zero for the others, [1 h w C].
func (o SmoothCAMOptions) chosen(tap string, a *Node) *Node {
	h, w, c := a.Shape().Dimensions[1], a.Shape().Dimensions[2], a.Shape().Dimensions[3]
	for _, k := range o.Maps {
		if k < 0 || k >= c {
			Panicf("attr: feature map %d of the tap %s, which has the maps 0 to %d", k, tap, c-1)
		}
	}
	for _, at := range o.Neurons {
		if at[0] < 0 || at[0] >= h || at[1] < 0 || at[1] >= w {
			Panicf("attr: neuron at row %d, column %d of the tap %s, whose maps are %d×%d", at[0], at[1], tap, h, w)
		}
	}
	values := make([]float64, 0, h*w*c)
	for i := range h * w {
		here := o.Neurons == nil || slices.Contains(o.Neurons, [2]int{i / w, i % w})
		for k := range c {
			v := 0.0
			if here && (o.Maps == nil || slices.Contains(o.Maps, k)) {
				v = 1
			}
			values = append(values, v)
		}
	}
	return constant(a, values, 1, h, w, c)
}
