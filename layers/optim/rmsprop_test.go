package optim_test

import (
	"math"
	"testing"

	"github.com/gomlx/compute"

	"fovea/internal/backend/backendtest"
	"fovea/layers/optim"
)

// rmspropByHand is the rule in plain numbers, for a gradient that is factor times the value.
func rmspropByHand(value, factor float64, o optim.RMSProp, rates ...float64) []float64 {
	squares, velocity := 1.0, 0.0
	var all []float64
	for _, rate := range rates {
		g := factor*value + o.WeightDecay*value
		squares = o.Decay*squares + (1-o.Decay)*g*g
		velocity = o.Momentum*velocity + rate*g/math.Sqrt(squares+o.Epsilon)
		value -= velocity
		all = append(all, value)
	}
	return all
}

func TestRMSProp(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		rate := optim.Constant(0.1)
		for name, o := range map[string]optim.RMSProp{
			"plain":         {Decay: 0.9, Epsilon: 1e-10},
			"of Inception":  {Decay: 0.9, Epsilon: 1},
			"with momentum": {Decay: 0.8, Epsilon: 1, Momentum: 0.9},
			"with decay":    {Decay: 0.9, Epsilon: 0.5, WeightDecay: 0.5},
		} {
			o.LearningRate = rate
			w, bias := trajectory(t, b, o, 3)
			near(t, name+", w", w, rmspropByHand(1, 1, o, 0.1, 0.1, 0.1)...)
			near(t, name+", b", bias, rmspropByHand(2, 4, o, 0.1, 0.1, 0.1)...)
		}
		o := optim.RMSProp{LearningRate: optim.Step{Initial: 0.1, Milestones: []int{1}}, Momentum: 0.5}
		byHand := optim.RMSProp{Decay: 0.9, Epsilon: 1e-10, Momentum: 0.5}
		w, _ := trajectory(t, b, o, 2)
		near(t, "defaults, and a rate that falls", w, rmspropByHand(1, 1, byHand, 0.1, 0.01)...)

		// the gradients 1 and 8 have norm √65
		o = optim.RMSProp{LearningRate: rate, Epsilon: 1, ClipNorm: 2}
		w, _ = trajectory(t, b, o, 1)
		g := 2 / math.Sqrt(65)
		near(t, "clipped", w, 1-0.1*g/math.Sqrt(0.9+0.1*g*g+1))
	})
}

func TestRMSPropClear(t *testing.T) {
	b := backendtest.ForTest(t)
	o := optim.RMSProp{LearningRate: optim.Constant(0.1), Momentum: 0.9}
	store := stepOnce(t, b, o)
	states := 0
	for v := range store.IterVariables() {
		if v.Scope() != "/layer" && v.Trainable {
			t.Errorf("%s is trained", v.Path())
		}
		if v.Scope() == "/rmsprop/squares/layer" || v.Scope() == "/rmsprop/velocity/layer" {
			states++
		}
	}
	if states != 2 {
		t.Errorf("%d variables of state, want two", states)
	}
	if err := o.Clear(store.RootScope()); err != nil {
		t.Fatal(err)
	}
	if v := store.GetVariable("/rmsprop/squares/layer/weights"); v != nil {
		t.Error("Clear left a state behind")
	}
}
