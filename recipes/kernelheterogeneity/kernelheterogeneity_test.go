package kernelheterogeneity

import (
	"context"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/floats"

	"fovea/internal/backend/backendtest"
	"fovea/layers/layertest"
	"fovea/recipes"
)

// tiny has 12 kernels of 6×6 for pictures of 16×16.
var tiny = Config{Orientations: 3, Bandwidths: []float64{10, 40}, Kernel: 6, Frequency: 0.2, Lambda: 0.1, Iterations: 150, Size: 16, Images: 2}

// Kernels have unit norm, and both dictionaries of a scale have as many: 144 in the paper, 36 in the claim.
func TestKernels(t *testing.T) {
	for name, c := range map[string]Config{"claim's one": sparsenessClaim.Arms[0].Config, "claim's three": sparsenessClaim.Arms[1].Config, "tiny": tiny} {
		bank, n := LogGabor(c), c.Kernel*c.Kernel
		if len(bank) != c.Atoms()*n {
			t.Fatalf("%s: %d values for %d kernels of %d", name, len(bank), c.Atoms(), n)
		}
		for k := range c.Atoms() {
			var squares, sum float64
			for _, v := range bank[k*n : (k+1)*n] {
				squares += float64(v) * float64(v)
				sum += float64(v)
			}
			if math.Abs(squares-1) > 1e-5 {
				t.Errorf("%s: kernel %d has norm %g", name, k, math.Sqrt(squares))
			}
			if k%2 == 1 && math.Abs(sum) > 1e-4 {
				t.Errorf("%s: the odd kernel %d has the sum %g", name, k, sum)
			}
		}
	}
	for _, arm := range sparsenessClaim.Arms {
		if arm.Config.Atoms() != 36 {
			t.Errorf("%s has %d kernels, want 36", arm.Name, arm.Config.Atoms())
		}
	}
	for name, c := range Variants {
		if c.Atoms() != 144 || c.Kernel != 12 {
			t.Errorf("%s has %d kernels of %d, want 144 of 12", name, c.Atoms(), c.Kernel)
		}
	}
}

// The transform is the Fourier transform by its definition, its inverse gives the picture back, and a product of spectra is a circular
// convolution.
func TestFourier(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		const h, w, n = 6, 8, 3
		f := fourier{h, w}
		x, k := layertest.Random[float32](1, 2, h, w), layertest.Random[float32](2, 2, n, n)
		exec, err := graph.NewExec(b, func(x, k *graph.Node) []*graph.Node {
			z := f.forward(x)
			return []*graph.Node{z.re, z.im, f.inverse(z), f.inverse(mul(f.forward(f.padded(k)), z, false)), f.inverse(mul(f.forward(f.padded(k)), z, true))}
		})
		if err != nil {
			t.Fatal(err)
		}
		outputs, err := exec.Call(x, k)
		if err != nil {
			t.Fatal(err)
		}
		var got [5][]float64
		for i, o := range outputs {
			got[i] = layertest.Floats(o)
		}
		picture, kernel := layertest.Floats(x), layertest.Floats(k)
		if d := floats.Distance(got[2], picture, math.Inf(1)); d > 1e-5 {
			t.Errorf("there and back differs by %g", d)
		}
		for i := range 2 {
			at := func(y, x int) float64 { return picture[(i*h+(y+h)%h)*w+(x+w)%w] }
			for u := range h {
				for v := range f.half() {
					var sum complex128
					for y := range h {
						for x := range w {
							sum += complex(at(y, x), 0) * cmplx.Exp(complex(0, -2*math.Pi*(float64(u*y)/h+float64(v*x)/w)))
						}
					}
					p := (i*h+u)*f.half() + v
					if d := cmplx.Abs(sum - complex(got[0][p], got[1][p])); d > 1e-4 {
						t.Fatalf("frequency (%d, %d) is off by %g", u, v, d)
					}
				}
			}
			for y := range h {
				for x := range w {
					var convolution, correlation float64
					for a := range n {
						for c := range n {
							weight := kernel[(i*n+a)*n+c]
							convolution += weight * at(y-a, x-c)
							correlation += weight * at(y+a, x+c)
						}
					}
					p := (i*h+y)*w + x
					if math.Abs(convolution-got[3][p]) > 1e-4 || math.Abs(correlation-got[4][p]) > 1e-4 {
						t.Fatalf("pixel (%d, %d): convolution %g, want %g; correlation %g, want %g", y, x, got[3][p], convolution, got[4][p], correlation)
					}
				}
			}
		}
	})
}

func encode(t *testing.T, b compute.Backend, lambda float64, kernels, pictures []float32, iterations int) (*Code, *Coder) {
	t.Helper()
	coder, err := NewCoder(b, lambda)
	if err != nil {
		t.Fatal(err)
	}
	n := tiny.Kernel * tiny.Kernel
	d := tensors.FromFlatDataAndDimensions(kernels, len(kernels)/n, tiny.Kernel, tiny.Kernel)
	s := tensors.FromFlatDataAndDimensions(pictures, len(pictures)/(tiny.Size*tiny.Size), tiny.Size, tiny.Size)
	code, err := coder.Encode(context.Background(), d, s, iterations)
	if err != nil {
		t.Fatal(err)
	}
	return code, coder
}

func noisePictures(n int) []float32 {
	r := rand.New(rand.NewPCG(4, 4))
	x := make([]float32, n*tiny.Size*tiny.Size)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// The residuals go to 0, the objective falls, and where it has fallen to nothing around is better (the conditions of a minimum hold).
func TestCodingConverges(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		kernels, pictures := LogGabor(tiny), noisePictures(2)
		var objectives [][]float64
		for _, iterations := range []int{3, 20, tiny.Iterations} {
			code, coder := encode(t, b, tiny.Lambda, kernels, pictures, iterations)
			looks, err := code.Look(nil)
			if err != nil {
				t.Fatal(err)
			}
			var o []float64
			for _, l := range looks {
				o = append(o, l.Objective(tiny.Lambda))
			}
			objectives = append(objectives, o)
			if iterations == tiny.Iterations {
				for i := range code.Primal {
					if code.Primal[i] > 0.01 || code.Dual[i] > 0.01 {
						t.Errorf("picture %d: residuals %g and %g after %d steps", i, code.Primal[i], code.Dual[i], iterations)
					}
				}
			}
			code.Close()
			coder.Close()
		}
		for i := range objectives[0] {
			if !(objectives[2][i] <= objectives[1][i] && objectives[1][i] < objectives[0][i]) {
				t.Errorf("picture %d: objectives %g, %g and %g", i, objectives[0][i], objectives[1][i], objectives[2][i])
			}
		}
	})
}

// With λ above the largest |Dᵀs| nothing is coded, exactly; below it, something is.
func TestLargestLambda(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		kernels, pictures := LogGabor(tiny), noisePictures(1)
		n, size := tiny.Kernel, tiny.Size
		var largest float64
		for k := range tiny.Atoms() {
			for y := range size {
				for x := range size {
					var sum float64
					for a := range n {
						for c := range n {
							sum += float64(kernels[(k*n+a)*n+c]) * float64(pictures[(y+a)%size*size+(x+c)%size])
						}
					}
					largest = max(largest, math.Abs(sum))
				}
			}
		}
		for _, c := range []struct {
			lambda float64
			some   bool
		}{{1.05 * largest, false}, {0.8 * largest, true}} {
			code, coder := encode(t, b, c.lambda, kernels, pictures, 300)
			looks, err := code.Look(nil)
			if err != nil {
				t.Fatal(err)
			}
			if (looks[0].Nonzero > 0) != c.some {
				t.Errorf("λ of %g at a largest product of %g: %g coefficients", c.lambda, largest, looks[0].Nonzero)
			}
			code.Close()
			coder.Close()
		}
	})
}

// A picture that is one kernel, somewhere, has one coefficient: of that kernel, at that place, less λ.
func TestOneKernelOneCoefficient(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		const atom, y0, x0, height, lambda = 7, 12, 5, 3, 0.05
		kernels, n, size := LogGabor(tiny), tiny.Kernel, tiny.Size
		picture := make([]float32, size*size)
		for a := range n {
			for c := range n {
				picture[(y0+a)%size*size+(x0+c)%size] += height * kernels[(atom*n+a)*n+c]
			}
		}
		code, coder := encode(t, b, lambda, kernels, picture, 400)
		defer coder.Close()
		defer code.Close()
		for i, v := range tensors.MustCopyFlatData[float32](code.Y) {
			want := 0.0
			if i == (atom*size+y0)*size+x0 {
				want = height - lambda
			}
			if math.Abs(float64(v)-want) > 0.01 || want == 0 && v != 0 {
				t.Errorf("coefficient %d is %g, want %g", i, v, want)
			}
		}
	})
}

// Taking coefficients away leaves as many as it says, and the picture worse.
func TestLimits(t *testing.T) {
	b := layertest.Go()
	code, coder := encode(t, b, tiny.Lambda, LogGabor(tiny), noisePictures(2), 40)
	defer coder.Close()
	defer code.Close()
	all, err := code.Look(nil)
	if err != nil {
		t.Fatal(err)
	}
	half, err := code.Look(code.Limits(0.5))
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if share := half[i].Nonzero / all[i].Nonzero; math.Abs(share-0.5) > 0.02 || half[i].Error <= all[i].Error {
			t.Errorf("picture %d: %g of the coefficients are left, and the error went from %g to %g", i, share, all[i].Error, half[i].Error)
		}
	}
}

// Kernels that are learnt reconstruct pictures like those they were learnt from better, and keep unit norm.
func TestLearning(t *testing.T) {
	b := layertest.Go()
	c := tiny
	c.Random, c.Learning, c.Iterations = true, 12, 40
	trial := recipes.NewTrial(b, recipes.SmallScale, 3)
	t.Setenv("FOVEA_DATA", "")
	data, err := open(trial, c)
	if err != nil {
		t.Fatal(err)
	}
	pictures := normalized(data.Train)
	before := randomKernels(c, 3)
	after, err := dictionary(context.Background(), trial, c, pictures)
	if err != nil {
		t.Fatal(err)
	}
	objective := func(kernels []float32) (sum float64) {
		code, coder := encode(t, b, c.Lambda, kernels, pictures, c.Iterations)
		defer coder.Close()
		defer code.Close()
		looks, err := code.Look(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range looks {
			sum += l.Objective(c.Lambda)
		}
		return sum
	}
	if a, b := objective(before), objective(after); b > 0.97*a {
		t.Errorf("learning took the objective from %g to %g", a, b)
	}
	for k := range c.Atoms() {
		var squares float64
		for _, v := range after[k*36 : (k+1)*36] {
			squares += float64(v) * float64(v)
		}
		if math.Abs(squares-1) > 1e-4 {
			t.Errorf("kernel %d has norm %g", k, math.Sqrt(squares))
		}
	}
}

// Normalised pictures have no local mean and an even contrast, whatever the light.
func TestNormalized(t *testing.T) {
	t.Setenv("FOVEA_DATA", "")
	c := tiny
	c.Size = 64
	data, err := open(recipes.NewTrial(layertest.Go(), recipes.SmallScale, 1), c)
	if err != nil {
		t.Fatal(err)
	}
	if !data.Test.Synthetic || data.Test.N != c.Images {
		t.Errorf("%v", data.Test)
	}
	x := normalized(data.Test)
	var sum, squares float64
	for _, v := range x {
		sum += float64(v) / float64(len(x))
		squares += float64(v) * float64(v) / float64(len(x))
	}
	if math.Abs(sum) > 0.1 || squares < 0.5 || squares > 2 {
		t.Errorf("mean %g, mean square %g", sum, squares)
	}
}
