package scattering

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"fovea/internal/backend/backendtest"
	"fovea/layers/layertest"
)

// kinds are modules of all sorts, with small frames.
var kinds = map[string]Module{
	"wavelets, modulus": {Frame: Wavelets, Scales: 2, Orientations: 3, Activation: Modulus, Pool: Subsample, Factor: 2},
	"tight, modulus":    {Frame: Wavelets, Scales: 2, Orientations: 2, Tight: true, Activation: Modulus, Pool: Mean, Factor: 2},
	"real, tanh":        {Frame: Wavelets, Scales: 2, Orientations: 2, Activation: Tanh, Pool: Mean, Factor: 2},
	"real, sigmoid":     {Frame: Wavelets, Scales: 2, Orientations: 2, Activation: Sigmoid, Pool: Subsample, Factor: 2},
	"random, ReLU":      {Frame: Random, Scales: 2, Orientations: 2, Tight: true, Seed: 3, Activation: ReLU, Pool: Subsample, Factor: 2},
	"random, modulus":   {Frame: Random, Scales: 1, Orientations: 3, Tight: true, Seed: 4, Activation: Modulus, Pool: Mean, Factor: 2},
}

func extractor(t *testing.T, b compute.Backend, m Module, depth, h, w int) *Extractor {
	t.Helper()
	e, err := NewExtractor(b, Config{Modules: modules(m, depth), Output: m, Height: h, Width: w})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func extract2(t *testing.T, e *Extractor, signals ...[]float64) [][][]float64 {
	t.Helper()
	features, err := e.Extract(signals)
	if err != nil {
		t.Fatal(err)
	}
	return features
}

// A ≤ |χ̂(ω)|² + Σ|ĝ_λ(ω)|² ≤ B = 1 at every frequency of the grid, with A > 0, and A = B for tight frames; so every module is
// admissible: max{B, B·L²·R²} ≤ 1.
func TestFrameBounds(t *testing.T) {
	for name, m := range kinds {
		for _, grid := range [][2]int{{1, 64}, {16, 16}, {7, 14}} {
			a, b := NewFrame(m, grid[0], grid[1]).Bounds()
			if math.Abs(b-1) > 1e-12 || !(a > 1e-3) || m.Tight && math.Abs(a-1) > 1e-12 {
				t.Errorf("%s on %v: bounds %g and %g", name, grid, a, b)
			}
			if v := m.Admissible(grid[0], grid[1]); v > 1+1e-12 {
				t.Errorf("%s on %v: max{B, BL²R²} = %g", name, grid, v)
			}
		}
	}
	for name, c := range Variants {
		for n, m := range c.Modules {
			grid := c.Grids()[n]
			if v := m.Admissible(grid[0], grid[1]); v > 1+1e-12 {
				t.Errorf("variant %s, layer %d: max{B, BL²R²} = %g", name, n+1, v)
			}
		}
	}
}

// Wavelets keep nothing of a constant, and the low-pass most of it.
func TestWaveletsHaveNoMean(t *testing.T) {
	f := NewFrame(kinds["wavelets, modulus"], 16, 16)
	for i, b := range f.Bands {
		if math.Abs(b.Re[0]) > 1e-9 {
			t.Errorf("band %d has a mean of %g", i, b.Re[0])
		}
	}
	if f.Low[0] < 0.5 || f.Decay() <= 0 || f.Decay() > 0.5 {
		t.Errorf("χ̂(0) = %g, K = %g", f.Low[0], f.Decay())
	}
}

// convolve is f ∗ g on the torus with the response of g, by the definition of the transform.
func convolve(f []float64, re, im []float64, h, w int) []complex128 {
	spectrum := make([]complex128, h*w)
	turn := func(i, k, sign int) complex128 {
		return cmplx.Exp(complex(0, float64(sign)*2*math.Pi*(float64(i/w*(k/w))/float64(h)+float64(i%w*(k%w))/float64(w))))
	}
	for k := range spectrum {
		for i, v := range f {
			spectrum[k] += complex(v, 0) * turn(i, k, -1)
		}
		spectrum[k] *= complex(re[k], im[k])
	}
	out := make([]complex128, h*w)
	for i := range out {
		for k, v := range spectrum {
			out[i] += v * turn(i, k, 1) / complex(float64(h*w), 0)
		}
	}
	return out
}

// Features follow definition 2, computed here the slow way: Φ⁰ = f∗χ and Φ¹ = P(M(f∗g_λ))∗χ.
func TestFeaturesByDefinition(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		const h, w = 6, 8
		r := rand.New(rand.NewPCG(1, 2))
		f := whiteNoise(h*w, r)
		for name, m := range kinds {
			if b.Name() != layertest.Go().Name() && m.Pool == Mean {
				continue // compiling takes its time
			}
			got := extract2(t, extractor(t, b, m, 1, h, w), f)[0]
			frame, after := NewFrame(m, h, w), NewFrame(modules(m, 1)[0], h/2, w/2)
			zeros := make([]float64, h*w)
			var want []float64
			for _, v := range convolve(f, frame.Low, zeros, h, w) {
				want = append(want, real(v))
			}
			if d := difference(got[0], want); d > 1e-9 {
				t.Errorf("%s: Φ⁰ is off by %g", name, d)
			}
			want = nil
			for _, band := range frame.Bands {
				u := make([]float64, h/2*w/2)
				for i, z := range convolve(f, band.Re, band.Im, h, w) {
					var v float64
					switch m.Activation {
					case Modulus:
						v = cmplx.Abs(z)
					case ReLU:
						v = max(real(z), 0)
					case Tanh:
						v = math.Tanh(real(z))
					case Sigmoid:
						v = 1/(1+math.Exp(-real(z))) - 0.5
					}
					if m.Activation != Modulus && math.Abs(imag(z)) > 1e-9 {
						t.Fatalf("%s: a real atom makes %g", name, z)
					}
					y, x := i/w, i%w
					switch {
					case m.Pool == Mean:
						u[y/2*(w/2)+x/2] += v / 4 * 2 // a mean, times S^(d/2)
					case y%2 == 0 && x%2 == 0:
						u[y/2*(w/2)+x/2] = v
					}
				}
				for _, v := range convolve(u, after.Low, zeros, h/2, w/2) {
					want = append(want, real(v))
				}
			}
			if d := difference(got[1], want); d > 1e-9 {
				t.Errorf("%s: Φ¹ is off by %g", name, d)
			}
		}
	})
}

// |||Φ(f)|||² ≤ ‖f‖² and |||Φ(f) − Φ(h)||| ≤ ‖f − h‖, far and near, whatever the module, in one dimension and two.
func TestNonExpansive(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		for name, m := range kinds {
			if b.Name() != layertest.Go().Name() && m.Frame == Wavelets && m.Activation != Modulus {
				continue // compiling takes its time, and these are the other kinds' code
			}
			for _, grid := range [][2]int{{1, 64}, {16, 16}} {
				e := extractor(t, b, m, 2, grid[0], grid[1])
				r := rand.New(rand.NewPCG(5, 6))
				stretches, err := e.Stretch(12, r)
				if err != nil {
					t.Fatal(err)
				}
				if _, largest := within(stretches); largest > 1+tolerance || largest < 1e-3 {
					t.Errorf("%s on %v: features are %g times as far apart as the signals", name, grid, largest)
				}
				f := whiteNoise(grid[0]*grid[1], r)
				phi := extract2(t, e, f)[0]
				zero := make([][]float64, len(phi))
				for n := range zero {
					zero[n] = make([]float64, len(phi[n]))
				}
				if energy := between(phi, zero); energy > norm(f)*(1+tolerance) {
					t.Errorf("%s on %v: |||Φ(f)||| = %g of ‖f‖ = %g", name, grid, energy, norm(f))
				}
			}
		}
	})
}

// The theory's condition matters: a frame whose energy is above 1 expands.
func TestInadmissibleExpands(t *testing.T) {
	b := backendtest.ForTest(t)
	exec, err := graph.NewExec(b, func(x *graph.Node) []*graph.Node {
		return Features(graph.MulScalar(graph.Reshape(x, 1, 1, 1, 64), 3), Config{
			Modules: modules(kinds["tight, modulus"], 1), Output: kinds["tight, modulus"], Height: 1, Width: 64,
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Finalize()
	f := make([]float64, 64)
	for i := range f {
		f[i] = 1
	}
	out, err := exec.Call(f)
	if err != nil {
		t.Fatal(err)
	}
	if energy := norm(tensors.MustCopyFlatData[float64](out[0])); energy < 1.5*norm(f) {
		t.Errorf("three times the frame keeps %g of %g", energy, norm(f))
	}
}

// Φⁿ(T_t f) = T_{t/(S₁···Sₙ)} Φⁿ(f) when t is a multiple of S₁···Sₙ, and the change stays within theorem 1's bound.
func TestTranslations(t *testing.T) {
	b := layertest.Go()
	for name, m := range kinds {
		for _, grid := range [][2]int{{1, 64}, {16, 32}} {
			e := extractor(t, b, m, 2, grid[0], grid[1])
			h, w := grid[0], grid[1]
			f := whiteNoise(h*w, rand.New(rand.NewPCG(7, 8)))
			phi := extract2(t, e, f, Translate(f, w, 8))
			for n, grid := range e.Config.Grids() {
				size := grid[0] * grid[1]
				for p := 0; p < len(phi[0][n]); p += size { // path by path
					moved := Translate(phi[0][n][p:p+size], grid[1], 8>>n)
					if d := difference(moved, phi[1][n][p:p+size]); d > 1e-9 {
						t.Fatalf("%s on %d×%d, layer %d: features of the moved signal are off by %g", name, h, w, n, d)
					}
				}
			}
			s, err := e.Translations(2, []int{4, 8}, rand.New(rand.NewPCG(9, 10)))
			if err != nil {
				t.Fatal(err)
			}
			if largest := slices.Max(s.OfBound); largest > 1 || largest < 1e-3 {
				t.Errorf("%s on %d×%d: a translation moves features by %g of the bound", name, h, w, largest)
			}
		}
	}
}

// L of each non-linearity is sup|ρ'|, and M(0) = 0.
func TestActivations(t *testing.T) {
	const n = 20001
	x := make([]float64, n)
	for i := range x {
		x[i] = (float64(i) - (n-1)/2) * 1e-3
	}
	for a, want := range map[Activation]float64{Modulus: 1, ReLU: 1, Tanh: 1, Sigmoid: 0.25} {
		y, err := graph.CallOnce(backendtest.ForTest(t), func(x *graph.Node) *graph.Node { return activate(x, nil, a) }, x)
		if err != nil {
			t.Fatal(err)
		}
		values := tensors.MustCopyFlatData[float64](y)
		steepest := 0.0
		for i := range n - 1 {
			steepest = max(steepest, math.Abs(values[i+1]-values[i])/(x[i+1]-x[i]))
		}
		if math.Abs(steepest-want) > 1e-6 || a.Lipschitz() != want {
			t.Errorf("%s: sup|ρ'| = %g, Lipschitz() = %g, want %g", a, steepest, a.Lipschitz(), want)
		}
		if values[(n-1)/2] != 0 {
			t.Errorf("%s(0) = %g", a, values[(n-1)/2])
		}
	}
}

// R of sub-sampling is 1, and so is that of averaging, ‖φ‖₁: ‖P f − P h‖ ≤ R‖f − h‖, reached by signals that are constant over a pool.
func TestPooling(t *testing.T) {
	b := backendtest.ForTest(t)
	r := rand.New(rand.NewPCG(11, 12))
	for _, p := range []Pool{Subsample, Mean} {
		exec, err := graph.NewExec(b, func(x *graph.Node) *graph.Node { return pool(graph.Reshape(x, 1, 1, 8, 12), p, 2) })
		if err != nil {
			t.Fatal(err)
		}
		largest := 0.0
		for i := range 20 {
			f := whiteNoise(96, r)
			if i == 0 && p == Mean {
				for k := range f {
					f[k] = 1
				}
			}
			if i == 0 && p == Subsample {
				for k := range f {
					if k/12%2 == 1 || k%12%2 == 1 {
						f[k] = 0
					}
				}
			}
			y, err := exec.Call(f)
			if err != nil {
				t.Fatal(err)
			}
			if err := y[0].Shape().CheckDims(1, 1, 4, 6); err != nil {
				t.Fatal(err)
			}
			largest = max(largest, norm(tensors.MustCopyFlatData[float64](y[0]))/norm(f))
		}
		if math.Abs(largest-p.Lipschitz()) > 1e-12 {
			t.Errorf("%s stretches by %g, R = %g", p, largest, p.Lipschitz())
		}
		exec.Finalize()
	}
}

// Deformations change band-limited signals in proportion to their size and signals with jumps with the root of it.
func TestSignalClasses(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for class, want := range map[Class][2]float64{BandLimited: {0.93, 1.03}, Lipschitz: {0.9, 1.03}, Cartoon: {0.4, 0.62}} {
		var sizes, changes []float64
		for size := 1.0; size <= 16; size *= 2 {
			var sum float64
			for seed := range uint64(2) {
				f := NewSignal(class, 1, 1024, rand.New(rand.NewPCG(seed, 1)))
				still, bent := Sample(f, nil, 1, 1024), Sample(f, Bend(size, 1, 1024, rand.New(rand.NewPCG(seed, 2))), 1, 1024)
				sum += difference(bent, still) * difference(bent, still)
			}
			sizes, changes = append(sizes, size), append(changes, math.Sqrt(sum))
		}
		if got := slope(sizes, changes); got < want[0] || got > want[1] {
			t.Errorf("%s: exponent %.3f, want %v", class, got, want)
		}
	}
	// The largest displacement and derivative are what theorem 2 wants.
	for _, grid := range [][2]int{{1, 512}, {64, 64}} {
		size := float64(grid[1]) / 32
		tau := Bend(size, grid[0], grid[1], r)
		largest, steepest := 0.0, 0.0
		for i := range 4 * grid[1] {
			y, x := float64(i), float64(i)/4
			dy, dx := tau(y, x)
			ey, ex := tau(y+0.01, x+0.01)
			largest = max(largest, math.Hypot(dy, dx))
			steepest = max(steepest, 100*math.Abs(ex-dx), 100*math.Abs(ey-dy))
		}
		d := 1.0
		if grid[0] > 1 {
			d = 2
		}
		if largest > size*1.0001 || largest < 0.5*size || steepest > 1/(2*d) {
			t.Errorf("on %v: ‖τ‖ = %g for %g, ‖Dτ‖ = %g", grid, largest, size, steepest)
		}
	}
}

// A blank image has a gradient, and it is not NaN.
func TestGradientOfNothing(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		c := Tiny(Variants["wavelets"])
		y, err := graph.CallOnce(b, func(x *graph.Node) *graph.Node {
			return graph.Gradient(graph.ReduceAllSum(flat(x, c)), x)[0]
		}, tensors.FromShape(shapes.Make(dtypes.Float32, 1, 16, 16, 1)))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range tensors.MustCopyFlatData[float32](y) {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				t.Fatalf("a gradient is %g", v)
			}
		}
	})
}

// More features than examples or fewer: the same classifier, and right on what is easy.
func TestFitLinear(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	draw := func(examples, features int) (x [][]float64, labels []int32) {
		for i := range examples {
			row := whiteNoise(features, r)
			row[i%3] += 9
			x, labels = append(x, row), append(labels, int32(i%3))
		}
		return x, labels
	}
	for _, features := range []int{5, 200} {
		x, labels := draw(90, features)
		v, vl := draw(90, features)
		l, err := FitLinear(x, labels, 3, []float64{0.1, 1}, v, vl)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Accuracy(v, vl); got < 0.8 {
			t.Errorf("%d features: %.2f are right", features, got)
		}
	}
	if _, err := FitLinear(nil, nil, 3, []float64{1}, nil, nil); err == nil {
		t.Error("no examples are no error")
	}
}
