package layers

import (
	"slices"

	"github.com/gomlx/gomlx/core/graph"
)

// patchGradient gives x another gradient for the convolution that convolve makes of it, with a stride and a dilation of one:
// the gradient of y times the kernel is, for each place, the gradient of the patch below it, and these are added where they
// overlap.
func patchGradient(x, kernel *graph.Node, pads [][2]int, convolve func(x *graph.Node) *graph.Node) *graph.Node {
	n := len(pads)
	sizes := slices.Clone(kernel.Shape().Dimensions[:n])
	beyond, _ := reach(sizes, pads)
	channels, filters := kernel.Shape().Dimensions[n], kernel.Shape().Dimensions[n+1]
	back := func(v *graph.Node) []*graph.Node {
		dims := slices.Clone(v.Shape().Dimensions)
		weights := graph.Transpose(graph.Reshape(kernel, -1, filters), 0, 1)   // [K taps·C]
		patches := graph.Dot(graph.Reshape(v, -1, filters), weights).Product() // [B·H'·W' taps·C]
		dims[n+1] = patches.Shape().Dimensions[1]
		patches = graph.Reshape(patches, dims...)                                   // [B H' W' taps·C]
		patches = padSpace(patches, graph.ScalarZero(x.Graph(), x.DType()), beyond) // [B H+h−1 W+w−1 taps·C]
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
		return []*graph.Node{sum}
	}
	return customGradient(func(in []*graph.Node) *graph.Node { return convolve(in[0]) }, back, x)
}

// patchProduct is a convolution as a product of patches, [B·H'·W' taps·C], with the kernel, [taps·C K]. The patches serve the
// gradient for the kernel once more.
func patchProduct(x, kernel *graph.Node, strides, dilations []int, pads [][2]int) *graph.Node {
	n := len(strides)
	sizes, filters := kernel.Shape().Dimensions[:n], kernel.Shape().Dimensions[n+1]
	x = padSpace(x, graph.ScalarZero(x.Graph(), x.DType()), pads)
	var parts []*graph.Node
	for shifted := range windows(x, sizes, strides, dilations) { // [B H' W' C]
		parts = append(parts, shifted)
	}
	patches := graph.Concatenate(parts, -1) // [B H' W' taps·C]
	dims := slices.Clone(patches.Shape().Dimensions)
	y := graph.Dot(graph.Reshape(patches, -1, dims[n+1]), graph.Reshape(kernel, -1, filters)).Product() // [B·H'·W' K]
	dims[n+1] = filters
	return noted(graph.Reshape(y, dims...), note{kind: "Conv " + windowName(sizes)})
}
