// Package pyramidnet widens residual networks a little in every unit, instead of twice at once where the image is halved.
//
// Paper:   Han, Kim, Kim 2017, Deep Pyramidal Residual Networks, https://arxiv.org/abs/1610.02915
// Claim:   spreading the widening over all units, with a unit that normalises last and begins without activation, generalises better; no unit
// is then as important as the halving ones of a residual network.
// Here:    PyramidNet-20 and a pre-activation ResNet-20 of as many multiply-adds on 4000 images of 16×16, each unit taken out in turn after
// training; 3 seeds, 6 where these leave it open.
// Differs: the small networks begin with 8 channels and train for 5 epochs, not 300; accuracy differences are too small to be seen at this scale, so
// the study of taken-out units is what is asserted.
// Tried:   on validation images, 38 layers (α 14, 7200 images, 4 epochs, one seed): the deviation is 0.97 of the ResNet's, since the first unit outweighs all
// others in both nets, and the error 4.5 points lower; 20 layers from 16 channels on (α 24, one seed): 0.79, and 2.1 points; on drawn shapes, two
// seeds: 1.8 ± 0.5 of the ResNet's deviation.
package pyramidnet

import (
	"fmt"
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

// Growth says how the width of a unit follows from that of the one before.
type Growth string

const (
	Additive       Growth = "additive"       // D + α/N (eq. 2)
	Multiplicative Growth = "multiplicative" // D·α^(1/N) (eq. 3)
	Steps          Growth = "steps"          // doubled where the image is halved: a residual network
)

// Config is a network for small images in three stages.
type Config struct {
	Depth      int     `json:"depth"`      // 6n+2 layers, or 9n+2 with bottlenecks
	Alpha      float64 `json:"alpha"`      // the widening factor α
	Growth     Growth  `json:"growth"`     // of the widths
	Bottleneck bool    `json:"bottleneck"` // units of 1×1, 3×3, 1×1 that put out four times their width
	FirstReLU  bool    `json:"first_relu"` // an activation after the first normalisation of a unit, as before PyramidNet
	NoLastNorm bool    `json:"no_last_norm"`
	Start      int     `json:"start"` // channels of the stem
	Classes    int     `json:"classes"`
	Size       int     `json:"size"` // height and width of the images
}

func network(depth int, alpha float64, bottleneck bool) Config {
	return Config{Depth: depth, Alpha: alpha, Growth: Additive, Bottleneck: bottleneck, Start: 16, Classes: 10, Size: 32}
}

// Variants are the networks of tables 4 and 5.
var Variants = map[string]Config{
	"110-a48": network(110, 48, false), "110-a84": network(110, 84, false), "110-a270": network(110, 270, false),
	"164-a48": network(164, 48, true), "164-a84": network(164, 84, true), "164-a270": network(164, 270, true),
	"200-a240": network(200, 240, true), "236-a220": network(236, 220, true), "272-a200": network(272, 200, true),
}

// Recipe is PyramidNet as the harness sees it.
var Recipe = recipes.Register(recipes.Recipe[Config]{
	Name:   "pyramidnet",
	Family: "backbone",
	Paper: recipes.Paper{
		Title: "Deep Pyramidal Residual Networks", Authors: "Han, Kim, Kim", Year: 2017, URL: "https://arxiv.org/abs/1610.02915",
	},
	Config: Variants["110-a48"], Variant: "110-a48", Variants: Variants,
	Tiny:  Tiny,
	Model: Model,
	Input: func(c Config) []int { return []int{c.Size, c.Size, 3} },
	Taps:  Taps,
	// The scopes have the names of the authors' modules.
	Weights: func(Config) []recipes.WeightMap {
		return []recipes.WeightMap{{Source: "PyramidNet-PyTorch", Head: []string{"fc"}}}
	},
	Fit:    paperFit,
	Claims: []recipes.Claim[Config]{deletionClaim},
})

// paperFit is section 4's for CIFAR-10: 300 epochs in batches of 128, Nesterov momentum 0.9, decay 1e-4, rate 0.1 divided by 10
// after half and three quarters.
var paperFit = recipes.Fit{
	Epochs: 300, Batch: 128,
	Optimizer: func(steps int) optimizer.Interface {
		return optim.SGD{
			LearningRate: optim.Step{Initial: 0.1, Milestones: []int{steps / 2, steps * 3 / 4}},
			Momentum:     0.9, Nesterov: true, WeightDecay: 1e-4,
		}
	},
}

// Tiny has one unit a stage, few channels and small images.
func Tiny(c Config) Config {
	tiny := c
	tiny.Depth, tiny.Alpha, tiny.Start, tiny.Classes, tiny.Size = 8, 6, 4, min(c.Classes, 4), 16
	if c.Bottleneck {
		tiny.Depth = 11
	}
	if c.Growth == Multiplicative {
		tiny.Alpha = 2
	}
	return tiny
}

// units is N: how many units a network has, a third of them in each stage.
func (c Config) units() int {
	convolutions := 2
	if c.Bottleneck {
		convolutions = 3
	}
	n := (c.Depth - 2) / convolutions
	if n < 3 || n%3 != 0 || n*convolutions+2 != c.Depth {
		Panicf("pyramidnet: depth %d, want %dn+2 layers", c.Depth, 3*convolutions)
	}
	return n
}

// Widths are those of the units, before a bottleneck's factor of four. The real-valued width grows, and each unit rounds it.
func (c Config) Widths() []int {
	n := c.units()
	widths := make([]int, n)
	d := float64(c.Start)
	for k := range widths {
		switch c.Growth {
		case Additive:
			d += c.Alpha / float64(n)
		case Multiplicative:
			d *= math.Pow(c.Alpha, 1/float64(n))
		case Steps:
			d = float64(c.Start << (k / (n / 3)))
		default:
			Panicf("pyramidnet: growth %q, want %q, %q or %q", c.Growth, Additive, Multiplicative, Steps)
		}
		widths[k] = int(math.Floor(d + 0.5))
	}
	return widths
}

// Model builds the network: images [B H W 3] → logits [B K].
func Model(c Config) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node { return build(s, x, c, nil) }
}

// build is Model with a gate for each unit, [N], by which its branch is multiplied: 0 takes the unit out. Nil: no gates.
func build(s *model.Scope, x *graph.Node, c Config, gates *graph.Node) *graph.Node {
	x = layers.Conv(s.In("conv1"), x, layers.ConvOptions{Filters: c.Start, NoBias: true}) // [B H W start]
	x = layers.Tap(layers.BatchNorm(s.In("bn1"), x, layers.BatchNormOptions{}), "stem")
	widths := c.Widths()
	perStage := len(widths) / 3
	var stage *model.Scope
	for k, width := range widths {
		stride := 1
		if k%perStage == 0 {
			stage = s.In("layer%d", k/perStage+1)
			if k > 0 {
				stride = 2
			}
		}
		out := width
		if c.Bottleneck {
			out *= 4
		}
		around := shortcut(x, out, stride) // before the branch: XLA:CPU then takes a tenth less time a step
		branch := unit(stage.In("%d", k%perStage), x, c, width, stride)
		if gates != nil {
			branch = graph.Mul(branch, graph.ConvertDType(graph.Reshape(graph.Slice(gates, graph.AxisElem(k))), branch.DType()))
		}
		x = layers.Tap(graph.Add(around, branch), unitName(k, perStage)) // [B h w out]
	}
	x = layers.ReLU(layers.BatchNorm(s.In("bn_final"), x, layers.BatchNormOptions{}))
	return layers.Dense(s.In("fc"), layers.GlobalMeanPool(x), c.Classes) // [B K]
}

// unit is the branch of figure 6 (d): normalisation, convolution, normalisation, activation, convolution, normalisation, with
// one more convolution in a bottleneck.
func unit(s *model.Scope, x *graph.Node, c Config, width, stride int) *graph.Node {
	convs := []layers.ConvOptions{{Filters: width, Stride: stride}, {Filters: width}}
	if c.Bottleneck {
		convs = []layers.ConvOptions{{Filters: width, Size: 1}, {Filters: width, Stride: stride}, {Filters: 4 * width, Size: 1}}
	}
	for i, o := range convs {
		x = layers.BatchNorm(s.In("bn%d", i+1), x, layers.BatchNormOptions{})
		if i > 0 || c.FirstReLU {
			x = layers.ReLU(x)
		}
		o.NoBias = true
		x = layers.Conv(s.In("conv%d", i+1), x, o)
	}
	if !c.NoLastNorm {
		x = layers.BatchNorm(s.In("bn%d", len(convs)+1), x, layers.BatchNormOptions{})
	}
	return x
}

// shortcut has no parameters: the mean of 2×2 pixels where the image is halved, and zeros for the channels that are new
// (figure 5). So the new channels of a sum are those of the branch alone.
func shortcut(x *graph.Node, out, stride int) *graph.Node {
	if stride > 1 {
		x = layers.MeanPool(x, layers.PoolOptions{})
	}
	return resnet.Pad(x, out, 1)
}

// Taps lists the feature maps: "stem" and each unit's sum, "layer1/0".
func Taps(c Config) []string {
	names := []string{"stem"}
	n := c.units()
	for k := range n {
		names = append(names, unitName(k, n/3))
	}
	return names
}

func unitName(k, perStage int) string { return fmt.Sprintf("layer%d/%d", k/perStage+1, k%perStage) }
