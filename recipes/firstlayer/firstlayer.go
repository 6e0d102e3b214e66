// Package firstlayer measures what the first layer of a convolutional network learns: how much energy its filters have along
// each principal component of image patches, and how near that is to whitening.
//
// Paper:   Chowers, Weiss 2023, What do CNNs Learn in the First Layer and Why? A Linear Systems Perspective, https://arxiv.org/abs/2206.02454
// Claim:   the energy profile hardly depends on initialisation, architecture or even labels, is far from that of the initial weights, and
// follows a formula for linear networks that whitens in the limit.
// Here:    a plain and a residual network with 64 first filters of 5×5 on 500 images of 16×16: two initialisations, and random labels,
// 3 seeds; correlations of their profiles, and the fit of the formula with one free number.
// Differs: small networks of our own, few epochs, and a first layer that starts at a quarter of He's scale, so that what is left of the
// start doesn't hide what is learned; the formula is derived here for gradient descent with labels that are independent of the images.
package firstlayer

import (
	"fmt"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/datasets"
	"fovea/layers"
	"fovea/recipes"
)

// Config is a network whose first layer is looked at, and how it is trained.
type Config struct {
	Patch   int     `json:"patch"`   // side of the first filters
	Filters int     `json:"filters"` // their number
	Scale   float64 `json:"scale"`   // of the initial first filters, as a part of He's; 0: 1

	Widths   []int `json:"widths"`             // channels of the stages after the first layer, each behind a pooling by 2
	Units    int   `json:"units"`              // convolutions, or residual units, of a stage
	Residual bool  `json:"residual,omitempty"` // residual units of two convolutions in place of plain ones

	RandomLabels bool  `json:"random_labels,omitempty"` // labels are dealt out anew, independent of the images
	Other        int64 `json:"other,omitempty"`         // added to the seed of the weights: another initialisation

	Classes  int `json:"classes"`
	Size     int `json:"size"` // height and width of the images
	Channels int `json:"channels"`
}

// Variants are the two networks that are compared, at the size of CIFAR's images.
var Variants = map[string]Config{
	"plain":    {Patch: 5, Filters: 64, Widths: []int{128, 256, 512}, Units: 2, Classes: 10, Size: 32, Channels: 3},
	"residual": {Patch: 5, Filters: 64, Widths: []int{64, 128, 256}, Units: 2, Residual: true, Classes: 10, Size: 32, Channels: 3},
}

// Recipe is the measurement's networks as the harness sees them.
var Recipe = recipes.Register(recipes.Recipe[Config]{
	Name:   "firstlayer",
	Family: "analysis",
	Paper: recipes.Paper{
		Title:   "What do CNNs Learn in the First Layer and Why? A Linear Systems Perspective",
		Authors: "Chowers, Weiss", Year: 2023, URL: "https://arxiv.org/abs/2206.02454",
	},
	Config: Variants["plain"], Variant: "plain", Variants: Variants,
	Tiny:   Tiny,
	Model:  Model,
	Input:  func(c Config) []int { return []int{c.Size, c.Size, c.Channels} },
	Taps:   Taps,
	Fit:    PaperFit,
	Claims: []recipes.Claim[Config]{profileClaim},
})

// PaperFit is a usual training on CIFAR-10; the paper's own is not known here.
var PaperFit = recipes.Fit{Epochs: 60, Batch: 128, LearningRate: 0.1, Augment: datasets.CropFlip(4)}

// Tiny is a configuration's own code at about a million multiply-adds.
func Tiny(c Config) Config {
	tiny := c
	tiny.Filters, tiny.Units, tiny.Classes, tiny.Size, tiny.Widths = 8, 1, min(c.Classes, 4), 16, nil
	for range c.Widths {
		tiny.Widths = append(tiny.Widths, 8)
	}
	return tiny
}

// Model builds the network: images [B H W C] → logits [B K]. The filters are the variable "weights" of scope "first",
// [Patch Patch C Filters].
func Model(c Config) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		if c.Patch < 1 || c.Filters < 1 || c.Classes < 1 || c.Scale < 0 {
			Panicf("firstlayer: %d filters of %d×%d at %g of the usual scale, %d classes: these can't be", c.Filters, c.Patch, c.Patch, c.Scale, c.Classes)
		}
		x.AssertDims(-1, c.Size, c.Size, c.Channels)
		first := s
		if c.Scale > 0 {
			he := initializer.HeFn(s)
			first = s.WithInitializer(func(g *graph.Graph, shape shapes.Shape) *graph.Node { return graph.MulScalar(he(g, shape), c.Scale) })
		}
		x = layers.Conv(first.In("first"), x, layers.ConvOptions{Filters: c.Filters, Size: c.Patch, NoBias: true}) // [B H W F]
		x = layers.Tap(normalised(s.In("norm"), x), "first")
		for i, width := range c.Widths {
			stage := s.In("%s", stageName(i))
			x = layers.MaxPool(x, layers.PoolOptions{}) // [B H/2 W/2 C]
			for j := range max(c.Units, 1) {
				if unit := stage.In("unit%d", j); c.Residual {
					x = residualUnit(unit, x, width)
				} else {
					x = normalised(unit.In("norm"), layers.Conv(unit.In("conv"), x, layers.ConvOptions{Filters: width, NoBias: true}))
				}
			}
			x = layers.Tap(x, stageName(i)) // [B h w width]
		}
		return layers.Dense(s.In("output"), layers.GlobalMeanPool(x), c.Classes) // [B K]
	}
}

func stageName(i int) string { return fmt.Sprintf("stage%d", i+1) }

func normalised(s *model.Scope, x *graph.Node) *graph.Node {
	return layers.ReLU(layers.BatchNorm(s, x, layers.BatchNormOptions{}))
}

// residualUnit is x plus two convolutions, with a projection where the number of channels changes.
func residualUnit(s *model.Scope, x *graph.Node, width int) *graph.Node {
	y := normalised(s.In("norm1"), layers.Conv(s.In("conv1"), x, layers.ConvOptions{Filters: width, NoBias: true}))
	y = layers.BatchNorm(s.In("norm2"), layers.Conv(s.In("conv2"), y, layers.ConvOptions{Filters: width, NoBias: true}), layers.BatchNormOptions{})
	if x.Shape().Dimensions[3] != width {
		x = layers.Conv(s.In("project"), x, layers.ConvOptions{Filters: width, Size: 1, NoBias: true})
	}
	return layers.ReLU(graph.Add(x, y)) // [B H W width]
}

// Taps lists the feature maps of Model from the input to the output.
func Taps(c Config) []string {
	names := []string{"first"}
	for i := range c.Widths {
		names = append(names, stageName(i))
	}
	return names
}
