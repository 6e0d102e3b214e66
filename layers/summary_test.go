package layers_test

import (
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	plain "github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/layers/norm"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
	"fovea/layers/layertest"
)

// Counted by hand: multiplications of convolutions and of matrices, for one image.
func TestSummary(t *testing.T) {
	network := func(s *model.Scope, x *graph.Node) *graph.Node { // [B 8 8 3]
		x = layers.Conv(s.In("conv1"), x, layers.ConvOptions{Filters: 4, NoBias: true})
		x = layers.BatchNorm(s.In("norm1"), x, layers.BatchNormOptions{})
		x = layers.Tap(layers.ReLU(x), "features")
		x = layers.Tap(layers.MaxPool(x, layers.PoolOptions{}), "pooled")                        // [B 4 4 4]
		x = layers.Conv(s.In("depth"), x, layers.ConvOptions{Filters: 8, Groups: 4, Stride: 2})  // [B 2 2 8]
		x = layers.Conv(s.In("point"), x, layers.ConvOptions{Filters: 6, Size: 1})               // [B 2 2 6]
		return layers.Dense(s.In("logits"), layers.Dropout(s, layers.GlobalMeanPool(x), 0.5), 5) // [B 5]
	}
	summary, err := layers.Summarize(layertest.Go(), network, shapes.Make(dtypes.Float32, 1, 8, 8, 3))
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		name, kind, output string
		parameters         int
		macs               int64
	}{
		{"conv1", "Conv 3×3", "[1 8 8 4]", 108, 8 * 8 * 4 * 27},
		{"norm1", "BatchNorm", "[1 8 8 4]", 8, 0},
		{"pooled", "MaxPool", "[1 4 4 4]", 0, 0},
		{"depth", "Depthwise 3×3", "[1 2 2 8]", 9*8 + 8, 2 * 2 * 8 * 9},
		{"point", "Conv 1×1", "[1 2 2 6]", 54, 2 * 2 * 6 * 8},
		{"", "GlobalMeanPool", "[1 6]", 0, 0},
		{"logits", "Dense", "[1 5]", 35, 30},
	}
	table := summary.Table()
	if len(table) != len(want)+1 {
		t.Fatalf("%d rows, want %d:\n%s", len(table)-1, len(want), summary)
	}
	for i, w := range want {
		row, cells := summary.Rows[i], table[i+1]
		if cells[0] != w.name || row.Kind != w.kind || cells[2] != w.output || row.Parameters != w.parameters || row.MACs != w.macs {
			t.Errorf("row %d: %v %d parameters, %d MACs, want %v", i, cells, row.Parameters, row.MACs, w)
		}
	}
	if taps := strings.Join(summary.Rows[1].Taps, " "); taps != "features" {
		t.Errorf("taps of norm1: %q, want features", taps)
	}
	if summary.Buffers() != 8 || summary.Parameters() != 285 {
		t.Errorf("%d parameters, %d buffers, want 285 and 8", summary.Parameters(), summary.Buffers())
	}
	if text := summary.String(); !strings.Contains(text, "285 parameters") || !strings.Contains(text, "7.42 kMACs") {
		t.Errorf("the totals are not in:\n%s", text)
	}
}

// Any graph function has a summary, also one that uses other layers, products of matrices in a batch, or weights that
// are computed from weights.
func TestSummaryOfForeignLayers(t *testing.T) {
	network := func(s *model.Scope, x *graph.Node) *graph.Node { // [2 8 8 3]
		x = plain.Convolution(s.In("conv"), x).Channels(4).KernelSize(3).PadSame().Done()
		x = norm.BatchNorm(s.In("norm"), x, -1).UseBackendInference(false).Done()
		x = graph.MaxPool(x).Window(2).Done()   // [2 4 4 4]
		x = graph.Reshape(x, 2, 16, 4)          // [2 16 4]
		a := graph.Einsum("bnc,bmc->bnm", x, x) // [2 16 16]
		x = layers.Flatten(graph.Einsum("bnm,bmc->bnc", a, x))
		return plain.Dense(s.In("dense"), x, true, 5)
	}
	summary, err := layers.Summarize(layertest.Go(), network, shapes.Make(dtypes.Float32, 2, 8, 8, 3))
	if err != nil {
		t.Fatal(err)
	}
	conv, attention, dense := int64(2*8*8*4*27), int64(2*16*16*4), int64(2*64*5)
	if got := summary.MACs(); got != conv+2*attention+dense {
		t.Errorf("%d MACs, want %d:\n%s", got, conv+2*attention+dense, summary)
	}
	if got := summary.Parameters(); got != 27*4+4+8+64*5+5 {
		t.Errorf("%d parameters, want %d:\n%s", got, 27*4+4+8+64*5+5, summary)
	}
}

// VGG-16 (Simonyan, Zisserman 2015, table 2): no weights are made, so it takes no memory to speak of.
func TestSummaryOfALargeNetwork(t *testing.T) {
	summary, err := layers.Summarize(layertest.Go(), func(s *model.Scope, x *graph.Node) *graph.Node {
		for stage, plan := range [][2]int{{2, 64}, {2, 128}, {3, 256}, {3, 512}, {3, 512}} {
			for i := range plan[0] {
				x = layers.ReLU(layers.Conv(s.In("conv%d_%d", stage+1, i+1), x, layers.ConvOptions{Filters: plan[1]}))
			}
			x = layers.MaxPool(x, layers.PoolOptions{})
		}
		x = layers.Flatten(x)
		for i, units := range []int{4096, 4096, 1000} {
			x = layers.Dense(s.In("fc%d", i+6), x, units)
		}
		return x
	}, shapes.Make(dtypes.Float32, 1, 224, 224, 3))
	if err != nil {
		t.Fatal(err)
	}
	if got := summary.Parameters(); got != 138_357_544 {
		t.Errorf("%d parameters, want 138,357,544", got)
	}
	if got := summary.MACs(); got != 15_470_264_320 {
		t.Errorf("%d MACs, want 15,470,264,320", got)
	}
}

func TestSummaryOfAnImpossibleNetwork(t *testing.T) {
	_, err := layers.Summarize(layertest.Go(), conv(layers.ConvOptions{Filters: 4, Size: 9, Pad: layers.Valid}), shapes.Make(dtypes.Float32, 1, 8, 8, 3))
	if err == nil || !strings.Contains(err.Error(), "does not fit") {
		t.Errorf("error %v, want one that says what does not fit", err)
	}
}
