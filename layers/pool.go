package layers

import (
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
)

// PoolOptions configures MaxPool and MeanPool. The zero value halves an image.
type PoolOptions struct {
	Size          int     // window along every spatial axis; 0: 2
	Sizes         []int   // window along each spatial axis, instead of Size
	Stride        int     // 0: the window's size
	Strides       []int   // along each spatial axis, instead of Stride
	Pad           Padding // unset: Valid
	IgnorePadding bool    // MeanPool divides by the number of values that lie inside the input, not by the window's size
}

func (o PoolOptions) resolve(layer string, x *graph.Node) (sizes, strides []int, pads [][2]int) {
	n := spatialAxes(layer, x)
	sizes = perAxis(layer, "size", o.Size, o.Sizes, 2, n)
	if o.Stride == 0 && o.Strides == nil {
		strides = sizes
	} else {
		strides = perAxis(layer, "stride", o.Stride, o.Strides, 1, n)
	}
	ones := perAxis(layer, "dilation", 1, nil, 1, n)
	return sizes, strides, o.Pad.or(Valid).resolve(layer, x.Shape().Dimensions[1:n+1], sizes, strides, ones)
}

// MaxPool takes the largest value of each window. x [B H W C] → [B H' W' C]; padding never wins. Of equal values the
// first one, row by row, gets the gradient, as in PyTorch.
//
// It is computed as comparisons of shifted copies of x, which compilers fuse: GoMLX's own has a gradient that XLA runs
// on one thread (select-and-scatter), and no second derivative.
func MaxPool(x *graph.Node, o PoolOptions) *graph.Node {
	sizes, strides, pads := o.resolve("layers.MaxPool", x)
	pool := Application{Kind: KindMaxPool, X: x, Apply: func(x, _ *graph.Node) *graph.Node {
		x = padSpace(x, graph.Infinity(x.Graph(), x.DType(), -1), pads)
		if slices.Equal(sizes, strides) {
			return touchingMax(x, sizes)
		}
		y, _ := largest(x, sizes, strides)
		return layDownGradient(y)
	}}
	return noted(pool.underRule(), note{kind: "MaxPool", opens: true})
}

// largest takes the largest value of each window, and which of the window's places has it: the first one, row by row.
func largest(x *graph.Node, sizes, strides []int) (y, place *graph.Node) {
	count := 0
	for shifted := range windows(x, sizes, strides, nil) { // [B H' W' C]
		number := graph.Scalar(x.Graph(), dtypes.Int32, count)
		if count++; y == nil {
			y, place = shifted, graph.BroadcastToDims(number, shifted.Shape().Dimensions...)
			continue
		}
		stays := graph.GreaterOrEqual(y, shifted)
		y, place = graph.Where(stays, y, shifted), graph.Where(stays, place, number)
	}
	return y, place
}

// touchingMax is largest for windows that touch and do not overlap, with a gradient in one pass: each value of x looks whether
// it is the one. Autodiff's adds as many padded tensors as the window has places.
func touchingMax(x *graph.Node, sizes []int) *graph.Node {
	build := func(in []*graph.Node) *graph.Node {
		y, _ := largest(in[0], sizes, sizes)
		return y
	}
	back := func(v *graph.Node) []*graph.Node {
		g, n := x.Graph(), len(sizes)
		_, place := largest(x, sizes, sizes)
		dims := v.Shape().Dimensions
		whole := []int{dims[0]} // the part of x that windows cover, as [B H' h W' w C]
		between := []int{}
		joined := []int{dims[0]}
		rest := make([][2]int, n)
		for i, size := range sizes {
			whole = append(whole, dims[i+1], size)
			between = append(between, 2*i+2)
			joined = append(joined, dims[i+1]*size)
			rest[i][1] = x.Shape().Dimensions[i+1] - dims[i+1]*size
		}
		whole, joined = append(whole, dims[n+1]), append(joined, dims[n+1])
		numbers := graph.Zeros(g, shapes.Make(dtypes.Int32, whole...))
		for i, size := range sizes {
			numbers = graph.Add(graph.MulScalar(numbers, size), graph.Iota(g, numbers.Shape(), 2*i+2))
		}
		spread := func(v *graph.Node) *graph.Node {
			return graph.BroadcastToDims(graph.ExpandAxes(v, between...), whole...)
		}
		dx := graph.Where(graph.Equal(spread(place), numbers), spread(v), graph.ScalarZero(g, v.DType()))
		return []*graph.Node{padSpace(graph.Reshape(dx, joined...), graph.ScalarZero(g, v.DType()), rest)} // [B H W C]
	}
	return customGradient(build, back, x)
}

// MeanPool takes the mean of each window. x [B H W C] → [B H' W' C]. Padding counts as zeros, as in PyTorch, unless
// IgnorePadding is set, which is what TensorFlow does.
func MeanPool(x *graph.Node, o PoolOptions) *graph.Node {
	sizes, strides, pads := o.resolve("layers.MeanPool", x)
	if o.IgnorePadding {
		total := windowSum(x, sizes, strides, pads)
		return noted(graph.Mul(total, shares(total, x, sizes, strides, pads)), note{kind: "MeanPool", opens: true})
	}
	area := 1
	for _, size := range sizes {
		area *= size
	}
	return noted(graph.MulScalar(windowSum(x, sizes, strides, pads), 1/float64(area)), note{kind: "MeanPool", opens: true})
}

// windowSum adds up each window: x [B H W C] → [B H' W' C]. Its gradient without strides is a sum over windows too; autodiff's adds as many
// padded tensors as the window has places.
func windowSum(x *graph.Node, sizes, strides []int, pads [][2]int) *graph.Node {
	build := func(in []*graph.Node) *graph.Node {
		padded := padSpace(in[0], graph.ScalarZero(x.Graph(), x.DType()), pads)
		var total *graph.Node
		for shifted := range windows(padded, sizes, strides, nil) { // [B H' W' C]
			if total == nil {
				total = shifted
			} else {
				total = graph.Add(total, shifted)
			}
		}
		return total
	}
	if ruleOf(x.Graph()) != nil {
		return build([]*graph.Node{x}) // rules look at every operation, and have none for gradients of our own
	}
	back, reaches := reach(sizes, pads)
	if !reaches || !allOnes(strides) {
		return layDownGradient(build([]*graph.Node{x}))
	}
	return layDownGradient(customGradient(build, func(v *graph.Node) []*graph.Node {
		return []*graph.Node{windowSum(v, sizes, strides, back)}
	}, x))
}

// shares is one over the number of pixels of x that each window of y sees, [1 H' W' 1]. It is computed here: sums of
// graph.Ones on the device give normalisations that follow statistics of a wrong shape on GoMLX's pure-Go backend
// (compute v0.1.6).
func shares(y, x *graph.Node, sizes, strides []int, pads [][2]int) *graph.Node {
	values, dims := []float32{1}, []int{1}
	for axis, size := range sizes {
		length, n := x.Shape().Dimensions[axis+1], y.Shape().Dimensions[axis+1]
		next := make([]float32, 0, len(values)*n)
		for _, v := range values {
			for i := range n {
				from := i*strides[axis] - pads[axis][0]
				next = append(next, v/float32(min(from+size, length)-max(from, 0)))
			}
		}
		values, dims = next, append(dims, n)
	}
	share := graph.Reshape(graph.Const(x.Graph(), values), append(dims, 1)...)
	return convert(share, x.DType())
}

// GlobalMeanPool takes the mean over space: x [B H W C] → [B C].
func GlobalMeanPool(x *graph.Node) *graph.Node {
	n := spatialAxes("layers.GlobalMeanPool", x)
	axes := make([]int, n)
	for i := range axes {
		axes[i] = i + 1
	}
	return noted(graph.ReduceMean(x, axes...), note{kind: "GlobalMeanPool", opens: true})
}
