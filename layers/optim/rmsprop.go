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

// RMSProp divides each gradient by a running root of its squares (Tieleman, Hinton 2012), in TensorFlow's form, which the
// Inception networks were trained with:
//
//	g ← ∂loss/∂w · min(1, ClipNorm/‖∂loss‖) + WeightDecay·w
//	r ← Decay·r + (1−Decay)·g²             r begins at 1
//	v ← Momentum·v + rate·g/√(r + ε)
//	w ← w − v
//
// ε stands inside the root, where 1, the Inception papers' value, means something else than outside of it (PyTorch's place,
// and that of GoMLX's RMSProp, which has no schedule). Only LearningRate must be set.
type RMSProp struct {
	LearningRate Schedule
	Decay        float64 // 0: 0.9
	Momentum     float64
	Epsilon      float64 // 0: 1e-10, TensorFlow's
	WeightDecay  float64
	// NoDecay picks variables that WeightDecay spares; nil: none. BiasesAndNorms is the usual choice.
	NoDecay func(v *model.Variable) bool
	// ClipNorm is the largest Euclidean norm that all gradients together may have; 0: any.
	ClipNorm float64
}

var _ optimizer.Interface = RMSProp{}

// rmspropScope holds the state: "/rmsprop/squares" or "/rmsprop/velocity", and then the path of the variable.
const rmspropScope = "/rmsprop"

// UpdateGraph implements optimizer.Interface.
func (o RMSProp) UpdateGraph(s *model.Scope, g *Graph, loss *Node) {
	if !loss.IsScalar() {
		Panicf("optim.RMSProp: the loss has shape %s, want a scalar: take its mean", loss.Shape())
	}
	o.UpdateGraphWithGradients(s, s.BuildTrainableVariablesGradientsGraph(loss), loss.DType())
}

// UpdateGraphWithGradients is UpdateGraph for given gradients, one for each trainable variable in the order of the store.
func (o RMSProp) UpdateGraphWithGradients(s *model.Scope, gradients []*Node, _ dtypes.DType) {
	if o.LearningRate == nil {
		Panicf("optim.RMSProp: set LearningRate, such as optim.Constant(0.001)")
	}
	variables := trained("optim.RMSProp", s, gradients)
	g := gradients[0].Graph()
	rate := o.LearningRate.Rate(AddScalar(optimizer.IncrementGlobalStep(g, rateDType), -1)) // 0 for the first update
	optimizer.LearningRateVar(s, rateDType, 0).SetNodeValue(rate)
	gradients = clip(gradients, o.ClipNorm)
	for i, v := range variables {
		o.update(s, v, gradients[i], rate)
	}
}

func (o RMSProp) update(s *model.Scope, v *model.Variable, gradient, rate *Node) {
	g := gradient.Graph()
	value := v.NodeValue(g)
	state := func(name string, initial model.VariableInitializer) *model.Variable {
		scope := s.Store().Scope(path.Join(rmspropScope, name, v.Scope()))
		return scope.WithInitializer(initial).VariableWithShape(v.Name(), v.Shape().Clone()).SetTrainable(false)
	}
	decay, epsilon := o.Decay, o.Epsilon
	if decay == 0 {
		decay = 0.9
	}
	if epsilon == 0 {
		epsilon = 1e-10
	}
	if o.WeightDecay != 0 && (o.NoDecay == nil || !o.NoDecay(v)) {
		gradient = Add(gradient, MulScalar(value, o.WeightDecay))
	}
	squares := state("squares", initializer.One)
	mean := Add(MulScalar(squares.NodeValue(g), decay), MulScalar(Square(gradient), 1-decay))
	squares.SetNodeValue(mean)
	if rate.DType() != value.DType() {
		rate = ConvertDType(rate, value.DType())
	}
	move := Div(Mul(rate, gradient), Sqrt(AddScalar(mean, epsilon)))
	if o.Momentum != 0 {
		velocity := state("velocity", initializer.Zero)
		move = Add(MulScalar(velocity.NodeValue(g), o.Momentum), move)
		velocity.SetNodeValue(move)
	}
	v.SetNodeValue(Sub(value, move))
}

// Clear implements optimizer.Interface: it forgets the averages and velocities.
func (o RMSProp) Clear(s *model.Scope) error { return s.Store().DeleteVariablesInScope(rmspropScope) }
