package layers

import (
	"github.com/gomlx/gomlx/core/graph"
)

// rightGradient prepares the input of a convolution so that GoMLX's gradient with respect to it is right.
//
// GoMLX refuses padding of more than window−1, and for windows of even width it puts the gradient one position too
// low: it has dx[i+1] in the place of dx[i]. So the excess of the padding, and for even windows one zero, are put in
// front of x explicitly, and the gradient that comes back is moved up by one: what falls off at the end lies behind x,
// and dx[0], which GoMLX loses, belongs to the zero.
//
// It returns the new input and padding, and for each axis how many of the first outputs are to be dropped, because the
// zero could not be taken out of the padding.
func rightGradient(x *graph.Node, sizes, strides, dilations []int, pads [][2]int) (y *graph.Node, rest [][2]int, drop []int) {
	n := len(sizes)
	explicit := make([][2]int, n)
	rest, drop = make([][2]int, n), make([]int, n)
	even := make([]bool, n)
	for i := range n {
		window := (sizes[i]-1)*dilations[i] + 1
		for side, pad := range pads[i] {
			rest[i][side] = min(pad, window-1)
			explicit[i][side] = pad - rest[i][side]
		}
		if even[i] = window%2 == 0; !even[i] {
			continue
		}
		if rest[i][0] > 0 {
			rest[i][0]--
			explicit[i][0]++
		} else {
			explicit[i][0] += strides[i]
			drop[i] = 1
		}
	}
	y = padSpace(x, graph.ScalarZero(x.Graph(), x.DType()), explicit)
	for i := range n {
		if even[i] {
			y = graph.IdentityWithCustomGradient(y, func(_, v *graph.Node) *graph.Node { return moveUp(v, i+1) })
		}
	}
	return y, rest, drop
}

// moveUp moves the values of v up by one along an axis: the first becomes zero and the last falls off.
func moveUp(v *graph.Node, axis int) *graph.Node {
	size := v.Shape().Dimensions[axis]
	pads := make([]graph.PadAxis, v.Rank())
	pads[axis].Start = 1
	return graph.Pad(graph.SliceAxis(v, axis, graph.AxisRange(0, size-1)), graph.ScalarZero(v.Graph(), v.DType()), pads...)
}
