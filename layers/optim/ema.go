package optim

import (
	"path"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// EMA keeps an exponential moving average of a network's variables beside another optimiser (Polyak, Juditsky 1992;
// Szegedy et al. 2016, section 8):
//
//	average ← d·average + (1−d)·value,   d = min(Decay, t/(t+10)) at update t = 0, 1, …
//
// so the first update copies the values and early ones weigh little later. Running statistics of normalisations are
// averaged with the weights. The averages stand in the scope "/ema"; Averages pairs them with their variables.
type EMA struct {
	Optimizer optimizer.Interface
	Decay     float64 // 0: 0.999
}

var _ optimizer.Interface = EMA{}

const emaScope = "/ema"

// UpdateGraph implements optimizer.Interface.
func (e EMA) UpdateGraph(s *model.Scope, g *Graph, loss *Node) {
	if e.Optimizer == nil {
		Panicf("optim.EMA: set Optimizer, what moves the weights that are averaged")
	}
	if e.Decay < 0 || e.Decay >= 1 {
		Panicf("optim.EMA: decay %g, want 0 ≤ decay < 1", e.Decay)
	}
	// Before the optimiser makes variables of its own, the floating-point ones in use are the network's.
	var variables []*model.Variable
	for v := range s.Store().IterVariables() {
		if v.InUseByGraph(g) && v.DType().IsFloat() {
			variables = append(variables, v)
		}
	}
	e.Optimizer.UpdateGraph(s, g, loss)

	decay := e.Decay
	if decay == 0 {
		decay = 0.999
	}
	// Its own count, since the optimiser's may have begun before.
	counter := s.Store().Scope(emaScope).WithInitializer(initializer.Zero).VariableWithShape("updates", Scalar(g, rateDType, 0.0).Shape()).SetTrainable(false)
	updates := counter.NodeValue(g)
	counter.SetNodeValue(AddScalar(updates, 1))
	keep := MinScalar(Div(updates, AddScalar(updates, 10)), decay)
	for _, v := range variables {
		average, value := averageOf(s, v), v.NodeValue(g)
		d := keep
		if d.DType() != value.DType() {
			d = ConvertDType(d, value.DType())
		}
		average.SetNodeValue(Add(Mul(d, average.NodeValue(g)), Mul(OneMinus(d), value)))
	}
}

func averageOf(s *model.Scope, v *model.Variable) *model.Variable {
	scope := s.Store().Scope(path.Join(emaScope, v.Scope()))
	return scope.WithInitializer(initializer.Zero).VariableWithShape(v.Name(), v.Shape().Clone()).SetTrainable(false)
}

// Clear implements optimizer.Interface: it forgets the averages too.
func (e EMA) Clear(s *model.Scope) error {
	if err := s.Store().DeleteVariablesInScope(emaScope); err != nil {
		return err
	}
	return e.Optimizer.Clear(s)
}

// Averages pairs each variable of the store that has an average with it; none before the first update.
func Averages(store *model.Store) map[*model.Variable]*model.Variable {
	pairs := map[*model.Variable]*model.Variable{}
	counter := store.GetVariable(emaScope + "/updates")
	if counter == nil || !counter.HasValue() {
		return pairs
	}
	for v := range store.IterVariables() {
		if average := store.GetVariable(path.Join(emaScope, v.Path())); average != nil && average.HasValue() {
			pairs[v] = average
		}
	}
	return pairs
}
