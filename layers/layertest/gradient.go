package layertest

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// testGradient compares the gradient with finite differences, in training and in evaluation.
func (c Case) testGradient(t testing.TB, b compute.Backend) {
	for _, training := range []bool{true, false} {
		store := NewStore(1)
		CheckGradient(t, b, store, func(s *model.Scope, x *Node) *Node {
			s.Store().SetTraining(x.Graph(), training)
			y := c.Layer(s.In("layer"), x)
			return ReduceAllSum(Mul(y, weightsLike(y)))
		}, Random[float64](2, c.Input...), c.GradientTolerance)
		if t.Failed() {
			t.Fatalf("above: training %v", training)
		}
	}
}

// CheckGradient compares the gradient of a scalar function, with respect to its input x (float64) and to every
// trainable variable that it uses, with central differences of every coordinate. The error is ‖a−n‖∞ / max(1, ‖n‖∞)
// for each of them; tolerance 0 stands for 1e-5. Variables without any gradient are reported too.
//
// Random numbers are drawn anew from the same seed at each evaluation.
func CheckGradient(t testing.TB, b compute.Backend, store *model.Store, f func(s *model.Scope, x *Node) *Node, x *tensors.Tensor, tolerance float64) {
	t.Helper()
	if tolerance == 0 {
		tolerance = 1e-5
	}
	const seed = 7
	call := func(exec *model.Exec, arg *tensors.Tensor) []*tensors.Tensor {
		if err := store.SetRNGStateFromSeed(seed); err != nil {
			t.Fatal(err)
		}
		outputs, err := exec.Call(arg)
		if err != nil {
			t.Fatal(err)
		}
		return outputs
	}

	var variables []*model.Variable
	gradients, err := model.NewExec(b, store, func(s *model.Scope, inputs []*Node) []*Node {
		score := f(s, inputs[0])
		variables = nil
		nodes := []*Node{inputs[0]}
		for v := range s.IterVariables() {
			if v.Trainable && v.InUseByGraph(score.Graph()) {
				variables = append(variables, v)
				nodes = append(nodes, v.NodeValue(score.Graph()))
			}
		}
		return Gradient(score, nodes...)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer gradients.Finalize()
	analytic := call(gradients, x)

	value, err := model.NewExec(b, store, f)
	if err != nil {
		t.Fatal(err)
	}
	defer value.Finalize()
	at := func(x *tensors.Tensor) float64 { return Floats(call(value, x)[0])[0] }

	compare := func(what string, got *tensors.Tensor, at func(*tensors.Tensor) float64, around *tensors.Tensor) {
		t.Helper()
		numeric := NumericGradient(at, around)
		if diff := difference(Floats(got), numeric); diff > tolerance || math.IsNaN(diff) {
			t.Errorf("gradient with respect to %s is off by %g (want at most %g):\n got %.6v\nwant %.6v", what, diff, tolerance, head(Floats(got)), head(numeric))
		}
	}
	compare("the input", analytic[0], at, x)
	for i, v := range variables {
		if v.DType() != dtypes.Float64 {
			t.Errorf("variable %s has type %s beside a float64 input", v.Path(), v.DType())
			continue
		}
		original := Host(v.MustValue())
		set := func(value *tensors.Tensor) {
			if err := v.SetValue(value); err != nil {
				t.Fatal(err)
			}
		}
		compare(v.Path(), analytic[i+1], func(moved *tensors.Tensor) float64 {
			set(Host(moved))
			return at(x)
		}, original)
		set(original)
		if allZero(Floats(analytic[i+1])) {
			t.Errorf("variable %s has no gradient", v.Path())
		}
	}
}

// NumericGradient is the gradient of f at x (float64) by central differences, (f(x+εe) − f(x−εe)) / 2ε with ε = 1e-6,
// flat and in the order of x.
func NumericGradient(f func(x *tensors.Tensor) float64, x *tensors.Tensor) []float64 {
	const ε = 1e-6
	values := tensors.MustCopyFlatData[float64](x)
	gradient := make([]float64, len(values))
	for i, v := range values {
		at := func(moved float64) float64 {
			values[i] = moved
			defer func() { values[i] = v }()
			return f(tensors.FromFlatDataAndDimensions(append([]float64(nil), values...), x.Shape().Dimensions...))
		}
		gradient[i] = (at(v+ε) - at(v-ε)) / (2 * ε)
	}
	return gradient
}

// weightsLike gives each value of y another fixed weight, so that a sum of them has no symmetry to hide errors.
func weightsLike(y *Node) *Node {
	shape := y.Shape()
	n := Iota(y.Graph(), shapes.Make(dtypes.Float32, shape.Size()), 0)
	return ConvertDType(Reshape(Sin(AddScalar(MulScalar(n, 1.7), 0.3)), shape.Dimensions...), y.DType())
}
