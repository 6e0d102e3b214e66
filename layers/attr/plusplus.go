package attr

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// PlusPlusOptions configures GradCAMPlusPlusWith.
type PlusPlusOptions struct {
	// Normalize divides the α of each feature map by their sum, as the authors' code does and their formula does not.
	Normalize bool
}

// GradCAMPlusPlus weighs each feature map by the positive parts of its gradients, each with a factor α that makes up for
// how much of the map it covers, so that several instances of a class are found (Chattopadhay et al. 2018, equations 10,
// 13 and 19). Only differs from Grad-CAM where gradients vary over space: not before global mean pooling.
func GradCAMPlusPlus(tap string) Method { return GradCAMPlusPlusWith(tap, PlusPlusOptions{}) }

// GradCAMPlusPlusWith is GradCAMPlusPlus with options.
//
//	w_k = Σ_ij α_ijk ReLU(∂Y/∂A_ijk),  Y = exp(S)
//
// The derivative of Y is that of S times exp(S), a factor for the whole map, which is left out: it overflows.
func GradCAMPlusPlusWith(tap string, o PlusPlusOptions) Method {
	return gradientCAM(tap, func(a, g *Node) *Node {
		alpha := PlusPlusAlpha(a, g)
		if o.Normalize {
			total := ReduceAndKeep(alpha, ReduceSum, 1, 2)     // [B 1 1 C]
			alpha = Mul(alpha, divide(OnesLike(total), total)) // sums to one over space
		}
		return weigh(a, ReduceSum(Mul(alpha, positive(g)), 1, 2))
	})
}

// PlusPlusAlpha is the α of Grad-CAM++ for a network that is piecewise linear above the tap, from feature maps and
// gradients [B h w C] (Chattopadhay et al. 2018, equation 19):
//
//	α_ij = ∂²Y/∂A_ij² / (2 ∂²Y/∂A_ij² + Σ_ab A_ab · ∂³Y/∂A_ij³) = g² / (2g² + Σ_ab A_ab · g³)
//
// since the n-th derivative of exp(S) is exp(S)·gⁿ where the second derivative of S is zero. Where the denominator is zero
// it is taken for one, as in the authors' code.
func PlusPlusAlpha(features, gradients *Node) *Node {
	second := Square(gradients)
	return alphaOf(features, second, second, Mul(second, gradients))
}

// alphaOf is numerator / (2·second + Σ A · third).
func alphaOf(features, numerator, second, third *Node) *Node {
	sum := ReduceAndKeep(features, ReduceSum, 1, 2) // [B 1 1 C]
	denominator := Add(MulScalar(second, 2), Mul(sum, third))
	return Div(numerator, Where(Equal(denominator, ZerosLike(denominator)), OnesLike(denominator), denominator))
}
