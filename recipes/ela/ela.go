// Package ela gates positions by what their row and their column hold.
//
// Paper:   Xu, Wan 2024, ELA: Efficient Local Attention for Deep Convolutional Neural Networks, https://arxiv.org/abs/2403.01123
// Claim:   one-dimensional convolutions along each axis with group normalisation locate regions of interest without reducing channels,
// where channel attention cannot locate at all.
// Here:    a tick at the border says which of three rows counts; plain net, squeeze and excite, ECA, coordinate attention and ELA-B with a
// small field of view, 3 seeds.
// Differs: where in a network the module stands, the paper leaves open: here at the end of each residual branch. Public implementations
// share one convolution and one normalisation between rows and columns, so that is the default; "separate" gives each axis
// its own.
package ela

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/layers"
	"fovea/layers/optim"
	"fovea/layers/resnet"
	"fovea/recipes"
	"fovea/recipes/ecanet"
)

// Module is the attention at the end of each residual branch.
type Module string

const (
	ELAT  Module = "ela-t"
	ELAB  Module = "ela-b"
	ELAS  Module = "ela-s"
	ELAL  Module = "ela-l"
	CA    Module = "ca"  // coordinate attention, which the paper improves on
	SE    Module = "se"  // squeeze and excite
	ECA   Module = "eca" // efficient channel attention, 3 neighbours
	Plain Module = "none"
)

// A Version is what tells ELA-T, B, S and L apart.
type Version struct {
	Kernel     int // of the convolution along an axis
	GroupWidth int // channels of a group of the convolution; 1: depthwise
	NormGroups int // of the group normalisation
}

// Versions are the paper's four.
var Versions = map[Module]Version{ELAT: {5, 1, 32}, ELAB: {7, 1, 16}, ELAS: {5, 8, 16}, ELAL: {7, 8, 16}}

// Config is a residual network with an attention module in each unit.
type Config struct {
	Host     resnet.Config `json:"host"`
	Module   Module        `json:"module"`
	Separate bool          `json:"separate"` // rows and columns have weights of their own
	Size     int           `json:"size"`     // height and width of the images
}

func imagenet(layers int, m Module) Config {
	return Config{Host: resnet.ImageNet(layers), Module: m, Size: 224}
}

// Variants are the paper's hosts with each version, and the modules it compares with.
var Variants = map[string]Config{
	"18-t": imagenet(18, ELAT), "18-b": imagenet(18, ELAB), "18-s": imagenet(18, ELAS), "18-l": imagenet(18, ELAL),
	"50-t": imagenet(50, ELAT), "50-b": imagenet(50, ELAB), "50-s": imagenet(50, ELAS), "50-l": imagenet(50, ELAL),
	"50-ca": imagenet(50, CA), "50-se": imagenet(50, SE), "50-eca": imagenet(50, ECA), "50-none": imagenet(50, Plain),
}

// Recipe is ELA as the harness sees it.
var Recipe = recipes.Register(recipes.Recipe[Config]{
	Name:   "ela",
	Family: "backbone",
	Paper: recipes.Paper{
		Title:   "ELA: Efficient Local Attention for Deep Convolutional Neural Networks",
		Authors: "Xu, Wan", Year: 2024, URL: "https://arxiv.org/abs/2403.01123",
	},
	Config: Variants["50-b"], Variant: "50-b", Variants: Variants,
	Params: map[string]int{"50-none": 25_557_032},
	Tiny:   Tiny,
	Model:  Model,
	Input:  func(c Config) []int { return []int{c.Size, c.Size, 3} },
	Taps:   func(c Config) []string { return c.Host.Taps() },
	Fit:    paperFit,
	Weights: func(c Config) []recipes.WeightMap {
		return recipes.TorchvisionNames("fc", c.Host.Scopes("attention")...)
	},
	Claims: []recipes.Claim[Config]{rowClaim},
})

// paperFit is the usual ImageNet training of residual networks; the paper's own is not in our copy of it.
var paperFit = recipes.Fit{
	Epochs: 100, Batch: 256,
	Optimizer: func(steps int) optimizer.Interface {
		return optim.SGD{LearningRate: optim.Cosine{Initial: 0.1, Steps: steps}, Momentum: 0.9, WeightDecay: 1e-4}
	},
}

// Tiny has one basic unit a stage. The 32 channels are the fewest that every version takes.
func Tiny(c Config) Config {
	tiny := c
	tiny.Host.Stages, tiny.Host.Widths, tiny.Host.Bottleneck = []int{1, 1}, []int{32, 32}, false
	tiny.Host.Classes, tiny.Size = min(c.Host.Classes, 4), 32
	return tiny
}

// Model builds the network: images [B H W 3] → logits [B K].
func Model(c Config) recipes.Network {
	return resnet.Network(c.Host, resnet.Hooks{Branch: func(s *model.Scope, x *graph.Node, _ resnet.Unit) *graph.Node {
		return attend(s, x, c)
	}})
}

func attend(s *model.Scope, x *graph.Node, c Config) *graph.Node {
	if v, ok := Versions[c.Module]; ok {
		return Attention(s.In("attention"), x, v, c.Separate)
	}
	switch c.Module {
	case CA:
		return Coordinate(s.In("attention"), x)
	case SE:
		return layers.SqueezeExcite(s.In("attention"), x, layers.SqueezeExciteOptions{})
	case ECA:
		return ecanet.Attention(s.In("attention"), x, 3)
	case Plain:
		return x
	}
	Panicf("ela: module %q, want %q, %q, %q, %q, %q, %q, %q or %q", c.Module, ELAT, ELAB, ELAS, ELAL, CA, SE, ECA, Plain)
	return nil
}

// Attention gates each position by its row and its column (section 3.2):
//
//	x [B H W C] → mean of each row [B H C] and of each column [B W C]
//	  → convolution along the axis, group normalisation, sigmoid: y_h [B H C], y_w [B W C]
//	  → x · y_h · y_w [B H W C]
//
// No channel is left out and there is no bias. Variables in "conv" and "norm", of which separate makes a second pair in
// "conv_w" and "norm_w". It panics unless C is a multiple of the groups.
func Attention(s *model.Scope, x *graph.Node, v Version, separate bool) *graph.Node {
	rows, columns := strips(x)
	yh := axisGate(s.In("conv"), s.In("norm"), rows, v) // [B H C]
	conv, norm := s.Shared("conv"), s.Shared("norm")
	if separate {
		conv, norm = s.In("conv_w"), s.In("norm_w")
	}
	yw := axisGate(conv, norm, columns, v) // [B W C]
	return locate(x, yh, yw)
}

// strips are the means over each row and over each column: [B H C] and [B W C].
func strips(x *graph.Node) (rows, columns *graph.Node) {
	return graph.ReduceMean(x, 2), graph.ReduceMean(x, 1)
}

func axisGate(conv, norm *model.Scope, z *graph.Node, v Version) *graph.Node {
	channels := z.Shape().Dimensions[2]
	if channels%v.GroupWidth != 0 || channels%v.NormGroups != 0 {
		Panicf("ela.Attention: %d channels, want a multiple of %d and of %d", channels, v.GroupWidth, v.NormGroups)
	}
	z = layers.Conv(conv, z, layers.ConvOptions{Filters: channels, Size: v.Kernel, Groups: channels / v.GroupWidth, NoBias: true}) // [B T C]
	return graph.Sigmoid(layers.GroupNorm(norm, z, layers.GroupNormOptions{Groups: v.NormGroups}))
}

// locate multiplies x [B H W C] with gates by row [B H C] and by column [B W C].
func locate(x, yh, yw *graph.Node) *graph.Node {
	return graph.Mul(graph.Mul(x, graph.InsertAxes(yh, 2)), graph.InsertAxes(yw, 1)) // [B H W C]
}
