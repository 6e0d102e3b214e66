package layers

import (
	"slices"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
)

// phaseGradient gives x another gradient for the convolution that convolve makes of it, with strides and a dilation of one.
// Autodiff's puts zeros between the values of the gradient of y and convolves that, so all but one in s·s of its products are
// with zeros. Here each of the s·s phases of x (the positions r, r+s, r+2s, … of an axis) is a small convolution of the gradient
// of y with those taps of the kernel that meet it, and the phases are then interleaved.
func phaseGradient(x, kernel *graph.Node, strides []int, pads [][2]int, convolve func(x *graph.Node) *graph.Node) *graph.Node {
	dims := x.Shape().Dimensions
	back := func(v *graph.Node) []*graph.Node {
		dx := phases(v, kernel, strides, pads, dims, make([]int, 0, len(strides)))
		axes := []graph.SliceAxisSpec{graph.AxisRange()}
		for i := range strides {
			axes = append(axes, graph.AxisRange(0, dims[i+1]))
		}
		return []*graph.Node{graph.Slice(dx, append(axes, graph.AxisRange())...)}
	}
	return customGradient(func(in []*graph.Node) *graph.Node { return convolve(in[0]) }, back, x)
}

// phases interleaves the phases of the axes that chosen does not fix yet: [B ⌈H/s⌉·s ⌈W/s⌉·s C] if it fixes none.
func phases(v, kernel *graph.Node, strides []int, pads [][2]int, dims, chosen []int) *graph.Node {
	axis := len(chosen)
	if axis == len(strides) {
		return phase(v, kernel, strides, pads, dims, chosen)
	}
	var all []*graph.Node
	for r := range strides[axis] {
		all = append(all, phases(v, kernel, strides, pads, dims, append(chosen, r)))
	}
	if len(all) == 1 {
		return all[0]
	}
	y := graph.Stack(all, axis+2) // [B … ⌈H/s⌉ s … C]
	shape := slices.Clone(all[0].Shape().Dimensions)
	shape[axis+1] *= strides[axis]
	return graph.Reshape(y, shape...)
}

// phase is the gradient for the positions r, r+s, r+2s, … of each axis.
//
// dx[s·m+r] = Σ_j dy[m+q−j]·K[t+s·j] with t = (r+pad) mod s and q = ⌊(r+pad)/s⌋, since the window at o sees the position
// s·o−pad+tap: a correlation with every s-th tap, turned around.
func phase(v, kernel *graph.Node, strides []int, pads [][2]int, dims, r []int) *graph.Node {
	n := len(strides)
	taps, seen := make([]graph.SliceAxisSpec, n+2), make([]graph.SliceAxisSpec, n+2)
	taps[n], taps[n+1] = graph.AxisRange(), graph.AxisRange()
	seen[0], seen[n+1] = graph.AxisRange(), graph.AxisRange()
	places, rest, axes := slices.Clone(dims), make([][2]int, n), make([]int, n)
	empty := false
	for i, s := range strides {
		size, outputs := kernel.Shape().Dimensions[i], v.Shape().Dimensions[i+1]
		first, q := (r[i]+pads[i][0])%s, (r[i]+pads[i][0])/s
		places[i+1] = (dims[i+1] + s - 1) / s
		count := (size - first + s - 1) / s // taps that meet these positions
		before, after := count-1-q, places[i+1]+q-outputs
		from, to := max(0, -before), outputs-max(0, -after)
		empty = empty || first >= size || from >= to
		taps[i], seen[i+1] = graph.AxisRange(first).Stride(s), graph.AxisRange(from, to)
		rest[i], axes[i] = [2]int{max(0, before), max(0, after)}, i
	}
	if empty { // no window sees these positions
		return graph.Zeros(v.Graph(), shapes.Make(v.DType(), places...))
	}
	part := graph.Reverse(graph.Slice(kernel, taps...), axes...)
	part = graph.Transpose(part, n, n+1) // [taps… K C]
	return convolution(graph.Slice(v, seen...), part, ConvOptions{Pad: Padding{kind: padExplicit, pairs: rest}})
}
