// Package untrainable trains networks that are thought unfit for a task, by the representations of another network.
//
// Paper:   Subramaniam et al. 2024, Training the Untrainable: Introducing Inductive Bias via Representational Alignment, https://arxiv.org/abs/2410.20035
// Claim:   a network whose layers are drawn to those of a guide, of another architecture, learns what it could not learn alone; even a guide
// that was never trained helps.
// Here:    a deep fully connected network without normalisation on CIFAR-10 of 16×16, alone and guided by a small convolutional network, trained
// or not, equal steps.
// Differs: of the guides the convolutional ones; ViT and the sequence tasks are left out. What is compared are layers after their
// activation.
// Tried:   one seed on validation images each. With 24 hidden layers the network learns alone (36 %) and an untrained guide adds nothing (36 %).
// With 48, as in the paper, it comes to 21 % alone, to 30 % with an untrained guide and to 29 % with a trained one, itself at 47 %.
package untrainable

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/layers"
	"fovea/layers/optim"
	"fovea/layers/resnet"
	"fovea/recipes"
)

// Network is a target or a guide: residual units, or convolutions of 3×3, and then fully connected layers.
type Network struct {
	ResNet    resnet.Config `json:"resnet,omitzero"`      // with 0 Classes; its taps are the outputs of units
	Filters   []int         `json:"filters,omitempty"`    // in place of ResNet; a pooling after every second
	Hidden    []int         `json:"hidden,omitempty"`     // units of fully connected layers
	BatchNorm bool          `json:"batch_norm,omitempty"` // after each of these, and each of Filters
	Dropout   float64       `json:"dropout,omitempty"`    // after each fully connected layer
}

// Config is a target and what guides it.
type Config struct {
	Target  Network `json:"target"`
	Guide   Network `json:"guide,omitzero"`
	Alpha   float64 `json:"alpha"`             // weight of the guidance; 0: none, and no guide
	Trained bool    `json:"trained,omitempty"` // the claim trains the guide first
	Noise   bool    `json:"noise,omitempty"`   // the guide sees normal noise in place of the images
	Until   int     `json:"until,omitempty"`   // training steps with guidance; 0: all

	Classes  int `json:"classes"`
	Size     int `json:"size"` // height and width of the images
	Channels int `json:"channels"`
}

// Variants are the paper's targets for ImageNet, guided by ResNet-18, or ResNet-50 for the one that is convolutional.
var Variants = func() map[string]Config {
	body := func(layers int, shortcut resnet.Shortcut) Network {
		r := resnet.ImageNet(layers)
		r.Classes, r.Shortcut = 0, shortcut
		return Network{ResNet: r}
	}
	deep := Network{Hidden: []int{2048}, BatchNorm: true, Dropout: 0.1}
	for len(deep.Hidden) < 48 {
		deep.Hidden = append(deep.Hidden, 1024)
	}
	of := func(target, guide Network) Config {
		return Config{Target: target, Guide: guide, Alpha: 1, Trained: true, Classes: 1000, Size: 224, Channels: 3}
	}
	v := map[string]Config{
		"deep-fcn": of(deep, body(18, resnet.Projection)),
		"wide-fcn": of(Network{Hidden: []int{8192, 8192, 8192}, BatchNorm: true, Dropout: 0.1}, body(18, resnet.Projection)),
		"no-skips": of(body(50, resnet.None), body(50, resnet.Projection)),
	}
	plain := v["deep-fcn"]
	plain.Alpha, plain.Guide, plain.Trained = 0, Network{}, false
	v["deep-fcn-alone"] = plain
	return v
}()

// Recipe is guidance as the harness sees it.
var Recipe = recipes.Register(recipes.Recipe[Config]{
	Name:   "untrainable",
	Family: "analysis",
	Paper: recipes.Paper{
		Title:   "Training the Untrainable: Introducing Inductive Bias via Representational Alignment",
		Authors: "Subramaniam et al.", Year: 2024, URL: "https://arxiv.org/abs/2410.20035",
	},
	Config: Variants["deep-fcn"], Variant: "deep-fcn", Variants: Variants,
	Params: map[string]int{"deep-fcn-alone": deepParameters},
	Tiny:   Tiny,
	Model:  Model,
	Input:  func(c Config) []int { return []int{c.Size, c.Size, c.Channels} },
	Taps:   func(c Config) []string { return c.Target.taps() },
	Fit:    PaperFit,
	Claims: []recipes.Claim[Config]{guidanceClaim},
})

// deepParameters are those of the deep fully connected network, with the scale and offset of its normalisations.
const deepParameters = (150_528*2048 + 2048) + (2048*1024 + 1024) + 46*(1024*1024+1024) + (1024*1000 + 1000) + 2*(2048+47*1024)

// PaperFit is Adam at 0.001, divided by 10 every 30 epochs, batches of 64.
var PaperFit = recipes.Fit{
	Epochs: 90, Batch: 64,
	Optimizer: func(steps int) optimizer.Interface {
		return optim.AdamW{LearningRate: optim.Step{Initial: 1e-3, Milestones: []int{steps / 3, steps * 2 / 3}}}
	},
}

// Tiny has few layers of few units and small images.
func Tiny(c Config) Config {
	c.Target, c.Guide = c.Target.tiny(), c.Guide.tiny()
	c.Classes, c.Size = min(c.Classes, 4), 32
	return c
}

func (n Network) tiny() Network {
	if len(n.ResNet.Stages) > 0 {
		stages := len(n.ResNet.Stages)
		n.ResNet.Stages, n.ResNet.Widths = nil, nil
		for range stages {
			n.ResNet.Stages, n.ResNet.Widths = append(n.ResNet.Stages, 1), append(n.ResNet.Widths, 4)
		}
		n.ResNet.StemWidth = 0
	}
	var filters, hidden []int
	for _, f := range n.Filters {
		filters = append(filters, max(4, f/16))
	}
	for i := range min(4, len(n.Hidden)) {
		hidden = append(hidden, max(8, n.Hidden[i]/128))
	}
	n.Filters, n.Hidden = filters, hidden
	return n
}

// Model builds the target: images [B H W C] → logits [B K]. In training the guidance joins the losses of the graph. The guide is in scope
// "guide", in evaluation always, and nothing of it is trained.
func Model(c Config) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		x.AssertDims(-1, c.Size, c.Size, c.Channels)
		var guide []*graph.Node
		if c.Alpha != 0 {
			guide = guideTaps(s, x, c)
		}
		y, taps := c.Target.build(s, x)
		if c.Alpha != 0 && s.IsTraining(x.Graph()) {
			guidance(s, taps, guide, c)
		}
		return layers.Dense(s.In("output"), y, c.Classes) // [B K]
	}
}

// GuideModel is the guide as a classifier of its own, to be trained beforehand.
func GuideModel(c Config) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		y, _ := c.Guide.build(s, x)
		return layers.Dense(s.In("output"), y, c.Classes) // [B K]
	}
}

// build makes the network without its last layer: [B H W C] → [B n], and the layers that can be compared, from the input on.
func (n Network) build(s *model.Scope, x *graph.Node) (y *graph.Node, taps []*graph.Node) {
	act := func(s *model.Scope, x *graph.Node) *graph.Node {
		if n.BatchNorm {
			x = layers.BatchNorm(s.In("norm"), x, layers.BatchNormOptions{})
		}
		return layers.ReLU(x)
	}
	for i, filters := range n.Filters {
		in := s.In("%s", conv(i))
		x = layers.Tap(act(in, layers.Conv(in, x, layers.ConvOptions{Filters: filters})), conv(i))
		taps = append(taps, x)
		if i%2 == 1 {
			x = layers.MaxPool(x, layers.PoolOptions{}) // [B h/2 w/2 filters]
		}
	}
	switch {
	case len(n.ResNet.Stages) > 0:
		x = resnet.Network(n.ResNet, resnet.Hooks{Output: func(_ *model.Scope, x *graph.Node, _ resnet.Unit) *graph.Node {
			taps = append(taps, x)
			return x
		}})(s, x)
		x = layers.GlobalMeanPool(x) // [B C]
	default:
		x = layers.Flatten(x)
	}
	for i, units := range n.Hidden {
		in := s.In("%s", fc(i))
		x = layers.Tap(act(in, layers.Dense(in, x, units)), fc(i)) // [B units]
		taps = append(taps, x)
		x = layers.Dropout(s, x, n.Dropout)
	}
	return x, taps
}

func conv(i int) string { return fmt.Sprintf("conv%d", i+1) }
func fc(i int) string   { return fmt.Sprintf("fc%d", i+1) }

// taps lists the names of the layers that a target can be compared by.
func (n Network) taps() (names []string) {
	for i := range n.Filters {
		names = append(names, conv(i))
	}
	if len(n.ResNet.Stages) > 0 {
		names = append(names, n.ResNet.Taps()...)
	}
	for i := range n.Hidden {
		names = append(names, fc(i))
	}
	return names
}
