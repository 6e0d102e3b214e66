package sppnet

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// Bin is where bin i of n along an axis of a values begins and ends, the end exclusive: ⌊i·a/n⌋ and ⌈(i+1)·a/n⌉. Neighbours
// overlap by one value where n doesn't divide a; each value is in a bin, and no bin is empty, even with more bins than values.
func Bin(i, n, a int) (from, to int) { return i * a / n, ((i+1)*a + n - 1) / n }

// SpatialPyramid takes the largest value of each bin of n×n, for each n of the levels (section 2.2, figure 3).
//
//	x [B h w C] → [B Σn²·C]: level by level, bins row by row, channels varying fastest.
//
// The result's size doesn't depend on h and w. Level 1 is global max pooling, level n = h = w the identity. It panics on a level under 1.
func SpatialPyramid(x *graph.Node, levels []int) *graph.Node {
	batch := x.Shape().Dimensions[0]
	var parts []*graph.Node
	for _, n := range levels {
		if n < 1 {
			Panicf("sppnet.SpatialPyramid: level of %d bins a side, want 1 or more", n)
		}
		bins := maxBins(maxBins(x, 1, n), 2, n)               // [B n n C]: the largest of rows, then of columns
		parts = append(parts, graph.Reshape(bins, batch, -1)) // [B n²·C]
	}
	return graph.Concatenate(parts, 1)
}

// maxBins reduces an axis to n bins.
func maxBins(x *graph.Node, axis, n int) *graph.Node {
	a := x.Shape().Dimensions[axis]
	bins := make([]*graph.Node, n)
	for i := range n {
		from, to := Bin(i, n, a)
		bins[i] = graph.ReduceAndKeep(graph.SliceAxis(x, axis, graph.AxisRange(from, to)), graph.ReduceMax, axis)
	}
	return graph.Concatenate(bins, axis)
}

// Project maps a window of the image, [x0, x1) or [y0, y1), to the cells of the feature map of which the window has the
// middle, the last one exclusive: the paper's ⌊x/S⌋+1 to ⌈x/S⌉−1 (appendix A), where cell i has its middle at pixel S·i + offset. The paper
// pads its convolutions so that offset is 0. A window between two middles gets the cell next to it; cells is the map's size.
func Project(from, to int, stride int, offset float64, cells int) (first, end int) {
	s := float64(stride)
	first = int(math.Floor((float64(from)-offset)/s)) + 1
	end = int(math.Ceil((float64(to)-offset)/s)) - 1 + 1 // one behind the last
	first = min(max(first, 0), cells-1)
	return first, min(max(end, first+1), cells)
}

// RegionPyramid is SpatialPyramid of regions of one image's feature map.
//
//	x [1 h w C], regions int32 [R 4] of first and end row, first and end column, in cells → [R Σn²·C]
//
// The regions are data and not part of the program: each bin is a masked maximum over the map, again rows first. Regions
// must not be empty.
func RegionPyramid(x, regions *graph.Node, levels []int) *graph.Node {
	x.AssertDims(1, -1, -1, -1)
	regions.AssertDims(-1, 4)
	count, channels := regions.Shape().Dimensions[0], x.Shape().Dimensions[3]
	height, width := x.Shape().Dimensions[1], x.Shape().Dimensions[2]
	lowest := graph.Infinity(x.Graph(), x.DType(), -1)
	var parts []*graph.Node
	for _, n := range levels {
		rows := graph.Reshape(binMasks(regions, 0, n, height), count, n, height, 1, 1)          // [R n h 1 1]
		columns := graph.Reshape(binMasks(regions, 2, n, width), count, 1, n, width, 1)         // [R 1 n w 1]
		all := []int{count, n, height, width, channels}                                         //
		wide := graph.BroadcastToDims(graph.Reshape(x, 1, 1, height, width, channels), all...)  // [R n h w C]
		y := graph.ReduceMax(graph.Where(graph.BroadcastToDims(rows, all...), wide, lowest), 2) // [R n w C]
		all = []int{count, n, n, width, channels}
		wide = graph.BroadcastToDims(graph.Reshape(y, count, n, 1, width, channels), all...)
		y = graph.ReduceMax(graph.Where(graph.BroadcastToDims(columns, all...), wide, lowest), 3) // [R n n C]
		parts = append(parts, graph.Reshape(y, count, -1))
	}
	return graph.Concatenate(parts, 1)
}

// binMasks says which cells along an axis are in which bin of each region: bool [R n cells]. The region's ends are columns
// at and at+1 of regions.
func binMasks(regions *graph.Node, at, n, cells int) *graph.Node {
	g, count := regions.Graph(), regions.Shape().Dimensions[0]
	first := graph.SliceAxis(regions, 1, graph.AxisElem(at)) // [R 1]
	length := graph.Sub(graph.SliceAxis(regions, 1, graph.AxisElem(at+1)), first)
	i := graph.Iota(g, shapes.Make(dtypes.Int32, 1, n), 1)
	divide := func(x *graph.Node) *graph.Node { return graph.Div(x, graph.Scalar(g, dtypes.Int32, n)) } // whole numbers
	from := graph.Add(first, divide(graph.Mul(length, i)))                                              // [R n]
	to := graph.Add(first, divide(graph.AddScalar(graph.Mul(length, graph.AddScalar(i, 1)), float64(n-1))))
	cell := graph.Iota(g, shapes.Make(dtypes.Int32, 1, 1, cells), 2)
	three := func(x *graph.Node) *graph.Node {
		return graph.BroadcastToDims(graph.Reshape(x, count, n, 1), count, n, cells)
	}
	cell = graph.BroadcastToDims(cell, count, n, cells)
	return graph.LogicalAnd(graph.GreaterOrEqual(cell, three(from)), graph.LessThan(cell, three(to)))
}
