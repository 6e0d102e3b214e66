package main

import (
	"slices"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"

	"fovea/layers"
)

// winogradLibrary has the layers, with another form of the convolutions that can have it.
var winogradLibrary = func() library {
	l := ours
	l.conv = func(s *model.Scope, x *graph.Node, b block) *graph.Node {
		dims := x.Shape().Dimensions
		if x.Rank() != 4 || b.window() != 3 || b.Stride > 1 || dims[1]%2 != 0 || dims[2]%2 != 0 || dims[3] < winogradChannels {
			return ours.conv(s, x, b)
		}
		he := s.WithInitializer(initializer.HeFn(s))
		x = winograd(x, he.VariableWithShape("weights", shapes.Make(x.DType(), 3, 3, dims[3], b.Filters)).NodeValue(x.Graph())) // [B H W filters]
		if b.Bias {
			zero := s.WithInitializer(initializer.Zero)
			biases := zero.VariableWithShape("biases", shapes.Make(x.DType(), b.Filters)).NodeValue(x.Graph())
			x = graph.Add(x, graph.ExpandLeftToRank(biases, x.Rank()))
		}
		return x
	}
	return l
}()

// winogradChannels is from how many channels of the input on the 16 small products of the form are products at all.
const winogradChannels = 16

// hasWinograd says whether a network of images has a convolution that can have the form.
func hasWinograd(n network) bool { return len(n.Input) == 3 && hasSquares(n.Blocks) }

// hasSquares says whether there is a convolution of 3×3 among blocks.
func hasSquares(blocks []block) bool {
	return slices.ContainsFunc(blocks, func(b block) bool { return b.Op == "conv" && b.window() == 3 || hasSquares(b.Body) })
}

// winograd convolves x [B H W C], H and W even, with kernel [3 3 C K] → [B H W K], zeros around. Its gradient for x is made in the same way,
// that for the kernel by the engine.
func winograd(x, kernel *graph.Node) *graph.Node {
	var toInput, toKernel *graph.Node
	inner := graph.IdentityWithCustomGradient(x, func(_, _ *graph.Node) *graph.Node { return toInput })
	weights := graph.IdentityWithCustomGradient(kernel, func(_, _ *graph.Node) *graph.Node { return toKernel })
	return graph.IdentityWithCustomGradient(tiles(inner, weights), func(_, v *graph.Node) *graph.Node {
		toInput = tiles(v, graph.TransposeAllAxes(graph.Reverse(kernel, 0, 1), 0, 1, 3, 2))
		y := layers.Convolution(x, kernel, layers.ConvOptions{})
		toKernel = graph.Gradient(graph.ReduceAllSum(graph.Mul(y, graph.StopGradient(v))), kernel)[0]
		return v
	})
}

// tiles is F(2×2, 3×3) of Lavin and Gray 2016 (https://arxiv.org/abs/1509.09308, section 4.1): Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A for each tile d of 4×4 pixels, which makes 2×2
// of the output; the products of numbers are products of matrices, over channels.
func tiles(x, kernel *graph.Node) *graph.Node {
	dims, filters := x.Shape().Dimensions, kernel.Shape().Dimensions[3]
	batch, height, width, channels := dims[0], dims[1]/2, dims[2]/2, dims[3]
	border := graph.PadAxis{Start: 1, End: 1}
	x = graph.Pad(x, graph.ScalarZero(x.Graph(), x.DType()), graph.PadAxis{}, border, border, graph.PadAxis{}) // [B H+2 W+2 C]
	var d, g square
	for i := range 4 {
		for j := range 4 {
			d = d.set(i, j, graph.Slice(x, graph.AxisRange(), graph.AxisRange(i, i+2*height-1).Stride(2), graph.AxisRange(j, j+2*width-1).Stride(2))) // [B H/2 W/2 C]
		}
	}
	for i := range 3 {
		for j := range 3 {
			g = g.set(i, j, graph.Reshape(graph.Slice(kernel, graph.AxisElem(i), graph.AxisElem(j)), channels, filters))
		}
	}
	data, weights := d.both(transformData), g.both(transformKernel)
	var m square
	for i := range 4 {
		for j := range 4 {
			pixels := graph.Reshape(data.at(i, j), batch*height*width, channels)
			m = m.set(i, j, graph.Dot(pixels, weights.at(i, j)).Product()) // [B·H/2·W/2 K]
		}
	}
	out := m.both(transformOutput)
	var rows []*graph.Node
	for i := range 2 {
		var row []*graph.Node
		for j := range 2 {
			row = append(row, graph.Reshape(out.at(i, j), batch, height, 1, width, 1, filters))
		}
		rows = append(rows, graph.Concatenate(row, 4)) // [B H/2 1 W/2 2 K]
	}
	return graph.Reshape(graph.Concatenate(rows, 2), batch, 2*height, 2*width, filters) // [B H W K]
}

// A square of nodes, of up to 4×4.
type square [4][4]*graph.Node

func (s square) at(i, j int) *graph.Node { return s[i][j] }

func (s square) set(i, j int, x *graph.Node) square {
	s[i][j] = x
	return s
}

// both applies a transformation of columns along both axes.
func (s square) both(f func([4]*graph.Node) [4]*graph.Node) (out square) {
	for range 2 {
		var turned square
		for j := range 4 {
			column := [4]*graph.Node{s[0][j], s[1][j], s[2][j], s[3][j]}
			if column[0] == nil {
				continue
			}
			turned[j] = f(column) // row j, so that the second time goes along the other axis
		}
		s = turned
	}
	return s
}

// transformData is Bᵀ.
func transformData(d [4]*graph.Node) [4]*graph.Node {
	return [4]*graph.Node{graph.Sub(d[0], d[2]), graph.Add(d[1], d[2]), graph.Sub(d[2], d[1]), graph.Sub(d[1], d[3])}
}

// transformKernel is G.
func transformKernel(g [4]*graph.Node) [4]*graph.Node {
	half := func(x *graph.Node) *graph.Node { return graph.MulScalar(x, 0.5) }
	ends := half(graph.Add(g[0], g[2]))
	return [4]*graph.Node{g[0], graph.Add(ends, half(g[1])), graph.Sub(ends, half(g[1])), g[2]}
}

// transformOutput is Aᵀ.
func transformOutput(m [4]*graph.Node) [4]*graph.Node {
	return [4]*graph.Node{graph.Add(graph.Add(m[0], m[1]), m[2]), graph.Sub(graph.Sub(m[1], m[2]), m[3])}
}
