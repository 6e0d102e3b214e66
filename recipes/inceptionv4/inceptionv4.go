// Package inceptionv4 builds Inception-v4 and the Inception-ResNets, whose blocks add to a shortcut what their branches find.
//
// Paper:   Szegedy, Ioffe, Vanhoucke, Alemi 2016, Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning, https://arxiv.org/abs/1602.07261
// Claim:   residual connections make Inception networks train much faster, to about the same accuracy; and residuals that are scaled down keep very
// wide ones stable.
// Here:    narrow Inception-ResNet blocks on grids of 7×7 and 3×3, on CIFAR-10 images of 16×16, with and without their shortcuts, equal steps,
// 3 seeds; and how many of the last activations of one with 1040 filters are zero, with residuals scaled by 1 and by 0.1.
// Differs: the paper gives the second Inception-ResNet the stem of Inception-v4 and 5, 10 and 5 blocks: variant "resnet-v2". What was published
// under that name has another stem and 10, 20 and 10 blocks: "resnet-v2-released". 1154 and 2048 filters in the paper's figures 17 and 19 must be
// the 1152 and 2144 of what they are added to. The paper compares networks that differ in more than shortcuts, the small claim in these alone.
// The paper saw wide networks die after tens of thousands of steps of its training; here they do within 60 of the small one's.
// Tried:   an earlier set-up asked that the last activations be 3 times as large with scale 1 as with 0.1, and was recorded as not holding: 0.36 ± 0.14.
// That was no test of what the paper reports, which is that they become zero (section 3.3). On validation images 99 % of the values are zero with
// scale 1 and 27 to 45 % with 0.1 (two seeds); no filter is silent with 0.1, and 7 of 10 are with scale 1. The thresholds were set after that: the 70 % for 0.1 were 50 at
// first, before the 45. Neither
// net has learnt much in so few steps: the training losses do not differ.
package inceptionv4

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/datasets"
	"fovea/layers"
	"fovea/layers/loss"
	"fovea/layers/optim"
	"fovea/recipes"
	"fovea/recipes/inceptionv3"
)

// Config is an Inception network of this paper. The zero value is not useful: begin with a variant.
type Config struct {
	Family     Family     `json:"family"`
	Blocks     [3]int     `json:"blocks"`     // on the grids of 35×35, 17×17 and 8×8
	Scales     [3]float64 `json:"scales"`     // what the residuals of each grid are multiplied by
	NoShortcut bool       `json:"noShortcut"` // residual blocks without what they add to: the claim's control
	SmallStem  bool       `json:"smallStem"`  // one 3×3 convolution at full resolution, for images of the size of the first grid
	Width      float64    `json:"width"`      // multiplies all filters; 0: 1
	Dropout    float64    `json:"dropout"`    // before the classes, in training
	Classes    int        `json:"classes"`
	Size       int        `json:"size"` // height and width of the images
	Channels   int        `json:"channels"`
}

// Family says what the blocks are.
type Family string

const (
	V4               Family = "v4"                 // Inception-v4, without shortcuts
	ResNetV1         Family = "resnet-v1"          // Inception-ResNet-v1
	ResNetV2         Family = "resnet-v2"          // Inception-ResNet-v2 as in the paper
	ResNetV2Released Family = "resnet-v2-released" // the network that was published under that name
)

// Variants are the networks of the paper and the published one.
var Variants = func() map[string]Config {
	variant := func(f Family, a, b, c int, scales ...float64) Config {
		config := Config{Family: f, Blocks: [3]int{a, b, c}, Dropout: 0.2, Classes: 1000, Size: 299, Channels: 3}
		copy(config.Scales[:], scales)
		return config
	}
	return map[string]Config{
		"v4":        variant(V4, 4, 7, 3),
		"resnet-v1": variant(ResNetV1, 5, 10, 5, 0.17, 0.1, 0.2), "resnet-v2": variant(ResNetV2, 5, 10, 5, 0.17, 0.1, 0.2),
		"resnet-v2-released": variant(ResNetV2Released, 10, 20, 10, 0.17, 0.1, 0.2),
	}
}()

// Recipe is Inception-v4 and its kin as the harness sees them.
var Recipe = recipes.Register(recipes.Recipe[Config]{
	Name:   "inceptionv4",
	Family: "backbone",
	Paper: recipes.Paper{
		Title:   "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning",
		Authors: "Szegedy, Ioffe, Vanhoucke, Alemi", Year: 2016, URL: "https://arxiv.org/abs/1602.07261",
	},
	Config: Variants["v4"], Variant: "v4", Variants: Variants,
	Params:  map[string]int{"v4": 42_679_816, "resnet-v2-released": 55_843_464},
	Tiny:    Tiny,
	Model:   Model,
	Input:   func(c Config) []int { return []int{c.Size, c.Size, c.Channels} },
	Taps:    Taps,
	Weights: Weights,
	Fit:     paperFit,
	Claims:  []recipes.Claim[Config]{speedClaim, scaleClaim},
})

// paperFit is the training of section 4 of one replica of 20: RMSProp with a decay of 0.9 and ε = 1, the rate 0.045 times 0.94 every second
// epoch. Batch, epochs, decay and smoothing are those of Inception-v3.
var paperFit = recipes.Fit{
	Epochs: 100, Batch: 32, Augment: datasets.ResizedCrop(0.05), Loss: loss.SoftmaxCrossEntropy(0.1),
	Optimizer: func(steps int) optimizer.Interface {
		return optim.RMSProp{LearningRate: inceptionv3.Staircase(0.045, steps), Epsilon: 1, ClipNorm: 2, WeightDecay: 4e-5, NoDecay: optim.BiasesAndNorms}
	},
}

// Tiny has one block on each grid, a thirtieth of the filters, and the small stem.
func Tiny(c Config) Config {
	tiny := c
	for i, n := range c.Blocks {
		tiny.Blocks[i] = min(1, n)
	}
	tiny.SmallStem, tiny.Size, tiny.Width, tiny.Dropout, tiny.Classes = true, 16, 0.03, 0, min(c.Classes, 4)
	return tiny
}

// Model builds the network: images [B H W C] → logits [B K].
func Model(c Config) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		x.AssertDims(-1, c.Size, c.Size, c.Channels)
		for _, b := range c.parts() {
			x = layers.Tap(b.build(s.In("%s", b.name), x), b.name)
		}
		x = layers.Dropout(s, layers.GlobalMeanPool(x), c.Dropout) // [B C]
		return layers.Dense(s.In("classes"), x, c.Classes)         // [B K]
	}
}

// Taps lists the outputs of the blocks.
func Taps(c Config) []string {
	var names []string
	for _, b := range c.parts() {
		names = append(names, b.name)
	}
	return names
}

// Weights tells timm's names of inception_v4.
func Weights(c Config) []recipes.WeightMap {
	if c.Family != V4 {
		return nil
	}
	m := recipes.WeightMap{Source: "timm", Modules: map[string]string{"classes": "last_linear"}, Head: []string{"classes"}}
	for i, b := range c.parts() {
		m.Modules[b.name] = fmt.Sprintf("features.%d", i)
	}
	return []recipes.WeightMap{m}
}
