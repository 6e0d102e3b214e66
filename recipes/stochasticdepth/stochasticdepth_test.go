package stochasticdepth

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers/resnet"
	"fovea/recipes"
)

// With p_L = 0.5 the expected number of active units is (3L−1)/4: 40.25 of ResNet-110's 54.
func TestExpectedDepth(t *testing.T) {
	for _, units := range []int{1, 9, 54, 600} {
		if got, want := Active(units, 0.5), float64(3*units-1)/4; math.Abs(got-want) > 1e-9 {
			t.Errorf("%d units: %g active, want %g", units, got, want)
		}
	}
	if units := len(Variants["110"].Host.Units()); units != 54 {
		t.Errorf("ResNet-110 has %d units, want 54", units)
	}
}

// The mean number of drawn units agrees with the formula within 2 %, and one draw holds for a whole batch.
func TestDraws(t *testing.T) {
	const units, steps = 54, 600
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(1); err != nil {
		t.Fatal(err)
	}
	exec := model.MustNewExec1(backendtest.ForTest(t), store, func(s *model.Scope, x *graph.Node) *graph.Node {
		sum := x // a scalar
		for l := 1; l <= units; l++ {
			sum = graph.Add(sum, Draw(s, x.Graph(), x.Shape(), Survival(l, units, 0.5)))
		}
		return sum
	})
	defer exec.Finalize()
	var total float64
	for range steps {
		total += float64(tensors.ToScalar[float32](exec.MustCall1(float32(0))))
	}
	if mean, want := total/steps, Active(units, 0.5); math.Abs(mean-want) > 0.02*want {
		t.Errorf("%.2f units active on average, want %.2f", mean, want)
	}
}

// evaluate runs a network that has the weights of seed 7 on noise.
func evaluate(t *testing.T, net recipes.Network, training bool) []float32 {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 2*16*16*3)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(7); err != nil {
		t.Fatal(err)
	}
	exec := model.MustNewExec1(backendtest.ForTest(t), store, func(s *model.Scope, x *graph.Node) *graph.Node {
		s.Store().SetTraining(x.Graph(), training)
		return net(s, x)
	})
	defer exec.Finalize()
	return tensors.MustCopyFlatData[float32](exec.MustCall1(tensors.FromFlatDataAndDimensions(x, 2, 16, 16, 3)))
}

func distance(a, b []float32) (d float64) {
	for i := range a {
		d = max(d, math.Abs(float64(a[i]-b[i])))
	}
	return d
}

// Certain survival is constant depth to the last bit, in training and at test time.
func TestSurvivalOfOneIsConstantDepth(t *testing.T) {
	c := Tiny(Variants["110"])
	c.Survival = 1
	for _, training := range []bool{false, true} {
		if d := distance(evaluate(t, Model(c), training), evaluate(t, resnet.Network(c.Host, resnet.Hooks{}), training)); d != 0 {
			t.Errorf("training %v: the outputs differ by %g", training, d)
		}
	}
}

// With every branch dropped, what remains is the stem and the shortcuts: no weight of a branch matters.
func TestAllDropped(t *testing.T) {
	host := Tiny(Variants["110"]).Host
	host.Classes = 0
	none := Gated(host, func(_ *model.Scope, g *graph.Graph, shape shapes.Shape, _ resnet.Unit) *graph.Node {
		return graph.Scalar(g, shape.DType, 0.0)
	})
	shortcuts := resnet.Network(host, resnet.Hooks{Merge: func(_ *model.Scope, shortcut, _ *graph.Node, _ resnet.Unit) *graph.Node { return shortcut }})
	if d := distance(evaluate(t, none, false), evaluate(t, shortcuts, false)); d != 0 {
		t.Errorf("without branches the output is off by %g from stem and shortcuts", d)
	}
}

// At test time the branch is weighed by its survival: the mean over the masks of training, before the activation.
func TestTestTimeIsTheMean(t *testing.T) {
	const draws, p = 4000, 0.7
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(2); err != nil {
		t.Fatal(err)
	}
	exec := model.MustNewExec1(backendtest.ForTest(t), store, func(s *model.Scope, x *graph.Node) *graph.Node {
		id, f := graph.MulScalar(x, 2), graph.AddScalar(x, 1)
		return graph.Add(id, graph.Mul(f, Draw(s, x.Graph(), shapes.Make(dtypes.Float32), p)))
	})
	defer exec.Finalize()
	var mean float64
	for range draws {
		mean += float64(tensors.ToScalar[float32](exec.MustCall1(float32(3)))) / draws
	}
	want, deviation := 2*3+p*(3+1), 4*math.Sqrt(p*(1-p)/draws)
	if math.Abs(mean-want) > 4*deviation {
		t.Errorf("the mean over masks is %g, the test-time formula gives %g (±%.2g)", mean, want, deviation)
	}
}
