package vgg

import (
	"fmt"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"

	"fovea/layers"
	"fovea/recipes"
)

func stageName(i int) string { return fmt.Sprintf("stage%d", i+1) }
func convName(j int) string  { return fmt.Sprintf("conv%d", j+1) }
func poolName(i int) string  { return fmt.Sprintf("pool%d", i+1) }
func fc(i int) string        { return fmt.Sprintf("fc%d", i+1) }

// DenseModel is the network of section 3.2 that Model's weights also make: the fully connected layers are applied as
// convolutions, the first of the size of the last feature map in training, so images may have any size from Size on.
// [B H W C] → score map [B h w K], h = H/2ⁿ − Size/2ⁿ + 1 for n stages. At H = W = Size it equals Model.
func DenseModel(c Config) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		x = features(s, x, c)
		window := c.Size >> len(c.Stages)
		for i, units := range c.Hidden {
			x = layers.Tap(layers.ReLU(denseAsConv(s.In("%s", fc(i)), x, window, units)), fc(i)) // [B h w units]
			x = layers.Dropout(s, x, c.Dropout)
			window = 1
		}
		return denseAsConv(s.In("output"), x, window, c.Classes) // [B h w K]
	}
}

// DenseEvaluation averages the score map over space: images of any size [B H W C] → logits [B K].
func DenseEvaluation(c Config) recipes.Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		return layers.GlobalMeanPool(DenseModel(c)(s, x)) // [B K]
	}
}

// denseAsConv uses a Dense layer's variables as a window×window convolution: x [B H W C] → [B H−window+1 W−window+1 units].
// Flatten goes row by row with channels varying fastest, so the weights [window·window·C units] are the kernel as they lie.
func denseAsConv(s *model.Scope, x *graph.Node, window, units int) *graph.Node {
	g, channels := x.Graph(), x.Shape().Dimensions[3]
	weights := s.VariableWithShape("weights", shapes.Make(x.DType(), window*window*channels, units)).NodeValue(g)
	biases := s.WithInitializer(initializer.Zero).VariableWithShape("biases", shapes.Make(x.DType(), units)).NodeValue(g)
	kernel := graph.Reshape(weights, window, window, channels, units)
	y := layers.Convolution(x, kernel, layers.ConvOptions{Pad: layers.Valid})
	return graph.Add(y, graph.ExpandLeftToRank(biases, y.Rank()))
}

// LocalResponseNorm divides each value by (k + α Σ x²)^β, the sum over n neighbouring channels: x [B H W C] → the same
// (Krizhevsky et al. 2012, section 3.3).
func LocalResponseNorm(x *graph.Node, n int, k, alpha, beta float64) *graph.Node {
	channels := x.Shape().Dimensions[3]
	squares := graph.Square(x)
	// The window over channels as a sum of shifted slices, since padding has no gradient in GoMLX.
	var sum *graph.Node
	for shift := -(n / 2); shift <= n/2; shift++ {
		if shift >= channels || -shift >= channels {
			continue
		}
		lo, hi := max(0, shift), min(channels, channels+shift)
		part := graph.SliceAxis(squares, -1, graph.AxisRange(lo, hi))
		zeros := func(c int) *graph.Node {
			dims := x.Shape().Clone()
			dims.Dimensions[3] = c
			return graph.Zeros(x.Graph(), dims)
		}
		switch {
		case shift > 0:
			part = graph.Concatenate([]*graph.Node{part, zeros(shift)}, -1)
		case shift < 0:
			part = graph.Concatenate([]*graph.Node{zeros(-shift), part}, -1)
		}
		if sum == nil {
			sum = part
		} else {
			sum = graph.Add(sum, part)
		}
	}
	scale := graph.AddScalar(graph.MulScalar(sum, alpha), k) // [B H W C]
	return graph.Div(x, graph.Pow(scale, graph.ConstAs(scale, beta)))
}
