package attr

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
)

// ScoreCAM weighs each feature map by the score of the image seen through it, without gradients: the map is resized to the
// image, scaled to [0, 1], and multiplied with it (Wang et al. 2020, algorithm 1):
//
//	w_k = softmax_k(S(x ⊙ H_k) − S(0))
//
// S(0) is the same for all k and does not change the softmax. It takes as many forward passes as the tap has feature maps.
func ScoreCAM(tap string) Method {
	return func(s *model.Scope, network Network, x *Node, target Target) *Node {
		a := forward(s, network, x, target, tap).taps[0]
		checkFeatures(tap, a)
		dims := a.Shape().Dimensions
		byMap := TransposeAllAxes(a, 3, 0, 1, 2) // [C B h w]
		var scores []*Node
		for from, to := range chunks(dims[3], dims[0]) {
			masks := Slice(byMap, AxisRange(from, to))
			masks = bilinear(masks, x.Shape().Dimensions[1], x.Shape().Dimensions[2]) // [k B H W]
			least := ReduceAndKeep(masks, ReduceMin, 2, 3)
			masks = divide(Sub(masks, least), BroadcastToShape(Sub(ReduceAndKeep(masks, ReduceMax, 2, 3), least), masks.Shape()))
			seen := flat(Mul(InsertAxes(masks, -1), InsertAxes(x, 0))) // [k·B H W C]
			scores = append(scores, unflat(forward(s, network, seen, target).scores, to-from))
		}
		weights := Softmax(asFloat32(Concatenate(scores, 0)), 0) // [C B]
		return toImage(positive(weigh(asFloat32(a), Transpose(weights, 0, 1))), x)
	}
}

// AblationCAM weighs each feature map by how much of the score goes when the map is set to zero (Desai, Ramaswamy 2020,
// equation 3): w_k = (S − S_k)/S. The network below the tap is evaluated once, that above it once for each feature map.
func AblationCAM(tap string) Method {
	return func(s *model.Scope, network Network, x *Node, target Target) *Node {
		p := forward(s, network, x, target, tap)
		a := p.taps[0]
		checkFeatures(tap, a)
		dims := a.Shape().Dimensions
		var scores []*Node
		for from, to := range chunks(dims[3], dims[0]) {
			k := to - from
			keep := make([]float64, k*dims[3])
			for i := range keep {
				if keep[i] = 1; i%dims[3] == from+i/dims[3] {
					keep[i] = 0
				}
			}
			without := Mul(InsertAxes(a, 0), constant(a, keep, k, 1, 1, 1, dims[3])) // [k B h w C]
			layers.WithTapEdit(x.Graph(), tap, func(*Node) *Node { return flat(without) }, func() {
				scores = append(scores, unflat(forward(s, network, flat(copies(x, k)), target).scores, k))
			})
		}
		all := InsertAxes(p.scores, 0)                                                                         // [1 B]
		weights := asFloat32(divide(Sub(all, Concatenate(scores, 0)), BroadcastToDims(all, dims[3], dims[0]))) // [C B]
		return toImage(positive(weigh(asFloat32(a), Transpose(weights, 0, 1))), x)
	}
}
