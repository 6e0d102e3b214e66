package attr

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// A Transform moves an image a little, at random at each step of an optimisation, so that what is found excites the
// network also when it is moved (Olah et al. 2017, "Transformation robustness").
//
// Transforms say where a pixel comes from; a chain of them is one resampling of the image. Their random numbers are
// inputs of the compiled step, so one program serves all steps.
type Transform struct {
	// Random is how many random numbers an image needs.
	Random int
	// From maps coordinates [B H W], in pixels from the centre of an image, to those in the image before the transform.
	// u [B Random] is uniform in [0, 1); size is the image's H and W.
	From func(y, x, u *Node, size [2]int) (*Node, *Node)
}

// Jitter moves by up to d whole pixels each way.
func Jitter(d int) Transform {
	return Transform{Random: 2, From: func(y, x, u *Node, _ [2]int) (*Node, *Node) {
		shift := SubScalar(Floor(MulScalar(u, float64(2*d+1))), float64(d)) // [B 2]
		return Add(y, number(shift, 0)), Add(x, number(shift, 1))
	}}
}

// Zoom scales by a factor between low and high, 1 for none.
func Zoom(low, high float64) Transform {
	return Transform{Random: 1, From: func(y, x, u *Node, _ [2]int) (*Node, *Node) {
		factor := number(AddScalar(MulScalar(u, high-low), low), 0)
		return Div(y, factor), Div(x, factor)
	}}
}

// Rotate turns by up to the given angle each way.
func Rotate(degrees float64) Transform {
	return Transform{Random: 1, From: func(y, x, u *Node, _ [2]int) (*Node, *Node) {
		angle := number(MulScalar(SubScalar(MulScalar(u, 2), 1), degrees*math.Pi/180), 0)
		sin, cos := Sin(angle), Cos(angle)
		return Sub(Mul(y, cos), Mul(x, sin)), Add(Mul(y, sin), Mul(x, cos))
	}}
}

// Border shrinks the image so that it has a border of about n pixels of the fill on all sides. The network's size stays
// as it is.
func Border(n int) Transform {
	return Transform{From: func(y, x, _ *Node, size [2]int) (*Node, *Node) {
		if 2*n >= min(size[0], size[1]) {
			Panicf("attr.Border: a border of %d pixels leaves nothing of an image of %d×%d", n, size[0], size[1])
		}
		return MulScalar(y, float64(size[0])/float64(size[0]-2*n)), MulScalar(x, float64(size[1])/float64(size[1]-2*n))
	}}
}

// Robust are the transforms that feature visualisations usually take, in proportion to the image's smaller side.
func Robust(side int) []Transform {
	return []Transform{Jitter(max(1, side/24)), Zoom(0.9, 1.1), Rotate(7), Jitter(max(1, side/48))}
}

// randoms is how many random numbers an image needs in all; at least 1, since no tensor is empty.
func randoms(transforms []Transform) int {
	n := 0
	for _, t := range transforms {
		n += t.Random
	}
	return max(1, n)
}

// transformed applies the transforms in order, with random numbers u [B randoms].
func transformed(x, u *Node, transforms []Transform, fill []float64) *Node {
	if len(transforms) == 0 {
		return x
	}
	g, d := x.Graph(), x.Shape().Dimensions
	centreY, centreX := float64(d[1]-1)/2, float64(d[2]-1)/2
	at := func(axis int, centre float64) *Node {
		return SubScalar(Iota(g, shapes.Make(x.DType(), d[0], d[1], d[2]), axis), centre)
	}
	y, xs := at(1, centreY), at(2, centreX) // [B H W]
	// The last transform is the first that a place in the result goes back through.
	used := 0
	for _, t := range transforms {
		used += t.Random
	}
	for i := len(transforms) - 1; i >= 0; i-- {
		t := transforms[i]
		var own *Node
		if t.Random > 0 {
			own = SliceAxis(u, 1, AxisRange(used-t.Random, used))
			used -= t.Random
		}
		y, xs = t.From(y, xs, own, [2]int{d[1], d[2]})
	}
	return resample(x, AddScalar(y, centreY), AddScalar(xs, centreX), fill)
}

// number is column i of u [B n] as [B 1 1].
func number(u *Node, i int) *Node { return ExpandAxes(SliceAxis(u, 1, AxisElem(i)), -1) }

// resample reads x [B H W C] at the rows y and columns xs [B h w], between pixels bilinearly: [B h w C]. What lies outside
// is fill, one value for each channel; nil: 0. No gradient goes to the coordinates.
func resample(x, y, xs *Node, fill []float64) *Node {
	g, d := x.Graph(), x.Shape().Dimensions
	flat := Reshape(x, d[0]*d[1]*d[2], d[3])
	top, left := Floor(StopGradient(y)), Floor(StopGradient(xs))
	first := Iota(g, shapes.Make(dtypes.Int32, y.Shape().Dimensions...), 0)
	first = MulScalar(first, d[1]*d[2]) // [B h w], each image's first pixel

	var sum, inside *Node
	for _, corner := range [4][2]float64{{0, 0}, {0, 1}, {1, 0}, {1, 1}} {
		row, column := AddScalar(top, corner[0]), AddScalar(left, corner[1])
		weight := Mul(near(y, row), near(xs, column)) // [B h w]
		weight = Where(And(within(row, d[1]), within(column, d[2])), weight, ZerosLike(weight))
		row, column = ClipScalar(row, 0, float64(d[1]-1)), ClipScalar(column, 0, float64(d[2]-1))
		place := Add(MulScalar(row, float64(d[2])), column)
		index := Add(first, ConvertDType(place, dtypes.Int32))
		part := Mul(Gather(flat, ExpandAxes(index, -1)), ExpandAxes(weight, -1)) // [B h w C]
		if sum == nil {
			sum, inside = part, weight
		} else {
			sum, inside = Add(sum, part), Add(inside, weight)
		}
	}
	if fill == nil {
		return sum
	}
	return Add(sum, Mul(ExpandAxes(OneMinus(inside), -1), perChannel(x, fill)))
}

// near is the bilinear weight of a pixel at distance |a−b| < 1.
func near(a, b *Node) *Node { return OneMinus(Abs(Sub(a, b))) }

func within(i *Node, n int) *Node {
	return And(GreaterOrEqual(i, ScalarZero(i.Graph(), i.DType())), LessThan(i, Scalar(i.Graph(), i.DType(), float64(n))))
}
