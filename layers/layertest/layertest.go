// Package layertest is the suite that every layer passes: shape, gradient against finite differences, reuse of a scope,
// saving and loading, independence of the examples in a batch, agreement of the backends, bfloat16.
//
//	layertest.Run(t, layertest.Case{
//		Layer:  func(s *model.Scope, x *graph.Node) *graph.Node { return layers.Dense(s, x, 4) },
//		Input:  []int{2, 3},
//		Output: []int{2, 4},
//	})
package layertest

import (
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/checkpoint"

	"fovea/internal/backend/backendtest"
)

// A Case is a layer with a small input. Keep inputs to a few hundred values: each is moved for the gradient.
type Case struct {
	Name   string // of the subtest; empty: none
	Layer  func(s *model.Scope, x *Node) *Node
	Input  []int // shape, batch first, of at least 2
	Output []int // shape that must come out
	// Parameters is the number of trainable numbers that the layer must make.
	Parameters int
	// Stochastic marks layers that draw random numbers in training.
	Stochastic bool
	// GradientTolerance is the largest relative error of the gradient in float64; 0: 1e-5.
	GradientTolerance float64
}

// Run runs the suite on each case, on every backend there is.
func Run(t *testing.T, cases ...Case) {
	t.Helper()
	for _, c := range cases {
		if c.Name == "" {
			c.run(t)
			continue
		}
		t.Run(c.Name, c.run)
	}
}

func (c Case) run(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		if b.Name() == "go" { // what depends on the graph alone is tested where compiling costs nothing
			t.Run("shape", func(t *testing.T) { c.testShape(t, b) })
			t.Run("gradient", func(t *testing.T) { c.testGradient(t, b) })
			t.Run("reuse", func(t *testing.T) { c.testReuse(t, b) })
			t.Run("save", func(t *testing.T) { c.testSave(t, b) })
			t.Run("batch", func(t *testing.T) { c.testBatch(t, b) })
		}
		t.Run("bfloat16", func(t *testing.T) { c.testBFloat16(t, b) })
	})
	t.Run("backends agree", c.testBackendsAgree)
}

// evaluate runs the layer on x in evaluation.
func (c Case) evaluate(t testing.TB, b compute.Backend, store *model.Store, x *tensors.Tensor) *tensors.Tensor {
	t.Helper()
	y, err := model.CallOnce(b, store, func(s *model.Scope, x *Node) *Node { return c.Layer(s.In("layer"), x) }, x)
	if err != nil {
		t.Fatal(err)
	}
	return y
}

func (c Case) testShape(t testing.TB, b compute.Backend) {
	store := NewStore(1)
	y := c.evaluate(t, b, store, Random[float32](2, c.Input...))
	if !slices.Equal(y.Shape().Dimensions, c.Output) {
		t.Errorf("output has shape %v, want %v", y.Shape().Dimensions, c.Output)
	}
	if y.DType() != dtypes.Float32 {
		t.Errorf("output of float32 has type %s", y.DType())
	}
	trained := 0
	for v := range store.IterVariables() {
		if v.Trainable {
			trained += v.Shape().Size()
		}
	}
	if trained != c.Parameters {
		t.Errorf("%d trainable parameters, want %d", trained, c.Parameters)
	}
}

// testReuse builds the layer a second time in its scope: the same weights, so the same output.
func (c Case) testReuse(t testing.TB, b compute.Backend) {
	store := NewStore(1)
	outputs, err := model.CallOnceN(b, store, func(s *model.Scope, inputs []*Node) []*Node {
		x := inputs[0]
		return []*Node{c.Layer(s.In("layer"), x), c.Layer(s.Shared("layer"), x)}
	}, Random[float32](2, c.Input...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := maxDifference(outputs[0], outputs[1]); diff != 0 {
		t.Errorf("the second use of the scope differs by %g", diff)
	}
	once := NewStore(1)
	c.evaluate(t, b, once, Random[float32](2, c.Input...))
	if once.NumParameters() != store.NumParameters() {
		t.Errorf("two uses of one scope make %d numbers, one makes %d", store.NumParameters(), once.NumParameters())
	}
}

func (c Case) testSave(t testing.TB, b compute.Backend) {
	x, dir := Random[float32](2, c.Input...), t.TempDir()
	store := NewStore(1)
	saved, err := checkpoint.Build(store).Dir(dir).Keep(1).Done()
	if err != nil {
		t.Fatal(err)
	}
	c.train(t, b, store, x) // so that what is saved differs from what is initialised
	want := c.evaluate(t, b, store, x)
	if err := saved.Save(); err != nil {
		t.Fatal(err)
	}
	loaded := NewStore(3)
	if _, err := checkpoint.Load(loaded).Dir(dir).Immediate().Done(); err != nil {
		t.Fatal(err)
	}
	if diff := maxDifference(want, c.evaluate(t, b, loaded, x)); diff != 0 {
		t.Errorf("saved and loaded, the output differs by %g", diff)
	}
}

// train runs the layer once in training, for its side effects.
func (c Case) train(t testing.TB, b compute.Backend, store *model.Store, x *tensors.Tensor) *tensors.Tensor {
	t.Helper()
	y, err := model.CallOnce(b, store, func(s *model.Scope, x *Node) *Node {
		s.Store().SetTraining(x.Graph(), true)
		return c.Layer(s.In("layer"), x)
	}, x)
	if err != nil {
		t.Fatal(err)
	}
	return y
}

// testBatch checks that in evaluation each example has the output that it has alone.
func (c Case) testBatch(t testing.TB, b compute.Backend) {
	store, x := NewStore(1), Random[float32](2, c.Input...)
	together := Floats(c.evaluate(t, b, store, x))
	each := len(together) / c.Input[0]
	values, one := tensors.MustCopyFlatData[float32](x), append([]int{1}, c.Input[1:]...)
	size := len(values) / c.Input[0]
	for i := range c.Input[0] {
		alone := Floats(c.evaluate(t, b, store, tensors.FromFlatDataAndDimensions(values[i*size:(i+1)*size], one...)))
		if diff := difference(alone, together[i*each:(i+1)*each]); diff > 1e-5 {
			t.Errorf("example %d alone differs by %g from itself in a batch", i, diff)
		}
	}
}

// testBFloat16 feeds half precision, in evaluation and in training: the output has that type and about the right
// values, nothing overflows, and the variables stay float32.
func (c Case) testBFloat16(t testing.TB, b compute.Backend) {
	store, x := c.initialized(t), Random[float32](2, c.Input...)
	outputs, err := model.CallOnceN(b, store, func(s *model.Scope, inputs []*Node) []*Node {
		g := inputs[0].Graph()
		wide := c.Layer(s.In("layer"), inputs[0])
		var outputs []*Node
		for _, training := range []bool{false, true} {
			s.Store().SetTraining(g, training)
			x := ConvertDType(inputs[0], dtypes.BFloat16)
			y := c.Layer(s.Shared("layer"), x)
			if y.DType() != dtypes.BFloat16 {
				t.Errorf("output of bfloat16 has type %s", y.DType())
			}
			y = ConvertDType(y, dtypes.Float32)
			outputs = append(outputs, y, ConvertDType(Gradient(ReduceAllSum(y), x)[0], dtypes.Float32))
		}
		return append(outputs, wide)
	}, x)
	if err != nil {
		t.Fatal(err)
	}
	for i, output := range outputs {
		if n := notFinite(Floats(output)); n > 0 {
			t.Errorf("%d values of %s are not finite", n, []string{"the output", "the gradient", "the output in training", "the gradient in training", "the output in float32"}[i])
		}
	}
	// Eight bits of mantissa: rounding of the input alone is 0.4 %, sums of it some times more.
	if diff := maxDifference(outputs[0], outputs[4]); diff > 0.05 {
		t.Errorf("output in bfloat16 differs by %g from float32", diff)
	}
	for v := range store.IterVariables() {
		if v.DType() == dtypes.BFloat16 {
			t.Errorf("variable %s is stored in bfloat16, which loses small updates", v.Path())
		}
	}
}

// initialized is a store with the layer's variables, made on the Go backend, which has them at once.
func (c Case) initialized(t testing.TB) *model.Store {
	t.Helper()
	made := NewStore(1)
	c.evaluate(t, Go(), made, Random[float32](2, c.Input...))
	store := NewStore(1)
	for v := range made.IterVariables() {
		if v.Name() == model.RNGStateVariableName {
			continue
		}
		copied, err := store.CreateVariable(v.Path(), Host(v.MustValue()))
		if err != nil {
			t.Fatal(err)
		}
		copied.SetTrainable(v.Trainable)
	}
	return store
}

// testBackendsAgree compares outputs and gradients of the Go backend and XLA for the same weights. The gradient was
// compared with finite differences on the Go backend: so it is right on XLA too.
func (c Case) testBackendsAgree(t *testing.T) {
	var want []*tensors.Tensor
	backendtest.SkipWithoutXLA(t)
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		got, err := model.CallOnceN(b, c.initialized(t), func(s *model.Scope, inputs []*Node) []*Node {
			x := inputs[0]
			s.Store().SetTraining(x.Graph(), !c.Stochastic)
			y := c.Layer(s.In("layer"), x)
			return []*Node{y, Gradient(ReduceAllSum(Mul(y, weightsLike(y))), x)[0]}
		}, Random[float32](2, c.Input...))
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
			return
		}
		for i, what := range []string{"output", "gradient"} {
			if diff := maxDifference(got[i], want[i]); diff > 1e-4 {
				t.Errorf("%s on %s differs by %g from the Go backend", what, b.Name(), diff)
			}
		}
	})
}
