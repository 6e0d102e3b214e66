package polarizedattention

import (
	"context"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/recipes"
)

// 2C² + C without and 2C more with the normalisation, and the shape stays.
func TestParametersOfBlock(t *testing.T) {
	b := backendtest.ForTest(t)
	for channels, want := range map[int]int{64: 8_256, 256: 131_328} {
		for _, layout := range []Layout{Parallel, Sequential, ReleasedParallel} {
			for _, noNorm := range []bool{true, false} {
				s, err := layers.Summarize(b, func(s *model.Scope, x *graph.Node) *graph.Node {
					return Polarized(s, x, layout, noNorm)
				}, shapes.Make(dtypes.Float32, 1, 8, 6, channels))
				if err != nil {
					t.Fatal(err)
				}
				expected := want
				if !noNorm && layout != ReleasedParallel {
					expected += 2 * channels
				}
				if got := s.Parameters(); got != expected {
					t.Errorf("%s with %d channels, no norm %v: %d parameters, want %d", layout, channels, noNorm, got, expected)
				}
				if out := s.Outputs[0]; !out.Equal(shapes.Make(dtypes.Float32, 1, 8, 6, channels)) {
					t.Errorf("%s: output %s", layout, out)
				}
			}
		}
	}
}

const height, width, channels = 5, 4, 6

func noise() []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, height*width*channels)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// evaluate runs f with weights from a seed, where those named in zero are zero.
func evaluate(t *testing.T, b compute.Backend, x []float32, zero string, f func(s *model.Scope, x *graph.Node) *graph.Node) []float32 {
	t.Helper()
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(5); err != nil {
		t.Fatal(err)
	}
	input := func() *tensors.Tensor { return tensors.FromFlatDataAndDimensions(x, 1, height, width, channels) }
	exec := model.MustNewExec1(b, store, f)
	defer exec.Finalize()
	y := exec.MustCall1(input())
	if zero != "" {
		v := store.GetVariable(zero)
		if v == nil {
			t.Fatalf("there is no %s", zero)
		}
		if err := v.SetValue(tensors.FromShape(v.Shape())); err != nil {
			t.Fatal(err)
		}
		y = exec.MustCall1(input())
	}
	return tensors.MustCopyFlatData[float32](y)
}

// permuted moves the pixels of x, which have n values each.
func permuted(x []float32, order []int, n int) []float32 {
	y := make([]float32, 0, len(x))
	for _, from := range order {
		y = append(y, x[from*n:][:n]...)
	}
	return y
}

func distance(a, b []float32) (d float64) {
	if len(a) != len(b) || len(a) == 0 {
		return math.Inf(1)
	}
	for i := range a {
		d = max(d, math.Abs(float64(a[i]-b[i])))
	}
	return d
}

// The mask of channels doesn't know where pixels are; that of positions moves with them.
func TestPermutationsOfPixels(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		x, order := noise(), rand.New(rand.NewPCG(3, 4)).Perm(height*width)
		moved := permuted(x, order, channels)
		channel := func(s *model.Scope, x *graph.Node) *graph.Node { return ChannelMask(s, x, false) }
		if d := distance(evaluate(t, b, x, "", channel), evaluate(t, b, moved, "", channel)); d > 1e-5 {
			t.Errorf("the mask of channels changes by %g", d)
		}
		for name, position := range map[string]func(*model.Scope, *graph.Node) *graph.Node{"paper": PositionMask, "released": ReleasedPosition} {
			mask := evaluate(t, b, x, "", position)
			if d := distance(permuted(mask, order, 1), evaluate(t, b, moved, "", position)); d > 1e-5 {
				t.Errorf("%s: the mask of positions doesn't move with the pixels, by %g", name, d)
			}
			if d := distance(mask, permuted(mask, order, 1)); d < 1e-4 {
				t.Errorf("%s: the mask of positions is the same everywhere (to %g)", name, d)
			}
		}
	})
}

func TestMaskWithoutWeights(t *testing.T) {
	mask := evaluate(t, backendtest.ForTest(t), noise(), "/up/weights", func(s *model.Scope, x *graph.Node) *graph.Node { return ChannelMask(s, x, true) })
	for _, v := range mask {
		if v != 0.5 {
			t.Fatalf("with W_z = 0 the mask is %g, want 0.5", v)
		}
	}
}

// What the code's softmax gives sums to one over space; the equation's mask is free. So the two differ, and the code's hardly
// leaves a half.
func TestReleasedCodeIsNotTheEquation(t *testing.T) {
	b, x := backendtest.ForTest(t), noise()
	logit := func(p float32) float64 { return math.Log(float64(p) / float64(1-p)) }
	var sum float64
	released := evaluate(t, b, x, "", ReleasedPosition)
	for _, v := range released {
		sum += logit(v)
	}
	if math.Abs(sum-1) > 1e-3 {
		t.Errorf("what goes into the released mask's sigmoid sums to %g over space, want 1", sum)
	}
	if d := distance(released, evaluate(t, b, x, "", PositionMask)); d < 0.05 {
		t.Errorf("the released mask and the equation's differ by %g only", d)
	}
}

// A few steps bring the heat maps closer, and the loss is zero on the maps that are wanted.
func TestHeatMaps(t *testing.T) {
	b := backendtest.ForTest(t)
	pixel := tensors.FromFlatDataAndDimensions([]int32{5, 0}, 2, 1)
	maps, err := graph.CallOnce(b, func(pixel *graph.Node) *graph.Node {
		return HeatMaps(pixel, graph.Zeros(pixel.Graph(), shapes.Make(dtypes.Float32, 2, 3, 4, 1)), 1)
	}, pixel)
	if err != nil {
		t.Fatal(err)
	}
	flat := tensors.MustCopyFlatData[float32](maps)
	if flat[5] != 1 || flat[12] != 1 || math.Abs(float64(flat[4])-math.Exp(-0.5)) > 1e-6 || math.Abs(float64(flat[10])-math.Exp(-1)) > 1e-6 {
		t.Errorf("heat maps %v", flat)
	}
	if got := CorrectWithin(flat, 4, 12, []int32{5, 1}, 0); got != 0.5 {
		t.Errorf("%g of the peaks are right, want 0.5", got)
	}

	fit := smallFit
	fit.Steps, fit.Epochs, fit.Progress, fit.Log = 30, 0, recipes.NoProgress, io.Discard
	trainer, err := recipes.NewTrainer(b, Model(small(Parallel)), fit)
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.Close()
	if err := trainer.Run(context.Background(), cornerImages(64, 1, 9, "train"), nil); err != nil {
		t.Fatal(err)
	}
	h := trainer.History()
	if first, last := h[0].Loss, h[len(h)-1].Loss; !(last < 0.9*first) {
		t.Errorf("30 steps took the loss from %g to %g", first, last)
	}
}

// The markers are far from the sign, and the label is the marker that it asks for: the plus has its middle's neighbours lit.
func TestCornerImages(t *testing.T) {
	im := cornerImages(60, 1, 9, "test")
	if err := im.Validate(); err != nil {
		t.Fatal(err)
	}
	for i := range im.N {
		at := int(im.Labels[i])
		pixel := im.PixelsAt(i)[3*at:]
		red := pixel[0] > pixel[2]
		found := false
		for _, corner := range [][2]int{{0, 0}, {0, cells - 3}, {cells - 3, 0}, {cells - 3, cells - 3}} {
			green := func(y, x int) bool { return im.PixelsAt(i)[((corner[0]+y)*cells+corner[1]+x)*3+1] > 150 }
			if !green(1, 1) {
				continue
			}
			found = true
			if plus := green(0, 1) && !green(0, 0); plus != red {
				t.Errorf("image %d: plus %v, but the keypoint is red %v", i, plus, red)
			}
			if d := max(absolute(at/cells-corner[0]-1), absolute(at%cells-corner[1]-1)); d < 9 {
				t.Errorf("image %d: the keypoint is %d cells from the sign", i, d)
			}
		}
		if !found {
			t.Errorf("image %d has no sign", i)
		}
	}
}

func absolute(x int) int { return max(x, -x) }
