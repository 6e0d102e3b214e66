package attr

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/layers"
)

// An Objective scores images by what they excite in a network: one number for each image, [B], that is to be made
// large. Objectives add up and are weighted:
//
//	attr.Channel("conv3", 5).Plus(attr.Channel("conv3", 9).Times(0.5), attr.TotalVariation(1).Times(-0.1))
type Objective func(a *Activations) *Node

// Activations are what an Objective sees of a network and its images.
type Activations struct {
	Images  *Node // [B H W C], before the transforms: what regularisers speak about
	outputs *Node
	failure error // why the network could not be built to its end
}

// activate builds the network on x. A network whose end does not fit the size of x, such as one with a dense layer on a
// flattened map, is kept as far as it goes: objectives on the taps before that are well defined at any size.
func activate(s *model.Scope, network Network, x *Node) *Activations {
	a := &Activations{Images: x}
	a.failure = TryCatch[error](func() { a.outputs = network(s, x) })
	return a
}

// Outputs are the network's outputs, [B K] for classifiers. It panics, with the network's own words, if the network
// could not be built on images of this size.
func (a *Activations) Outputs() *Node {
	if a.outputs == nil {
		panic(a.failure)
	}
	return a.outputs
}

// Tap is the value that layers.Tap named. It panics on an unknown name, and lists the taps there are.
func (a *Activations) Tap(name string) *Node {
	node, err := layers.TapNode(a.Images.Graph(), name)
	if err == nil {
		return node
	}
	if a.failure != nil {
		err = fmt.Errorf("%w; the network was built only up to an error: %w", err, a.failure)
	}
	panic(err)
}

// Plus is the sum of objectives.
func (o Objective) Plus(others ...Objective) Objective {
	return func(a *Activations) *Node {
		sum := o(a) // [B]
		for _, other := range others {
			sum = Add(sum, other(a))
		}
		return sum
	}
}

// Times weighs an objective; a negative weight avoids what it asks for.
func (o Objective) Times(weight float64) Objective {
	return func(a *Activations) *Node { return MulScalar(o(a), weight) }
}

// Each gives each image of a batch an objective of its own. It panics if their numbers differ.
func Each(objectives ...Objective) Objective {
	return func(a *Activations) *Node {
		if b := a.Images.Shape().Dimensions[0]; b != len(objectives) {
			Panicf("attr.Each: %d objectives for %d images", len(objectives), b)
		}
		parts := make([]*Node, len(objectives))
		for i, o := range objectives {
			parts[i] = SliceAxis(o(a), 0, AxisElem(i)) // [1]
		}
		return Concatenate(parts, 0) // [B]
	}
}

// Logit is the network's output for a class.
func Logit(class int) Objective {
	return func(a *Activations) *Node { return unit(a.Outputs(), "the outputs", "class", class) }
}

// Channel is the mean of a channel of a tap over all places (Olah et al. 2017: a channel of a layer).
func Channel(tap string, channel int) Objective {
	return func(a *Activations) *Node {
		return overPlaces(unit(a.Tap(tap), fmt.Sprintf("%q", tap), "channel", channel))
	}
}

// Neuron is one value of a tap [B H W C]; a negative y or x is the middle of the map.
func Neuron(tap string, y, x, channel int) Objective {
	return func(a *Activations) *Node {
		value := a.Tap(tap)
		if value.Rank() != 4 {
			Panicf("attr.Neuron: %q has shape %s, want [B H W C]; Channel picks a unit of it", tap, value.Shape())
		}
		h, w := value.Shape().Dimensions[1], value.Shape().Dimensions[2]
		if y < 0 {
			y = h / 2
		}
		if x < 0 {
			x = w / 2
		}
		if y >= h || x >= w {
			Panicf("attr.Neuron: place (%d, %d) of %q, which has %d rows and %d columns", y, x, tap, h, w)
		}
		value = Slice(value, AxisRange(), AxisElem(y), AxisElem(x)) // [B 1 1 C]
		return overPlaces(unit(value, fmt.Sprintf("%q", tap), "channel", channel))
	}
}

// Direction asks for a tap's values along vector, one number for each channel: the mean over the places of a·v cos(a, v)ᵖ.
// The power p weighs how pure the direction is: with 0 a large value that only leans towards v is as good; Carter et al.
// 2019 use 2 to 4 for atlases. Cosines below 0.1 count as 0.1, so that there always is a slope to climb.
func Direction(tap string, vector []float64, power float64) Objective {
	return func(a *Activations) *Node {
		value := a.Tap(tap)
		c := value.Shape().Dimensions[value.Rank()-1]
		if len(vector) != c {
			Panicf("attr.Direction: a vector of %d numbers for %q, which has %d channels", len(vector), tap, c)
		}
		v := perChannel(value, vector)
		along := ReduceSum(Mul(value, v), -1) // [B H W]
		if power != 0 {
			along = Mul(along, pureness(value, v, power))
		}
		return overPlaces(along)
	}
}

// pureness is max(0.1, cos(a, v))ᵖ along the last axis.
func pureness(a, v *Node, power float64) *Node {
	norms := MulScalar(length(a), 1) // [B H W]
	cosine := Div(ReduceSum(Mul(a, v), -1), Mul(norms, length(v)))
	return PowScalar(MaxScalar(cosine, 0.1), power)
}

// length is the Euclidean norm along the last axis. The small number keeps the slope finite at zero.
func length(x *Node) *Node { return Sqrt(AddScalar(ReduceSum(Square(x), -1), 1e-8)) }

// Energy is the mean square of a tap: whatever is there already is to become more. It is DeepDream's objective.
func Energy(tap string) Objective {
	return func(a *Activations) *Node { return meanOfEach(Square(a.Tap(tap))) }
}

// Diversity asks the images of a batch to differ in how the channels of a tap occur together: minus the mean cosine
// between an image's Gram matrix and those of the others (Olah et al. 2017). It needs two images or more.
func Diversity(tap string) Objective {
	return func(a *Activations) *Node {
		value := a.Tap(tap)
		if value.Rank() != 4 || value.Shape().Dimensions[0] < 2 {
			Panicf("attr.Diversity: %q has shape %s, want [B H W C] of two images or more", tap, value.Shape())
		}
		b, c := value.Shape().Dimensions[0], value.Shape().Dimensions[3]
		value = Reshape(value, b, -1, c)
		gram := Reshape(Einsum("bnc,bnd->bcd", value, value), b, c*c)
		gram = Div(gram, ExpandAxes(length(gram), -1))
		alike := Einsum("id,jd->ij", gram, gram)               // [B B]
		others := SubScalar(ReduceSum(alike, -1), 1)           // [B], without the cosine with itself
		return MulScalar(others, -1/math.Max(1, float64(b-1))) // [B]
	}
}

// TotalVariation is the mean over the image of (Δx² + Δy²)^(β/2), where the differences are those of neighbouring pixels,
// summed over the channels (Mahendran, Vedaldi 2015, eq. 5, over the number of pixels). Give it a negative weight to get
// smooth images: β = 1 keeps edges, β = 2 smears them.
func TotalVariation(beta float64) Objective {
	return func(a *Activations) *Node {
		x := a.Images
		h, w := x.Shape().Dimensions[1], x.Shape().Dimensions[2]
		corner := Slice(x, AxisRange(), AxisRange(0, h-1), AxisRange(0, w-1))
		down := Sub(Slice(x, AxisRange(), AxisRange(1, h), AxisRange(0, w-1)), corner)
		right := Sub(Slice(x, AxisRange(), AxisRange(0, h-1), AxisRange(1, w)), corner)
		squares := Add(Square(down), Square(right)) // [B H-1 W-1 C]
		// The small number keeps the slope finite where neighbours are equal.
		return MulScalar(meanOfEach(PowScalar(AddScalar(squares, 1e-8), beta/2)), float64(x.Shape().Dimensions[3]))
	}
}

// LpNorm is the mean of |x|ᵖ over the image's values. With a negative weight it holds them back: p = 2 is weight decay,
// p = 6 minds only the largest (Mahendran, Vedaldi 2015, section 3).
func LpNorm(p float64) Objective {
	return func(a *Activations) *Node {
		return meanOfEach(PowScalar(AddScalar(Square(a.Images), 1e-12), p/2))
	}
}

// Resemble asks for a tap that is like features, [B …] for the images or [1 …] for all of them: minus the squared
// distance over the squared length of features (Mahendran, Vedaldi 2015, eq. 4). It is at most 0.
func Resemble(tap string, features *tensors.Tensor) Objective {
	return func(a *Activations) *Node {
		value, goal, squares := wanted("Resemble", a, tap, features)
		return Neg(Div(ReduceSum(Reshape(Square(Sub(value, goal)), value.Shape().Dimensions[0], -1), -1), squares))
	}
}

// Exaggerate asks for more of features, [B …] for the images or [1 …] for all of them: a·f cos(a, f)ᵖ over the squared
// length of f, the objective of caricatures.
func Exaggerate(tap string, features *tensors.Tensor, power float64) Objective {
	return func(a *Activations) *Node {
		value, goal, squares := wanted("Exaggerate", a, tap, features)
		b := value.Shape().Dimensions[0]
		value, goal = Reshape(value, b, -1), Reshape(goal, b, -1)
		along := Div(ReduceSum(Mul(value, goal), -1), squares) // [B]
		return Mul(along, pureness(value, goal, power))
	}
}

// wanted returns a tap, the features that it is compared with, and the squared length of these for each image [B].
func wanted(who string, a *Activations, tap string, features *tensors.Tensor) (value, goal, squares *Node) {
	value = a.Tap(tap)
	shape, b := features.Shape(), value.Shape().Dimensions[0]
	if shape.Rank() == 0 || shape.Dimensions[0] != b && shape.Dimensions[0] != 1 ||
		shape.Size()/shape.Dimensions[0] != value.Shape().Size()/b {
		Panicf("attr.%s: features of shape %s for %q of shape %s", who, shape, tap, value.Shape())
	}
	goal = BroadcastToDims(ConvertDType(ConstTensor(value.Graph(), features), value.DType()), value.Shape().Dimensions...)
	// The host sums the squares: compilers take long over sums of large constants.
	norms := make([]float64, b)
	flat := float64s(features)
	each := len(flat) / shape.Dimensions[0]
	for i := range norms {
		for _, f := range flat[i%shape.Dimensions[0]*each:][:each] {
			norms[i] += f * f
		}
		norms[i] = math.Max(norms[i], 1e-12)
	}
	return value, goal, ConstAs(value, norms)
}

// unit picks one of the last axis: [… C] → […].
func unit(x *Node, where, what string, i int) *Node {
	last := x.Rank() - 1
	if n := x.Shape().Dimensions[last]; i < 0 || i >= n {
		Panicf("attr: %s %d of %s: there are 0 to %d", what, i, where, n-1)
	}
	return Squeeze(SliceAxis(x, last, AxisElem(i)), last)
}

// overPlaces is the mean of each example: [B …] → [B].
func overPlaces(x *Node) *Node {
	if x.Rank() == 1 {
		return x
	}
	return meanOfEach(x)
}

// perChannel is one number for each channel of x, as a constant that goes with it: [1 … C].
func perChannel(x *Node, values []float64) *Node {
	dims := make([]int, x.Rank())
	for i := range dims {
		dims[i] = 1
	}
	dims[len(dims)-1] = len(values)
	return Reshape(ConstAs(x, values), dims...)
}

func meanOfEach(x *Node) *Node { return ReduceMean(Reshape(x, x.Shape().Dimensions[0], -1), -1) }
