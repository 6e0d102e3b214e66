package layers

import (
	"github.com/gomlx/gomlx/core/graph"
)

// pointwise is a convolution with windows of one pixel: the matrix product of all pixels, [B·H'·W' C], with the kernel, [C K].
func pointwise(x, kernel *graph.Node, strides []int) *graph.Node {
	n := len(strides)
	if !allOnes(strides) {
		axes := make([]graph.SliceAxisSpec, n+2)
		axes[0], axes[n+1] = graph.AxisRange(), graph.AxisRange()
		for i, s := range strides {
			axes[i+1] = graph.AxisRange().Stride(s)
		}
		x = graph.Slice(x, axes...) // [B H' W' C]
	}
	dims := append([]int(nil), x.Shape().Dimensions...)
	channels, filters := dims[n+1], kernel.Shape().Dimensions[n+1]
	y := graph.Dot(graph.Reshape(x, -1, channels), graph.Reshape(kernel, channels, filters)).Product()
	dims[n+1] = filters
	y = graph.Reshape(y, dims...) // [B H' W' K]
	return noted(y, note{kind: "Conv " + windowName(kernel.Shape().Dimensions[:n])})
}
