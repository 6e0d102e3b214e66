package kernelheterogeneity

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
)

// A spectrum is half of the Fourier transform of real pictures, which tells the other half: real and imaginary parts [… H V], V = W/2+1.
type spectrum struct{ re, im *graph.Node }

// fourier transforms pictures of H×W by products with matrices: backends without a fast transform have these, and a graph with them
// has a gradient.
type fourier struct{ h, w int }

func (f fourier) half() int { return f.w/2 + 1 }

// matrix is a constant of the graph, such as [a b c] of n = a·b·c values.
func matrix(like *graph.Node, dims []int, value func(i []int) float64) *graph.Node {
	n := 1
	for _, d := range dims {
		n *= d
	}
	flat, index := make([]float32, n), make([]int, len(dims))
	for at := range flat {
		rest := at
		for axis := len(dims) - 1; axis >= 0; axis-- {
			index[axis] = rest % dims[axis]
			rest /= dims[axis]
		}
		flat[at] = float32(value(index))
	}
	return graph.Reshape(graph.Const(like.Graph(), flat), dims...)
}

// wave is the real (0) or imaginary (1) part of exp(±2πi·a·b/n); exact in its argument for any a·b.
func wave(part, a, b, n int, sign float64) float64 {
	angle := 2 * math.Pi * float64(a*b%n) / float64(n)
	if part == 0 {
		return math.Cos(angle)
	}
	return sign * math.Sin(angle)
}

// times is entry [p … q …] of the matrix by which parts q of a complex number become parts p of its product with exp(±2πi·a·b/n).
func times(p, q, a, b, n int, sign float64) float64 {
	switch {
	case p == q:
		return wave(0, a, b, n, sign)
	case p == 0:
		return -wave(1, a, b, n, sign)
	}
	return wave(1, a, b, n, sign)
}

// forward transforms x [… H W].
func (f fourier) forward(x *graph.Node) spectrum {
	dims := x.Shape().Dimensions
	outer := dims[: len(dims)-2 : len(dims)-2]
	x = graph.Reshape(x, -1, f.h, f.w) // [n H W]
	rows := matrix(x, []int{f.w, 2, f.half()}, func(i []int) float64 { return wave(i[1], i[0], i[2], f.w, -1) })
	columns := matrix(x, []int{2, f.h, 2, f.h}, func(i []int) float64 { return times(i[0], i[2], i[1], i[3], f.h, -1) })
	z := graph.Einsum("nhw,wqv->nqhv", x, rows)
	z = graph.Einsum("nqhv,pgqh->npgv", z, columns) // [n 2 H V]
	part := func(i int) *graph.Node {
		p := graph.Slice(z, graph.AxisRange(), graph.AxisElem(i), graph.AxisRange(), graph.AxisRange())
		return graph.Reshape(p, append(outer, f.h, f.half())...)
	}
	return spectrum{part(0), part(1)}
}

// inverse gives the pictures [… H W] of a spectrum back.
func (f fourier) inverse(z spectrum) *graph.Node {
	dims := z.re.Shape().Dimensions
	outer := dims[: len(dims)-2 : len(dims)-2]
	flat := func(n *graph.Node) *graph.Node { return graph.Reshape(n, -1, f.h, f.half()) }
	both := graph.Stack([]*graph.Node{flat(z.re), flat(z.im)}, 1) // [n 2 H V]
	columns := matrix(both, []int{2, f.h, 2, f.h}, func(i []int) float64 { return times(i[0], i[2], i[1], i[3], f.h, 1) / float64(f.h) })
	rows := matrix(both, []int{2, f.half(), f.w}, func(i []int) float64 {
		// The half that is left out is the conjugate of the one that is there, but for the frequencies that are their own.
		weight := 2.0
		if i[1] == 0 || 2*i[1] == f.w {
			weight = 1
		}
		value := wave(i[0], i[1], i[2], f.w, 1)
		if i[0] == 1 {
			value = -value
		}
		return weight * value / float64(f.w)
	})
	both = graph.Einsum("nqhv,pgqh->npgv", both, columns)
	x := graph.Einsum("nqhv,qvw->nhw", both, rows) // [n H W]
	return graph.Reshape(x, append(outer, f.h, f.w)...)
}

// mul is a·b, and with conjugate ā·b, with broadcasting.
func mul(a, b spectrum, conjugate bool) spectrum {
	re := graph.Sub(graph.Mul(a.re, b.re), graph.Mul(a.im, b.im))
	im := graph.Add(graph.Mul(a.re, b.im), graph.Mul(a.im, b.re))
	if conjugate {
		re = graph.Add(graph.Mul(a.re, b.re), graph.Mul(a.im, b.im))
		im = graph.Sub(graph.Mul(a.re, b.im), graph.Mul(a.im, b.re))
	}
	return spectrum{re, im}
}

func (z spectrum) each(f func(*graph.Node) *graph.Node) spectrum { return spectrum{f(z.re), f(z.im)} }

func add(a, b spectrum) spectrum { return spectrum{graph.Add(a.re, b.re), graph.Add(a.im, b.im)} }

// padded puts kernels [K n n] into the corner of pictures [K H W]: their circular convolution with coefficients needs them there.
func (f fourier) padded(kernels *graph.Node) *graph.Node {
	n := kernels.Shape().Dimensions[1]
	// By products with [n H] and [n W], since padding has no gradient in GoMLX.
	place := func(to int) *graph.Node {
		return matrix(kernels, []int{n, to}, func(i []int) float64 {
			if i[0] == i[1] {
				return 1
			}
			return 0
		})
	}
	return graph.Einsum("kny,yx->knx", graph.Einsum("kmy,mh->khy", kernels, place(f.h)), place(f.w)) // [K H W]
}
