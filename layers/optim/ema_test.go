package optim_test

import (
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers/layertest"
	"fovea/layers/optim"
)

// The values fall by a tenth a step, 1 → 0.9, 0.81, 0.729; d is 0, 1/11, 2/12, and at most Decay.
func TestEMA(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		for decay, want := range map[float64][]float64{
			0.9: {0.9, 0.9/11 + 0.81*10/11, (0.9/11+0.81*10/11)/6 + 0.729*5/6},
			0.1: {0.9, 0.9/11 + 0.81*10/11, (0.9/11+0.81*10/11)*0.1 + 0.729*0.9},
		} {
			store := model.NewStore()
			o := optim.EMA{Optimizer: optim.SGD{LearningRate: optim.Constant(0.1), Momentum: 1e-9}, Decay: decay}
			step, err := model.NewExec(b, store, func(s *model.Scope, g *Graph) *Node {
				w := s.In("layer").VariableWithValue("weights", [][]float32{{1}})
				// A statistic that the network itself moves, and that nothing is differentiated by.
				mean := s.At("layer").VariableWithValue("mean", float32(0)).SetTrainable(false)
				mean.SetNodeValue(AddScalar(mean.NodeValue(g), 1))
				loss := MulScalar(ReduceAllSum(Square(w.NodeValue(g))), 0.5)
				o.UpdateGraph(s, g, loss)
				return loss
			})
			if err != nil {
				t.Fatal(err)
			}
			if n := len(optim.Averages(store)); n != 0 {
				t.Errorf("%d averages before the first step", n)
			}
			var got []float64
			for range want {
				if _, err := step.Call(); err != nil {
					t.Fatal(err)
				}
				got = append(got, layertest.Floats(optim.Averages(store)[store.GetVariable("/layer/weights")].MustValue())[0])
			}
			near(t, "average", got, want...)
			pairs := optim.Averages(store)
			if len(pairs) != 2 || pairs[store.GetVariable("/layer/mean")] == nil {
				t.Errorf("%d averages, want the weights' and the statistic's", len(pairs))
			}
			for _, average := range pairs {
				if average.Trainable {
					t.Errorf("%s is trained", average.Path())
				}
			}
			if err := o.Clear(store.RootScope()); err != nil {
				t.Fatal(err)
			}
			if n := len(optim.Averages(store)); n != 0 {
				t.Errorf("%d averages after Clear", n)
			}
		}
	})
}
