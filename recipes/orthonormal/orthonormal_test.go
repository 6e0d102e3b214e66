package orthonormal

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"fovea/internal/backend/backendtest"
)

// 44 layers are 6n+2 with n = 7, 110 with n = 18; each unit has two.
func TestDepth(t *testing.T) {
	for name, n := range map[string]int{"44": 7, "110": 18} {
		if got := len(Variants[name].Host.Units()); got != 3*n {
			t.Errorf("%s: %d units, want 3·%d", name, got, n)
		}
	}
}

// weights draws a kernel of the given shape with the initialiser.
func weights(t *testing.T, dims ...int) []float64 {
	t.Helper()
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(1); err != nil {
		t.Fatal(err)
	}
	exec := model.MustNewExec1(backendtest.ForTest(t), store, func(s *model.Scope, x *graph.Node) *graph.Node {
		return Initializer(s)(x.Graph(), shapes.Make(dtypes.Float32, dims...))
	})
	defer exec.Finalize()
	var w []float64
	for _, v := range tensors.MustCopyFlatData[float32](exec.MustCall1(float32(0))) {
		w = append(w, float64(v))
	}
	return w
}

// Singular values of 1 ± 1e-5, for tall kernels, square ones, and groups of more filters than inputs.
func TestInitializerIsOrthonormal(t *testing.T) {
	for _, dims := range [][]int{{3, 3, 8, 16}, {1, 1, 24, 24}, {1, 1, 4, 10}} {
		w := weights(t, dims...)
		filters := dims[3]
		fanIn := len(w) / filters
		all := mat.NewDense(fanIn, filters, w)
		for from := 0; from < filters; from += fanIn {
			var svd mat.SVD
			if !svd.Factorize(all.Slice(0, fanIn, from, min(from+fanIn, filters)), mat.SVDNone) {
				t.Fatal("no singular values")
			}
			for _, v := range svd.Values(nil) {
				if math.Abs(v-1) > 1e-5 {
					t.Errorf("%v, filters from %d: singular value %g", dims, from, v)
				}
			}
		}
	}
}

func penalty(t *testing.T, w []float32, fanIn, filters int) (value float32, gradient []float32) {
	t.Helper()
	exec := graph.MustNewExec(backendtest.ForTest(t), func(w *graph.Node) []*graph.Node {
		p := Penalty(w)
		return []*graph.Node{p, graph.Gradient(p, w)[0]}
	})
	defer exec.Finalize()
	out := exec.MustCall(tensors.FromFlatDataAndDimensions(w, fanIn, filters))
	return tensors.ToScalar[float32](out[0]), tensors.MustCopyFlatData[float32](out[1])
}

// The penalty is 0 for orthonormal columns and (s²−1)²·n for s times them.
func TestPenalty(t *testing.T) {
	const fanIn, filters = 72, 16
	for _, s := range []float64{1, 0.5, 2} {
		var w []float32
		for _, v := range weights(t, 3, 3, 8, filters) {
			w = append(w, float32(s*v))
		}
		got, _ := penalty(t, w, fanIn, filters)
		if want := (s*s - 1) * (s*s - 1) * filters; math.Abs(float64(got)-want) > 1e-4*(1+want) {
			t.Errorf("%g times orthonormal: %g, want %g", s, got, want)
		}
	}
}

// Its gradient is 4·W(WᵀW − I), so that of (λ/2)·penalty is 2λ·W(WᵀW − I).
func TestPenaltyGradient(t *testing.T) {
	const fanIn, filters = 6, 4
	r := rand.New(rand.NewPCG(1, 1))
	w, wide := make([]float32, fanIn*filters), make([]float64, fanIn*filters)
	for i := range w {
		w[i] = float32(r.NormFloat64())
		wide[i] = float64(w[i])
	}
	_, got := penalty(t, w, fanIn, filters)
	W := mat.NewDense(fanIn, filters, wide)
	var gram, want mat.Dense
	gram.Mul(W.T(), W)
	for i := range filters {
		gram.Set(i, i, gram.At(i, i)-1)
	}
	want.Mul(W, &gram)
	for i, g := range got {
		if expected := 4 * want.At(i/filters, i%filters); math.Abs(float64(g)-expected) > 1e-3*(1+math.Abs(expected)) {
			t.Fatalf("gradient %d is %g, want %g", i, g, expected)
		}
	}
}

// A stack of square orthonormal 1×1 layers without activation preserves the norm of the gradient.
func TestLinearStackIsIsometric(t *testing.T) {
	const channels, depth = 12, 6
	r := rand.New(rand.NewPCG(2, 1))
	x := make([]float32, channels)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	store := model.NewStore()
	exec := model.MustNewExec(backendtest.ForTest(t), store, func(s *model.Scope, x *graph.Node) []*graph.Node {
		y := x
		for range depth {
			y = graph.Einsum("bi,io->bo", y, Initializer(s)(x.Graph(), shapes.Make(dtypes.Float32, channels, channels)))
		}
		return []*graph.Node{y, graph.Gradient(graph.MulScalar(graph.ReduceAllSum(graph.Square(y)), 0.5), x)[0]}
	})
	defer exec.Finalize()
	out := exec.MustCall(tensors.FromFlatDataAndDimensions(x, 1, channels))
	norm := func(v []float32) (n float64) {
		for _, e := range v {
			n += float64(e) * float64(e)
		}
		return math.Sqrt(n)
	}
	top, bottom := norm(tensors.MustCopyFlatData[float32](out[0])), norm(tensors.MustCopyFlatData[float32](out[1]))
	if math.Abs(top/bottom-1) > 1e-4 {
		t.Errorf("the gradient's norm is %g at the top and %g at the bottom", top, bottom)
	}
}

// Modulation leaves the output as it is to the last bit, brings an error back to size that shrinks or grows out of the range
// from one layer to the next, and leaves one that stays within.
func TestModulation(t *testing.T) {
	const depth = 5
	run := func(factor, within float64) (out, gradient []float32) {
		exec := graph.MustNewExec(backendtest.ForTest(t), func(x *graph.Node) []*graph.Node {
			var behind *graph.Node
			y := x
			for range depth {
				if within > 0 {
					y = Modulate(y, within, &behind)
				}
				y = graph.MulScalar(y, factor)
			}
			if within > 0 {
				y = Modulate(y, within, &behind)
			}
			return []*graph.Node{y, graph.Gradient(graph.ReduceAllSum(graph.MulScalar(y, 3)), x)[0]}
		})
		defer exec.Finalize()
		values := exec.MustCall([]float32{1, -2, 0.5})
		return tensors.MustCopyFlatData[float32](values[0]), tensors.MustCopyFlatData[float32](values[1])
	}
	for name, c := range map[string]struct {
		factor, within, want float64 // want: the error at the input, that of the output being 3
	}{
		"none":            {0.1, 0, 3e-5},
		"shrinking":       {0.1, 1.5, 3},
		"growing":         {1.1, 1.02, 3},
		"growing, within": {1.1, 1.5, 3 * math.Pow(1.1, depth)}, // the second moment grows by 1.21
	} {
		plain, _ := run(c.factor, 0)
		out, gradient := run(c.factor, c.within)
		for i := range out {
			if out[i] != plain[i] {
				t.Errorf("%s: output %d is %g with modulation and %g without", name, i, out[i], plain[i])
			}
			if math.Abs(float64(gradient[i])/c.want-1) > 1e-3 {
				t.Errorf("%s: error %d is %g at the input, want %g", name, i, gradient[i], c.want)
			}
		}
	}
}
