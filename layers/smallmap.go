package layers

import (
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
)

// sight is what a window sees of an axis from one output place: n of its taps, from tap first on, fall on the input, from
// position start on.
type sight struct{ start, first, n int }

func sightOf(out, length, size, stride, dilation, pad int) sight {
	r := sight{start: out*stride - pad}
	for r.start < 0 {
		r.start += dilation
		r.first++
	}
	for tap, at := r.first, r.start; tap < size && at < length; tap, at = tap+1, at+dilation {
		r.n++
	}
	return r
}

// placeByPlace is a convolution of few output places: each is a matrix product of what its window sees of the input,
// [B taps·C], with the part of the kernel that lies on it, [taps·C K]. What falls on the padding is not computed.
func placeByPlace(x, kernel *graph.Node, strides, dilations []int, pads [][2]int) *graph.Node {
	n := len(strides)
	dims, sizes := x.Shape().Dimensions, kernel.Shape().Dimensions
	outputs := outputsOf(dims, sizes, strides, dilations, pads)
	batch, channels, filters := dims[0], dims[n+1], sizes[n+1]
	var places []*graph.Node
	var done int64
	for place := range everyPlace(outputs) {
		inputs, taps := make([]graph.SliceAxisSpec, n+2), make([]graph.SliceAxisSpec, n+2)
		inputs[0], inputs[n+1], taps[n], taps[n+1] = graph.AxisRange(), graph.AxisRange(), graph.AxisRange(), graph.AxisRange()
		seen := 1
		for i, out := range place {
			r := sightOf(out, dims[i+1], sizes[i], strides[i], dilations[i], pads[i][0])
			seen *= r.n
			inputs[i+1] = graph.AxisRange(r.start, r.start+(r.n-1)*dilations[i]+1).Stride(dilations[i])
			taps[i] = graph.AxisRange(r.first, r.first+r.n)
		}
		var y *graph.Node
		if seen == 0 { // padding alone
			y = graph.Zeros(x.Graph(), shapes.Make(x.DType(), batch, filters))
		} else {
			seenInput := graph.Reshape(graph.Slice(x, inputs...), batch, -1)    // [B taps·C]
			weights := graph.Reshape(graph.Slice(kernel, taps...), -1, filters) // [taps·C K]
			y = graph.Dot(seenInput, weights).Product()                         // [B K]
		}
		places = append(places, y)
		done += int64(batch) * int64(seen) * int64(channels) * int64(filters)
	}
	y := graph.Stack(places, 1)                                                // [B H'·W' K]
	y = graph.Reshape(y, append(append([]int{batch}, outputs...), filters)...) // [B H' W' K]
	// What is spared is counted all the same, as papers count it.
	all := int64(y.Shape().Size()) * int64(product(sizes[:n+1]))
	return noted(y, note{kind: "Conv " + windowName(sizes[:n]), macs: all - done})
}
