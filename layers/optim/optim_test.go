package optim_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/internal/backend/backendtest"
	"fovea/layers/layertest"
	"fovea/layers/optim"
)

// trajectory takes steps on ½a·w² (a = 1 and 4) with one variable of two axes, w = 1, and one of one axis, b = 2; the gradients
// are w and 4b. It returns the values after each step.
func trajectory(t *testing.T, b compute.Backend, o optimizer.Interface, steps int) (w, bias []float64) {
	t.Helper()
	store := model.NewStore()
	step, err := model.NewExec(b, store, func(s *model.Scope, g *Graph) *Node {
		w := s.In("layer").VariableWithValue("weights", [][]float32{{1}})
		bias := s.At("layer").VariableWithValue("biases", []float32{2})
		loss := Add(MulScalar(ReduceAllSum(Square(w.NodeValue(g))), 0.5), MulScalar(ReduceAllSum(Square(bias.NodeValue(g))), 2))
		o.UpdateGraph(s, g, loss)
		return loss
	})
	if err != nil {
		t.Fatal(err)
	}
	for range steps {
		if _, err := step.Call(); err != nil {
			t.Fatal(err)
		}
		w = append(w, layertest.Floats(store.GetVariable("/layer/weights").MustValue())[0])
		bias = append(bias, layertest.Floats(store.GetVariable("/layer/biases").MustValue())[0])
	}
	if got := optimizer.GetGlobalStep(store); got != int64(steps) {
		t.Errorf("global step %d after %d steps", got, steps)
	}
	return w, bias
}

func near(t *testing.T, what string, got []float64, want ...float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= 2e-6*max(1, math.Abs(want[i]))) {
			t.Errorf("%s: got %.7v, want %.7v", what, got, want)
			return
		}
	}
}

// Sequences computed by hand from the update rule.
func TestSGD(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		rate := optim.Constant(0.1)
		w, bias := trajectory(t, b, optim.SGD{LearningRate: rate}, 2)
		near(t, "plain w", w, 0.9, 0.81)
		near(t, "plain b", bias, 1.2, 0.72)

		// v: 1, 0.9·1+0.9 = 1.8, 0.9·1.8+0.72 = 2.34
		w, _ = trajectory(t, b, optim.SGD{LearningRate: rate, Momentum: 0.9}, 3)
		near(t, "momentum", w, 0.9, 0.9-0.18, 0.72-0.234)

		// v as above with Nesterov's step g + 0.9v: 1+0.9 = 1.9; w .81: v .9+.81 = 1.71, .81+.9·1.71 = 2.349
		w, _ = trajectory(t, b, optim.SGD{LearningRate: rate, Momentum: 0.9, Nesterov: true}, 2)
		near(t, "Nesterov", w, 0.81, 0.81-0.2349)

		// g = w + 0.5w; the bias is spared
		w, bias = trajectory(t, b, optim.SGD{LearningRate: rate, WeightDecay: 0.5, NoDecay: optim.BiasesAndNorms}, 2)
		near(t, "decay of w", w, 0.85, 0.7225)
		near(t, "no decay of b", bias, 1.2, 0.72)
		_, bias = trajectory(t, b, optim.SGD{LearningRate: rate, WeightDecay: 0.5}, 1)
		near(t, "decay of b", bias, 2-0.1*(8+1))

		// the gradients 1 and 8 have norm √65
		w, bias = trajectory(t, b, optim.SGD{LearningRate: rate, ClipNorm: 2}, 1)
		near(t, "clipped w", w, 1-0.1*2/math.Sqrt(65))
		near(t, "clipped b", bias, 2-0.1*16/math.Sqrt(65))
		w, _ = trajectory(t, b, optim.SGD{LearningRate: rate, ClipNorm: 100}, 1)
		near(t, "not clipped", w, 0.9)

		// the velocity is scaled by the rate of the moment: v = 1, 1.8 and the rate falls to 0.01
		w, _ = trajectory(t, b, optim.SGD{LearningRate: optim.Step{Initial: 0.1, Milestones: []int{1}}, Momentum: 0.9}, 2)
		near(t, "momentum and schedule", w, 0.9, 0.9-0.01*1.8)
	})
}

func TestSchedules(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		half := func(a, b, share float64) float64 { return b + (a-b)*(1+math.Cos(math.Pi*share))/2 }
		for _, test := range []struct {
			s    optim.Schedule
			want []float64
		}{
			{optim.Constant(0.3), []float64{0.3, 0.3}},
			{optim.Step{Initial: 1, Milestones: []int{4, 2}}, []float64{1, 1, 0.1, 0.1, 0.01, 0.01}},
			{optim.Step{Initial: 1, Milestones: []int{1}, Gamma: 0.5}, []float64{1, 0.5}},
			{optim.Cosine{Initial: 1, Final: 0.2, Steps: 4}, []float64{1, half(1, 0.2, 0.25), 0.6, half(1, 0.2, 0.75), 0.2, 0.2}},
			{optim.Poly{Initial: 1, Steps: 4, Power: 2}, []float64{1, 0.5625, 0.25, 0.0625, 0, 0}},
			{optim.Poly{Initial: 1, Final: 0.5, Steps: 2}, []float64{1, 0.5 + 0.5*math.Pow(0.5, 0.9), 0.5}},
			// PyTorch: OneCycleLR(max_lr=1, total_steps=10) rises until step 2 and falls until step 9
			{optim.OneCycle{Peak: 1, Steps: 10}, []float64{0.04, half(0.04, 1, 0.5), 1, half(1, 4e-6, 1./7), half(1, 4e-6, 2./7), half(1, 4e-6, 3./7),
				half(1, 4e-6, 4./7), half(1, 4e-6, 5./7), half(1, 4e-6, 6./7), 4e-6}},
			{optim.Warmup{Steps: 4, Then: optim.Step{Initial: 1, Milestones: []int{5}}}, []float64{0.25, 0.5, 0.75, 1, 1, 0.1}},
		} {
			got, err := optim.Curve(b, test.s, len(test.want))
			if err != nil {
				t.Fatal(err)
			}
			near(t, fmt.Sprintf("%T", test.s), got, test.want...)
		}
	})
}

// The trainer of GoMLX drives it; accumulated gradients of two half batches are the gradient of the whole.
func TestWithTrainer(t *testing.T) {
	b := layertest.Go()
	learn := func(accumulate int) []float64 {
		store := layertest.NewStore(1)
		o := optim.SGD{LearningRate: optim.Cosine{Initial: 0.1, Steps: 10}, Momentum: 0.9}
		trainer := train.NewTrainer(b, store, func(s *model.Scope, x *Node) *Node {
			return Dot(x, s.VariableWithValue("w", [][]float32{{0}, {0}}).NodeValue(x.Graph())).Product()
		}, func(labels, y []*Node) *Node { return ReduceAllMean(Square(Sub(y[0], labels[0]))) }, o, nil, nil)
		if accumulate > 1 {
			if err := trainer.AccumulateGradients(accumulate); err != nil {
				t.Fatal(err)
			}
		}
		x, y := []float32{1, 2, 3, 1, -1, 0, 2, 2}, []float32{1, 0, -1, 2}
		n := 4 / accumulate
		for range 3 {
			for i := range accumulate {
				if _, err := trainer.TrainStep(train.Batch{
					Inputs: []*tensors.Tensor{tensors.FromFlatDataAndDimensions(x[2*n*i:2*n*(i+1)], n, 2)},
					Labels: []*tensors.Tensor{tensors.FromFlatDataAndDimensions(y[n*i:n*(i+1)], n, 1)},
				}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if lr := layertest.Floats(store.GetVariable("/optimizers/learning_rate").MustValue())[0]; math.Abs(lr-0.05*(1+math.Cos(math.Pi*0.2))) > 1e-6 {
			t.Errorf("the variable of the learning rate holds %g, want that of the third update", lr)
		}
		w := layertest.Floats(store.GetVariable("/w").MustValue())
		if err := o.Clear(store.RootScope()); err != nil {
			t.Fatal(err)
		}
		for v := range store.IterVariables() {
			if strings.HasPrefix(v.Path(), "/sgd") {
				t.Errorf("%s is left after Clear", v.Path())
			}
		}
		return w
	}
	near(t, "accumulated", learn(2), learn(1)...)
}

func TestSGDWithoutRate(t *testing.T) {
	store := model.NewStore()
	_, err := model.CallOnce(layertest.Go(), store, func(s *model.Scope, g *Graph) *Node {
		loss := ReduceAllSum(s.VariableWithValue("w", []float32{1}).NodeValue(g))
		optim.SGD{}.UpdateGraph(s, g, loss)
		return loss
	})
	if err == nil || !strings.Contains(err.Error(), "set LearningRate") {
		t.Errorf("error %v, want one that says to set LearningRate", err)
	}
}
