package inceptionv3

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
)

// A Unit is a convolution without bias, batch normalisation and ReLU: what all Inception networks since the second are made of.
// Its scope has its name, with "conv" and "bn" in it.
type Unit struct {
	Name          string
	Filters       int
	Height, Width int // of the window
	Stride        int // 0: 1
	Valid         bool
	Linear        bool // no ReLU
}

// Epsilon of the normalisations, TensorFlow's, which both torchvision's and timm's Inception networks took over.
const Epsilon = 1e-3

// Units applies units one after the other: x [B H W C] → [B H' W' Filters of the last].
func Units(s *model.Scope, x *graph.Node, units ...Unit) *graph.Node {
	for _, u := range units {
		x = Apply(s.In("%s", u.Name), x, u)
	}
	return x
}

// Apply is one unit in the scope itself, whatever its name.
func Apply(s *model.Scope, x *graph.Node, u Unit) *graph.Node {
	o := layers.ConvOptions{Filters: u.Filters, Sizes: []int{u.Height, u.Width}, Stride: u.Stride, NoBias: true}
	if u.Valid {
		o.Pad = layers.Valid
	}
	x = layers.Conv(s.In("conv"), x, o) // [B H' W' Filters]
	x = layers.BatchNorm(s.In("bn"), x, layers.BatchNormOptions{Epsilon: Epsilon})
	if u.Linear {
		return x
	}
	return layers.ReLU(x)
}

// Concat joins branches along their channels: [B H W C₁], [B H W C₂], … → [B H W C₁+C₂+…].
func Concat(branches ...*graph.Node) *graph.Node { return graph.Concatenate(branches, -1) }

// SmoothPool is the pooling of the blocks that keep the grid: means of 3×3. x [B H W C] → [B H W C].
func SmoothPool(x *graph.Node) *graph.Node {
	return layers.MeanPool(x, layers.PoolOptions{Size: 3, Stride: 1, Pad: layers.Same})
}

// HalfPool is the pooling of the blocks that halve the grid: maxima of 3×3 at every second place. x [B H W C] →
// [B (H−3)/2+1 (W−3)/2+1 C].
func HalfPool(x *graph.Node) *graph.Node {
	return layers.MaxPool(x, layers.PoolOptions{Size: 3, Stride: 2})
}

// Scaled is a number of filters times a width, at least 1. A width of 0 stands for 1.
func Scaled(filters int, width float64) int {
	if width == 0 {
		return filters
	}
	return max(1, int(math.Round(float64(filters)*width)))
}
