package polarizedattention

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/train"

	. "github.com/gomlx/gomlx/support/exceptions"
)

// HeatMapLoss is the squared distance of heat maps [B h w K] from those that are wanted, summed over a map: a Gaussian of that
// deviation, in pixels of the map, with height 1 at each keypoint. Labels are the keypoints' pixels, int32 [B K], counted
// row by row.
func HeatMapLoss(deviation float64) train.LossFn {
	return func(labels, predictions []*graph.Node) *graph.Node {
		maps, pixel := predictions[0], labels[0]
		if maps.Rank() != 4 || pixel.Rank() != 2 || pixel.Shape().Dimensions[1] != maps.Shape().Dimensions[3] {
			Panicf("polarizedattention.HeatMapLoss: labels %s for heat maps %s: want [B K] and [B h w K]", pixel.Shape(), maps.Shape())
		}
		miss := graph.Square(graph.Sub(maps, HeatMaps(pixel, maps, deviation)))
		return graph.ReduceAllMean(graph.ReduceSum(miss, 1, 2))
	}
}

// HeatMaps are the maps that HeatMapLoss wants, in the shape of like.
func HeatMaps(pixel, like *graph.Node, deviation float64) *graph.Node {
	g, shape := like.Graph(), like.Shape()
	pixel = graph.InsertAxes(pixel, 1, 1) // [B 1 1 K]
	width := graph.ConstAs(pixel, shape.Dimensions[2])
	distance := func(axis int, at *graph.Node) *graph.Node {
		return graph.Square(graph.Sub(graph.Iota(g, shape, axis), graph.ConvertDType(at, shape.DType))) // [B h w K]
	}
	squares := graph.Add(distance(1, graph.Div(pixel, width)), distance(2, graph.Mod(pixel, width)))
	return graph.Exp(graph.MulScalar(squares, -1/(2*deviation*deviation)))
}

// CorrectWithin is the share of heat maps of one keypoint, each h·w values in a row of maps, whose peak lies within a distance of the
// keypoint's pixel (PCK).
func CorrectWithin(maps []float32, width, size int, pixels []int32, distance float64) float64 {
	hits := 0
	for i, pixel := range pixels {
		best := 0
		for j, v := range maps[i*size : (i+1)*size] {
			if v > maps[i*size+best] {
				best = j
			}
		}
		at := int(pixel)
		if math.Hypot(float64(best/width-at/width), float64(best%width-at%width)) <= distance {
			hits++
		}
	}
	return float64(hits) / float64(len(pixels))
}
