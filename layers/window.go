package layers

import (
	"iter"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
)

// padSpace puts value around the spatial axes of x.
func padSpace(x, value *graph.Node, pads [][2]int) *graph.Node {
	if !slices.ContainsFunc(pads, func(p [2]int) bool { return p != [2]int{} }) {
		return x
	}
	axes := make([]graph.PadAxis, x.Rank())
	for i, p := range pads {
		axes[i+1] = graph.PadAxis{Start: p[0], End: p[1]}
	}
	return graph.Pad(x, value, axes...)
}

// windows yields, for each position inside a window sliding over the spatial axes of x, the values that all windows
// have there: [B H' W' C], row by row. dilations nil stands for ones.
//
// So an operation on windows becomes one on whole tensors, made of slices and arithmetic alone: differentiable twice,
// the same on every backend, and fused into one loop by those that compile.
func windows(x *graph.Node, sizes, strides, dilations []int) iter.Seq[*graph.Node] {
	n := len(sizes)
	if dilations == nil {
		dilations = slices.Repeat([]int{1}, n)
	}
	return func(yield func(*graph.Node) bool) {
		for offset := range everyPlace(sizes) {
			axes := make([]graph.SliceAxisSpec, n+2)
			axes[0], axes[n+1] = graph.AxisRange(), graph.AxisRange()
			for i := range n {
				outputs := (x.Shape().Dimensions[i+1]-(sizes[i]-1)*dilations[i]-1)/strides[i] + 1
				start := offset[i] * dilations[i]
				axes[i+1] = graph.AxisRange(start, start+(outputs-1)*strides[i]+1).Stride(strides[i])
			}
			if !yield(graph.Slice(x, axes...)) {
				return
			}
		}
	}
}

// everyPlace yields the places of a grid, row by row, in a slice that it reuses.
func everyPlace(sizes []int) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		place := make([]int, len(sizes))
		for {
			if !yield(place) {
				return
			}
			i := len(sizes) - 1
			for ; i >= 0; i-- {
				if place[i]++; place[i] < sizes[i] {
					break
				}
				place[i] = 0
			}
			if i < 0 {
				return
			}
		}
	}
}
