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
	var y *graph.Node
	if kernel.Shape().Dimensions[n+1] == x.Shape().Dimensions[n+1] {
		y = summedDepthwise(x, kernel, strides, dilations, pads)
	} else {
		y = shiftedSum(x, kernel, strides, dilations, pads)
	}
	y = layDownGradient(y) // every tap reads it, twice
	taps := 1
	for _, size := range sizes {
		taps *= size
	}
	return noted(y, note{kind: "Depthwise " + windowName(sizes), macs: int64(y.Shape().Size()) * int64(taps)})
}

// summedDepthwise is shiftedSum of a convolution that keeps the number of channels, with gradients of its own. That for the kernel is
// a channelSum for each tap. That for x, where there are neither strides nor dilations, is made of slices as well: the same
// convolution of the gradient of y, padded by back, with the kernel turned around. Autodiff's would add as many padded tensors
// as the window has taps, which takes several times longer.
func summedDepthwise(x, kernel *graph.Node, strides, dilations []int, pads [][2]int) *graph.Node {
	n := len(strides)
	axes := make([]int, n)
	for i := range axes {
		axes[i] = i
	}
	dims := kernel.Shape().Dimensions
	back, reaches := reach(dims[:n], pads)
	return customGradient(
		func(in []*graph.Node) *graph.Node { return shiftedSum(in[0], in[1], strides, dilations, pads) },
		func(v *graph.Node) []*graph.Node {
			var toInput *graph.Node
			if reaches && allOnes(strides) && allOnes(dilations) {
				toInput = summedDepthwise(v, graph.Reverse(kernel, axes...), strides, dilations, back)
				if n == 1 { // often of the means along the other axis: all that they are the mean of would compute it anew
					toInput = layDown(toInput)
				}
			}
			var taps []*graph.Node
			padded := padSpace(x, graph.ScalarZero(x.Graph(), x.DType()), pads)
			for shifted := range windows(padded, dims[:n], strides, dilations) { // [B H' W' C]
				taps = append(taps, graph.ExpandAxes(channelSum(graph.Mul(shifted, v)), 0)) // [1 C]
			}
			return []*graph.Node{toInput, graph.Reshape(graph.Concatenate(taps, 0), dims...)}
		},
		x, kernel)
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
