package layers

import (
	"slices"

	"github.com/gomlx/gomlx/core/graph"
)

// fewChannels is up to how many input channels the gradient of a convolution for its input is made of a matrix product and
// shifted sums: for images. Convolutions are slow at making so few channels, and maps of the input ask for just this.
const fewChannels = 4

// patchGradient gives x another gradient for the convolution that convolve makes of it, with a stride and a dilation of one:
// the gradient of y times the kernel is, for each place, the gradient of the patch below it, and these are added where they
// overlap. Back is how far the patches reach beyond what is padded.
func patchGradient(x, kernel *graph.Node, back [][2]int, convolve func(x *graph.Node) *graph.Node) *graph.Node {
	n := len(back)
	sizes := slices.Clone(kernel.Shape().Dimensions[:n])
	channels, filters := kernel.Shape().Dimensions[n], kernel.Shape().Dimensions[n+1]
	var fromY *graph.Node // as in turnedDepthwise: autodiff comes to y before it comes to x
	x = graph.IdentityWithCustomGradient(x, func(_, _ *graph.Node) *graph.Node {
		dims := slices.Clone(fromY.Shape().Dimensions)
		weights := graph.Transpose(graph.Reshape(kernel, -1, filters), 0, 1)       // [K taps·C]
		patches := graph.Dot(graph.Reshape(fromY, -1, filters), weights).Product() // [B·H'·W' taps·C]
		dims[n+1] = patches.Shape().Dimensions[1]
		patches = graph.Reshape(patches, dims...)                                 // [B H' W' taps·C]
		patches = padSpace(patches, graph.ScalarZero(x.Graph(), x.DType()), back) // [B H+h−1 W+w−1 taps·C]
		tap := dims[n+1] / channels
		var sum *graph.Node
		for shifted := range windows(patches, sizes, slices.Repeat([]int{1}, n), nil) { // [B H W taps·C]
			tap--                                                                                  // the window's first place sees the last tap of the patches there
			part := graph.SliceAxis(shifted, n+1, graph.AxisRange(tap*channels, (tap+1)*channels)) // [B H W C]
			if sum == nil {
				sum = part
			} else {
				sum = graph.Add(sum, part)
			}
		}
		return sum
	})
	return graph.IdentityWithCustomGradient(convolve(x), func(_, v *graph.Node) *graph.Node {
		fromY = v
		return v
	})
}
