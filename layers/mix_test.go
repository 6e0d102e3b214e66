package layers_test

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/layertest"
)

// mixes draws many mixed batches of images that are all 0, 1, 2 or 3, and gives each to check with its share.
func mixes(t *testing.T, b compute.Backend, mix func(s *model.Scope, x *graph.Node) layers.Mixed, check func(x []float64, share float64)) {
	t.Helper()
	const side = 8
	values := make([]float32, 4*side*side*2)
	for i := range values {
		values[i] = float32(i / (side * side * 2))
	}
	exec, err := model.NewExec(b, layertest.NewStore(5), func(s *model.Scope, x *graph.Node) []*graph.Node {
		m := mix(s, x)
		return []*graph.Node{m.X, m.Share}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Finalize()
	for range 300 {
		out, err := exec.Call(tensors.FromFlatDataAndDimensions(values, 4, side, side, 2))
		if err != nil {
			t.Fatal(err)
		}
		check(layertest.Floats(out[0]), layertest.Floats(out[1])[0])
	}
}

// Beta(α, α) has mean ½ and variance 1/(4(2α+1)).
func checkShares(t *testing.T, shares []float64, alpha float64) {
	t.Helper()
	var mean, square float64
	for _, s := range shares {
		mean, square = mean+s, square+s*s
	}
	n := float64(len(shares))
	mean, square = mean/n, square/n
	variance, want := square-mean*mean, 1/(4*(2*alpha+1))
	if math.Abs(mean-0.5) > 4*math.Sqrt(want/n) || math.Abs(variance/want-1) > 0.25 {
		t.Errorf("shares with mean %g and variance %g, want 0.5 and %g", mean, variance, want)
	}
}

func TestMixup(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		for _, alpha := range []float64{0.2, 1} {
			var shares []float64
			mixes(t, b, func(s *model.Scope, x *graph.Node) layers.Mixed { return layers.Mixup(s, x, alpha) }, func(x []float64, share float64) {
				shares = append(shares, share)
				for i, v := range x {
					own := float64(i / 128)
					if want := share*own + (1-share)*(3-own); math.Abs(v-want) > 1e-5 {
						t.Fatalf("value %d is %g, want %g of share %g", i, v, want, share)
					}
				}
			})
			checkShares(t, shares, alpha)
		}
	})
}

func TestCutMix(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		several := map[float64]bool{}
		mixes(t, b, func(s *model.Scope, x *graph.Node) layers.Mixed { return layers.CutMix(s, x, 1) }, func(x []float64, share float64) {
			several[share] = true
			for example := range 4 {
				own, rows, columns, taken := 0.0, map[int]bool{}, map[int]bool{}, 0
				for p := range 64 {
					v := x[example*128+p*2]
					if v != x[example*128+p*2+1] {
						t.Fatal("the channels of a pixel come from different images")
					}
					switch v {
					case float64(example):
						own++
					case float64(3 - example):
						rows[p/8], columns[p%8] = true, true
						taken++
					default:
						t.Fatalf("a value %g of no image", v)
					}
				}
				if math.Abs(own/64-share) > 1e-5 {
					t.Fatalf("%g of the pixels are its own, the share is %g", own/64, share)
				}
				if taken != len(rows)*len(columns) {
					t.Fatalf("%d pixels in %d rows and %d columns are no rectangle", taken, len(rows), len(columns))
				}
			}
		})
		if len(several) < 10 {
			t.Errorf("only %d shares", len(several))
		}
	})
}

// The loss is the one of mixed targets.
func TestMixedLoss(t *testing.T) {
	b := backendtest.ForTest(t)
	got, err := graph.CallOnce(b, func(labels *graph.Node) *graph.Node {
		m := layers.Mixed{Share: graph.Scalar(labels.Graph(), dtypes.Float32, 0.75)}
		return m.Loss(func(labels []*graph.Node) *graph.Node { // weighs the first label alone
			return graph.Squeeze(graph.Slice(labels[0], graph.AxisElem(0)))
		}, []*graph.Node{labels})
	}, []float32{8, 0, 4})
	if err != nil || layertest.Floats(got)[0] != 0.75*8+0.25*4 {
		t.Errorf("loss %v, %v", got, err)
	}
}
