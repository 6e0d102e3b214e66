package kernelsharing

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
)

// convMixer is the network of Trockman, Kolter 2022, https://arxiv.org/abs/2201.09792, figure 3:
//
//	patches: convolution of Patch with stride Patch, GELU, normalisation
//	Depth times: x + normalised GELU of a depthwise convolution, then the same of a 1×1 convolution without the sum
//	mean over space, output
//
// Shared: one depthwise and one 1×1 kernel, with their biases, for all blocks. Normalisations are never shared: the
// statistics of the blocks differ.
func convMixer(s *model.Scope, x *graph.Node, c Config) *graph.Node {
	activate := func(norm *model.Scope, x *graph.Node) *graph.Node {
		return layers.BatchNorm(norm, activation.Gelu(x), layers.BatchNormOptions{})
	}
	x = layers.Conv(s.In("patches"), x, layers.ConvOptions{Filters: c.Width, Size: c.Patch, Stride: c.Patch, Pad: layers.Valid}) // [B H/P W/P C]
	x = layers.Tap(activate(s.In("patchnorm"), x), "patches")
	for i := range c.Depth {
		block := s.In("%s", blockName(i))
		y := layers.Conv(kernel(s, "depthwise", i, c.Shared), x, layers.ConvOptions{Filters: c.Width, Size: c.Kernel, Groups: c.Width}) // [B h w C]
		x = graph.Add(x, activate(block.In("norm1"), y))
		x = layers.Conv(kernel(s, "pointwise", i, c.Shared), x, layers.ConvOptions{Filters: c.Width, Size: 1}) // [B h w C]
		x = layers.Tap(activate(block.In("norm2"), x), blockName(i))
	}
	return layers.Dense(s.In("output"), layers.GlobalMeanPool(x), c.Classes) // [B K]
}
