// Package scattering extracts features with networks of general frames, non-linearities and pooling, and measures the theory's bounds.
//
// Paper:   Wiatowski, Bölcskei 2018, A Mathematical Theory of Deep Convolutional Neural Networks for Feature Extraction, https://arxiv.org/abs/1512.06293
// Claim:   whatever the frames, Lipschitz non-linearities and pooling, the features are stable: never further apart than the signals,
// less sensitive to translations by the pooling factor with each layer, and to deformations as much as the signal class is.
// Here:    the three bounds on signals of 512 samples and images of 64×64 through wavelets with the modulus, real wavelets with tanh
// and random tight frames with ReLU, three layers, 3 seeds; and a linear classifier on features of moved and warped digits
// against one on pixels.
// Differs: signals live on a periodic grid. There, a dilation's factor S^(d/2) keeps the norm of averages but not that of samples, so
// sub-sampling goes without it, as in the authors' discrete sequel; a deformation moves points and does not modulate. All signals
// are real: non-linearities but the modulus get the real parts of wavelets.
package scattering

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
	"fovea/recipes"
)

// Config is a feature extractor: modules and what takes the features out of each layer.
type Config struct {
	Modules  []Module `json:"modules"`
	Height   int      `json:"height"` // of the signals; 1: signals of one dimension
	Width    int      `json:"width"`
	Channels int      `json:"channels"` // of images; each is a signal of its own
	Classes  int      `json:"classes"`  // of the classifier on the features
	Side     int      `json:"side"`     // the classifier gets every n-th feature along an axis, so that this many are left; 0: all of them
	Output   Module   `json:"output"`   // its frame's low-pass takes out the last layer's features
	Pixels   bool     `json:"pixels"`   // no features: the classifier gets the images themselves
}

// Module is one layer of the extractor: frame, non-linearity, pooling (definition 1).
type Module struct {
	Frame        Kind       `json:"frame"`
	Scales       int        `json:"scales"`       // octaves of wavelets; of a random frame the bands are Scales·Orientations
	Orientations int        `json:"orientations"` // of wavelets in the plane; signals of one dimension have one
	Tight        bool       `json:"tight"`        // divide by the energy at each frequency: all of it is kept; wavelets else have a lower bound below 1
	Seed         uint64     `json:"seed"`         // of a random frame
	Activation   Activation `json:"activation"`
	Pool         Pool       `json:"pool"`
	Factor       int        `json:"factor"` // S; 1: no pooling
}

// modules repeats a module. Random frames get a seed of their own in each.
func modules(m Module, n int) (all []Module) {
	for i := range n {
		m.Seed += uint64(1000 * i)
		all = append(all, m)
	}
	return all
}

var wavelets = Module{Frame: Wavelets, Scales: 3, Orientations: 4, Activation: Modulus, Pool: Subsample, Factor: 2}

// digits is the extractor for images of 28×28: two layers, and the low-pass of a third.
func digits(depth int) Config {
	m := wavelets
	m.Scales = 2
	return Config{Modules: modules(m, depth), Output: m, Height: 28, Width: 28, Channels: 1, Classes: 10, Side: 7}
}

// Variants are extractors for images.
var Variants = map[string]Config{
	"wavelets":  digits(2),
	"one layer": digits(1),
	"pixels":    {Height: 28, Width: 28, Channels: 1, Classes: 10, Output: wavelets, Pixels: true},
	"random": func() Config {
		c := digits(2)
		m := Module{Frame: Random, Scales: 2, Orientations: 4, Tight: true, Activation: ReLU, Pool: Mean, Factor: 2}
		c.Modules, c.Output = modules(m, 2), m
		return c
	}(),
}

// Recipe is the extractor with a linear classifier on top, as the harness sees it.
var Recipe = recipes.Register(recipes.Recipe[Config]{
	Name:   "scattering",
	Family: "analysis",
	Paper: recipes.Paper{
		Title:   "A Mathematical Theory of Deep Convolutional Neural Networks for Feature Extraction",
		Authors: "Wiatowski, Bölcskei", Year: 2018, URL: "https://arxiv.org/abs/1512.06293",
	},
	Config: Variants["wavelets"], Variant: "wavelets", Variants: Variants,
	// Features n: (1 + 8 + 64)·7² of two layers, 9·7² of one, 28² pixels; 2n to normalise them, and (n+1)·10.
	Params: map[string]int{"wavelets": 12*73*49 + 10, "random": 12*73*49 + 10, "one layer": 12*9*49 + 10, "pixels": 12*784 + 10},
	Tiny:   Tiny,
	Model:  Model,
	Input:  func(c Config) []int { return []int{c.Height, c.Width, c.Channels} },
	Taps:   Taps,
	Fit:    recipes.Fit{Epochs: 20, Batch: 64, LearningRate: 0.05, WeightDecay: 1e-3},
	Claims: []recipes.Claim[Config]{boundsClaim, digitsClaim},
})

// Tiny is the same extractor on images of 16×16 with two bands a layer.
func Tiny(c Config) Config {
	c.Modules = append([]Module(nil), c.Modules...)
	for i := range c.Modules {
		c.Modules[i].Scales, c.Modules[i].Orientations = 1, 2
	}
	c.Output.Scales, c.Output.Orientations = 1, 2
	c.Height, c.Width, c.Classes, c.Side = 16, 16, 4, min(c.Side, 4)
	return c
}

// Model is a linear classifier on normalised features: images [B H W C] → logits [B K]. It has a tap for the features of
// each layer, "layer0" on, [B h w paths].
func Model(c Config) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		x = layers.BatchNorm(s.In("normalize"), flat(x, c), layers.BatchNormOptions{}) // [B n]
		return layers.Dense(s.In("output"), x, c.Classes)                              // [B K]
	}
}

// flat are the features of images [B H W C] that a classifier gets, [B n].
func flat(x *graph.Node, c Config) *graph.Node {
	x.AssertDims(-1, c.Height, c.Width, c.Channels)
	if c.Pixels {
		return layers.Flatten(x) // [B H·W·C]
	}
	var parts []*graph.Node
	for n, phi := range Features(graph.TransposeAllAxes(x, 0, 3, 1, 2), c) { // [B paths h w]
		phi = layers.Tap(graph.TransposeAllAxes(phi, 0, 2, 3, 1), layerName(n)) // [B h w paths]
		// The low-pass leaves so little detail that most samples of its output can be told from the rest.
		if h, w := phi.Shape().Dimensions[1], phi.Shape().Dimensions[2]; c.Side > 0 {
			phi = graph.Slice(phi, graph.AxisRange(), graph.AxisRange().Stride(max(1, h/c.Side)), graph.AxisRange().Stride(max(1, w/c.Side)))
		}
		parts = append(parts, layers.Flatten(phi))
	}
	return graph.Concatenate(parts, -1)
}

// Taps lists the feature maps, from the image's own low-pass on.
func Taps(c Config) (names []string) {
	if c.Pixels {
		return nil
	}
	for n := range len(c.Modules) + 1 {
		names = append(names, layerName(n))
	}
	return names
}

func layerName(n int) string { return fmt.Sprintf("layer%d", n) }
