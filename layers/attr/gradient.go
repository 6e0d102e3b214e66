package attr

import (
	"fovea/layers"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// InputGradient is the gradient of the target's score with respect to the image, [B H W C]: how much the score would
// rise if a value rose.
func InputGradient(s *model.Scope, network Network, x *Node, target Target) *Node {
	return gradientUnder(layers.ReLUGradient, s, network, x, target)
}

// Saliency is the largest magnitude of the gradient over the channels, [B H W], not negative (Simonyan et al. 2014,
// section 3.1: M_ij = max_c |w_ijc|).
func Saliency(s *model.Scope, network Network, x *Node, target Target) *Node {
	return LargestOfChannels(InputGradient)(s, network, x, target)
}

// Deconvnet is the map of a deconvolutional network (Zeiler, Fergus 2014), [B H W C]: the gradient, but each ReLU on the
// way back passes what is positive in the signal that comes back (Simonyan et al. 2014, section 4). The network must
// use layers.ReLU.
func Deconvnet(s *model.Scope, network Network, x *Node, target Target) *Node {
	return gradientUnder(layers.ReLUDeconvnet, s, network, x, target)
}

// Guided is guided backpropagation (Springenberg et al. 2015), [B H W C]: each ReLU passes what is positive in the
// signal that comes back, where its input was positive too. Sharp, but mostly an edge detector: it hardly depends on
// the weights of the upper layers (Adebayo et al. 2018). The network must use layers.ReLU.
func Guided(s *model.Scope, network Network, x *Node, target Target) *Node {
	return gradientUnder(layers.ReLUGuided, s, network, x, target)
}

// LargestOfChannels makes a map with one value for each pixel of a method with one for each channel: [B H W C] → [B H W],
// the largest magnitude.
func LargestOfChannels(method Method) Method {
	return func(s *model.Scope, network Network, x *Node, target Target) *Node {
		return ReduceMax(Abs(method(s, network, x, target)), -1)
	}
}

// InputTimesGradient is the gradient times the image, [B H W C]: for a linear network what each value contributes to the
// score (Shrikumar et al. 2016).
func InputTimesGradient(s *model.Scope, network Network, x *Node, target Target) *Node {
	return Mul(asFloat32(x), InputGradient(s, network, x, target))
}

// gradientUnder is the gradient with respect to the image where ReLUs follow a rule on the way back.
func gradientUnder(rule layers.ReLURule, s *model.Scope, network Network, x *Node, target Target) *Node {
	var p pass
	layers.WithReLURule(x.Graph(), rule, func() { p = forward(s, network, x, target) })
	return asFloat32(gradientOf(p.scores, x, "the image"))
}
