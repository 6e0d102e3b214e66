package dcnfis

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/layertest"
)

// A head of K rules on N features has 2·N·K parameters, and with consequents of first order (N+1)·K more.
func TestParametersOfHead(t *testing.T) {
	b := layertest.Go()
	for _, n := range []int{1, 84, 1000} {
		for _, k := range []int{2, 10} {
			for _, consequents := range []bool{false, true} {
				c := Config{Classes: k, Width: 1, Consequents: consequents}
				s, err := layers.Summarize(b, func(s *model.Scope, v *graph.Node) *graph.Node { return Fuzzy.build(s, v, c) }, shapes.Make(dtypes.Float32, 1, n))
				if err != nil {
					t.Fatal(err)
				}
				want := 2 * n * k
				if consequents {
					want += (n + 1) * k
				}
				if s.Parameters() != want {
					t.Errorf("%d rules on %d features, consequents %v: %d parameters, want %d", k, n, consequents, s.Parameters(), want)
				}
				if out := s.Outputs[0].Dimensions; !slices.Equal(out, []int{1, k}) {
					t.Errorf("output %v", out)
				}
			}
		}
	}
}

// LeNet-5 as LeCun et al. had it, but for the connections of its second layer and its output layer: 61,706 parameters.
func TestLeNet(t *testing.T) {
	s, err := layers.Summarize(layertest.Go(), Model(Variants["lenet dense"]), shapes.Make(dtypes.Float32, 1, 28, 28, 1))
	if err != nil {
		t.Fatal(err)
	}
	if s.Parameters() != 156+2416+48_120+10_164+850 {
		t.Errorf("%d parameters", s.Parameters())
	}
}

// run computes log firing strengths of features [B N] with the given rules [K N].
func run(t *testing.T, b compute.Backend, f func(v, centres, logWidths *graph.Node) *graph.Node, v, centres, logWidths [][]float32) [][]float32 {
	t.Helper()
	y, err := graph.CallOnce(b, f, v, centres, logWidths)
	if err != nil {
		t.Fatal(err)
	}
	n := y.Shape().Dimensions[1]
	var rows [][]float32
	for flat := tensors.MustCopyFlatData[float32](y); len(flat) > 0; flat = flat[n:] {
		rows = append(rows, flat[:n])
	}
	return rows
}

func matrix(r *rand.Rand, rows, columns int, scale float64) [][]float32 {
	m := make([][]float32, rows)
	for i := range m {
		for range columns {
			m[i] = append(m[i], float32(scale*r.NormFloat64()))
		}
	}
	return m
}

// The normalised firing strengths are the products of Gaussians over their sum, and sum to 1; at its own centre a rule fires
// with strength 1.
func TestFiringStrengths(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		r := rand.New(rand.NewPCG(1, 2))
		const k, n = 4, 6
		v, centres, logWidths := matrix(r, 5, n, 1), matrix(r, k, n, 1), matrix(r, k, n, 0.3)
		v[0] = centres[2]
		log := run(t, b, logFiring, v, centres, logWidths)
		normalised := run(t, b, func(v, c, w *graph.Node) *graph.Node { return graph.Softmax(logFiring(v, c, w), -1) }, v, centres, logWidths)
		if log[0][2] != 0 {
			t.Errorf("at its centre a rule fires with e^%g", log[0][2])
		}
		for i := range v {
			var strengths [k]float64
			var all, sum float64
			for rule := range k {
				strengths[rule] = 1
				for j := range n {
					d := float64(v[i][j]-centres[rule][j]) / math.Exp(float64(logWidths[rule][j]))
					strengths[rule] *= math.Exp(-d * d / 2)
				}
				all += strengths[rule]
				sum += float64(normalised[i][rule])
			}
			if math.Abs(sum-1) > 1e-6 {
				t.Errorf("firing strengths of example %d sum to %g", i, sum)
			}
			for rule, s := range strengths {
				if math.Abs(float64(normalised[i][rule])-s/all) > 1e-5 {
					t.Errorf("rule %d fires with %g for example %d, want %g", rule, normalised[i][rule], i, s/all)
				}
			}
		}
	})
}

// With one width σ for all, the head is the dense layer of weights c/σ² and biases −‖c‖²/2σ²: their softmax is the same.
func TestEqualWidthsAreADenseLayer(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		r := rand.New(rand.NewPCG(3, 4))
		const k, n, sigma = 5, 12, 1.7
		v, centres := matrix(r, 8, n, 1), matrix(r, k, n, 1)
		logWidths := make([][]float32, k)
		for i := range logWidths {
			logWidths[i] = slices.Repeat([]float32{float32(math.Log(sigma))}, n)
		}
		difference := run(t, b, func(v, c, w *graph.Node) *graph.Node {
			fuzzy := graph.Softmax(logFiring(v, c, w), -1)
			logits := graph.MulScalar(graph.Einsum("bn,kn->bk", v, c), 1/(sigma*sigma))
			biases := graph.MulScalar(graph.ReduceSum(graph.Square(c), -1), -1/(2*sigma*sigma))
			dense := graph.Softmax(graph.Add(logits, graph.InsertAxes(biases, 0)), -1)
			return graph.Abs(graph.Sub(fuzzy, dense))
		}, v, centres, logWidths)
		for _, row := range difference {
			if d := slices.Max(row); !(d < 1e-5) {
				t.Errorf("the heads differ by %g", d)
			}
		}
	})
}

// With 1,000 features every product of memberships is 0 in float32, so that nothing is left to normalise; in logarithms the strengths
// are finite, tell the rules apart and have gradients.
func TestThousandFeatures(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		r := rand.New(rand.NewPCG(5, 6))
		const k, n = 3, 1000
		v, centres, logWidths := matrix(r, 4, n, 1), matrix(r, k, n, 1), matrix(r, k, n, 0)
		for i, row := range run(t, b, func(v, c, w *graph.Node) *graph.Node { return graph.Exp(logFiring(v, c, w)) }, v, centres, logWidths) {
			if slices.Max(row) != 0 {
				t.Errorf("example %d: a product is %g", i, slices.Max(row))
			}
		}
		for i, row := range run(t, b, func(v, c, w *graph.Node) *graph.Node { return graph.Softmax(logFiring(v, c, w), -1) }, v, centres, logWidths) {
			var sum float32
			for _, s := range row {
				sum += s
			}
			if !(math.Abs(float64(sum)-1) < 1e-5) {
				t.Errorf("example %d: strengths %v", i, row)
			}
		}
		largest := func(f func(*graph.Node) *graph.Node) float32 {
			g := run(t, b, func(v, c, w *graph.Node) *graph.Node {
				first := graph.SliceAxis(f(logFiring(v, c, w)), -1, graph.AxisElem(0))
				return graph.Abs(graph.Gradient(graph.ReduceAllSum(first), c)[0])
			}, v, centres, logWidths)
			var most float32
			for _, row := range g {
				most = max(most, slices.Max(row))
			}
			return most
		}
		if g := largest(func(x *graph.Node) *graph.Node { return x }); !(g > 0.1) {
			t.Errorf("in logarithms the centres' gradient is %g", g)
		}
		if g := largest(withoutLogarithms); g != 0 {
			t.Errorf("without logarithms the centres' gradient is %g", g)
		}
	})
}

// Consequents weigh each rule's linear function with its normalised strength.
func TestConsequents(t *testing.T) {
	b := layertest.Go()
	store := layertest.NewStore(1)
	c := Config{Classes: 3, Width: 2, Consequents: true}
	x := layertest.Random[float32](2, 4, 5)
	y, err := model.CallOnce(b, store, func(s *model.Scope, v *graph.Node) *graph.Node { return Fuzzy.build(s, v, c) }, x)
	if err != nil {
		t.Fatal(err)
	}
	c.Consequents = false
	firing, err := model.CallOnce(b, store, func(s *model.Scope, v *graph.Node) *graph.Node {
		return graph.Softmax(Fuzzy.build(s, v, c), -1)
	}, x)
	if err != nil {
		t.Fatal(err)
	}
	linear, err := model.CallOnce(b, store, func(s *model.Scope, v *graph.Node) *graph.Node {
		return layers.Dense(s.In("consequents"), v, 3)
	}, x)
	if err != nil {
		t.Fatal(err)
	}
	a, f, l := layertest.Floats(y), layertest.Floats(firing), layertest.Floats(linear)
	for i := range a {
		if math.Abs(a[i]-f[i]*l[i]) > 1e-5 {
			t.Errorf("output %d is %g, want %g·%g", i, a[i], f[i], l[i])
		}
	}
}

func TestMedoidsAndSilhouette(t *testing.T) {
	features := Rows{{0, 0}, {1, 0}, {0.4, 0}, {10, 10}, {10, 11}, {10, 13}}
	firing := Rows{{1, 0, -1}, {1, 0, -1}, {1, 0, -1}, {0, 1, -1}, {0, 1, -1}, {0, 1, -1}}
	got, err := Medoids(features, firing)
	if err != nil || !slices.Equal(got, []int{2, 4, -1}) {
		t.Errorf("medoids %v, %v", got, err)
	}
	if _, err := Medoids(features, firing[:2]); err == nil {
		t.Error("different numbers are no error")
	}
	// By hand: two pairs 1 apart, at distance 4 and 5, 3 and 4 from each other.
	line := Rows{{0}, {1}, {4}, {5}}
	want := ((4.5-1)/4.5 + (3.5-1)/3.5) / 2
	if got := Silhouette(line, []int32{0, 0, 1, 1}, 2); math.Abs(got-want) > 1e-9 {
		t.Errorf("silhouette %g, want %g", got, want)
	}
	if got := Silhouette(line, []int32{0, 1, 0, 1}, 2); got > 0 {
		t.Errorf("mixed classes have a silhouette of %g", got)
	}
}

func TestErrors(t *testing.T) {
	for what, c := range map[string]Config{
		"no such head": func() Config { c := lenet("soft"); return c }(),
		"of width 0":   func() Config { c := lenet(Fuzzy); c.Width = 0; return c }(),
	} {
		_, err := layers.Summarize(layertest.Go(), Model(c), shapes.Make(dtypes.Float32, 1, 28, 28, 1))
		if err == nil || !strings.Contains(err.Error(), "dcnfis") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
