// Package transferable measures, layer by layer, how general the features of a convolutional network are: the first n layers of a network
// trained on one task are carried over to another.
//
// Paper:   Yosinski, Clune, Bengio, Lipson 2014, How transferable are features in deep neural networks?, https://arxiv.org/abs/1411.1792
// Claim:   features go from general to specific with depth: frozen and carried over, the last ones cost accuracy; the more, the more distant the
// tasks are, though less than random ones; and fine-tuned they beat training from scratch.
// Here:    a network of six convolutions and a linear layer on images of 16×16; a task of nine things, carried over from itself, from nine
// other things, from nine textures and from random weights, at n = 2, 4 and 6, equal steps, 3 seeds with a random split of the things each.
// Differs: few convolutions of few channels, and a target task of few images; Adam in place of SGD. The dip of BnB in the middle, which the paper puts
// down to co-adapted layers, is only reported. At paper scale the distant tasks are the first and the second half of the classes in
// the order of the set, which keeps ImageNet's kinds together, in place of the authors' lists.
// Tried:   rates from 0.0015 to 0.006, 200 to 300 steps, 450 and 900 images of the target task, on three validation splits at most. With 900 images
// the task was too easy. Fine-tuned, six layers of a near task led training from scratch in all of them, by 3 to 26 points; at the
// highest rate, where training from scratch did best, by 3 to 10.
package transferable

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/datasets"
	"fovea/layers"
	"fovea/layers/optim"
	"fovea/recipes"
	"fovea/recipes/vgg"
)

// Conv is a convolution with what follows it.
type Conv struct {
	Filters int  `json:"filters"`
	Size    int  `json:"size"`
	Stride  int  `json:"stride,omitempty"` // 0: 1
	Valid   bool `json:"valid,omitempty"`  // no padding
	Groups  int  `json:"groups,omitempty"` // 0: 1
	Pool    int  `json:"pool,omitempty"`   // window of a max-pooling with stride 2; 0: none
	Norm    bool `json:"norm,omitempty"`   // local response normalisation after it
}

// Config is a plain network: convolutions, hidden fully connected layers, and one for the classes.
type Config struct {
	Convs   []Conv  `json:"convs"`
	Hidden  []int   `json:"hidden,omitempty"`
	Classes int     `json:"classes"`
	Size    int     `json:"size"`
	Dropout float64 `json:"dropout,omitempty"` // after each hidden layer, in training
}

func alexnet(classes int) Config {
	return Config{
		Convs: []Conv{
			{Filters: 96, Size: 11, Stride: 4, Valid: true, Pool: 3, Norm: true}, {Filters: 256, Size: 5, Groups: 2, Pool: 3, Norm: true},
			{Filters: 384, Size: 3}, {Filters: 384, Size: 3, Groups: 2}, {Filters: 256, Size: 3, Groups: 2, Pool: 3},
		},
		Hidden: []int{4096, 4096}, Classes: classes, Size: 227, Dropout: 0.5,
	}
}

// Variants are Caffe's reference network with eight layers, for all of ImageNet and for half of its classes.
var Variants = map[string]Config{"caffenet": alexnet(1000), "half": alexnet(500)}

// Recipe is the study's network as the harness sees it.
var Recipe = recipes.Register(recipes.Recipe[Config]{
	Name:   "transferable",
	Family: "analysis",
	Paper: recipes.Paper{
		Title:   "How transferable are features in deep neural networks?",
		Authors: "Yosinski, Clune, Bengio, Lipson", Year: 2014, URL: "https://arxiv.org/abs/1411.1792",
	},
	Config: Variants["half"], Variant: "half", Variants: Variants,
	Params: map[string]int{"caffenet": 60_965_224, "half": 58_916_724},
	Tiny:   Tiny,
	Model:  Model,
	Input:  func(c Config) []int { return []int{c.Size, c.Size, 3} },
	Taps:   func(c Config) []string { names := Layers(c); return names[:len(names)-1] },
	Fit:    PaperFit,
	Claims: []recipes.Claim[Config]{transferClaim},
})

// PaperFit is the training of the authors' repository: 450,000 steps in batches of 256, rate 0.01 divided by 10 every 100,000.
var PaperFit = recipes.Fit{
	Steps: 450_000, Batch: 256, Augment: datasets.Flip(),
	Optimizer: func(steps int) optimizer.Interface {
		var milestones []int
		for i := 1; i*100_000 < steps; i++ {
			milestones = append(milestones, i*100_000)
		}
		return optim.SGD{LearningRate: optim.Step{Initial: 0.01, Milestones: milestones}, Momentum: 0.9, WeightDecay: 5e-4}
	},
}

// Tiny is a configuration's own code at about a million multiply-adds.
func Tiny(c Config) Config {
	tiny := c
	tiny.Convs, tiny.Hidden = nil, nil
	for _, conv := range c.Convs {
		conv.Filters = 8
		tiny.Convs = append(tiny.Convs, conv)
	}
	for range c.Hidden {
		tiny.Hidden = append(tiny.Hidden, 16)
	}
	tiny.Classes, tiny.Size = min(c.Classes, 4), min(c.Size, 67)
	return tiny
}

// Layers names the layers with weights from the input to the output: "conv1" …, "fc6" … They are scopes, and all but the last one taps.
func Layers(c Config) (names []string) {
	for i := range c.Convs {
		names = append(names, fmt.Sprintf("conv%d", i+1))
	}
	for range len(c.Hidden) + 1 {
		names = append(names, fmt.Sprintf("fc%d", len(names)+1))
	}
	return names
}

// Model builds the network: images [B Size Size C] → logits [B K].
func Model(c Config) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		x.AssertDims(-1, c.Size, c.Size, -1)
		names := Layers(c)
		for i, conv := range c.Convs {
			o := layers.ConvOptions{Filters: conv.Filters, Size: conv.Size, Stride: conv.Stride, Groups: conv.Groups}
			if conv.Valid {
				o.Pad = layers.Valid
			}
			x = layers.Tap(layers.ReLU(layers.Conv(s.In("%s", names[i]), x, o)), names[i]) // [B h w Filters]
			if conv.Pool > 0 {
				x = layers.MaxPool(x, layers.PoolOptions{Size: conv.Pool, Stride: 2}) // [B h/2 w/2 Filters]
			}
			if conv.Norm {
				x = vgg.LocalResponseNorm(x, 5, 1, 1e-4/5, 0.75) // Caffe divides α by the number of channels
			}
		}
		x = layers.Flatten(x) // [B h·w·Filters]
		for i, units := range c.Hidden {
			name := names[len(c.Convs)+i]
			x = layers.Tap(layers.ReLU(layers.Dense(s.In("%s", name), x, units)), name) // [B units]
			x = layers.Dropout(s, x, c.Dropout)
		}
		return layers.Dense(s.In("%s", names[len(names)-1]), x, c.Classes) // [B K]
	}
}
