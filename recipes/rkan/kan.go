package rkan

import (
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
)

// Degree of the Chebyshev polynomials.
const Degree = 3

const taps = 9 // of a 3×3 window

// KANConv applies one function of nine inputs to the 3×3 window around each pixel of each channel, the same function for all
// channels:
//
//	y = Σᵢ wᵢ·xᵢ + Σᵢ aᵢ Σₙ cᵢₙ·Tₙ(tanh xᵢ), n from 0 to 3
//
// x [B H W C] → [B ⌈H/stride⌉ ⌈W/stride⌉ C], zeros around the image. Variables, 54 numbers whatever C is: "linear" w [9],
// "scale" a [9] and "chebyshev" c [9 4].
func KANConv(s *model.Scope, x *graph.Node, stride int) *graph.Node {
	g := x.Graph()
	value := func(name string, deviation float64, dimensions ...int) *graph.Node {
		s := s.WithInitializer(initializer.RandomNormalFn(s, deviation))
		return s.VariableWithShape(name, shapes.Make(x.DType(), dimensions...)).NodeValue(g)
	}
	linear := value("linear", 1.0/3, taps) // keeps the variance: 9 taps of variance 1/9
	scale := s.WithInitializer(initializer.One).VariableWithShape("scale", shapes.Make(x.DType(), taps)).NodeValue(g)
	chebyshev := value("chebyshev", 1.0/6, taps, Degree+1)                      // 36 terms of at most 1
	chebyshev = graph.Mul(chebyshev, graph.ExpandAxes(scale, -1))               // [9 4]
	inputs := append([]*graph.Node{x}, Chebyshev(graph.Tanh(x), Degree)[1:]...) // T₀ is a constant, added below
	var sum *graph.Node
	for i, input := range inputs {
		kernel := linear // [9]
		if i > 0 {
			kernel = graph.Squeeze(graph.Slice(chebyshev, graph.AxisRange(), graph.AxisElem(i)), 1)
		}
		// T₂(0) = −1: outside of the image it is that, and not zero as the padding has it.
		outside := 0.0
		if i > 0 && i%2 == 0 {
			outside = 1 - float64(i%4)
		}
		y := window(input, kernel, stride, outside)
		if sum == nil {
			sum = y
		} else {
			sum = graph.Add(sum, y)
		}
	}
	constant := graph.ReduceAllSum(graph.Slice(chebyshev, graph.AxisRange(), graph.AxisElem(0)))
	return graph.Add(sum, constant)
}

// Chebyshev returns T₀(t) … T_degree(t): T₀ = 1, T₁ = t, Tₙ = 2t·Tₙ₋₁ − Tₙ₋₂.
func Chebyshev(t *graph.Node, degree int) []*graph.Node {
	polynomials := []*graph.Node{graph.OnesLike(t), t}
	for n := 2; n <= degree; n++ {
		polynomials = append(polynomials, graph.Sub(graph.MulScalar(graph.Mul(t, polynomials[n-1]), 2), polynomials[n-2]))
	}
	return polynomials[:degree+1]
}

// sharedDepthwise is the linear part of KANConv alone: 9 numbers, "linear".
func sharedDepthwise(s *model.Scope, x *graph.Node, stride int) *graph.Node {
	s = s.WithInitializer(initializer.RandomNormalFn(s, 1.0/3))
	linear := s.VariableWithShape("linear", shapes.Make(x.DType(), taps)).NodeValue(x.Graph())
	return window(x, linear, stride, 0)
}

// window slides one kernel [9] over every channel of x [B H W C], which continues with the value outside. It is a sum of
// shifted images, which XLA fuses into one loop.
func window(x, kernel *graph.Node, stride int, outside float64) *graph.Node {
	h, w := x.Shape().Dimensions[1], x.Shape().Dimensions[2]
	border := graph.PadAxis{Start: 1, End: 1}
	x = graph.Pad(x, graph.Scalar(x.Graph(), x.DType(), outside), graph.PadAxis{}, border, border, graph.PadAxis{}) // [B H+2 W+2 C]
	var sum *graph.Node
	for i := range taps {
		row, column := i/3, i%3
		shifted := graph.Slice(x, graph.AxisRange(), graph.AxisRange(row, row+h).Stride(stride), graph.AxisRange(column, column+w).Stride(stride))
		term := graph.Mul(shifted, graph.Reshape(graph.Slice(kernel, graph.AxisElem(i)))) // [B h w C]
		if sum == nil {
			sum = term
		} else {
			sum = graph.Add(sum, term)
		}
	}
	return sum
}
