// Package optim has the optimisers and learning rate schedules that convolutional networks are trained with and that
// GoMLX lacks. They implement GoMLX's optimizer.Interface and stand beside its Adam, which needs no replacement.
package optim

import (
	"path"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// SGD is stochastic gradient descent with momentum, in PyTorch's form, which scales the velocity by the learning rate
// of the moment:
//
//	g ← ∂loss/∂w · min(1, ClipNorm/‖∂loss‖) + WeightDecay·w
//	v ← Momentum·v + g
//	w ← w − rate·v            or with Nesterov   w ← w − rate·(g + Momentum·v)
//
// Only LearningRate must be set. The rate of the last update stands in the variable "/optimizers/learning_rate".
type SGD struct {
	LearningRate Schedule
	Momentum     float64
	Nesterov     bool
	WeightDecay  float64
	// NoDecay picks variables that WeightDecay spares; nil: none. BiasesAndNorms is the usual choice.
	NoDecay func(v *model.Variable) bool
	// ClipNorm is the largest Euclidean norm that all gradients together may have; 0: any.
	ClipNorm float64
}

var _ optimizer.Interface = SGD{}

// sgdScope holds the velocities: "/sgd" and then the path of the variable.
const sgdScope = "/sgd"

// BiasesAndNorms picks variables with fewer than two axes: biases, and scales and offsets of normalisations (He et
// al. 2019, section 3.1, "no bias decay").
func BiasesAndNorms(v *model.Variable) bool { return v.Shape().Rank() < 2 }

// UpdateGraph implements optimizer.Interface.
func (o SGD) UpdateGraph(s *model.Scope, g *Graph, loss *Node) {
	if !loss.IsScalar() {
		Panicf("optim.SGD: the loss has shape %s, want a scalar: take its mean", loss.Shape())
	}
	o.UpdateGraphWithGradients(s, s.BuildTrainableVariablesGradientsGraph(loss), loss.DType())
}

// UpdateGraphWithGradients is UpdateGraph for given gradients, one for each trainable variable in the order of the
// store. GoMLX's gradient accumulation calls it.
func (o SGD) UpdateGraphWithGradients(s *model.Scope, gradients []*Node, _ dtypes.DType) {
	if o.LearningRate == nil {
		Panicf("optim.SGD: set LearningRate, such as optim.Constant(0.1)")
	}
	variables := trained("optim.SGD", s, gradients)
	g := gradients[0].Graph()
	step := AddScalar(optimizer.IncrementGlobalStep(g, rateDType), -1) // 0 for the first update
	rate := o.LearningRate.Rate(step)
	optimizer.LearningRateVar(s, rateDType, 0).SetNodeValue(rate)
	gradients = clip(gradients, o.ClipNorm)
	for i, v := range variables {
		o.update(s, v, gradients[i], rate)
	}
}

func (o SGD) update(s *model.Scope, v *model.Variable, gradient, rate *Node) {
	g := gradient.Graph()
	value := v.NodeValue(g)
	if o.WeightDecay != 0 && (o.NoDecay == nil || !o.NoDecay(v)) {
		gradient = Add(gradient, MulScalar(value, o.WeightDecay))
	}
	if o.Momentum != 0 {
		velocity := velocityOf(s, v)
		moved := Add(MulScalar(velocity.NodeValue(g), o.Momentum), gradient)
		velocity.SetNodeValue(moved)
		if o.Nesterov {
			gradient = Add(gradient, MulScalar(moved, o.Momentum))
		} else {
			gradient = moved
		}
	}
	if rate.DType() != value.DType() {
		rate = ConvertDType(rate, value.DType())
	}
	v.SetNodeValue(Sub(value, Mul(rate, gradient)))
}

func velocityOf(s *model.Scope, v *model.Variable) *model.Variable {
	scope := s.Store().Scope(path.Join(sgdScope, v.Scope()))
	return scope.WithInitializer(initializer.Zero).VariableWithShape(v.Name(), v.Shape().Clone()).SetTrainable(false)
}

// Clear implements optimizer.Interface: it forgets the velocities.
func (o SGD) Clear(s *model.Scope) error {
	return s.Store().DeleteVariablesInScope(sgdScope)
}

// GlobalNorm is the Euclidean norm of all values of all nodes together, a float32 scalar.
func GlobalNorm(nodes []*Node) *Node {
	var sum *Node
	for _, n := range nodes {
		if n.DType() != dtypes.Float32 {
			n = ConvertDType(n, dtypes.Float32)
		}
		if squares := ReduceAllSum(Square(n)); sum == nil {
			sum = squares
		} else {
			sum = Add(sum, squares)
		}
	}
	return Sqrt(sum)
}

// clip scales all gradients by the same factor when their global norm exceeds limit (Pascanu et al. 2013, algorithm 1).
func clip(gradients []*Node, limit float64) []*Node {
	if limit <= 0 {
		return gradients
	}
	norm := GlobalNorm(gradients)
	factor := MinScalar(MulScalar(Reciprocal(AddScalar(norm, 1e-6)), limit), 1)
	clipped := make([]*Node, len(gradients))
	for i, gradient := range gradients {
		f := factor
		if f.DType() != gradient.DType() {
			f = ConvertDType(f, gradient.DType())
		}
		clipped[i] = Mul(gradient, f)
	}
	return clipped
}
