package optim_test

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/internal/backend/backendtest"
	"fovea/layers/optim"
)

// byHand is the rule in plain numbers, for a gradient that is factor times the value.
func byHand(value, factor, rate, decay float64, steps int) []float64 {
	var m, v float64
	var all []float64
	for t := 1; t <= steps; t++ {
		g := factor * value
		m, v = 0.9*m+0.1*g, 0.999*v+0.001*g*g
		first, second := m/(1-math.Pow(0.9, float64(t))), v/(1-math.Pow(0.999, float64(t)))
		value -= rate * (first/(math.Sqrt(second)+1e-8) + decay*value)
		all = append(all, value)
	}
	return all
}

func TestAdamW(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		rate := optim.Constant(0.1)
		w, bias := trajectory(t, b, optim.AdamW{LearningRate: rate}, 4)
		near(t, "plain w", w, byHand(1, 1, 0.1, 0, 4)...)
		near(t, "plain b", bias, byHand(2, 4, 0.1, 0, 4)...)
		// Whatever the gradient, the first step is about the rate.
		near(t, "first step", []float64{1 - w[0], 2 - bias[0]}, 0.1, 0.1)

		w, bias = trajectory(t, b, optim.AdamW{LearningRate: rate, WeightDecay: 0.5, NoDecay: optim.BiasesAndNorms}, 3)
		near(t, "decay of w", w, byHand(1, 1, 0.1, 0.5, 3)...)
		near(t, "no decay of b", bias, byHand(2, 4, 0.1, 0, 3)...)

		// A common factor on all gradients changes nothing, which the clipping of the first step is.
		clipped, _ := trajectory(t, b, optim.AdamW{LearningRate: rate, ClipNorm: 1}, 1)
		near(t, "clipped", clipped, 0.9)

		w, _ = trajectory(t, b, optim.AdamW{LearningRate: optim.Step{Initial: 0.1, Milestones: []int{1}}, Beta1: 1e-12, Beta2: 1e-12}, 2)
		near(t, "schedule", w, 0.9, 0.89) // without memory each step is the sign of the gradient
	})
}

// The moments leave with Clear, and none of them is trained.
func TestAdamWClear(t *testing.T) {
	b := backendtest.ForTest(t)
	o := optim.AdamW{LearningRate: optim.Constant(0.1)}
	store := stepOnce(t, b, o)
	n := 0
	for v := range store.IterVariables() {
		if v.Scope() != "/layer" && v.Trainable {
			t.Errorf("%s is trained", v.Path())
		}
		n++
	}
	if err := o.Clear(store.RootScope()); err != nil {
		t.Fatal(err)
	}
	left := 0
	for range store.IterVariables() {
		left++
	}
	if n-left != 3 { // two moments of one variable and the count
		t.Errorf("%d variables of %d left", left, n)
	}
}

func stepOnce(t *testing.T, b compute.Backend, o optimizer.Interface) *model.Store {
	t.Helper()
	store := model.NewStore()
	if _, err := model.CallOnce(b, store, func(s *model.Scope, g *Graph) *Node {
		loss := ReduceAllSum(Square(s.In("layer").VariableWithValue("weights", [][]float32{{1}}).NodeValue(g)))
		o.UpdateGraph(s, g, loss)
		return loss
	}); err != nil {
		t.Fatal(err)
	}
	return store
}
