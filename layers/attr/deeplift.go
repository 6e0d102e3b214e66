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
	// Baselines are images [N H W C] that stand for no information; the contributions against each are averaged. nil: one of
	// zeros, which is the mean image where the network's inputs are centred. Time and memory grow with N.
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
		batch, n := x.Shape().Dimensions[0], baselines.Shape().Dimensions[0]
		image := make([]*Node, 0, 2*n) // pairs of equal place in the two halves: images, then the baseline for each
		for range n {
			image = append(image, x)
		}
		for i := range n {
			baseline := Slice(baselines, AxisElem(i))
			image = append(image, BroadcastToDims(baseline, x.Shape().Dimensions...))
		}
		pairs := Concatenate(image, 0) // [2·N·B H W C]

		d := &coverage{method: "DeepLift", inputs: map[*Node]*Node{}}
		var outputs *Node
		layers.WithRule(x.Graph(), func(a layers.Application) *Node {
			y := rescaled(a)
			d.inputs[y] = a.X
			return y
		}, func() { outputs = network(s, pairs) })
		d.check(pairs, outputs)

		var score *Node
		for i := range n {
			scores := ReduceAllSum(target(Slice(outputs, AxisRange(i*batch, (i+1)*batch))))
			if score == nil {
				score = scores
			} else {
				score = Add(score, scores)
			}
		}
		(&coverage{method: "DeepLift", kinks: true}).check(outputs, score)
		multipliers := firstHalf(Gradient(score, pairs)[0])
		contributions := Mul(multipliers, difference(pairs))                                 // [N·B H W C]
		contributions = Reshape(contributions, append([]int{n}, x.Shape().Dimensions...)...) // [N B H W C]
		return asFloat32(ReduceMean(contributions, 0))
	}
}

func baselineImages(t *tensors.Tensor, x *Node) *Node {
	image := x.Shape().Clone()
	image.Dimensions[0] = 1
	if t == nil {
		return Zeros(x.Graph(), image)
	}
	baselines := ConstTensor(x.Graph(), t)
	dims := baselines.Shape().Dimensions
	if len(dims) == 4 {
		image.Dimensions[0] = dims[0]
	}
	if err := baselines.Shape().CheckDims(image.Dimensions...); err != nil || dims[0] < 1 {
		Panicf("attr.DeepLift: baselines %s for images %s, want [N H W C] of the same size", baselines.Shape(), x.Shape())
	}
	return ConvertDType(baselines, x.DType())
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
