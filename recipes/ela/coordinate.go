package ela

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
)

// Coordinate is coordinate attention (Hou et al. 2021, https://arxiv.org/abs/2103.02907, section 3.2), which reduces the channels
// and normalises over the batch, the two things that ELA does without:
//
//	x [B H W C] → rows and columns as one strip [B H+W C] → 1×1 to max(8, C/32) channels, batch normalisation, hard swish
//	  → apart again, 1×1 back to C and sigmoid each → x · y_h · y_w [B H W C]
func Coordinate(s *model.Scope, x *graph.Node) *graph.Node {
	height, channels := x.Shape().Dimensions[1], x.Shape().Dimensions[3]
	rows, columns := strips(x)
	z := graph.Concatenate([]*graph.Node{rows, columns}, 1)                                       // [B H+W C]
	z = layers.Conv(s.In("reduce"), z, layers.ConvOptions{Filters: max(8, channels/32), Size: 1}) // [B H+W C']
	z = hardSwish(layers.BatchNorm(s.In("norm"), z, layers.BatchNormOptions{}))
	back := func(name string, z *graph.Node) *graph.Node {
		return graph.Sigmoid(layers.Conv(s.In("%s", name), z, layers.ConvOptions{Filters: channels, Size: 1})) // [B T C]
	}
	yh := back("rows", graph.Slice(z, graph.AxisRange(), graph.AxisRange(0, height)))
	yw := back("columns", graph.Slice(z, graph.AxisRange(), graph.AxisRangeToEnd(height)))
	return locate(x, yh, yw)
}

// hardSwish is x·min(max(x+3, 0), 6)/6.
func hardSwish(x *graph.Node) *graph.Node {
	return graph.Mul(x, graph.DivScalar(graph.MinScalar(layers.ReLU(graph.AddScalar(x, 3)), 6), 6))
}
