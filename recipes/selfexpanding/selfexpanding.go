// Package selfexpanding grows a small convolutional network while it learns, where a score says that it would help.
//
// Paper:   Appolinary, Deaconu, Yang, Li 2024, Self Expanding Convolutional Neural Networks, https://arxiv.org/abs/2401.05686
// Claim:   one training that adds channels and layers by a natural expansion score ends as well as a network of the final size trained from
// scratch: 84.1 % on CIFAR-10 with 62,698 parameters.
// Here:    three blocks of 8 channels on CIFAR-10 at 16×16 that may grow three times, against the initial network and the final one from
// scratch; equal epochs, 4 seeds.
// Differs: the score is gᵀF⁻¹g with g the mean gradient and F the mean square of the gradients of single images. Computed from the mean square
// alone, as has been done, it would only count the parameters with any gradient (see the tests). The skip joins the first block's channels to the
// last block's input, since their numbers differ once blocks have grown. New channels begin with no outgoing weights. The small claim lets the
// network grow at fixed times, whatever τ, by 8 channels at once.
// Tried:   16 epochs with growth after 4, 7 and 10 were recorded as inconclusive with 3 seeds: −0.9 ± 2.7 points against the final size from
// scratch, where −2 is asked. Growth now comes after 2, 4 and 6 of 14 epochs, so that more of them are left for the grown network, and
// growth chosen by chance, which was only reported (1.8 ± 0.9 points behind the score), is left out for time. Two
// seeds on validation images gave 0.1 ± 2.2 points against the final size from scratch, and 6.3 ± 0.1 against the initial one.
package selfexpanding

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/datasets"
	"fovea/layers"
	"fovea/layers/optim"
	"fovea/recipes"
)

// A Block is a run of 3×3 convolutions of equal width.
type Block struct {
	Width int `json:"width"`
	Depth int `json:"depth"`
}

// Config is the network at one moment of its growth, and how it grows.
type Config struct {
	Blocks   []Block `json:"blocks"`
	Mixed    int     `json:"mixed"` // channels of the 1×1 convolution behind the last block
	Slope    float64 `json:"slope"` // of the leaky ReLU
	Dropout  float64 `json:"dropout"`
	Classes  int     `json:"classes"`
	Channels int     `json:"channels"` // of the images
	Size     int     `json:"size"`     // height and width of the images
	Growth   Growth  `json:"growth"`
}

func blocks(width, depth int) []Block { return []Block{{width, depth}, {width, depth}, {width, depth}} }

// Variants are the paper's network at its start, and one of about the size that it reaches.
var Variants = func() map[string]Config {
	initial := Config{
		Blocks: blocks(16, 1), Mixed: 32, Slope: 0.01, Dropout: 0.1, Classes: 10, Channels: 3, Size: 32,
		Growth: Growth{Step: 2, Tau: 2, MaxDepth: 10, Budget: 5_000, Images: 256, Deviation: 1e-4},
	}
	grown := initial
	grown.Blocks = blocks(32, 2)
	return map[string]Config{"initial": initial, "grown": grown}
}()

// Recipe is the self-expanding network as the harness sees it: what it is at one moment. Growing is what Grow and Choose do.
var Recipe = recipes.Register(recipes.Recipe[Config]{
	Name:   "selfexpanding",
	Family: "backbone",
	Paper: recipes.Paper{
		Title:   "Self Expanding Convolutional Neural Networks",
		Authors: "Appolinary, Deaconu, Yang, Li", Year: 2024, URL: "https://arxiv.org/abs/2401.05686",
	},
	Config: Variants["initial"], Variant: "initial", Variants: Variants,
	Tiny:   Tiny,
	Model:  Model,
	Input:  func(c Config) []int { return []int{c.Size, c.Size, c.Channels} },
	Taps:   Taps,
	Fit:    paperFit,
	Claims: []recipes.Claim[Config]{growthClaim},
})

// paperFit is the training of the paper, 300 epochs in batches of 512; the rate of 2e-3 falls with the cosine here, where the paper halves it
// whenever 15 epochs bring nothing.
var paperFit = recipes.Fit{
	Epochs: 300, Batch: 512, Augment: datasets.Flip(),
	Optimizer: func(steps int) optimizer.Interface {
		return optim.AdamW{LearningRate: optim.Cosine{Initial: 2e-3, Steps: steps}}
	},
}

// Tiny has few channels and small images.
func Tiny(c Config) Config {
	tiny := c
	tiny.Blocks = nil
	for _, b := range c.Blocks {
		tiny.Blocks = append(tiny.Blocks, Block{max(4, b.Width/8), b.Depth})
	}
	tiny.Mixed, tiny.Size, tiny.Classes = 8, 16, min(c.Classes, 4)
	return tiny
}

// Taps are the outputs of the blocks.
func Taps(c Config) (names []string) {
	for b := range c.Blocks {
		names = append(names, blockName(b))
	}
	return names
}

func blockName(b int) string { return fmt.Sprintf("block%d", b+1) }

// Model builds the network: images [B H W C] → logits [B K]. Blocks are halved in resolution one after the other, and the channels of
// the first one join the input of the last.
func Model(c Config) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		if len(c.Blocks) < 2 {
			Panicf("selfexpanding.Model: %d blocks, want at least 2", len(c.Blocks))
		}
		var first *graph.Node
		for b, block := range c.Blocks {
			if b > 0 {
				x, first = layers.MaxPool(x, layers.PoolOptions{}), layers.MaxPool(first, layers.PoolOptions{}) // [B h/2 w/2 C]
			}
			if b == len(c.Blocks)-1 {
				x = graph.Concatenate([]*graph.Node{x, first}, -1) // [B h w C+C₁]
			}
			in := s.In("%s", blockName(b))
			for j := range block.Depth {
				x = layers.Conv(in.In("conv%d", j+1), x, layers.ConvOptions{Filters: block.Width, NoBias: true}) // [B h w width]
				x = layers.LeakyReLU(layers.BatchNorm(in.In("norm%d", j+1), x, layers.BatchNormOptions{}), c.Slope)
			}
			x = layers.Tap(x, blockName(b))
			if b == 0 {
				first = x
			}
		}
		x = layers.Conv(s.In("mix"), x, layers.ConvOptions{Filters: c.Mixed, Size: 1}) // [B h w mixed]
		x = layers.GlobalMeanPool(layers.LeakyReLU(x, c.Slope))                        // [B mixed]
		return layers.Dense(s.In("output"), layers.Dropout(s, x, c.Dropout), c.Classes)
	}
}
