package layertest

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
)

// A recorder is a test that keeps its complaints to itself.
type recorder struct {
	testing.TB
	complaints []string
}

func (r *recorder) Helper()      {}
func (r *recorder) Failed() bool { return len(r.complaints) > 0 }
func (r *recorder) Errorf(format string, args ...any) {
	r.complaints = append(r.complaints, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...); panic(r) }
func (r *recorder) Fatal(args ...any)                 { r.Errorf("%s", fmt.Sprint(args...)); panic(r) }

// complaints are what check has against a case.
func complaints(t *testing.T, check func(t testing.TB)) string {
	r := &recorder{TB: t}
	func() {
		defer func() {
			if e := recover(); e != nil && e != any(r) {
				panic(e)
			}
		}()
		check(r)
	}()
	return strings.Join(r.complaints, "\n")
}

// weight is a variable of x's type, as layers make it.
func weight(s *model.Scope, x *Node, name string) *Node {
	return s.WithInitializer(initializer.One).VariableWithShape(name, shapes.Make(x.DType())).NodeValue(x.Graph())
}

// Each check finds the layer that is wrong in what it checks, and has nothing against one that is right.
func TestSuiteFindsWrongLayers(t *testing.T) {
	right := Case{Input: []int{2, 3}, Output: []int{2, 3}, Parameters: 1, Layer: func(s *model.Scope, x *Node) *Node {
		if half := x.DType() == dtypes.BFloat16; half {
			return Mul(x, ConvertDType(weight(s, ConvertDType(x, dtypes.Float32), "w"), x.DType()))
		}
		return Mul(x, weight(s, x, "w"))
	}}
	calls := 0
	for name, test := range map[string]struct {
		layer func(s *model.Scope, x *Node) *Node
		check func(c Case, t testing.TB)
		want  string
	}{
		"shape": {func(s *model.Scope, x *Node) *Node { return Concatenate([]*Node{right.Layer(s, x), x}, 1) },
			func(c Case, t testing.TB) { c.testShape(t, Go()) }, "[2 6], want [2 3]"},
		"parameters": {func(s *model.Scope, x *Node) *Node { return Add(right.Layer(s, x), weight(s, x, "second")) },
			func(c Case, t testing.TB) { c.testShape(t, Go()) }, "2 trainable parameters, want 1"},
		"gradient": {func(s *model.Scope, x *Node) *Node {
			return right.Layer(s, IdentityWithCustomGradient(x, func(_, v *Node) *Node { return MulScalar(v, 1.001) }))
		}, func(c Case, t testing.TB) { c.testGradient(t, Go()) }, "respect to the input is off by"},
		"dead weight": {func(s *model.Scope, x *Node) *Node { return Add(right.Layer(s, x), MulScalar(weight(s, x, "dead"), 0)) },
			func(c Case, t testing.TB) { c.testGradient(t, Go()) }, "/layer/dead has no gradient"},
		"reuse": {func(s *model.Scope, x *Node) *Node {
			calls++
			return Mul(x, weight(s, x, fmt.Sprintf("w%d", calls)))
		}, func(c Case, t testing.TB) { c.testReuse(t, Go()) }, "two uses of one scope make"},
		"save": {func(s *model.Scope, x *Node) *Node { // what it learned does not stand in the store
			if s.IsTraining(x.Graph()) {
				calls = 1000
			}
			calls++
			return MulScalar(right.Layer(s, x), float64(calls))
		}, func(c Case, t testing.TB) { c.testSave(t, Go()) }, "saved and loaded, the output differs"},
		"batch": {func(s *model.Scope, x *Node) *Node { return Sub(right.Layer(s, x), ReduceAndKeep(x, ReduceMean, 0)) },
			func(c Case, t testing.TB) { c.testBatch(t, Go()) }, "alone differs by"},
		"bfloat16 lost": {func(s *model.Scope, x *Node) *Node {
			return ConvertDType(right.Layer(s, ConvertDType(x, dtypes.Float32)), dtypes.Float32)
		}, func(c Case, t testing.TB) { c.testBFloat16(t, Go()) }, "output of bfloat16 has type Float32"},
		"bfloat16 overflow": {func(s *model.Scope, x *Node) *Node { return MulScalar(MulScalar(right.Layer(s, x), 1e30), 1e30) },
			func(c Case, t testing.TB) { c.testBFloat16(t, Go()) }, "are not finite"},
	} {
		if got := complaints(t, func(t testing.TB) { test.check(right, t) }); got != "" {
			t.Errorf("%s: the right layer is refused: %s", name, got)
		}
		wrong := right
		wrong.Layer = test.layer
		if got := complaints(t, func(t testing.TB) { test.check(wrong, t) }); !strings.Contains(got, test.want) {
			t.Errorf("%s: the wrong layer has the complaints %q, want one with %q", name, got, test.want)
		}
	}
}

func TestNumericGradient(t *testing.T) {
	got := NumericGradient(func(x *tensors.Tensor) float64 {
		v := Floats(x)
		return v[0]*v[0] + 3*math.Sin(v[1])
	}, tensors.FromFlatDataAndDimensions([]float64{2, 1}, 2))
	if diff := difference(got, []float64{4, 3 * math.Cos(1)}); diff > 1e-8 {
		t.Errorf("gradient %v", got)
	}
}
