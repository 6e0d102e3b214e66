package attr

import (
	"math/rand/v2"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"
	"gonum.org/v1/gonum/integrate/quad"
)

// IntegratedOptions configures IntegratedGradients.
type IntegratedOptions struct {
	Steps int // gradients that are taken along the path; 0: 50
	// Baseline is the image that says nothing, [H W C] in the units of the network's input; nil: zeros, which for centred
	// inputs is the mean image.
	Baseline *tensors.Tensor
	// Trapezoid takes equally spaced points from end to end. The default, Gauss's and Legendre's points, is nearer to the
	// integral with the same number of gradients.
	Trapezoid bool
}

// IntegratedGradients sums up the gradient along the straight path from a baseline to the image (Sundararajan et al. 2017,
// equation 1), [B H W C]:
//
//	(x − x') ⊙ ∫₀¹ ∂S(x' + α(x − x'))/∂x dα
//
// Its values sum to S(x) − S(x') (completeness); how far they do not tells the error of the integral, for which Steps
// is to be raised.
func IntegratedGradients(o IntegratedOptions) Method {
	if o.Steps == 0 {
		o.Steps = 50
	}
	return func(s *model.Scope, network Network, x *Node, target Target) *Node {
		if o.Steps < 1 || o.Trapezoid && o.Steps < 2 {
			Panicf("attr.IntegratedGradients: %d steps are too few", o.Steps)
		}
		positions, weights := o.points()
		baseline := baselineOf(x, o.Baseline)
		way := Sub(x, baseline) // [B H W C]
		var sum *Node
		for from, to := range chunks(o.Steps, x.Shape().Dimensions[0]) {
			k := to - from
			alpha := constant(x, positions[from:to], k, 1, 1, 1, 1)
			along := flat(Add(InsertAxes(baseline, 0), Mul(alpha, InsertAxes(way, 0)))) // [k·B H W C]
			g := unflat(gradientOf(forward(s, network, along, target).scores, along, "the image"), k)
			sum = sumUp(sum, ReduceSum(Mul(g, constant(x, weights[from:to], k, 1, 1, 1, 1)), 0))
		}
		return asFloat32(Mul(way, sum))
	}
}

// points are where the gradient is taken, between 0 and 1, and the weight of each in the integral.
func (o IntegratedOptions) points() (positions, weights []float64) {
	positions, weights = make([]float64, o.Steps), make([]float64, o.Steps)
	if !o.Trapezoid {
		quad.Legendre{}.FixedLocations(positions, weights, 0, 1)
		return positions, weights
	}
	for i := range o.Steps {
		positions[i] = float64(i) / float64(o.Steps-1)
		weights[i] = 1 / float64(o.Steps-1)
	}
	weights[0] /= 2
	weights[o.Steps-1] /= 2
	return positions, weights
}

// baselineOf is a baseline for images x [B H W C]: [1 H W C].
func baselineOf(x *Node, baseline *tensors.Tensor) *Node {
	dims := x.Shape().Dimensions[1:]
	if baseline == nil {
		return Zeros(x.Graph(), shapeLike(x, append([]int{1}, dims...)...))
	}
	if b := baseline.Shape(); b.Size() != dims[0]*dims[1]*dims[2] || b.Rank() < 3 {
		Panicf("attr: a baseline of shape %s for images %s, want [H W C]", b, x.Shape())
	}
	return ConvertDType(Reshape(Const(x.Graph(), baseline), append([]int{1}, dims...)...), x.DType())
}

// ExpectedOptions configures ExpectedGradients. Baselines must be set.
type ExpectedOptions struct {
	Baselines *tensors.Tensor // [N H W C]: images of the training data
	Samples   int             // gradients that are taken; 0: 100
	Seed      uint64          // of the choice of baselines and positions
}

// ExpectedGradients is the mean of integrated gradients over baselines from the data, so that no single image must say
// nothing (Erion et al. 2021, equation 3), [B H W C]. Each sample is one baseline and one position on the way from it; all
// images of a batch have the same. Positions are drawn one from each of Samples equal parts of the way.
func ExpectedGradients(o ExpectedOptions) Method {
	if o.Samples == 0 {
		o.Samples = 100
	}
	return func(s *model.Scope, network Network, x *Node, target Target) *Node {
		dims := x.Shape().Dimensions
		if o.Samples < 1 || o.Baselines == nil {
			Panicf("attr.ExpectedGradients: %d samples, Baselines set: %v; want at least one, and images [N H W C]", o.Samples, o.Baselines != nil)
		}
		if b := o.Baselines.Shape(); b.Rank() != 4 || b.Dimensions[0] < 1 || b.Size()/b.Dimensions[0] != dims[1]*dims[2]*dims[3] {
			Panicf("attr.ExpectedGradients: baselines of shape %s for images %s, want [N H W C]", b, x.Shape())
		}
		n := o.Baselines.Shape().Dimensions[0]
		r := rand.New(rand.NewPCG(o.Seed, 0))
		from, order := make([]int32, o.Samples), r.Perm(o.Samples)
		positions := make([]float64, o.Samples)
		for i := range from {
			from[i] = int32(r.IntN(n))
			positions[i] = (float64(order[i]) + r.Float64()) / float64(o.Samples)
		}
		all := ConvertDType(Const(x.Graph(), o.Baselines), x.DType()) // [N H W C]
		var sum *Node
		for i, j := range chunks(o.Samples, dims[0]) {
			k := j - i
			baselines := InsertAxes(Gather(all, Reshape(Const(x.Graph(), from[i:j]), k, 1)), 1) // [k 1 H W C]
			way := Sub(InsertAxes(x, 0), baselines)                                             // [k B H W C]
			along := flat(Add(baselines, Mul(constant(x, positions[i:j], k, 1, 1, 1, 1), way))) // [k·B H W C]
			g := unflat(gradientOf(forward(s, network, along, target).scores, along, "the image"), k)
			sum = sumUp(sum, ReduceSum(Mul(g, way), 0))
		}
		return asFloat32(DivScalar(sum, float64(o.Samples)))
	}
}
