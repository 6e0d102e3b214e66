package inceptionv4

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/layertest"
	"fovea/recipes"
)

// Counts to the last parameter, and the grids with their channels: of Inception-v4 those of figure 9, of the Inception-ResNets those that the
// figures' blocks must have to be added to.
func TestParametersAndGrids(t *testing.T) {
	b := backendtest.ForTest(t)
	for name, want := range map[string]struct {
		parameters int
		channels   [3]int
	}{
		"v4":                 {42_679_816, [3]int{384, 1024, 1536}},
		"resnet-v1":          {0, [3]int{256, 896, 1792}},
		"resnet-v2":          {0, [3]int{384, 1152, 2144}},
		"resnet-v2-released": {55_843_464, [3]int{320, 1088, 2080}},
	} {
		c := Variants[name]
		g := graph.NewGraph(b, name)
		model.SetStore(g, model.NewStore())
		logits := Model(c)(model.GetStore(g).RootScope(), graph.Parameter(g, "x", shapes.Make(dtypes.Float32, 1, 299, 299, 3)))
		if got := logits.Shape().Dimensions; !slices.Equal(got, []int{1, 1000}) {
			t.Errorf("%s: output %v", name, got)
		}
		for i, side := range []int{35, 17, 8} {
			blocks := 0
			for _, tap := range Taps(c) {
				if !strings.HasPrefix(tap, "inception"+string(rune('A'+i))) {
					continue
				}
				blocks++
				node, err := layers.TapNode(g, tap)
				if err != nil {
					t.Fatal(err)
				}
				if got := node.Shape().Dimensions; !slices.Equal(got, []int{1, side, side, want.channels[i]}) {
					t.Errorf("%s: %s is %v, want %d×%d×%d", name, tap, got, side, side, want.channels[i])
				}
			}
			if blocks != c.Blocks[i] {
				t.Errorf("%s has %d blocks on grid %d, want %d", name, blocks, i, c.Blocks[i])
			}
		}
		// The paper's own Inception-ResNets have no count that is known to us.
		if got := trainable(model.GetStore(g)); want.parameters != 0 && got != want.parameters {
			t.Errorf("%s has %d parameters, want %d", name, got, want.parameters)
		}
		g.Finalize()
	}
}

func trainable(store *model.Store) (n int) {
	for v := range store.IterVariables() {
		if v.Trainable {
			n += v.Shape().Size()
		}
	}
	return n
}

// With scale 0 a block is the identity and ReLU, whatever its branches find; with another it is not.
func TestScaleZeroIsTheIdentity(t *testing.T) {
	b := backendtest.ForTest(t)
	x := layertest.Random[float32](1, 2, 7, 7, 16)
	in := tensors.MustCopyFlatData[float32](x)
	for grid := range 3 {
		for _, scale := range []float64{0, 0.1} {
			c := Config{Family: ResNetV2, Width: 0.1, Scales: [3]float64{scale, scale, scale}}
			y, err := model.CallOnce(b, layertest.NewStore(1), c.residual(grid, false), x)
			if err != nil {
				t.Fatal(err)
			}
			off := 0.0
			for i, v := range tensors.MustCopyFlatData[float32](y) {
				off = max(off, math.Abs(float64(v-max(0, in[i]))))
			}
			if scale == 0 && off != 0 || scale > 0 && off < 1e-3 {
				t.Errorf("grid %d, scale %g: off ReLU of the input by %g", grid, scale, off)
			}
		}
	}
}

// The pooling equals the layer's that leaves padding out, also where a side is shorter than the window.
func TestMeanInside(t *testing.T) {
	b := backendtest.ForTest(t)
	for _, sides := range [][2]int{{4, 5}, {1, 3}, {2, 2}} {
		off, err := graph.CallOnce(b, func(x *graph.Node) *graph.Node {
			want := layers.MeanPool(x, layers.PoolOptions{Size: 3, Stride: 1, Pad: layers.Same, IgnorePadding: true})
			return graph.ReduceAllMax(graph.Abs(graph.Sub(meanInside(x), want)))
		}, layertest.Random[float32](2, 2, sides[0], sides[1], 3))
		if err != nil {
			t.Fatal(err)
		}
		if v := tensors.ToScalar[float32](off); v > 1e-6 {
			t.Errorf("maps of %v: off by %g", sides, v)
		}
	}
}

// The claim's arms have the same parameters: only what is added to is missing.
func TestArmsHaveEqualParameters(t *testing.T) {
	b := backendtest.ForTest(t)
	var counts []int
	for _, arm := range speedClaim.Arms {
		s, err := layers.Summarize(b, Model(arm.Config), shapes.Make(dtypes.Float32, 1, 16, 16, 3))
		if err != nil {
			t.Fatal(err)
		}
		counts = append(counts, s.Parameters())
	}
	if counts[0] != counts[1] {
		t.Errorf("the arms have %v parameters", counts)
	}
}

func TestFraction(t *testing.T) {
	falling := func(speed float64) recipes.Values {
		v := recipes.Values{}
		for i := range points {
			v[lossName(i)] = 3 - speed*float64(i+1)
		}
		return v
	}
	for speed, want := range map[float64]float64{1: 1, 2: 0.5, 0.25: float64(points) / levelPoint} {
		if got := fraction(falling(1), falling(speed)); math.Abs(got-want) > 1e-9 {
			t.Errorf("a loss that falls %g times as fast takes %g of the steps, want %g", speed, got, want)
		}
	}
}
