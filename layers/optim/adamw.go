package optim

import (
	"math"
	"path"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// AdamW is Adam with decoupled weight decay (Kingma, Ba 2015; Loshchilov, Hutter 2019, algorithm 2), in PyTorch's form, in
// which the decay is scaled by the learning rate of the moment:
//
//	g ← ∂loss/∂w · min(1, ClipNorm/‖∂loss‖)
//	m ← β₁·m + (1−β₁)·g,   v ← β₂·v + (1−β₂)·g²
//	w ← w − rate·( m/(1−β₁ᵗ) / (√(v/(1−β₂ᵗ)) + ε) + WeightDecay·w )
//
// Only LearningRate must be set. GoMLX's Adam serves where the rate is constant and no variable is to be spared.
type AdamW struct {
	LearningRate Schedule
	Beta1, Beta2 float64 // 0: 0.9 and 0.999
	Epsilon      float64 // 0: 1e-8
	WeightDecay  float64
	// NoDecay picks variables that WeightDecay spares; nil: none. BiasesAndNorms is the usual choice.
	NoDecay func(v *model.Variable) bool
	// ClipNorm is the largest Euclidean norm that all gradients together may have; 0: any.
	ClipNorm float64
}

var _ optimizer.Interface = AdamW{}

// adamScope holds the moments: "/adamw/first" or "/adamw/second", and then the path of the variable.
const adamScope = "/adamw"

// UpdateGraph implements optimizer.Interface.
func (o AdamW) UpdateGraph(s *model.Scope, g *Graph, loss *Node) {
	if !loss.IsScalar() {
		Panicf("optim.AdamW: the loss has shape %s, want a scalar: take its mean", loss.Shape())
	}
	o.UpdateGraphWithGradients(s, s.BuildTrainableVariablesGradientsGraph(loss), loss.DType())
}

// UpdateGraphWithGradients is UpdateGraph for given gradients, one for each trainable variable in the order of the store.
func (o AdamW) UpdateGraphWithGradients(s *model.Scope, gradients []*Node, _ dtypes.DType) {
	if o.LearningRate == nil {
		Panicf("optim.AdamW: set LearningRate, such as optim.Constant(0.001)")
	}
	variables := trained("optim.AdamW", s, gradients)
	g := gradients[0].Graph()
	updates := optimizer.IncrementGlobalStep(g, rateDType) // 1 for the first update
	rate := o.LearningRate.Rate(AddScalar(updates, -1))
	optimizer.LearningRateVar(s, rateDType, 0).SetNodeValue(rate)

	fallback := func(v, d float64) float64 {
		if v == 0 {
			return d
		}
		return v
	}
	beta1, beta2, epsilon := fallback(o.Beta1, 0.9), fallback(o.Beta2, 0.999), fallback(o.Epsilon, 1e-8)
	// Counted from the optimiser's own first update, since the global step may be that of an earlier training.
	counter := s.Store().Scope(adamScope).WithInitializer(initializer.Zero).VariableWithShape("updates", updates.Shape()).SetTrainable(false)
	t := AddScalar(counter.NodeValue(g), 1)
	counter.SetNodeValue(t)
	// 1−βᵗ as −(e^(t·log β)−1): the difference of nearly equal numbers would lose half of float32's digits.
	unbias := func(beta float64) *Node { return Neg(Reciprocal(Expm1(MulScalar(t, math.Log(beta))))) }
	unbias1, unbias2 := unbias(beta1), unbias(beta2)

	gradients = clip(gradients, o.ClipNorm)
	for i, v := range variables {
		value, gradient := v.NodeValue(g), gradients[i]
		moment := func(name string, beta float64, x *Node) *Node {
			scope := s.Store().Scope(path.Join(adamScope, name, v.Scope()))
			m := scope.WithInitializer(initializer.Zero).VariableWithShape(v.Name(), v.Shape().Clone()).SetTrainable(false)
			moved := Add(MulScalar(m.NodeValue(g), beta), MulScalar(x, 1-beta))
			m.SetNodeValue(moved)
			return moved
		}
		as := func(n *Node) *Node {
			if n.DType() != value.DType() {
				return ConvertDType(n, value.DType())
			}
			return n
		}
		first := Mul(moment("first", beta1, gradient), as(unbias1))
		second := Mul(moment("second", beta2, Square(gradient)), as(unbias2))
		direction := Div(first, AddScalar(Sqrt(second), epsilon))
		if o.WeightDecay != 0 && (o.NoDecay == nil || !o.NoDecay(v)) {
			direction = Add(direction, MulScalar(value, o.WeightDecay))
		}
		v.SetNodeValue(Sub(value, Mul(as(rate), direction)))
	}
}

// Clear implements optimizer.Interface: it forgets the moments.
func (o AdamW) Clear(s *model.Scope) error { return s.Store().DeleteVariablesInScope(adamScope) }

// trained are the variables that the gradients are of.
func trained(optimizer string, s *model.Scope, gradients []*Node) []*model.Variable {
	if len(gradients) == 0 {
		Panicf("%s: the loss depends on no trainable variable in scope %q", optimizer, s.Scope())
	}
	g := gradients[0].Graph()
	var variables []*model.Variable
	for v := range s.IterVariables() {
		if v.Trainable && v.InUseByGraph(g) {
			variables = append(variables, v)
		}
	}
	if len(variables) != len(gradients) {
		Panicf("%s: %d gradients for %d trainable variables: were variables made after the gradient?", optimizer, len(gradients), len(variables))
	}
	return variables
}
