package ecanet

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
	"fovea/layers"
)

func TestKernelSize(t *testing.T) {
	for channels, want := range map[int]int{64: 3, 128: 5, 256: 5, 512: 5, 1024: 5, 2048: 7} {
		if k := KernelSize(channels, 2, 1); k != want {
			t.Errorf("kernel for %d channels is %d, want %d", channels, k, want)
		}
	}
}

// The gates of ResNet-50 have the paper's 80 parameters with the released kernels alone; what gates has no other effect on
// the count.
func TestParametersOfGates(t *testing.T) {
	b := backendtest.ForTest(t)
	count := func(c Config) int {
		s, err := layers.Summarize(b, Model(c), shapes.Make(dtypes.Float32, 1, 64, 64, 3))
		if err != nil {
			t.Fatal(err)
		}
		return s.Parameters()
	}
	plain := count(Variants["50-none"])
	for name, want := range map[string]int{"50-none": 0, "50-released": 80, "50": 86, "50-se": 2_514_944} {
		c := Variants[name]
		if got := count(c) - plain; got != want {
			t.Errorf("%s: gates of %d parameters, want %d", name, got, want)
		}
		if c.Gate == SE {
			c.Ratio = 16
		}
		if got := parameters(c); got != want {
			t.Errorf("%s: the claim counts %d parameters, want %d", name, got, want)
		}
	}
}

// run evaluates a gate on x with the given weights by variable path.
func run(t *testing.T, x *tensors.Tensor, weights map[string]*tensors.Tensor, f func(s *model.Scope, x *graph.Node) *graph.Node) []float32 {
	t.Helper()
	store := model.NewStore()
	exec := model.MustNewExec1(backendtest.ForTest(t), store, f)
	defer exec.Finalize()
	exec.MustCall1(x).MustFinalizeAll() // makes the variables
	for path, w := range weights {
		v := store.GetVariable(path)
		if v == nil {
			t.Fatalf("there is no variable %s", path)
		}
		copied, err := w.LocalClone()
		if err != nil {
			t.Fatal(err)
		}
		setValue(t, v, copied)
	}
	return tensors.MustCopyFlatData[float32](exec.MustCall1(x))
}

func noise(seed uint64, shape ...int) *tensors.Tensor {
	r := rand.New(rand.NewPCG(seed, 1))
	n := 1
	for _, d := range shape {
		n *= d
	}
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return tensors.FromFlatDataAndDimensions(x, shape...)
}

// permuted reorders one axis of a tensor whose later axes have `inner` values together.
func permuted(x *tensors.Tensor, axis int, order []int) *tensors.Tensor {
	d := x.Shape().Dimensions
	inner := 1
	for _, n := range d[axis+1:] {
		inner *= n
	}
	old := tensors.MustCopyFlatData[float32](x)
	values := make([]float32, len(old))
	for i := range values {
		group, at, rest := i/inner/d[axis], i/inner%d[axis], i%inner
		values[i] = old[(group*d[axis]+order[at])*inner+rest]
	}
	return tensors.FromFlatDataAndDimensions(values, d...)
}

func distance(a, b []float32) (d float64) {
	for i := range a {
		d = max(d, math.Abs(float64(a[i]-b[i])))
	}
	return d
}

// Weights of zero open each gate by half.
func TestZeroWeightsGateByHalf(t *testing.T) {
	x := noise(1, 2, 3, 3, 8)
	zero := map[string]*tensors.Tensor{"/conv/weights": tensors.FromFlatDataAndDimensions(make([]float32, 3), 3, 1, 1)}
	y := run(t, x, zero, func(s *model.Scope, x *graph.Node) *graph.Node { return Attention(s, x, 3) })
	for i, v := range tensors.MustCopyFlatData[float32](x) {
		if math.Abs(float64(y[i]-v/2)) > 1e-6 {
			t.Fatalf("value %d: %g became %g, want half", i, v, y[i])
		}
	}
}

// Neighbourhood means something to ECA: another order of the channels gives other gates. Squeeze and excite commutes with it
// once its weights are put in the same order.
func TestOrderOfChannels(t *testing.T) {
	const channels = 8
	order := []int{3, 1, 7, 0, 5, 2, 6, 4}
	x := noise(2, 2, 3, 3, channels)
	eca := map[string]*tensors.Tensor{"/conv/weights": noise(3, 3, 1, 1)}
	attention := func(s *model.Scope, x *graph.Node) *graph.Node { return Attention(s, x, 3) }
	shuffled := permuted(tensors.FromFlatDataAndDimensions(run(t, x, eca, attention), 2, 3, 3, channels), 3, order)
	if d := distance(tensors.MustCopyFlatData[float32](shuffled), run(t, permuted(x, 3, order), eca, attention)); d < 1e-2 {
		t.Errorf("ECA commutes with a permutation of channels (distance %g): it doesn't see neighbours", d)
	}

	first, second := noise(4, channels, 2), noise(5, 2, channels)
	se := func(s *model.Scope, x *graph.Node) *graph.Node {
		return layers.SqueezeExcite(s, x, layers.SqueezeExciteOptions{Units: 2, NoBias: true})
	}
	plain := run(t, x, map[string]*tensors.Tensor{"/fc1/weights": first, "/fc2/weights": second}, se)
	moved := run(t, permuted(x, 3, order), map[string]*tensors.Tensor{"/fc1/weights": permuted(first, 0, order), "/fc2/weights": permuted(second, 1, order)}, se)
	want := permuted(tensors.FromFlatDataAndDimensions(plain, 2, 3, 3, channels), 3, order)
	if d := distance(tensors.MustCopyFlatData[float32](want), moved); d > 1e-5 {
		t.Errorf("squeeze and excite with its weights in the new order is off by %g", d)
	}
}

// What asks for interaction: the gate on a plane hears of another plane's mean through ECA, and not through a weight per channel.
func TestGateHearsOfOtherPlanes(t *testing.T) {
	x := make([]float32, 2*4*3) // two images of 2×2, red and blue alike, green only in the second
	for i := range x {
		x[i] = 1
		if i < len(x)/2 && i%3 == 1 {
			x[i] = 0
		}
	}
	red := func(gate Gate, weights map[string]*tensors.Tensor) (of [2]float32) {
		c := Config{Gate: gate, Kernels: []int{3}, Planes: true}
		y := run(t, tensors.FromFlatDataAndDimensions(x, 2, 2, 2, 3), weights, func(s *model.Scope, x *graph.Node) *graph.Node { return c.attend(s, x, 0) })
		return [2]float32{y[0], y[len(y)/2]}
	}
	eca := red(ECA, map[string]*tensors.Tensor{"/gate-eca/conv/weights": tensors.FromFlatDataAndDimensions([]float32{-1, 0, 1}, 3, 1, 1)})
	if eca[1] < eca[0]+0.1 {
		t.Errorf("ECA: red is %g without green and %g with it, want more", eca[0], eca[1])
	}
	if alone := red(PerChannel, nil); alone[0] != alone[1] {
		t.Errorf("a weight per channel: red is %g without green and %g with it, want the same", alone[0], alone[1])
	}
}

func TestEvenKernelPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a kernel of 4 has no middle and was taken")
		}
	}()
	run(t, noise(6, 1, 2, 2, 8), nil, func(s *model.Scope, x *graph.Node) *graph.Node { return Attention(s, x, 4) })
}

func setValue(t *testing.T, v *model.Variable, value *tensors.Tensor) {
	t.Helper()
	if err := v.SetValue(value); err != nil {
		t.Fatal(err)
	}
}
