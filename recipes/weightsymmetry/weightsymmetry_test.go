package weightsymmetry

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/layertest"
	"fovea/layers/optim"
	"fovea/recipes"
)

// mlp is a small fully connected network with a rule.
func mlp(rule Rule, ratio int) Config {
	return Config{Rule: rule, Ratio: ratio, Hidden: []int{12, 8}, Classes: 3, Size: 4, Channels: 1}
}

// trained does steps of plain or heavy SGD on a fixed batch and then returns the logits. Before the first one, prepare may set
// the variables.
func trained(t *testing.T, b compute.Backend, c Config, o DecaySGD, steps int, prepare func(store *model.Store)) (*model.Store, []float64) {
	t.Helper()
	store := layertest.NewStore(5)
	x := layertest.Random[float32](1, 16, c.Size, c.Size, c.Channels)
	if _, err := model.CallOnce(b, store, func(s *model.Scope, x *graph.Node) *graph.Node { return Model(c)(s, x) }, x); err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		prepare(store)
	}
	exec, err := model.NewExec(b, store, func(s *model.Scope, x *graph.Node) *graph.Node {
		g := x.Graph()
		store.SetTraining(g, true)
		y := Model(c)(s, x)
		// Targets that no small network meets: errors stay.
		target := graph.Sin(graph.MulScalar(graph.IotaFull(g, y.Shape()), 1.7))
		loss := graph.ReduceAllMean(graph.Square(graph.Sub(y, target)))
		o.UpdateGraph(s, g, loss)
		return y
	})
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Finalize()
	var y []*tensors.Tensor
	for range steps {
		if y, err = exec.Call(x); err != nil {
			t.Fatal(err)
		}
	}
	return store, layertest.Floats(y[0])
}

func set(t *testing.T, store *model.Store, path string, m mat.Matrix) {
	t.Helper()
	v := store.GetVariable(path)
	if v == nil {
		t.Fatalf("there is no variable %s", path)
	}
	data := mat.DenseCopyOf(m).RawMatrix().Data
	flat := make([]float32, len(data))
	for i, x := range data {
		flat[i] = float32(x)
	}
	if err := v.SetValue(tensors.FromFlatDataAndDimensions(flat, v.Shape().Dimensions...)); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, store *model.Store, path string) *mat.Dense {
	t.Helper()
	m, err := matrix(store.GetVariable(path))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func identity(n int) *mat.Dense {
	m := mat.NewDense(n, n, nil)
	for i := range n {
		m.Set(i, i, 1)
	}
	return m
}

var heavy = DecaySGD{SGD: optim.SGD{LearningRate: optim.Constant(0.05), Momentum: 0.9}, Decay: optim.Constant(0.01)}

// With B the identity and R = W at first, equal decay keeps product feedback equal to back-propagation.
func TestProductEqualsBackPropagation(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		alike := func(store *model.Store) {
			for scope, units := range map[string]int{"/fc2": 8, "/output": 3} {
				set(t, store, scope+"/"+fixed, identity(units))
				set(t, store, scope+"/"+plastic, get(t, store, scope+"/weights"))
			}
		}
		var start map[string]*mat.Dense
		product, got := trained(t, b, mlp(ProductFeedback, 1), heavy, 20, func(store *model.Store) {
			alike(store)
			start = map[string]*mat.Dense{}
			for _, scope := range []string{"/fc1", "/fc2", "/output"} {
				start[scope] = get(t, store, scope+"/weights")
			}
		})
		plain, want := trained(t, b, mlp(BackPropagation, 0), heavy, 20, func(store *model.Store) {
			for scope, w := range start {
				set(t, store, scope+"/weights", w)
			}
		})
		if d := floats.Distance(got, want, math.Inf(1)); !(d < 1e-5) {
			t.Errorf("logits after 20 steps differ by %g", d)
		}
		var moved mat.Dense
		moved.Sub(get(t, plain, "/fc2/weights"), start["/fc2"])
		if mat.Norm(&moved, 2) < 0.01 {
			t.Error("nothing was learnt")
		}
		var d mat.Dense
		d.Sub(get(t, product, "/fc2/weights"), get(t, product, "/fc2/"+plastic))
		if mat.Norm(&d, 2) > 1e-5 {
			t.Errorf("R and W differ by %g", mat.Norm(&d, 2))
		}
	})
}

// Without momentum R − BᵀW, here R − W·Bᵀ, decays as (1−ηλ)ᵗ whatever is learnt.
func TestDifferenceDecays(t *testing.T) {
	const rate, decay, steps = 0.1, 0.5, 25
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		difference := func(store *model.Store) *mat.Dense {
			var wb, d mat.Dense
			wb.Mul(get(t, store, "/fc2/weights"), get(t, store, "/fc2/"+fixed).T())
			d.Sub(get(t, store, "/fc2/"+plastic), &wb)
			return &d
		}
		for _, ratio := range []int{1, 3} {
			var before *mat.Dense
			store, _ := trained(t, b, mlp(ProductFeedback, ratio), DecaySGD{SGD: optim.SGD{LearningRate: optim.Constant(rate)}, Decay: optim.Constant(decay)}, steps,
				func(store *model.Store) { before = difference(store) })
			before.Scale(math.Pow(1-rate*decay, steps), before)
			var off mat.Dense
			off.Sub(difference(store), before)
			if n := mat.Norm(&off, 2); n > 1e-5 || mat.Norm(before, 2) < 0.1 {
				t.Errorf("ratio %d: R − W·Bᵀ is off by %g, at a size of %g", ratio, n, mat.Norm(before, 2))
			}
		}
	})
}

// The path becomes the weights under both rules that learn it, but only Kolen's and Pollack's own matrix does so too: that of the
// orthogonal product is a rotation of the weights.
func TestNoMatrixBecomesAnother(t *testing.T) {
	b := layertest.Go()
	fast := DecaySGD{SGD: optim.SGD{LearningRate: optim.Constant(0.05), Momentum: 0.9}, Decay: optim.Constant(0.03)}
	for _, c := range []struct {
		rule              Rule
		plasticAt, atMost float64
	}{{KolenPollack, 0, 5}, {ProductFeedback, 60, 120}} {
		config := Config{Rule: c.rule, Ratio: 1, Hidden: []int{40, 40}, Classes: 40, Size: 4, Channels: 1}
		store, _ := trained(t, b, config, fast, 400, nil)
		angles, err := Angles(store)
		if err != nil || len(angles) != 2 {
			t.Fatalf("%v, %v", angles, err)
		}
		for _, a := range angles {
			if a.Path > 5 || math.Abs(a.Norm-1) > 0.1 {
				t.Errorf("%s, %s: the path is at %.1f° with %.2f of the size, want 0° and 1", c.rule, a.Scope, a.Path, a.Norm)
			}
			if a.Plastic < c.plasticAt || a.Plastic > c.atMost {
				t.Errorf("%s, %s: the plastic matrix is at %.1f°, want %g to %g", c.rule, a.Scope, a.Plastic, c.plasticAt, c.atMost)
			}
		}
	}
}

// The angle is the arc cosine of the flattened matrices' cosine.
func TestCompare(t *testing.T) {
	angle, ratio := compare(mat.NewDense(2, 2, []float64{1, 0, 0, 1}), mat.NewDense(2, 2, []float64{1, 1, -1, 1}))
	if math.Abs(angle-45) > 1e-9 || math.Abs(ratio-math.Sqrt2) > 1e-9 {
		t.Errorf("45° and √2, got %g and %g", angle, ratio)
	}
}

// B·Bᵀ is the identity: exactly where B is orthogonal, on average where it expands.
func TestMiddleMatrix(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		for ratio, tolerance := range map[int]float64{1: 1e-4, 10: 0.2} {
			const out = 24
			y, err := model.CallOnce(b, layertest.NewStore(3), func(s *model.Scope, x *graph.Node) *graph.Node {
				m := variable(s, fixed, middleMatrix(ratio), ratio*out, out).NodeValue(x.Graph()) // [middle out]: Bᵀ of the paper
				return graph.Add(graph.Einsum("mo,mp->op", m, m), graph.MulScalar(x, 0))
			}, float32(0))
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range layertest.Floats(y) {
				want := 0.0
				if i/out == i%out {
					want = 1
				}
				if math.Abs(v-want) > tolerance*2 {
					t.Errorf("ratio %d: (B·Bᵀ)[%d %d] is %g", ratio, i/out, i%out, v)
				}
			}
		}
	})
}

// In the output layer each rule gives the true gradient of the weights; what goes back through it is the rule's.
func TestGradients(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		x, delta := layertest.Random[float32](1, 5, 7), layertest.Random[float32](2, 5, 4)
		for rule := range known {
			c := Config{Rule: rule, Ratio: 2}
			store := layertest.NewStore(3)
			outputs, err := model.CallOnceN(b, store, func(s *model.Scope, inputs []*graph.Node) []*graph.Node {
				x, delta := inputs[0], inputs[1]
				store.SetTraining(x.Graph(), true)
				y := c.dense(s.In("layer"), x, 4)
				w := store.GetVariable("/layer/weights").NodeValue(x.Graph())
				return append(graph.Gradient(graph.ReduceAllSum(graph.Mul(y, delta)), w, x), y)
			}, x, delta)
			if err != nil {
				t.Fatal(err)
			}
			dense := func(n *tensors.Tensor) *mat.Dense {
				d := n.Shape().Dimensions
				return mat.NewDense(d[0], d[1], layertest.Floats(n))
			}
			w := get(t, store, "/layer/weights")
			var forward, wantW, wantX mat.Dense
			forward.Mul(dense(x), w)
			wantW.Mul(dense(x).T(), dense(delta))
			var path mat.Matrix = w
			switch rule {
			case FeedbackAlignment:
				path = get(t, store, "/layer/"+fixed)
			case KolenPollack:
				path = get(t, store, "/layer/"+plastic)
			case DirectFeedback:
				path = mat.NewDense(7, 4, nil)
			case ProductFeedback:
				var p mat.Dense
				p.Mul(get(t, store, "/layer/"+plastic), get(t, store, "/layer/"+fixed))
				path = &p
			case SignSymmetry:
				size := floats.Norm(w.RawMatrix().Data, 1) / 28
				var p mat.Dense
				p.Apply(func(_, _ int, v float64) float64 { return math.Copysign(size, v) }, w)
				path = &p
			}
			wantX.Mul(dense(delta), path.T())
			for name, pair := range map[string][2]*mat.Dense{"value": {&forward, dense(outputs[2])}, "weights": {&wantW, dense(outputs[0])}, "input": {&wantX, dense(outputs[1])}} {
				var d mat.Dense
				d.Sub(pair[0], pair[1])
				if mat.Norm(&d, 2) > 1e-4 {
					t.Errorf("%s: the %s is off by %g", rule, name, mat.Norm(&d, 2))
				}
			}
		}
	})
}

// A convolution with B the identity and R = W has the gradients of calculus, stride and all; and each rule has its paths in a whole
// network.
func TestConvolutions(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store, plain := layertest.NewStore(3), layertest.NewStore(3)
		x := layertest.Random[float32](1, 2, 5, 5, 3)
		gradient := func(store *model.Store, c Config) []float64 {
			outputs, err := model.CallOnce(b, store, func(s *model.Scope, x *graph.Node) *graph.Node {
				store.SetTraining(x.Graph(), true)
				y := c.conv(s.In("layer"), x, layers.ConvOptions{Filters: 4, Stride: 2})
				return graph.Gradient(graph.ReduceAllSum(graph.Sin(y)), x)[0]
			}, x)
			if err != nil {
				t.Fatal(err)
			}
			return layertest.Floats(outputs)
		}
		product, calculus := Config{Rule: ProductFeedback, Ratio: 1}, Config{Rule: BackPropagation}
		random := gradient(store, product)
		set(t, store, "/layer/"+fixed, identity(4))
		set(t, store, "/layer/"+plastic, get(t, store, "/layer/weights"))
		gradient(plain, calculus) // makes the weights
		set(t, plain, "/layer/weights", get(t, store, "/layer/weights"))
		store.RootScope().ResetVisited()
		plain.RootScope().ResetVisited()
		want, got := gradient(plain, calculus), gradient(store, product)
		if d := floats.Distance(got, want, math.Inf(1)); d > 1e-5 {
			t.Errorf("gradients of the image differ by %g", d)
		}
		if d := floats.Distance(random, want, math.Inf(1)); d < 0.1 {
			t.Errorf("with random matrices the gradient is off by %g alone", d)
		}
	})
	for rule := range known {
		c := Config{Rule: rule, Ratio: 2, Filters: []int{3, 4, 5}, Hidden: []int{6}, Classes: 3, Size: 4, Channels: 3}
		store, _ := trained(t, layertest.Go(), c, heavy, 1, nil)
		angles, err := Angles(store)
		if err != nil {
			t.Fatal(err)
		}
		// Of conv2, conv3, fc1 and output.
		want := map[Rule]int{FeedbackAlignment: 4, KolenPollack: 4, ProductFeedback: 4}[rule]
		if len(angles) != want {
			t.Errorf("%s has %d backward paths, want %d: %v", rule, len(angles), want, angles)
		}
	}
}

// Rules that a configuration cannot have are said to be so.
func TestWrongConfigurations(t *testing.T) {
	residual := Variants["resnet20"]
	residual.Rule = DirectFeedback
	for name, c := range map[string]Config{"unknown": mlp("guess", 0), "ratio": mlp(ProductFeedback, 0), "residual": Tiny(residual)} {
		_, err := recipes.NewTrainer(backendtest.ForTest(t), Model(c), recipes.Fit{})
		if err != nil {
			t.Fatal(err)
		}
		if panicked := func() (p bool) {
			defer func() { p = recover() != nil }()
			c.check()
			return false
		}(); !panicked {
			t.Errorf("%s: no complaint", name)
		}
	}
}
