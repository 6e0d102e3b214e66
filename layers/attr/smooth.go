package attr

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// SmoothOptions says which noisy versions of an image a method looks at.
type SmoothOptions struct {
	Samples int // 0: 16
	// Noise is the standard deviation as a share of the image's own range, its largest value less its smallest. 0 stands for
	// 0.15, as the authors recommend 10 % to 20 %; a negative number for none.
	Noise    float64
	Absolute bool  // Noise is in the units of the image, not a share of its range
	Seed     int64 // of the noise
}

func (o SmoothOptions) withDefaults() SmoothOptions {
	if o.Samples == 0 {
		o.Samples = 16
	}
	if o.Samples < 0 {
		Panicf("attr: %d noisy samples, want at least one", o.Samples)
	}
	if o.Noise == 0 {
		o.Noise = 0.15
	}
	return o
}

// noisy yields noisy versions of x [B H W C] in passes of k, as one batch [k·B H W C]. All images of a batch get the same
// noise, so that the map of an image does not depend on its neighbours; each call with the same seed gives the same on the
// same backend.
func (o SmoothOptions) noisy(x *Node) func(yield func(k int, versions *Node) bool) {
	return func(yield func(int, *Node) bool) {
		g, dims := x.Graph(), x.Shape().Dimensions
		state := Const(g, must(RNGStateFromSeed(o.Seed)))
		for from, to := range chunks(o.Samples, dims[0]) {
			k := to - from
			versions := copies(x, k) // [k B H W C]
			if o.Noise > 0 {
				shape := x.Shape().Clone()
				shape.Dimensions = append([]int{k, 1}, dims[1:]...)
				var noise *Node
				state, noise = RandomNormal(state, shape)
				deviation := Scalar(g, x.DType(), o.Noise)
				if !o.Absolute {
					deviation = Mul(deviation, Sub(ReduceAndKeep(x, ReduceMax, 1, 2, 3), ReduceAndKeep(x, ReduceMin, 1, 2, 3))) // [B 1 1 1]
					deviation = InsertAxes(deviation, 0)
				}
				versions = Add(versions, Mul(noise, deviation))
			}
			if !yield(k, flat(versions)) {
				return
			}
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// SmoothGrad is the mean of a method's maps of noisy versions of the image: what fluctuates from pixel to pixel goes, what
// stays is shown (Smilkov et al. 2017). Around InputGradient it is SmoothGrad proper; it composes with every method whose
// maps have the size of the image.
func SmoothGrad(method Method, o SmoothOptions) Method {
	return func(s *model.Scope, network Network, x *Node, target Target) *Node {
		o := o.withDefaults()
		var sum *Node
		for k, versions := range o.noisy(x) {
			sum = sumUp(sum, ReduceSum(unflat(method(s, network, versions, target), k), 0))
		}
		return DivScalar(sum, float64(o.Samples))
	}
}

// VarGrad is the variance of a method's maps over noisy versions of the image (Adebayo et al. 2018, section 2): where the
// explanation depends on the noise.
func VarGrad(method Method, o SmoothOptions) Method {
	return func(s *model.Scope, network Network, x *Node, target Target) *Node {
		o := o.withDefaults()
		// Variance is the mean of the squares less the square of the mean; both are taken around the map of the first sample,
		// since otherwise the difference of large numbers would leave no digits of a small variance.
		var centre, sum, squares *Node
		for k, versions := range o.noisy(x) {
			maps := unflat(method(s, network, versions, target), k) // [k B …]
			if centre == nil {
				centre = Slice(maps, AxisRange(0, 1))
			}
			maps = Sub(maps, centre)
			sum, squares = sumUp(sum, ReduceSum(maps, 0)), sumUp(squares, ReduceSum(Square(maps), 0))
		}
		mean := DivScalar(sum, float64(o.Samples))
		return positive(Sub(DivScalar(squares, float64(o.Samples)), Square(mean)))
	}
}
