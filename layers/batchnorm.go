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

	mean, variance := runningMean.NodeValue(g), runningVariance.NodeValue(g) // [C]
	if s.IsTraining(g) && !o.Frozen {
		n := x.Shape().Size() / channels
		if n < 2 {
			Panicf("layers.BatchNorm in scope %q: one value for each channel has no variance: train with a larger batch than %s", s.Scope(), x.Shape())
		}
		axes := make([]int, x.Rank()-1)
		for i := range axes {
			axes[i] = i
		}
		mean = graph.ReduceMean(x, axes...)                                                   // [C]
		variance = graph.ReduceMean(graph.Square(graph.Sub(x, expandLast(mean, x))), axes...) // [C]
		keep := orDefault(o.Momentum, 0.9)
		running := func(v *model.Variable, value *graph.Node) {
			v.SetNodeValue(graph.Add(graph.MulScalar(v.NodeValue(g), keep), graph.MulScalar(value, 1-keep)))
		}
		running(runningMean, mean)
		running(runningVariance, graph.MulScalar(variance, float64(n)/float64(n-1)))
	}

	// One division a channel rather than one a value.
	factor := graph.Reciprocal(graph.Sqrt(graph.AddScalar(variance, orDefault(o.Epsilon, 1e-5)))) // [C]
	if !o.NoScale {
		initial := initializer.One
		if o.ZeroScale {
			initial = initializer.Zero
		}
		factor = graph.Mul(factor, variable(s, x, "scale", initial, channels))
	}
	var offset *graph.Node // [C]
	if !o.NoOffset {
		offset = variable(s, x, "offset", initializer.Zero, channels)
	}
	if ruleOf(g) != nil && (!s.IsTraining(g) || o.Frozen) {
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
