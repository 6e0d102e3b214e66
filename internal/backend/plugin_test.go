package backend_test

// These tests hold for any PJRT plugin; they are here for the facts on which the XLA:CPU plugin of xlacpu/ depends,
// each of which was a crash or a wrong result while it was written.

import (
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/go-xla/pjrt"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"fovea/internal/backend"
	"fovea/internal/backend/backendtest"
)

func random(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

func flat(t *testing.T, x *tensors.Tensor) []float32 {
	t.Helper()
	v, err := tensors.CopyFlatData[float32](x)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func wantClose(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if d := math.Abs(float64(got[i] - want[i])); !(d <= tolerance*(1+math.Abs(float64(want[i])))) {
			t.Fatalf("%s: value %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// The first copies to and from a buffer crash in a plugin that was compiled without NDEBUG.
func TestMatrixProduct(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		const m, n, k = 7, 5, 33
		r := rand.New(rand.NewPCG(1, 2))
		x, y := random(r, m*k), random(r, k*n)
		want := make([]float32, m*n)
		for i := range m {
			for j := range n {
				var sum float64
				for l := range k {
					sum += float64(x[i*k+l]) * float64(y[l*n+j])
				}
				want[i*n+j] = float32(sum)
			}
		}
		got, err := CallOnce(b, func(x, y *Node) *Node { return Dot(x, y).Product() },
			tensors.FromFlatDataAndDimensions(x, m, k), tensors.FromFlatDataAndDimensions(y, k, n))
		if err != nil {
			t.Fatal(err)
		}
		wantClose(t, "product", flat(t, got), want, 1e-5)
	})
}

// netGradient is the plain reference of TestConvolutionAndMaxPoolGradient: a valid 3×3 convolution of one channel in and
// two out, a 2×2 max-pool of stride 2, the weighted sum of the result; returns it and its gradients.
func netGradient(x, k, weight []float32, side int) (loss float64, dx, dk []float32) {
	inner, out := side-2, (side-2)/2
	conv := make([]float64, inner*inner*2)
	for i := range inner {
		for j := range inner {
			for a := range 3 {
				for b := range 3 {
					for c := range 2 {
						conv[(i*inner+j)*2+c] += float64(x[(i+a)*side+j+b]) * float64(k[(a*3+b)*2+c])
					}
				}
			}
		}
	}
	dx, dk = make([]float32, side*side), make([]float32, 3*3*2)
	for i := range out {
		for j := range out {
			for c := range 2 {
				bi, bj := 2*i, 2*j
				for a := range 2 {
					for b := range 2 {
						if conv[((2*i+a)*inner+2*j+b)*2+c] > conv[(bi*inner+bj)*2+c] {
							bi, bj = 2*i+a, 2*j+b
						}
					}
				}
				w := weight[(i*out+j)*2+c]
				loss += float64(w) * conv[(bi*inner+bj)*2+c]
				for a := range 3 { // the gradient flows through the largest value alone
					for b := range 3 {
						dx[(bi+a)*side+bj+b] += w * k[(a*3+b)*2+c]
						dk[(a*3+b)*2+c] += w * x[(bi+a)*side+bj+b]
					}
				}
			}
		}
	}
	return loss, dx, dk
}

func TestConvolutionAndMaxPoolGradient(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		const side, out = 10, 4
		r := rand.New(rand.NewPCG(3, 4))
		x, k, weight := random(r, side*side), random(r, 3*3*2), random(r, out*out*2)
		loss, dx, dk := netGradient(x, k, weight, side)
		got, err := CallOnceN(b, func(x, k, w *Node) []*Node {
			y := Convolve(x, k).NoPadding().Done() // [1 8 8 2]
			y = MaxPool(y).Window(2).Done()        // [1 4 4 2]
			l := ReduceAllSum(Mul(y, w))
			return append([]*Node{l}, Gradient(l, x, k)...)
		}, tensors.FromFlatDataAndDimensions(x, 1, side, side, 1), tensors.FromFlatDataAndDimensions(k, 3, 3, 1, 2),
			tensors.FromFlatDataAndDimensions(weight, 1, out, out, 2))
		if err != nil {
			t.Fatal(err)
		}
		wantClose(t, "loss", flat(t, got[0]), []float32{float32(loss)}, 1e-4)
		wantClose(t, "gradient of the image", flat(t, got[1]), dx, 1e-4)
		wantClose(t, "gradient of the kernel", flat(t, got[2]), dk, 1e-4)
	})
}

// A donated buffer may be reused by the computation, or not; the result is right in both cases, again and again.
func TestDonation(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		exec, err := NewExec(b, func(x *Node) *Node { return AddScalar(MulScalar(x, 2), 1) })
		if err != nil {
			t.Fatal(err)
		}
		defer exec.Finalize()
		x, want := tensors.FromValue([]float32{0, 1, -1}), []float32{0, 1, -1}
		for step := range 20 {
			donated, err := DonateTensorBuffer(x, b, 0)
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Call(donated)
			if err != nil {
				t.Fatal(err)
			}
			x = out[0]
			for i := range want {
				want[i] = 2*want[i] + 1
			}
			if step%5 == 0 {
				wantClose(t, "after some steps", flat(t, x), want, 0)
			}
		}
		wantClose(t, "in the end", flat(t, x), want, 0)
	})
}

// A program that can't be compiled is an error with the parser's words, and the process goes on.
func TestBrokenProgram(t *testing.T) {
	b := backendtest.SkipWithoutXLA(t)
	plugin, err := pjrt.GetPlugin(backendtest.Plugin())
	if err != nil {
		t.Fatal(err)
	}
	client, err := plugin.NewClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Destroy()
	for _, program := range []string{
		"this is no program",
		"module { func.func @main(%x: tensor<2xf32>) -> tensor<3xf32> { return %x : tensor<2xf32> } }",
		"",
	} {
		_, err := client.Compile().WithStableHLO([]byte(program)).Done()
		if err == nil || strings.TrimSpace(err.Error()) == "" {
			t.Errorf("%q was compiled", program)
			continue
		}
		t.Logf("%q: %v", program, strings.SplitN(err.Error(), "\n", 2)[0])
	}
	// The shared backend of the other tests is unharmed.
	if _, err := CallOnce(b, func(x *Node) *Node { return Neg(x) }, float32(1)); err != nil {
		t.Error(err)
	}
}

// Clients come and go, and their buffers die later, when the garbage collector finds them.
func TestClientsOpenAndClose(t *testing.T) {
	backendtest.SkipWithoutXLA(t)
	config := "xla:" + backendtest.Plugin()
	for range 3 {
		first, err := backend.Open(config)
		if err != nil {
			t.Fatal(err)
		}
		second, err := backend.Open(config)
		if err != nil {
			t.Fatal(err)
		}
		orphan, err := CallOnce(first, func(x *Node) *Node { return Square(x) }, []float32{3})
		if err != nil {
			t.Fatal(err)
		}
		wantClose(t, "first client", flat(t, orphan), []float32{9}, 0)
		first.Finalize()
		runtime.GC()
		still, err := CallOnce(second, func(x *Node) *Node { return Square(x) }, []float32{4})
		if err != nil {
			t.Fatal(err)
		}
		wantClose(t, "second client, after the first was closed", flat(t, still), []float32{16}, 0)
		second.Finalize()
	}
	runtime.GC()
	runtime.GC()
}

// Results of every element type that the recipes use come back as they went in.
func TestElementTypes(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		for _, x := range []any{[]float32{1.5, -2}, []float64{1.5, -2}, []int32{-7, 1 << 30}, []int64{-7, 1 << 40},
			[]uint8{0, 255}, []bool{true, false}} {
			y, err := CallOnce(b, func(x *Node) *Node { return Reverse(Reverse(x, 0), 0) }, x)
			if err != nil {
				t.Errorf("%T: %v", x, err)
				continue
			}
			if got := y.Value(); !reflect.DeepEqual(got, x) {
				t.Errorf("%v came back as %v", x, got)
			}
		}
	})
}
