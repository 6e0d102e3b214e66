package layers

import (
	"slices"

	"github.com/gomlx/gomlx/core/graph"
)

// depthwise convolves each channel with its own windows: x [B H W C], kernel [h w 1 C·m] → [B H' W' C·m], where output
// channel c·m+j comes from input channel c.
func depthwise(x, kernel *graph.Node, strides, dilations []int, pads [][2]int) *graph.Node {
	n := len(strides)
	sizes := slices.Clone(kernel.Shape().Dimensions[:n])
	// Of a convolution that keeps the number of channels the gradient is such a convolution too.
	back, reaches := reach(sizes, pads)
	var y *graph.Node
	if reaches && allOnes(strides) && allOnes(dilations) && kernel.Shape().Dimensions[n+1] == x.Shape().Dimensions[n+1] {
		y = turnedDepthwise(x, kernel, pads, back)
	} else {
		y = shiftedSum(x, kernel, strides, dilations, pads)
	}
	taps := 1
	for _, size := range sizes {
		taps *= size
	}
	return noted(y, note{kind: "Depthwise " + windowName(sizes), macs: int64(y.Shape().Size()) * int64(taps)})
}

// turnedDepthwise is shiftedSum with a stride and a dilation of one, and with a gradient for x that is made of slices as
// well: the same convolution of the gradient of y, padded by back, with the kernel turned around. Autodiff's would add as many padded
// tensors as the window has taps, which takes several times longer. For the kernel autodiff's is right.
func turnedDepthwise(x, kernel *graph.Node, pads, back [][2]int) *graph.Node {
	axes := make([]int, len(pads))
	for i := range axes {
		axes[i] = i
	}
	ones := slices.Repeat([]int{1}, len(pads))
	return customGradient(
		func(in []*graph.Node) *graph.Node { return shiftedSum(in[0], kernel, ones, ones, pads) },
		func(v *graph.Node) []*graph.Node {
			return []*graph.Node{turnedDepthwise(v, graph.Reverse(kernel, axes...), back, pads)}
		},
		x)
}

// shiftedSum adds, for each tap of the window, one shifted copy of x with the weight that the tap has for each channel.
// Compilers fuse it into a single pass.
func shiftedSum(x, kernel *graph.Node, strides, dilations []int, pads [][2]int) *graph.Node {
	n := len(strides)
	channels, filters := x.Shape().Dimensions[n+1], kernel.Shape().Dimensions[n+1]
	multiplier := filters / channels
	sizes := kernel.Shape().Dimensions[:n]
	kernel = graph.Reshape(kernel, -1, channels, multiplier) // [taps C m]
	x = padSpace(x, graph.ScalarZero(x.Graph(), x.DType()), pads)
	tap := 0
	var sum *graph.Node
	for shifted := range windows(x, sizes, strides, dilations) { // [B H' W' C]
		weight := graph.Slice(kernel, graph.AxisElem(tap), graph.AxisRange(), graph.AxisRange())
		if multiplier > 1 {
			shifted = graph.InsertAxes(shifted, -1)              // [B H' W' C 1]
			weight = graph.Reshape(weight, channels, multiplier) // [C m]
		} else {
			weight = graph.Reshape(weight, channels) // [C]
		}
		term := graph.Mul(shifted, graph.ExpandLeftToRank(weight, shifted.Rank()))
		if tap++; sum == nil {
			sum = term
		} else {
			sum = graph.Add(sum, term)
		}
	}
	if multiplier > 1 {
		dims := sum.Shape().Dimensions
		sum = graph.Reshape(sum, append(slices.Clone(dims[:n+1]), filters)...) // [B H' W' C·m]
	}
	return sum
}
