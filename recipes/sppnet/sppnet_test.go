package sppnet

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"fovea/datasets/synth"
	"fovea/internal/backend/backendtest"
	"fovea/layers"
)

// On a map of 13×13 the bins are windows and strides of section 2.3 (3 and 2, 5 and 4, 7 and 6, 13). On any map they
// cover each value and are never empty.
func TestBinsAreTheWindowsOf13(t *testing.T) {
	for n, want := range map[int][2]int{6: {3, 2}, 3: {5, 4}, 2: {7, 6}, 1: {13, 13}} {
		const a = 13
		if window, stride := (a+n-1)/n, a/n; window != want[0] || stride != want[1] || (a-window)/stride+1 != n {
			t.Errorf("%d bins of %d: window %d, stride %d, %d of them", n, a, window, stride, (a-window)/stride+1)
		}
		for i := range n {
			if from, to := Bin(i, n, a); from != i*want[1] || to != from+want[0] {
				t.Errorf("bin %d of %d is [%d, %d), want %d values from %d", i, n, from, to, want[0], i*want[1])
			}
		}
	}
	for a := 1; a < 20; a++ {
		for n := 1; n < 8; n++ {
			for i, before := 0, 0; i < n; i++ {
				from, to := Bin(i, n, a)
				if from > before || to <= from || i == n-1 && to != a {
					t.Fatalf("bin %d of %d over %d values is [%d, %d) after %d", i, n, a, from, to, before)
				}
				before = to
			}
		}
	}
}

// Two sizes of images share all weights: maps of 13×13 and 10×10, the same 256·50 values for the first dense layer. A net
// without a pyramid can't have both.
func TestSizesShareWeights(t *testing.T) {
	b := backendtest.ForTest(t)
	c := Variants["zf5-spp50"]
	var parameters int
	for size, side := range map[int]int{224: 13, 180: 10} {
		s, err := layers.Summarize(b, Model(c), shapes.Make(dtypes.Float32, 1, size, size, 3))
		if err != nil {
			t.Fatal(err)
		}
		if parameters != 0 && s.Parameters() != parameters {
			t.Errorf("%d pixels: %d parameters, other sizes have %d", size, s.Parameters(), parameters)
		}
		parameters = s.Parameters()
		g := graph.NewGraph(b, "map")
		x := graph.Parameter(g, "x", shapes.Make(dtypes.Float32, 1, size, size, 3))
		s5 := shapeOf(t, func() { Model(c)(newScope(g), x) }, g, "conv5")
		pyramid := shapeOf(t, func() {}, g, "pyramid")
		if !slices.Equal(s5, []int{1, side, side, 256}) || !slices.Equal(pyramid, []int{1, 12_800}) {
			t.Errorf("%d pixels: map %v, pyramid %v", size, s5, pyramid)
		}
		g.Finalize()
	}

	plain := Tiny(Variants["zf5"])
	g := graph.NewGraph(b, "plain")
	defer g.Finalize()
	scope := newScope(g)
	Model(plain)(scope, graph.Parameter(g, "x64", shapes.Make(dtypes.Float32, 1, 64, 64, 3)))
	defer func() {
		if recover() == nil {
			t.Error("a net without a pyramid took images of another size")
		}
	}()
	scope.ResetVisited()
	g.PushAliasScope("again")
	Model(plain)(scope, graph.Parameter(g, "x96", shapes.Make(dtypes.Float32, 1, 96, 96, 3)))
}

// One bin is global max pooling, as many as values are the identity; a region of the whole map is the pyramid, and one of
// a part that of the part.
func TestPyramids(t *testing.T) {
	b := backendtest.ForTest(t)
	r := rand.New(rand.NewPCG(1, 1))
	x := make([]float32, 7*7*3)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	levels := []int{7, 3, 1}
	exec := graph.MustNewExec(b, func(x, regions *graph.Node) []*graph.Node {
		part := graph.Slice(x, graph.AxisRange(), graph.AxisRange(2, 6), graph.AxisRange(1, 3), graph.AxisRange())
		return []*graph.Node{
			graph.Reshape(x, 1, -1), SpatialPyramid(x, []int{7}),
			graph.ReduceMax(x, 1, 2), SpatialPyramid(x, []int{1}),
			graph.Concatenate([]*graph.Node{SpatialPyramid(x, levels), SpatialPyramid(part, levels)}, 0), RegionPyramid(x, regions, levels),
		}
	})
	defer exec.Finalize()
	out := exec.MustCall(tensors.FromFlatDataAndDimensions(x, 1, 7, 7, 3), tensors.FromFlatDataAndDimensions([]int32{0, 7, 0, 7, 2, 6, 1, 3}, 2, 4))
	for i, what := range []string{"as many bins as values", "one bin", "regions"} {
		want, got := tensors.MustCopyFlatData[float32](out[2*i]), tensors.MustCopyFlatData[float32](out[2*i+1])
		if len(want) == 0 || !slices.Equal(want, got) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
}

func TestProject(t *testing.T) {
	for _, c := range []struct {
		from, to   int
		offset     float64
		first, end int
	}{
		{0, 64, 3.5, 0, 8}, // the whole image
		{8, 24, 3.5, 1, 3},
		{4, 28, 3.5, 1, 4},  // middles at 11.5, 19.5 and 27.5
		{9, 11, 3.5, 1, 2},  // no middle: the next cell
		{60, 64, 3.5, 7, 8}, // the same at the end
		{0, 64, 0, 1, 8},    // the formula as it stands leaves out the cell at 0
	} {
		if first, end := Project(c.from, c.to, 8, c.offset, 8); first != c.first || end != c.end {
			t.Errorf("[%d, %d) with offset %g: cells [%d, %d), want [%d, %d)", c.from, c.to, c.offset, first, end, c.first, c.end)
		}
	}
}

// A resized image keeps its mean, and sizes take turns epoch by epoch from wherever a training resumes.
func TestTurns(t *testing.T) {
	im, err := synth.Shapes(synth.ShapesOptions{N: 20, Size: 40})
	if err != nil {
		t.Fatal(err)
	}
	mean, _ := im.MeanStd()
	for _, size := range []int{16, 24, 64} {
		small, _ := Resized(im, size).MeanStd()
		if d := small[0] - mean[0]; d > 0.002 || d < -0.002 {
			t.Errorf("at %d pixels the mean is %g, was %g", size, small[0], mean[0])
		}
	}
	feed, err := newTurns(im, []int{24, 16}, 8, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := []int{24, 24, 16, 16, 24, 24, 16, 16} // 2 batches an epoch
	for _, start := range []int{0, 3} {
		feed.Seek(start)
		var got []int
		for batch, err := range feed.Iter() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, batch.Inputs[0].Shape().Dimensions[1])
			_ = batch.Finalize()
			if len(got) == len(want)-start {
				break
			}
		}
		if !slices.Equal(got, want[start:]) {
			t.Errorf("from step %d: sizes %v, want %v", start, got, want[start:])
		}
	}
}
