package attr

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// Class activation maps weigh the feature maps A [B h w C] of a tap by what they do for the score S, sum them up, and keep
// what speaks for it:
//
//	L = ReLU(Σ_k w_k A_k)
//
// They differ in the weights. All are [B H W], resized to the image (AtTapSize: [B h w]), and not negative. The tap is
// usually the last one that still has space: deeper taps know more of the class, earlier ones more of the place.

// FeatureGradient builds what gradient-based maps begin with: the feature maps A of a tap and the gradients of the scores
// with respect to them, both [B h w C].
func FeatureGradient(s *model.Scope, network Network, x *Node, target Target, tap string) (features, gradients *Node) {
	p := forward(s, network, x, target, tap)
	features = p.taps[0]
	checkFeatures(tap, features)
	gradients = gradientOf(p.scores, features, "the tap "+tap)
	return asFloat32(features), asFloat32(gradients)
}

func checkFeatures(tap string, a *Node) {
	if a.Rank() != 4 {
		Panicf("the tap %s has shape %s, which has no place in the image: want feature maps [B h w C]", tap, a.Shape())
	}
}

// gradientCAM is a map that follows from feature maps and their gradients, [B h w C] → [B h w].
func gradientCAM(tap string, combine func(features, gradients *Node) *Node) Method {
	return func(s *model.Scope, network Network, x *Node, target Target) *Node {
		a, g := FeatureGradient(s, network, x, target, tap)
		return toImage(positive(combine(a, g)), x)
	}
}

// weigh is Σ_k w_k A_k: features [B h w C], weights [B C] → [B h w].
func weigh(features, weights *Node) *Node { return Einsum("bhwc,bc->bhw", features, weights) }

// positive is max(x, 0). Not layers.ReLU, whose gradient a rule may change.
func positive(x *Node) *Node { return MaxScalar(x, 0) }

// GradCAM weighs each feature map by the mean of its gradient (Selvaraju et al. 2017, equations 1 and 2):
// w_k = 1/hw Σ_ij ∂S/∂A_ijk.
func GradCAM(tap string) Method {
	return gradientCAM(tap, func(a, g *Node) *Node { return weigh(a, ReduceMean(g, 1, 2)) })
}

// HiResCAM weighs every value by its own gradient, L = ReLU(Σ_k ∂S/∂A_k ⊙ A_k), so that for a network that goes on
// linearly the map sums to the score (Draelos, Carin 2020, equation 3).
func HiResCAM(tap string) Method {
	return gradientCAM(tap, func(a, g *Node) *Node { return ReduceSum(Mul(a, g), -1) })
}

// LayerCAM weighs every value by the positive part of its own gradient, which lets early layers speak of fine places
// (Jiang et al. 2021, equations 3 to 5).
func LayerCAM(tap string) Method {
	return gradientCAM(tap, func(a, g *Node) *Node { return ReduceSum(Mul(a, positive(g)), -1) })
}

// XGradCAM weighs a feature map by the mean of its gradient where it is active, w_k = Σ_ij A_ijk ∂S/∂A_ijk / Σ_ij A_ijk
// (Fu et al. 2020, equation 8). A map that is zero everywhere has the weight zero.
func XGradCAM(tap string) Method {
	return gradientCAM(tap, func(a, g *Node) *Node {
		w := divide(ReduceSum(Mul(a, g), 1, 2), ReduceSum(a, 1, 2)) // [B C]
		return weigh(a, w)
	})
}

// divide is a/b, and zero where b is zero.
func divide(a, b *Node) *Node {
	zero := Equal(b, ZerosLike(b))
	return Where(zero, ZerosLike(b), Div(a, Where(zero, OnesLike(b), b)))
}

// CAM weighs each feature map by its weight in the linear layer that follows global mean pooling (Zhou et al. 2016,
// equation 2). head is the scope of that layer, whose variable "weights" is [C K].
//
// The network between tap and score must be global mean pooling and that layer, and the target must be linear in the outputs,
// as Class is and Top is not. For other networks there is GradCAM, which equals it here up to a positive factor.
func CAM(tap, head string) Method {
	return func(s *model.Scope, network Network, x *Node, target Target) *Node {
		p := forward(s, network, x, target, tap)
		a := p.taps[0]
		checkFeatures(tap, a)
		name := model.JoinPath(s.Scope(), head, "weights")
		v := s.Store().GetVariable(name)
		if v == nil {
			Panicf("attr.CAM: the network has no variable %s: head is the scope of the linear layer after the mean over space", name)
		}
		weights := asFloat32(v.NodeValue(x.Graph())) // [C K]
		batch, c := x.Shape().Dimensions[0], a.Shape().Dimensions[3]
		if weights.Rank() != 2 || weights.Shape().Dimensions[0] != c {
			Panicf("attr.CAM: %s is %s, which are no weights for the means of %d feature maps of the tap %s", name, weights.Shape(), c, tap)
		}
		// Row k of the weights is what the outputs would be if feature map k alone had the mean one: ask the target.
		k := weights.Shape().Dimensions[1]
		rows := BroadcastToDims(InsertAxes(weights, 1), c, batch, k)          // [C B K]
		w := Transpose(Reshape(target(Reshape(rows, -1, k)), c, batch), 0, 1) // [B C]
		return toImage(positive(weigh(asFloat32(a), w)), x)
	}
}
