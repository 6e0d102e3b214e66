package singleintrachannel

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

// Multiply-adds per pixel of a layer of 128 channels: 1/n + 1/k² of a standard one's, an eighth of the projection with a torus
// of 16×8 and a reach of 4×4, and a k²-th of it in the bottleneck. The first two are also counted in the graph.
func TestMultiplyAdds(t *testing.T) {
	const n = 128
	standard := MACs(network(Standard))
	for kind, want := range map[Kind]float64{
		Standard: 9 * n * n, SIC: 9*n + n*n, Topology: 9*n + n*n/8, Bottleneck: n + n*n/4 + n,
	} {
		if got := MACs(network(kind)); got != want {
			t.Errorf("%s: %g multiply-adds, want %g", kind, got, want)
		}
	}
	if ratio := MACs(network(SIC)) / standard; math.Abs(ratio-(1.0/n+1.0/9)) > 1e-12 || math.Abs(ratio-0.119) > 5e-4 {
		t.Errorf("an intra-channel layer costs %.4f of a standard one, want 0.119", ratio)
	}
	for _, kind := range []Kind{Standard, SIC} {
		s, err := layers.Summarize(backendtest.ForTest(t), func(s *model.Scope, x *graph.Node) *graph.Node { return Layer(s, x, network(kind)) },
			shapes.Make(dtypes.Float32, 1, 8, 8, n))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := float64(s.MACs()), 64*MACs(network(kind)); got != want {
			t.Errorf("%s: the graph has %g multiply-adds on 8×8 pixels, want %g", kind, got, want)
		}
	}
}

// The mask is circulant along each axis, leaves the right share, and goes around the border.
func TestMask(t *testing.T) {
	torus, reach := []int{16, 8}, []int{4, 4}
	mask := Mask(torus, reach)
	for out := range 128 {
		seen := 0
		for in := range 128 {
			seen += int(mask[in][out])
			row, column := in/8, in%8
			moved := (row+3)%16*8 + (column+5)%8
			movedOut := (out/8+3)%16*8 + (out%8+5)%8
			if mask[in][out] != mask[moved][movedOut] {
				t.Fatalf("the mask of %d and %d changes when both move on the torus", in, out)
			}
		}
		if seen != 16 {
			t.Fatalf("output %d sees %d inputs, want an eighth of 128", out, seen)
		}
	}
	last := 15*8 + 7 // its neighbours are on the other side
	if mask[0][last] != 1 || mask[last][0] != 0 {
		t.Error("the torus has a border")
	}
	whole := Mask([]int{4, 2}, []int{4, 2})
	for _, row := range whole {
		for _, v := range row {
			if v != 1 {
				t.Fatal("full reach leaves something out")
			}
		}
	}
}

func random(seed uint64, shape ...int) *tensors.Tensor {
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

func run(t *testing.T, x *tensors.Tensor, weights map[string]*tensors.Tensor, f func(s *model.Scope, x *graph.Node) *graph.Node) []float32 {
	t.Helper()
	store := model.NewStore()
	exec := model.MustNewExec1(backendtest.ForTest(t), store, f)
	defer exec.Finalize()
	exec.MustCall1(x).MustFinalizeAll() // makes the variables
	for path, w := range weights {
		setValue(t, store.GetVariable(path), w)
	}
	return tensors.MustCopyFlatData[float32](exec.MustCall1(x))
}

// A standard convolution whose kernel is an outer product, W[o, i] = P[o, i]·S[i], is the intra-channel layer.
func TestOuterProductIsStandard(t *testing.T) {
	const channels = 4
	x := random(1, 1, 6, 6, channels)
	spatial, project := random(2, 3, 3, 1, channels), random(3, 1, 1, channels, channels)
	s, p := tensors.MustCopyFlatData[float32](spatial), tensors.MustCopyFlatData[float32](project)
	kernel := make([]float32, 9*channels*channels)
	for tap := range 9 {
		for i := range channels {
			for o := range channels {
				kernel[(tap*channels+i)*channels+o] = s[tap*channels+i] * p[i*channels+o]
			}
		}
	}
	layer := func(k Kind) func(*model.Scope, *graph.Node) *graph.Node {
		return func(s *model.Scope, x *graph.Node) *graph.Node { return Layer(s, x, Config{Kind: k}) }
	}
	split := run(t, x, map[string]*tensors.Tensor{"/intra/weights": spatial, "/project/weights": project}, layer(SIC))
	whole := run(t, x, map[string]*tensors.Tensor{"/conv/weights": tensors.FromFlatDataAndDimensions(kernel, 3, 3, channels, channels)}, layer(Standard))
	for i := range whole {
		if math.Abs(float64(split[i]-whole[i])) > 1e-4 {
			t.Fatalf("value %d is %g in two steps and %g in one", i, split[i], whole[i])
		}
	}
}

// A change of one input channel reaches the outputs that the mask lets see it, and no other.
func TestSubdividedObeysTheMask(t *testing.T) {
	torus, reach := []int{4, 2}, []int{2, 1}
	mask := Mask(torus, reach)
	x := random(4, 1, 1, 1, 8)
	f := func(s *model.Scope, x *graph.Node) *graph.Node { return Subdivided(s, x, torus, reach) }
	w := random(5, 8, 8)
	clone := func(v *tensors.Tensor) *tensors.Tensor {
		c, err := v.LocalClone()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := run(t, x, map[string]*tensors.Tensor{"/weights": clone(w)}, f)
	for in := range 8 {
		values := tensors.MustCopyFlatData[float32](x)
		values[in]++
		after := run(t, tensors.FromFlatDataAndDimensions(values, 1, 1, 1, 8), map[string]*tensors.Tensor{"/weights": clone(w)}, f)
		for out := range 8 {
			if changed := after[out] != before[out]; changed != (mask[in][out] == 1) {
				t.Fatalf("input %d changes output %d: %v, the mask says %g", in, out, changed, mask[in][out])
			}
		}
	}
}

// The bottleneck keeps the size of even images; each of its patches is a pixel times the kernel.
func TestExpand(t *testing.T) {
	x, w := random(6, 1, 2, 3, 2), random(7, 2, 2, 2)
	in, kernel := tensors.MustCopyFlatData[float32](x), tensors.MustCopyFlatData[float32](w)
	got := run(t, x, map[string]*tensors.Tensor{"/weights": w}, func(s *model.Scope, x *graph.Node) *graph.Node {
		y := Expand(s, x, 2)
		y.AssertDims(1, 4, 6, 2)
		return y
	})
	for i, v := range got {
		c, column, row := i%2, i/2%6, i/12
		want := in[(row/2*3+column/2)*2+c] * kernel[(row%2*2+column%2)*2+c]
		if v != want {
			t.Fatalf("value %d is %g, want %g", i, v, want)
		}
	}
}

func setValue(t *testing.T, v *model.Variable, value *tensors.Tensor) {
	t.Helper()
	if err := v.SetValue(value); err != nil {
		t.Fatal(err)
	}
}
