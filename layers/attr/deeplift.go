package attr

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/layers"
)

// DeepLiftOptions configures DeepLift.
type DeepLiftOptions struct {
	// Baselines are images that say nothing, [N H W C] or a single one [H W C], in the units of the network's input; the
	// contributions against each are averaged. nil: zeros, which for centred inputs is the mean image. Time and memory grow with N.
	Baselines *tensors.Tensor
}

// DeepLift explains by how much the score differs from that of a baseline (Shrikumar et al. 2017, the rescale rule), [B H W C]:
// every value has a multiplier, which goes back through linear layers as the gradient does and is multiplied by Δout/Δin
// at a ReLU, so that the contributions, multiplier × (image − baseline), add up to the difference of the scores.
//
// At a max-pooling the difference of two maxima goes to the winners of both, as in captum. The network may consist of
// layers.ReLU, LeakyReLU and MaxPool, and anything linear; the rest is refused.
func DeepLift(o DeepLiftOptions) Method {
	return func(s *model.Scope, network Network, x *Node, target Target) *Node {
		baselines := baselineImages(o.Baselines, x) // [N H W C]
		n := baselines.Shape().Dimensions[0]
		images := copies(x, n)                                                                // [N B H W C]
		references := BroadcastToDims(InsertAxes(baselines, 1), images.Shape().Dimensions...) // [N B H W C]
		pairs := Concatenate([]*Node{flat(images), flat(references)}, 0)                      // [2·N·B H W C]

		d := &coverage{method: "DeepLift", inputs: map[*Node]*Node{}}
		var built pass
		layers.WithRule(x.Graph(), func(a layers.Application) *Node {
			y := rescaled(a)
			d.inputs[y] = a.X
			return y
		}, func() { built = forward(s, network, pairs, target) })
		d.check(pairs, built.outputs)
		(&coverage{method: "DeepLift", kinks: true}).check(built.outputs, built.scores)
		multipliers := firstHalf(gradientOf(firstHalf(built.scores), pairs, "the image"))
		contributions := Mul(multipliers, difference(pairs)) // [N·B H W C]
		return asFloat32(ReduceMean(unflat(contributions, n), 0))
	}
}

// baselineImages are the baselines for images x, [N H W C].
func baselineImages(t *tensors.Tensor, x *Node) *Node {
	if t == nil || t.Rank() == 3 {
		return baselineOf(x, t) // [1 H W C]
	}
	dims := x.Shape().Dimensions
	if err := t.Shape().CheckDims(-1, dims[1], dims[2], dims[3]); err != nil {
		Panicf("attr.DeepLift: baselines of shape %s for images %s, want [N H W C]", t.Shape(), x.Shape())
	}
	return ConvertDType(Const(x.Graph(), t), x.DType())
}

// nearlyEqual is the difference below which a multiplier is the derivative: captum's.
const nearlyEqual = 1e-10

// rescaled builds a layer with DeepLift's multipliers for gradients. Those of linear layers are the same.
//
// A gradient that comes back has the multipliers of the images in its first half. Its second half, of the baselines, has no
// meaning, and nothing of it comes to the first.
func rescaled(a layers.Application) *Node {
	x := a.X
	different := func() *Node { // [N·B …]
		return GreaterOrEqual(Abs(difference(x)), Scalar(x.Graph(), x.DType(), nearlyEqual))
	}
	ratio := func(numerator *Node) *Node { // over Δin
		d, use := difference(x), different()
		return Where(use, Div(numerator, Where(use, d, OnesLike(d))), ZerosLike(d))
	}
	switch a.Kind {
	case layers.KindReLU:
		y := a.Build()
		back := IdentityWithCustomGradient(x, func(_, v *Node) *Node { return bothHalves(ratio(Mul(firstHalf(v), difference(y)))) })
		return Add(StopGradient(y), Add(onlyGradient(back), onlyGradient(whereEqual(a, different))))
	case layers.KindMaxPool:
		// Δout = (max(out, out') − out') + (out − max(out, out')): the first goes back to the winner in the image, the second to
		// that in the baseline. The layer's own gradient knows them.
		in := IdentityWithCustomGradient(x, func(_, v *Node) *Node { return bothHalves(ratio(Add(firstHalf(v), secondHalf(v)))) })
		y := a.Apply(in, nil)
		back := IdentityWithCustomGradient(y, func(y, v *Node) *Node {
			out, reference, v := firstHalf(y), secondHalf(y), firstHalf(v)
			larger := Max(out, reference)
			return Concatenate([]*Node{Mul(v, Sub(larger, reference)), Mul(v, Sub(out, larger))}, 0)
		})
		return Add(StopGradient(y), Add(onlyGradient(back), onlyGradient(whereEqual(a, different))))
	}
	return a.Build()
}

// whereEqual is the layer with its own gradient, for those inputs alone that are as in the baseline.
func whereEqual(a layers.Application, different func() *Node) *Node {
	in := IdentityWithCustomGradient(a.X, func(_, v *Node) *Node {
		v = firstHalf(v)
		return bothHalves(Where(different(), ZerosLike(v), v))
	})
	return a.Apply(in, a.Weights)
}

// firstHalf is that of the images, [N·B …] of [2·N·B …].
func firstHalf(x *Node) *Node { return Slice(x, AxisRange(0, x.Shape().Dimensions[0]/2)) }

// secondHalf is that of the baselines.
func secondHalf(x *Node) *Node { return Slice(x, AxisRange(x.Shape().Dimensions[0]/2)) }

// difference is images minus baselines.
func difference(x *Node) *Node { return Sub(firstHalf(x), secondHalf(x)) }

// bothHalves is v for the images, and zeros for the baselines.
func bothHalves(v *Node) *Node { return Concatenate([]*Node{v, ZerosLike(v)}, 0) }
