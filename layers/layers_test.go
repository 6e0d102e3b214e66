package layers_test

import (
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
	"fovea/layers/layertest"
)

func conv(o layers.ConvOptions) func(s *model.Scope, x *graph.Node) *graph.Node {
	return func(s *model.Scope, x *graph.Node) *graph.Node { return layers.Conv(s, x, o) }
}

func TestConv(t *testing.T) {
	layertest.Run(t,
		layertest.Case{Name: "3×3", Layer: conv(layers.ConvOptions{Filters: 4}),
			Input: []int{2, 5, 4, 3}, Output: []int{2, 5, 4, 4}, Parameters: 3*3*3*4 + 4},
		layertest.Case{Name: "strided", Layer: conv(layers.ConvOptions{Filters: 2, Stride: 2, NoBias: true}),
			Input: []int{2, 6, 5, 2}, Output: []int{2, 3, 3, 2}, Parameters: 3 * 3 * 2 * 2},
		layertest.Case{Name: "strided as TensorFlow", Layer: conv(layers.ConvOptions{Filters: 2, Stride: 2, Pad: layers.SameTF}),
			Input: []int{2, 6, 5, 2}, Output: []int{2, 3, 3, 2}, Parameters: 3*3*2*2 + 2},
		layertest.Case{Name: "7×7 stride 2 padding 3", Layer: conv(layers.ConvOptions{Filters: 1, Size: 7, Stride: 2, Pad: layers.Pads(3)}),
			Input: []int{2, 8, 8, 1}, Output: []int{2, 4, 4, 1}, Parameters: 49 + 1},
		layertest.Case{Name: "uneven padding", Layer: conv(layers.ConvOptions{Filters: 2, Size: 2, Pad: layers.Pads(1, 0, 0, 2)}),
			Input: []int{2, 4, 4, 2}, Output: []int{2, 4, 5, 2}, Parameters: 2*2*2*2 + 2},
		layertest.Case{Name: "2×2 same", Layer: conv(layers.ConvOptions{Filters: 2, Size: 2}),
			Input: []int{2, 4, 3, 2}, Output: []int{2, 4, 3, 2}, Parameters: 2*2*2*2 + 2},
		layertest.Case{Name: "patches", Layer: conv(layers.ConvOptions{Filters: 3, Size: 2, Stride: 2, Pad: layers.Valid}),
			Input: []int{2, 4, 5, 2}, Output: []int{2, 2, 2, 3}, Parameters: 2*2*2*3 + 3},
		layertest.Case{Name: "4×4 stride 2 padding 1", Layer: conv(layers.ConvOptions{Filters: 2, Size: 4, Stride: 2, Pad: layers.Pads(1)}),
			Input: []int{2, 6, 8, 1}, Output: []int{2, 3, 4, 2}, Parameters: 16*2 + 2},
		layertest.Case{Name: "pointwise, padded", Layer: conv(layers.ConvOptions{Filters: 2, Size: 1, Pad: layers.Pads(1)}),
			Input: []int{2, 3, 2, 2}, Output: []int{2, 5, 4, 2}, Parameters: 2*2 + 2},
		layertest.Case{Name: "1×5 valid", Layer: conv(layers.ConvOptions{Filters: 2, Sizes: []int{1, 5}, Pad: layers.Valid}),
			Input: []int{2, 3, 6, 2}, Output: []int{2, 3, 2, 2}, Parameters: 5*2*2 + 2},
		layertest.Case{Name: "dilated", Layer: conv(layers.ConvOptions{Filters: 2, Dilation: 2}),
			Input: []int{2, 6, 5, 1}, Output: []int{2, 6, 5, 2}, Parameters: 9*2 + 2},
		layertest.Case{Name: "dilated and strided", Layer: conv(layers.ConvOptions{Filters: 2, Dilation: 2, Stride: 2}),
			Input: []int{2, 6, 5, 1}, Output: []int{2, 3, 3, 2}, Parameters: 9*2 + 2},
		layertest.Case{Name: "groups", Layer: conv(layers.ConvOptions{Filters: 4, Groups: 2}),
			Input: []int{2, 4, 4, 6}, Output: []int{2, 4, 4, 4}, Parameters: 9*3*4 + 4},
		layertest.Case{Name: "depthwise", Layer: conv(layers.ConvOptions{Filters: 3, Groups: 3, Stride: 2}),
			Input: []int{2, 5, 4, 3}, Output: []int{2, 3, 2, 3}, Parameters: 9*3 + 3},
		layertest.Case{Name: "depthwise with multiplier", Layer: conv(layers.ConvOptions{Filters: 6, Groups: 3, Dilation: 2}),
			Input: []int{2, 5, 4, 3}, Output: []int{2, 5, 4, 6}, Parameters: 9*6 + 6},
		layertest.Case{Name: "depthwise 4×4 with multiplier", Layer: conv(layers.ConvOptions{Filters: 4, Groups: 2, Size: 4, Stride: 2}),
			Input: []int{2, 6, 5, 2}, Output: []int{2, 3, 2, 4}, Parameters: 16*4 + 4},
		layertest.Case{Name: "depthwise, stride 1", Layer: conv(layers.ConvOptions{Filters: 3, Groups: 3, Sizes: []int{3, 4}}),
			Input: []int{2, 4, 5, 3}, Output: []int{2, 4, 5, 3}, Parameters: 12*3 + 3},
		layertest.Case{Name: "depthwise, wide padding", Layer: conv(layers.ConvOptions{Filters: 2, Groups: 2, Size: 2, Pad: layers.Pads(1, 2, 0, 1)}),
			Input: []int{2, 3, 3, 2}, Output: []int{2, 5, 3, 2}, Parameters: 4*2 + 2},
		layertest.Case{Name: "one axis", Layer: conv(layers.ConvOptions{Filters: 2, Size: 5}),
			Input: []int{2, 8, 3}, Output: []int{2, 8, 2}, Parameters: 5*3*2 + 2},
		layertest.Case{Name: "three axes", Layer: conv(layers.ConvOptions{Filters: 2, Size: 2, Stride: 2, Pad: layers.Valid}),
			Input: []int{2, 4, 2, 4, 1}, Output: []int{2, 2, 1, 2, 2}, Parameters: 8*2 + 2},
	)
}

func TestNormalisationAndActivations(t *testing.T) {
	layertest.Run(t,
		layertest.Case{Name: "batch norm", Input: []int{2, 3, 2, 3}, Output: []int{2, 3, 2, 3}, Parameters: 6,
			Layer: func(s *model.Scope, x *graph.Node) *graph.Node {
				return layers.BatchNorm(s, x, layers.BatchNormOptions{})
			}},
		layertest.Case{Name: "batch norm of vectors", Input: []int{5, 4}, Output: []int{5, 4}, Parameters: 4,
			Layer: func(s *model.Scope, x *graph.Node) *graph.Node {
				return layers.BatchNorm(s, x, layers.BatchNormOptions{NoScale: true, Epsilon: 1e-3})
			}},
		layertest.Case{Name: "relu", Input: []int{2, 9}, Output: []int{2, 9},
			Layer: func(_ *model.Scope, x *graph.Node) *graph.Node { return layers.ReLU(x) }},
		layertest.Case{Name: "leaky relu", Input: []int{2, 9}, Output: []int{2, 9},
			Layer: func(_ *model.Scope, x *graph.Node) *graph.Node { return layers.LeakyReLU(x, 0.1) }},
		layertest.Case{Name: "dense", Input: []int{2, 5}, Output: []int{2, 3}, Parameters: 18,
			Layer: func(s *model.Scope, x *graph.Node) *graph.Node { return layers.Dense(s, x, 3) }},
		layertest.Case{Name: "dense on tokens", Input: []int{2, 4, 5}, Output: []int{2, 4, 3}, Parameters: 15,
			Layer: func(s *model.Scope, x *graph.Node) *graph.Node {
				return layers.DenseWith(s, x, layers.DenseOptions{Units: 3, NoBias: true})
			}},
		layertest.Case{Name: "flatten", Input: []int{2, 3, 2, 2}, Output: []int{2, 12},
			Layer: func(_ *model.Scope, x *graph.Node) *graph.Node { return layers.Flatten(x) }},
		layertest.Case{Name: "dropout", Input: []int{2, 20}, Output: []int{2, 20}, Stochastic: true,
			Layer: func(s *model.Scope, x *graph.Node) *graph.Node { return layers.Dropout(s, x, 0.4) }},
	)
}

func TestPooling(t *testing.T) {
	pool := func(f func(x *graph.Node, o layers.PoolOptions) *graph.Node, o layers.PoolOptions) func(s *model.Scope, x *graph.Node) *graph.Node {
		return func(_ *model.Scope, x *graph.Node) *graph.Node { return f(x, o) }
	}
	layertest.Run(t,
		layertest.Case{Name: "max 2×2", Layer: pool(layers.MaxPool, layers.PoolOptions{}),
			Input: []int{2, 5, 4, 3}, Output: []int{2, 2, 2, 3}},
		layertest.Case{Name: "max 3×3 stride 2", Layer: pool(layers.MaxPool, layers.PoolOptions{Size: 3, Stride: 2, Pad: layers.Same}),
			Input: []int{2, 6, 5, 2}, Output: []int{2, 3, 3, 2}},
		layertest.Case{Name: "mean 2×2", Layer: pool(layers.MeanPool, layers.PoolOptions{}),
			Input: []int{2, 5, 4, 3}, Output: []int{2, 2, 2, 3}},
		layertest.Case{Name: "mean 3×3 padded", Layer: pool(layers.MeanPool, layers.PoolOptions{Size: 3, Stride: 1, Pad: layers.Same}),
			Input: []int{2, 4, 4, 2}, Output: []int{2, 4, 4, 2}},
		layertest.Case{Name: "mean 3×3 ignoring padding", Layer: pool(layers.MeanPool, layers.PoolOptions{Size: 3, Stride: 2, Pad: layers.SameTF, IgnorePadding: true}),
			Input: []int{2, 4, 5, 2}, Output: []int{2, 2, 3, 2}},
		layertest.Case{Name: "max along time", Layer: pool(layers.MaxPool, layers.PoolOptions{Size: 2}),
			Input: []int{2, 7, 3}, Output: []int{2, 3, 3}},
		layertest.Case{Name: "global mean", Input: []int{2, 3, 4, 5}, Output: []int{2, 5},
			Layer: func(_ *model.Scope, x *graph.Node) *graph.Node { return layers.GlobalMeanPool(x) }},
	)
}
