package weightsymmetry

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"

	"fovea/layers"
	"fovea/recipes/orthonormal"
)

// Rule says what takes the place of Wᵀ when an error δ goes back through a layer y = W·x. Each rule leaves ΔW = −η·δ·xᵀ alone.
type Rule string

const (
	// BackPropagation is calculus: Wᵀδ.
	BackPropagation Rule = "bp"
	// FeedbackAlignment takes a fixed random matrix of W's shape (Lillicrap et al. 2016).
	FeedbackAlignment Rule = "fa"
	// DirectFeedback brings the error of the logits to each layer through a fixed random matrix (Nøkland 2016).
	DirectFeedback Rule = "dfa"
	// SignSymmetry takes the signs of W, all at W's mean size (Liao et al. 2016).
	SignSymmetry Rule = "sign"
	// KolenPollack takes a plastic matrix R of W's shape, with ΔR = ΔW: under equal decay R becomes W (Kolen, Pollack 1994).
	KolenPollack Rule = "kp"
	// ProductFeedback takes a plastic R behind a fixed B: Rᵀ·Bᵀδ, with ΔR = −η·(Bᵀδ)·xᵀ (the paper). Under equal decay R becomes
	// BᵀW, and so the path B·R becomes B·BᵀW ≈ W, while R itself is not like W.
	ProductFeedback Rule = "pfa"
)

var known = map[Rule]bool{BackPropagation: true, FeedbackAlignment: true, DirectFeedback: true, SignSymmetry: true, KolenPollack: true, ProductFeedback: true}

// Names of the variables beside "weights", [… in out].
const (
	fixed   = "feedback" // B of the rules: [… in out], or [middle out] of ProductFeedback
	plastic = "plastic"  // R of the rules: [… in out], or [… in middle]
)

// dense is layers.Dense with the rule: x [B in] → [B units].
func (c Config) dense(s *model.Scope, x *graph.Node, units int) *graph.Node {
	shape := []int{x.Shape().Dimensions[1], units}
	y := c.linear(s, x, shape, product)
	biases := s.WithInitializer(initializer.Zero).VariableWithShape("biases", shapes.Make(dtypes.Float32, units))
	return graph.Add(y, graph.ExpandLeftToRank(biases.NodeValue(x.Graph()), 2))
}

// conv is layers.Conv without biases, with the rule: x [B H W in] → [B h w Filters].
func (c Config) conv(s *model.Scope, x *graph.Node, o layers.ConvOptions) *graph.Node {
	size := o.Size
	if size == 0 {
		size = 3
	}
	shape := []int{size, size, x.Shape().Dimensions[3], o.Filters}
	return c.linear(s, x, shape, func(x, kernel *graph.Node) *graph.Node { return layers.Convolution(x, kernel, o) })
}

// product is x [… in] · w [in out] → [… out].
func product(x, w *graph.Node) *graph.Node {
	return graph.Dot(x, w).General([]int{-1}, nil, []int{0}, nil)
}

// linear is a layer that is linear in x and in its kernel of that shape, [… in out].
//
// Its value is that of the weights w. In training it is written as
//
//	y = apply(stop(x), w) + u − stop(u),   u the same layer with the backward matrices in place of w
//
// whose gradient is that of the first term for w and that of u for x and for what is plastic: no rule needs a gradient of its
// own. The middle layer of the product is a layer of 1×1.
func (c Config) linear(s *model.Scope, x *graph.Node, shape []int, apply func(x, kernel *graph.Node) *graph.Node) *graph.Node {
	g := x.Graph()
	weights := variable(s, "weights", xavier, shape...)
	last := len(shape) - 1
	var backward func(x *graph.Node) *graph.Node
	switch c.Rule {
	case FeedbackAlignment:
		b := variable(s, fixed, xavier, shape...).SetTrainable(false)
		backward = func(x *graph.Node) *graph.Node { return apply(x, b.NodeValue(g)) }
	case SignSymmetry:
		backward = func(x *graph.Node) *graph.Node { return apply(x, graph.StopGradient(signs(weights.NodeValue(g)))) }
	case KolenPollack:
		r := variable(s, plastic, xavier, shape...)
		backward = func(x *graph.Node) *graph.Node { return apply(x, r.NodeValue(g)) }
	case ProductFeedback:
		out := shape[last]
		middle := c.Ratio * out
		b := variable(s, fixed, middleMatrix(c.Ratio), middle, out).SetTrainable(false)
		r := variable(s, plastic, xavier, append(append([]int{}, shape[:last]...), middle)...)
		backward = func(x *graph.Node) *graph.Node { return product(apply(x, r.NodeValue(g)), b.NodeValue(g)) }
	}
	w := weights.NodeValue(g)
	switch {
	case c.Rule == BackPropagation || !s.IsTraining(g):
		return apply(x, w)
	case c.Rule == DirectFeedback:
		return apply(graph.StopGradient(x), w)
	}
	return swap(apply(graph.StopGradient(x), w), backward(x))
}

// swap has the value of y and, beside y's own gradient, that of u.
func swap(y, u *graph.Node) *graph.Node { return graph.Add(y, graph.Sub(u, graph.StopGradient(u))) }

// direct lets the error of the logits [B K] reach h [B …] through a fixed matrix alone: the logits keep their value.
func direct(s *model.Scope, logits, h *graph.Node) *graph.Node {
	flat := layers.Flatten(h) // [B n]
	b := variable(s, fixed, xavier, flat.Shape().Dimensions[1], logits.Shape().Dimensions[1]).SetTrainable(false)
	if !s.IsTraining(h.Graph()) {
		return logits
	}
	return swap(logits, product(flat, b.NodeValue(h.Graph())))
}

// signs are ±the mean size of w.
func signs(w *graph.Node) *graph.Node {
	size := graph.ReduceAllMean(graph.Abs(w))
	zero := graph.ScalarZero(w.Graph(), w.DType())
	return graph.Where(graph.GreaterOrEqual(w, zero), graph.BroadcastToShape(size, w.Shape()), graph.BroadcastToShape(graph.Neg(size), w.Shape()))
}

// variable makes or finds a variable. Rules make theirs in evaluation too, so that a network has the same ones at all times.
func variable(s *model.Scope, name string, initial func(*model.Scope) model.VariableInitializer, shape ...int) *model.Variable {
	return s.WithInitializer(initial(s)).VariableWithShape(name, shapes.Make(dtypes.Float32, shape...))
}

func xavier(s *model.Scope) model.VariableInitializer { return initializer.XavierNormalFn(s) }

// middleMatrix starts B [middle out] so that B·Bᵀ is the identity: exactly for a ratio of 1, where it is orthogonal, and on average for a
// larger one, where Xavier's deviation with the paper's gain √((1+1/r)/2) is 1/√middle.
func middleMatrix(ratio int) func(*model.Scope) model.VariableInitializer {
	return func(s *model.Scope) model.VariableInitializer {
		if ratio == 1 {
			return orthonormal.Initializer(s)
		}
		gain := math.Sqrt((1 + 1/float64(ratio)) / 2)
		return func(g *graph.Graph, shape shapes.Shape) *graph.Node {
			middle, out := shape.Dimensions[0], shape.Dimensions[1]
			return graph.MulScalar(s.RandomNormal(g, shape), gain*math.Sqrt(2/float64(middle+out)))
		}
	}
}
