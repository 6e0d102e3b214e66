package vgg_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/recipes/vgg"
)

// Table 2 of the paper in millions, and to the last parameter; building the graph makes no weights.
func TestParametersOfTable2(t *testing.T) {
	b := backendtest.ForTest(t)
	layersOf := map[string]int{"A": 11, "A-LRN": 11, "B": 13, "C": 16, "D": 16, "E": 19} // table 1
	for name, c := range vgg.Variants {
		s, err := layers.Summarize(b, vgg.Model(c), shapes.Make(dtypes.Float32, 1, 224, 224, 3))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := vgg.Recipe.Params[name]; s.Parameters() != want || want == 0 {
			t.Errorf("%s has %d parameters, the paper says %d", name, s.Parameters(), want)
		}
		weighted, pool5 := 0, false
		for _, row := range s.Rows {
			if row.Parameters > 0 {
				weighted++
			}
			if slices.Contains(row.Taps, "pool5") {
				pool5 = slices.Equal(row.Output.Dimensions, []int{1, 7, 7, 512})
			}
		}
		if weighted != layersOf[name] {
			t.Errorf("%s has %d layers with weights, want %d", name, weighted, layersOf[name])
		}
		if !pool5 {
			t.Errorf("%s: the last pooling isn't 7×7×512", name)
		}
		if out := s.Outputs[0].Dimensions; !slices.Equal(out, []int{1, 1000}) {
			t.Errorf("%s: output %v", name, out)
		}
	}
}

// At 256×256 the fully convolutional net gives a map of 2×2×1000 (section 3.2).
func TestDenseMapAt256(t *testing.T) {
	b := backendtest.ForTest(t)
	for size, want := range map[int][]int{224: {1, 1, 1, 1000}, 256: {1, 2, 2, 1000}} {
		s, err := layers.Summarize(b, vgg.DenseModel(vgg.Variants["D"]), shapes.Make(dtypes.Float32, 1, size, size, 3))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Outputs[0].Dimensions; !slices.Equal(got, want) {
			t.Errorf("at %d the map is %v, want %v", size, got, want)
		}
		if got, want := s.Parameters(), vgg.Recipe.Params["D"]; got != want {
			t.Errorf("at %d the dense form has %d parameters, want %d", size, got, want)
		}
	}
}

func noise(shape ...int) *tensors.Tensor {
	r := rand.New(rand.NewPCG(1, 2))
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

func run(t *testing.T, b compute.Backend, store *model.Store, net func(*model.Scope, *graph.Node) *graph.Node, x *tensors.Tensor) []float32 {
	t.Helper()
	y, err := model.CallOnce(b, store, net, x)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](y)
}

func largest(a, b []float32) float64 {
	if len(a) != len(b) || len(a) == 0 {
		return math.Inf(1)
	}
	d := 0.0
	for i := range a {
		d = max(d, math.Abs(float64(a[i]-b[i])))
	}
	return d
}

// The code of D, small: its fully connected layers as convolutions give the same logits at the size of training, and at a
// larger size the map's corner equals the logits of the corner's crop where no padding is in its sight.
func TestDenseEqualsFullyConnected(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		c := vgg.Tiny(vgg.Variants["D"])
		store := model.NewStore()
		if err := store.SetRNGStateFromSeed(1); err != nil {
			t.Fatal(err)
		}
		x := noise(2, c.Size, c.Size, 3)
		logits := run(t, b, store, vgg.Model(c), x)
		dense := run(t, b, store, vgg.DenseModel(c), x)
		if d := largest(logits, dense); d > 1e-5 {
			t.Errorf("logits differ by %g", d)
		}
		if d := largest(logits, run(t, b, store, vgg.DenseEvaluation(c), x)); d > 1e-5 {
			t.Errorf("their mean over a map of 1×1 differs by %g", d)
		}
		if n := len(run(t, b, store, vgg.DenseModel(c), noise(1, 2*c.Size, c.Size, 3))); n != 2*c.Classes {
			t.Errorf("an image of twice the height gives %d values, want %d", n, 2*c.Classes)
		}
	})
}

// Two 3×3 convolutions see 5×5 pixels and three 7×7, with 27C² weights in place of 49C² (section 2.3).
func TestReceptiveFields(t *testing.T) {
	const channels = 2
	for depth, want := range map[int]int{1: 3, 2: 5, 3: 7} {
		net := func(s *model.Scope, x *graph.Node) *graph.Node {
			for i := range depth {
				x = layers.Conv(s.In("conv%d", i), x, layers.ConvOptions{Filters: channels, NoBias: true})
			}
			return x
		}
		store := model.NewStore()
		store.SetRNGStateFromSeed(3)
		grad, err := model.CallOnce(backendtest.ForTest(t), store, func(s *model.Scope, x *graph.Node) *graph.Node {
			y := graph.ReduceAllSum(graph.Slice(net(s, x), graph.AxisRange(), graph.AxisElem(7), graph.AxisElem(7), graph.AxisRange()))
			return graph.ReduceMax(graph.Abs(graph.Gradient(y, x)[0]), 0, 3) // [15 15]
		}, noise(1, 15, 15, channels))
		if err != nil {
			t.Fatal(err)
		}
		seen := map[bool]int{}
		for i, v := range tensors.MustCopyFlatData[float32](grad) {
			y, x := i/15, i%15
			inside := max(y-7, 7-y) <= want/2 && max(x-7, 7-x) <= want/2
			if (v != 0) != inside {
				t.Errorf("%d convolutions: pixel (%d, %d) is seen: %v", depth, y, x, v != 0)
			}
			seen[v != 0]++
		}
		if seen[true] != want*want {
			t.Errorf("%d convolutions see %d pixels, want %d", depth, seen[true], want*want)
		}
		if n := store.RootScope().NumParameters(); n-3 > 9*depth*channels*channels || n < 9*depth*channels*channels {
			t.Errorf("%d convolutions have %d weights, want %d", depth, n, 9*depth*channels*channels)
		}
	}
}

func TestLocalResponseNorm(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		x := []float32{1, -2, 3, 0.5, 4, -1}
		y, err := graph.CallOnce(b, func(x *graph.Node) *graph.Node {
			return vgg.LocalResponseNorm(x, 3, 2, 0.1, 0.75)
		}, tensors.FromFlatDataAndDimensions(x, 1, 1, 1, 6))
		if err != nil {
			t.Fatal(err)
		}
		want := make([]float32, 6)
		for i := range x {
			sum := 0.0
			for j := max(0, i-1); j <= min(5, i+1); j++ {
				sum += float64(x[j]) * float64(x[j])
			}
			want[i] = float32(float64(x[i]) / math.Pow(2+0.1*sum, 0.75))
		}
		if d := largest(tensors.MustCopyFlatData[float32](y), want); d > 1e-5 {
			t.Errorf("differs by %g", d)
		}
	})
}

func TestScaleJitter(t *testing.T) {
	const h, w = 6, 8
	src := make([]uint8, h*w*3)
	for i := range src {
		src[i] = uint8(i)
	}
	dst := make([]uint8, len(src))
	same, mirrored := false, false
	for seed := range uint64(20) {
		vgg.ScaleJitter(1, 1)(dst, src, h, w, 3, rand.New(rand.NewPCG(seed, 0)))
		if slices.Equal(dst, src) {
			same = true
			continue
		}
		mirrored = true
		for y := range h {
			for x := range w {
				for k := range 3 {
					if dst[(y*w+x)*3+k] != src[(y*w+w-1-x)*3+k] {
						t.Fatal("at scale 1 neither the image nor its mirror image came out")
					}
				}
			}
		}
	}
	if !same || !mirrored {
		t.Errorf("20 draws: plain %v, mirrored %v", same, mirrored)
	}
	// A ramp along x has half the slope at scale 2.
	for y := range h {
		for x := range w {
			for k := range 3 {
				src[(y*w+x)*3+k] = uint8(20 * x)
			}
		}
	}
	vgg.ScaleJitter(2, 2)(dst, src, h, w, 3, rand.New(rand.NewPCG(1, 0)))
	for x := 1; x < w-2; x++ {
		if d := int(dst[(x+1)*3]) - int(dst[x*3]); max(d, -d) > 11 {
			t.Errorf("at scale 2 neighbours differ by %d, want at most 10", d)
		}
	}
}
