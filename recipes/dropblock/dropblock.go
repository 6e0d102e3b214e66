// Package dropblock regularises convolutional networks by dropping whole squares of their feature maps.
//
// Paper:   Ghiasi, Lin, Le 2018, DropBlock: A regularization method for convolutional networks, https://arxiv.org/abs/1810.12890
// Claim:   neighbours in a feature map tell what dropout hides, so dropout does little for convolutions; dropping a square with all its
// neighbours does more.
// Here:    how well a linear map predicts a dropped pixel from what is left, under dropout and under squares; and a small residual
// network on few images of 16×16, equal steps, without, with dropout and with DropBlock, 3 seeds.
// Differs: a feature map smaller than the square is dropped whole, channel by channel; in small claims the rate is constant.
package dropblock

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/datasets"
	"fovea/layers/optim"
	"fovea/layers/resnet"
	"fovea/recipes"
)

// Config is a residual network with DropBlock after its convolutions and on its shortcuts.
type Config struct {
	Network resnet.Config `json:"network"`
	Size    int           `json:"size"`   // height and width of the images
	Block   int           `json:"block"`  // side of a dropped square; 1: dropout; 0: the whole map of a channel
	Keep    float64       `json:"keep"`   // share of the values that stay, about (see Gamma); 1: nothing is dropped
	Stages  []float64     `json:"stages"` // 1−Keep is multiplied by this in each stage; 0: none there
	Ramp    int           `json:"ramp"`   // training steps over which the share falls from 1 to Keep in a straight line; 0: Keep from the start
	Shared  bool          `json:"shared"` // one mask for all channels; the paper found masks of their own better
}

// Variants are ResNet-50 as the paper trains it, DropBlock in the last two groups, a quarter as strong in the first of
// them; and the same network without.
var Variants = map[string]Config{
	"resnet50": {Network: resnet.ImageNet(50), Size: 224, Block: 7, Keep: 0.9, Stages: []float64{0, 0, 0.25, 1}},
	"baseline": {Network: resnet.ImageNet(50), Size: 224, Block: 7, Keep: 1, Stages: []float64{0, 0, 0.25, 1}},
}

// Recipe is DropBlock as the harness sees it.
var Recipe = recipes.Register(recipes.Recipe[Config]{
	Name:   "dropblock",
	Family: "backbone",
	Paper: recipes.Paper{
		Title:   "DropBlock: A regularization method for convolutional networks",
		Authors: "Ghiasi, Lin, Le", Year: 2018, URL: "https://arxiv.org/abs/1810.12890",
	},
	Config: Variants["resnet50"], Variant: "resnet50", Variants: Variants,
	Params: map[string]int{"resnet50": 25_557_032, "baseline": 25_557_032}, // those of ResNet-50: dropping has none
	Tiny:   Tiny,
	Model:  Model,
	Input:  func(c Config) []int { return []int{c.Size, c.Size, 3} },
	Taps:   func(c Config) []string { return c.Network.Taps() },
	Fit:    PaperFit,
	Claims: []recipes.Claim[Config]{leakClaim, accuracyClaim},
})

// PaperFit is the training of section 4.1: 270 epochs in batches of 1024 at rate 0.1 for each 256 images, divided by 10 after 125,
// 200 and 250 epochs. Set Ramp to the number of steps for the paper's schedule of the share.
var PaperFit = recipes.Fit{
	Epochs: 270, Batch: 1024, Augment: datasets.CropFlip(16),
	Optimizer: func(steps int) optimizer.Interface {
		milestones := []int{steps * 125 / 270, steps * 200 / 270, steps * 250 / 270}
		return optim.SGD{
			LearningRate: optim.Warmup{Steps: steps / 54, Then: optim.Step{Initial: 0.4, Milestones: milestones}},
			Momentum:     0.9, Nesterov: true, WeightDecay: 1e-4, NoDecay: optim.BiasesAndNorms,
		}
	},
}

// Tiny is a configuration's own code at about a million multiply-adds: one unit a stage on images of 32×32.
func Tiny(c Config) Config {
	tiny := c
	tiny.Network.Stages, tiny.Network.Widths = nil, nil
	for range c.Network.Stages {
		tiny.Network.Stages, tiny.Network.Widths = append(tiny.Network.Stages, 1), append(tiny.Network.Widths, 8)
	}
	tiny.Network.Classes, tiny.Network.StemWidth, tiny.Size, tiny.Block = 4, 0, 32, min(c.Block, 2)
	return tiny
}

// Model builds the network: images [B H W 3] → logits [B K], with the taps of the residual network.
func Model(c Config) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		drop := dropShare(s, x.Graph(), c) // a scalar
		return resnet.Network(c.Network, resnet.Hooks{
			After: func(s *model.Scope, x *graph.Node, _ string, u resnet.Unit) *graph.Node {
				if u.Stage >= len(c.Stages) || c.Stages[u.Stage] == 0 || c.Keep == 1 {
					return x
				}
				return DropBlock(s, x, c.Block, graph.MulScalar(drop, c.Stages[u.Stage]), c.Shared)
			},
		})(s, x)
	}
}

// dropShare is the share of values to drop at this step of training, a float32 scalar. The network counts its own steps, in a
// variable that is saved with the weights, so that a resumed training goes on where it was.
func dropShare(s *model.Scope, g *graph.Graph, c Config) *graph.Node {
	share := graph.Scalar(g, dtypes.Float32, 1-c.Keep)
	if c.Ramp == 0 {
		return share
	}
	steps := s.In("dropblock").WithInitializer(initializer.Zero).VariableWithShape("steps", shapes.Make(dtypes.Float32)).SetTrainable(false)
	if !s.IsTraining(g) {
		return share
	}
	done := steps.NodeValue(g)
	steps.SetNodeValue(graph.AddScalar(done, 1))
	return graph.Mul(share, graph.MinScalar(graph.MulScalar(done, 1/float64(c.Ramp)), 1))
}
