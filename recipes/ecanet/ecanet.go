// Package ecanet gates channels by a short convolution over the channel axis.
//
// Paper:   Wang et al. 2020, ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks, https://arxiv.org/abs/1910.03151
// Claim:   a gate needs no dimensionality reduction, only some interaction between neighbouring channels: ECA does what squeeze and
// excite does, with a handful of parameters.
// Here:    two superimposed shapes, one of which is asked for by a cue that only the mean over the whole image shows. With gates in the units,
// no gate, squeeze and excite and ECA with 3 neighbours; with one gate on the planes of the image, where the cue is in a neighbour of both
// shapes that the network behind does not see, ECA and a gate without neighbours; 3 seeds, 6 where these leave it open.
// Differs: the paper's 80 parameters for ResNet-50 come from the released kernels 3, 5, 5, 7; the formula of the paper gives 5, 5, 5, 7 and
// 86. Both are variants, the formula is the default. The claim's task is our own: it makes the gate necessary, which a small natural
// data set does not. Interaction is tested on the planes of the image, where there is no other way to the cue; the gates of the paper's
// table 2 are in the units.
// Tried:   at first the gate without neighbours stood in the units, too. A 1×1 convolution before it can write the cue into every channel, so
// this was no test of interaction: recorded as not holding, with 3.4 ± 2.0 of the 10 points asked. Nor was it one on the planes with the cue's plane
// going on to the convolutions: a gate on its mean makes its noise louder or softer, which they can see. That was recorded as inconclusive
// (11 ± 39 with 6 seeds). Without it, 3 seeds on validation images gave 43.5 ± 0.6 points (98.5 % against 55.0 %). With 6 epochs
// it was recorded as 43.4 ± 0.3 points; half as many do.
package ecanet

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/layers"
	"fovea/layers/optim"
	"fovea/layers/resnet"
	"fovea/recipes"
)

// A Gate is what stands at the end of each residual branch.
type Gate string

const (
	ECA        Gate = "eca"
	SE         Gate = "se"      // squeeze and excite, without biases
	PerChannel Gate = "channel" // a weight for each channel and no interaction: table 2's SE-Var2
	Ungated    Gate = "none"
)

// Config is a residual network with a gate in each unit, or with one before its first convolution.
type Config struct {
	Host    resnet.Config `json:"host"`
	Gate    Gate          `json:"gate"`
	Kernels []int         `json:"kernels,omitempty"` // of ECA by stage; none: KernelSize of the unit's channels
	Ratio   int           `json:"ratio,omitempty"`   // of SE; 0: 16
	Planes  bool          `json:"planes,omitempty"`  // one gate on the planes of the image, in place of those in the units; the network sees every second of them
	Size    int           `json:"size"`              // height and width of the images
}

func imagenet(layers int, gate Gate, kernels ...int) Config {
	return Config{Host: resnet.ImageNet(layers), Gate: gate, Kernels: kernels, Size: 224}
}

// Variants are the networks of table 3, and the comparisons of table 2.
var Variants = map[string]Config{
	"18": imagenet(18, ECA), "34": imagenet(34, ECA), "50": imagenet(50, ECA), "101": imagenet(101, ECA),
	"50-released": imagenet(50, ECA, 3, 5, 5, 7),
	"50-se":       imagenet(50, SE),
	"50-channel":  imagenet(50, PerChannel),
	"50-none":     imagenet(50, Ungated),
}

// Recipe is ECA-Net as the harness sees it.
var Recipe = recipes.Register(recipes.Recipe[Config]{
	Name:   "ecanet",
	Family: "backbone",
	Paper: recipes.Paper{
		Title:   "ECA-Net: Efficient Channel Attention for Deep Convolutional Neural Networks",
		Authors: "Wang, Wu, Zhu, Li, Zuo, Hu", Year: 2020, URL: "https://arxiv.org/abs/1910.03151",
	},
	Config: Variants["50"], Variant: "50", Variants: Variants,
	Params: map[string]int{"50-none": 25_557_032, "50": 25_557_032 + 86, "50-released": 25_557_032 + 80, "50-se": 25_557_032 + 2_514_944},
	Tiny:   Tiny,
	Model:  Model,
	Input:  func(c Config) []int { return []int{c.Size, c.Size, 3} },
	Taps:   func(c Config) []string { return c.Host.Taps() },
	Fit:    paperFit,
	Weights: func(c Config) []recipes.WeightMap {
		return recipes.TorchvisionNames("fc", c.Host.Scopes(gateScope(c.Gate))...)
	},
	Claims: []recipes.Claim[Config]{cueClaim, interactionClaim},
})

// paperFit is the ImageNet training: momentum 0.9, decay 1e-4, rate 0.1 divided by 10 every 30 of 100 epochs.
var paperFit = recipes.Fit{
	Epochs: 100, Batch: 256,
	Optimizer: func(steps int) optimizer.Interface {
		third := steps * 30 / 100
		return optim.SGD{
			LearningRate: optim.Step{Initial: 0.1, Milestones: []int{third, 2 * third, 3 * third}},
			Momentum:     0.9, WeightDecay: 1e-4,
		}
	},
}

// Tiny has one unit a stage, few channels and small images.
func Tiny(c Config) Config {
	tiny := c
	tiny.Host.Stages, tiny.Host.Widths = []int{1, 1, 1, 1}, []int{4, 4, 8, 8}
	tiny.Host.Classes, tiny.Ratio, tiny.Size = min(c.Host.Classes, 4), 4, 32
	return tiny
}

// Model builds the network: images [B H W 3] → logits [B K].
func Model(c Config) recipes.Network {
	if c.Planes {
		host := resnet.Network(c.Host, resnet.Hooks{})
		return func(s *model.Scope, x *graph.Node) *graph.Node {
			x = c.attend(s, x, 0)                                                                   // [B H W 3]
			return host(s, graph.Slice(x, graph.AxisRange().Spacer(), graph.AxisRange().Stride(2))) // [B H W 2]
		}
	}
	return resnet.Network(c.Host, resnet.Hooks{Branch: func(s *model.Scope, x *graph.Node, u resnet.Unit) *graph.Node {
		return c.attend(s, x, u.Stage)
	}})
}

// attend gates the channels of x [B H W C].
func (c Config) attend(s *model.Scope, x *graph.Node, stage int) *graph.Node {
	switch c.Gate {
	case ECA:
		return Attention(s.In("%s", gateScope(c.Gate)), x, c.kernel(stage, x.Shape().Dimensions[3]))
	case SE:
		return layers.SqueezeExcite(s.In("%s", gateScope(c.Gate)), x, layers.SqueezeExciteOptions{Ratio: c.Ratio, NoBias: true})
	case PerChannel:
		return perChannel(s.In("%s", gateScope(c.Gate)), x)
	case Ungated:
		return x
	}
	Panicf("ecanet: gate %q, want %q, %q, %q or %q", c.Gate, ECA, SE, PerChannel, Ungated)
	return nil
}

// gateScope is where a gate has its variables in a unit.
func gateScope(g Gate) string { return "gate-" + string(g) }

// kernel is that of ECA on the channels of a stage.
func (c Config) kernel(stage, channels int) int {
	if len(c.Kernels) > 0 {
		return c.Kernels[stage]
	}
	return KernelSize(channels, 2, 1)
}

// KernelSize is the adaptive neighbourhood of C channels, |log₂(C)/γ + b/γ| brought to an odd number (eq. 12): its whole
// part, and one more if that is even.
func KernelSize(channels int, gamma, b float64) int {
	k := int(math.Abs((math.Log2(float64(channels)) + b) / gamma))
	return k + 1 - k%2
}

// Attention gates each channel by what it and its k−1 nearest channels are like on average (section 3.2, figure 2):
//
//	x [B H W C] → mean over space [B C] → convolution over the channels, kernel k, sigmoid [B C] → x · gate
//
// Its only variable is "conv/weights", [k 1 1] of one channel. It panics unless k is odd.
func Attention(s *model.Scope, x *graph.Node, k int) *graph.Node {
	if k < 1 || k%2 == 0 {
		Panicf("ecanet.Attention: kernel %d, want an odd one, so that a channel is in the middle of its neighbours", k)
	}
	y := graph.InsertAxes(layers.GlobalMeanPool(x), -1)                                     // [B C 1]: channels as a sequence
	y = layers.Conv(s.In("conv"), y, layers.ConvOptions{Filters: 1, Size: k, NoBias: true}) // [B C 1]
	return gate(x, graph.Squeeze(y, -1))
}

// perChannel gates each channel by its own mean times a weight of its own: nothing crosses channels.
func perChannel(s *model.Scope, x *graph.Node) *graph.Node {
	y := graph.InsertAxes(layers.GlobalMeanPool(x), 1, 1) // [B 1 1 C]
	channels := y.Shape().Dimensions[3]
	y = layers.Conv(s.In("conv"), y, layers.ConvOptions{Filters: channels, Size: 1, Groups: channels, NoBias: true})
	return gate(x, graph.Squeeze(y, 1, 2))
}

// gate multiplies x [B H W C] with the sigmoid of y [B C].
func gate(x, y *graph.Node) *graph.Node {
	return graph.Mul(x, graph.InsertAxes(graph.Sigmoid(y), 1, 1)) // [B H W C]
}
