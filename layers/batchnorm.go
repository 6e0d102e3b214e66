package layers

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// BatchNormOptions configures BatchNorm. The zero value is PyTorch's default.
type BatchNormOptions struct {
	Epsilon   float64 // added to the variance; 0: 1e-5
	Momentum  float64 // share of the old running average that stays at each step; 0: 0.9 (PyTorch calls it momentum 0.1)
	NoScale   bool    // no γ
	NoOffset  bool    // no β
	ZeroScale bool    // γ starts at 0: for the last normalisation of a residual branch
	Frozen    bool    // use the running averages in training too, and leave them alone
}

// BatchNorm normalises each channel over the batch and space (Ioffe, Szegedy 2015, algorithms 1 and 2).
//
//	y = γ·(x − μ)/√(σ² + ε) + β
//
// x [B … C] → [B … C]. In training μ and σ² are those of the batch and the gradient flows through both; in evaluation
// they are running averages, and the layer is a differentiable affine map. The running variance is the unbiased one,
// as in PyTorch, the batch's own the biased one.
//
// Variables: "scale" γ and "offset" β, trained, "mean" and "variance", which are not; all [C], float32.
//
// It panics if x has fewer than two axes, or in training if there is a single value for each channel.
func BatchNorm(s *model.Scope, x *graph.Node, o BatchNormOptions) *graph.Node {
	if x.Rank() < 2 {
		Panicf("layers.BatchNorm in scope %q: input %s, want [B … C]", s.Scope(), x.Shape())
	}
	g, dtype := x.Graph(), x.DType()
	x = convert(x, storageDType(dtype)) // sums over a batch need the precision
	channels := x.Shape().Dimensions[x.Rank()-1]
	statistic := func(name string, initial model.VariableInitializer) *model.Variable {
		shape := x.Shape().Clone()
		shape.Dimensions = []int{channels}
		return s.WithInitializer(initial).VariableWithShape(name, shape).SetTrainable(false)
	}
	runningMean, runningVariance := statistic("mean", initializer.Zero), statistic("variance", initializer.One)

	var scale, offset *graph.Node // [C]
	if !o.NoScale {
		initial := initializer.One
		if o.ZeroScale {
			initial = initializer.Zero
		}
		scale = variable(s, x, "scale", initial, channels)
	}
	if !o.NoOffset {
		offset = variable(s, x, "offset", initializer.Zero, channels)
	}

	epsilon := orDefault(o.Epsilon, 1e-5)
	if s.IsTraining(g) && !o.Frozen {
		n := x.Shape().Size() / channels
		if n < 2 {
			Panicf("layers.BatchNorm in scope %q: one value for each channel has no variance: train with a larger batch than %s", s.Scope(), x.Shape())
		}
		y, mean, variance := batchNormalized(x, scale, offset, epsilon)
		keep := orDefault(o.Momentum, 0.9)
		running := func(v *model.Variable, value *graph.Node) {
			v.SetNodeValue(graph.Add(graph.MulScalar(v.NodeValue(g), keep), graph.MulScalar(value, 1-keep)))
		}
		running(runningMean, mean)
		running(runningVariance, graph.MulScalar(variance, float64(n)/float64(n-1)))
		return noted(convert(y, dtype), note{kind: "BatchNorm"})
	}

	mean, variance := runningMean.NodeValue(g), runningVariance.NodeValue(g) // [C]
	factor := inverseDeviation(variance, epsilon)                            // [C]
	if scale != nil {
		factor = graph.Mul(factor, scale)
	}
	if ruleOf(g) != nil {
		shift := graph.Neg(graph.Mul(mean, factor)) // [C]
		if offset != nil {
			shift = graph.Add(offset, shift)
		}
		return convert(Application{Kind: KindBatchNorm, Scope: s.Scope(), X: x, Weights: factor, Biases: shift, Apply: mulLast}.underRule(), dtype)
	}
	y := graph.Mul(graph.Sub(x, expandLast(mean, x)), expandLast(factor, x))
	if offset != nil {
		y = addLast(y, offset)
	}
	return noted(convert(y, dtype), note{kind: "BatchNorm"})
}

// batchNormalized is the layer in training: x [B … C], scale and offset [C] or nil → y [B … C], the batch's mean and variance [C].
//
// The way back is that of Ioffe, Szegedy 2015 (section 3, p. 4) with its three sums written as two channelSums:
//
//	dβ = Σ dy,  dγ = Σ dy·x̂,  dx = γ/√(σ² + ε) · (dy − dβ/n − x̂·dγ/n)
func batchNormalized(x, scale, offset *graph.Node, epsilon float64) (y, mean, variance *graph.Node) {
	channels := x.Shape().Dimensions[x.Rank()-1]
	n := float64(x.Shape().Size() / channels)
	inputs := []*graph.Node{x}
	for _, v := range []*graph.Node{scale, offset} {
		if v != nil {
			inputs = append(inputs, v)
		}
	}
	build := func(in []*graph.Node) *graph.Node {
		var normal *graph.Node
		normal, mean, variance, _ = normalized(in[0], n, epsilon)
		y := normal
		if in = in[1:]; scale != nil {
			y, in = mulLast(y, in[0]), in[1:]
		}
		if offset != nil {
			y = addLast(y, in[0])
		}
		return y
	}
	back := func(v *graph.Node) []*graph.Node {
		// Anew from x, so that second derivatives find their way; compilers see that it is the same.
		normal, _, _, factor := normalized(x, n, epsilon)
		if scale != nil {
			factor = graph.Mul(factor, scale)
		}
		dOffset, dScale := channelSum(v), channelSum(graph.Mul(v, normal)) // [C]
		along := graph.Add(expandLast(graph.DivScalar(dOffset, n), v), mulLast(normal, graph.DivScalar(dScale, n)))
		gradients := []*graph.Node{mulLast(graph.Sub(v, along), factor)} // [B … C]
		if scale != nil {
			gradients = append(gradients, dScale)
		}
		if offset != nil {
			gradients = append(gradients, dOffset)
		}
		return gradients
	}
	y = customGradient(build, back, inputs...)
	return y, mean, variance
}

// normalized gives x̂ = (x − μ)·factor [B … C], the mean μ, the variance σ² and the factor 1/√(σ² + ε), all [C], of n values a channel.
func normalized(x *graph.Node, n, epsilon float64) (normal, mean, variance, factor *graph.Node) {
	mean = graph.DivScalar(channelSum(x), n)
	centred := graph.Sub(x, expandLast(mean, x))
	variance = graph.DivScalar(channelSum(graph.Square(centred)), n)
	factor = inverseDeviation(variance, epsilon)
	return mulLast(centred, factor), mean, variance, factor
}

// inverseDeviation is 1/√(σ² + ε): one division a channel rather than one a value.
func inverseDeviation(variance *graph.Node, epsilon float64) *graph.Node {
	return graph.Reciprocal(graph.Sqrt(graph.AddScalar(variance, epsilon)))
}

// mulLast multiplies by a value for each channel: x [… C] · v [C].
func mulLast(x, v *graph.Node) *graph.Node { return graph.Mul(x, expandLast(v, x)) }

// expandLast shapes a value a channel, v [C], so that it broadcasts over x [… C].
func expandLast(v, x *graph.Node) *graph.Node { return graph.ExpandLeftToRank(v, x.Rank()) }

func orDefault(v, d float64) float64 {
	if v == 0 {
		return d
	}
	return v
}
