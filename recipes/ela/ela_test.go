package ela

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

// Parameters of a module with shared weights: k·C·(group width) + 2·C.
func TestParametersOfModule(t *testing.T) {
	b := backendtest.ForTest(t)
	for channels, want := range map[int]map[Module]int{
		64:  {ELAT: 448, ELAB: 576, ELAS: 2_688, ELAL: 3_712},
		256: {ELAT: 1_792, ELAB: 2_304, ELAS: 10_752, ELAL: 14_848},
	} {
		for module, n := range want {
			for _, separate := range []bool{false, true} {
				s, err := layers.Summarize(b, func(s *model.Scope, x *graph.Node) *graph.Node {
					return Attention(s, x, Versions[module], separate)
				}, shapes.Make(dtypes.Float32, 1, 8, 8, channels))
				if err != nil {
					t.Fatal(err)
				}
				expected := n
				if separate {
					expected *= 2
				}
				if got := s.Parameters(); got != expected {
					t.Errorf("%s with %d channels (separate %v): %d parameters, want %d", module, channels, separate, got, expected)
				}
			}
		}
	}
}

const height, width, channels = 6, 6, 32

func noise(seed uint64, shape ...int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	n := 1
	for _, d := range shape {
		n *= d
	}
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// attention evaluates ELA-T with weights from a seed.
func attention(t *testing.T, x []float32, separate bool) []float32 {
	t.Helper()
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(5); err != nil {
		t.Fatal(err)
	}
	exec := model.MustNewExec1(backendtest.ForTest(t), store, func(s *model.Scope, x *graph.Node) *graph.Node {
		return Attention(s, x, Versions[ELAT], separate)
	})
	defer exec.Finalize()
	return tensors.MustCopyFlatData[float32](exec.MustCall1(tensors.FromFlatDataAndDimensions(x, 1, height, width, channels)))
}

func transposed(x []float32) []float32 {
	y := make([]float32, len(x))
	for i := range height {
		for j := range width {
			copy(y[(j*height+i)*channels:][:channels], x[(i*width+j)*channels:][:channels])
		}
	}
	return y
}

func distance(a, b []float32) (d float64) {
	for i := range a {
		d = max(d, math.Abs(float64(a[i]-b[i])))
	}
	return d
}

// With shared weights rows and columns are treated alike: transposing the image transposes the answer. With separate ones
// they are not.
func TestTransposition(t *testing.T) {
	x := noise(1, height, width, channels)
	if d := distance(transposed(attention(t, x, false)), attention(t, transposed(x), false)); d > 1e-5 {
		t.Errorf("shared: the transposed image's answer is off by %g", d)
	}
	if d := distance(transposed(attention(t, x, true)), attention(t, transposed(x), true)); d < 1e-3 {
		t.Errorf("separate: rows and columns have the same weights (distance %g)", d)
	}
}

// The gate lies between 0 and 1, and on an image that is the same everywhere it is too, away from the border, where the
// convolution sees the padding.
func TestGate(t *testing.T) {
	x := make([]float32, height*width*channels)
	for i := range x {
		x[i] = 1
	}
	y := attention(t, x, false)
	at := func(i, j, c int) float64 { return float64(y[(i*width+j)*channels+c]) }
	for c := range channels {
		for i := 2; i < height-2; i++ { // a window of 5 reaches 2 to each side
			for j := 2; j < width-2; j++ {
				if math.Abs(at(i, j, c)-at(2, 2, c)) > 1e-6 {
					t.Fatalf("channel %d: %g at %d,%d and %g at 2,2", c, at(i, j, c), i, j, at(2, 2, c))
				}
			}
		}
	}
	for i, v := range y {
		if !(v > 0 && v < 1) {
			t.Fatalf("gate %d is %g", i, v)
		}
	}
}

func TestTooFewChannels(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("ELA-T took 16 channels; it needs a multiple of 32")
		}
	}()
	exec := model.MustNewExec1(backendtest.ForTest(t), model.NewStore(), func(s *model.Scope, x *graph.Node) *graph.Node {
		return Attention(s, x, Versions[ELAT], false)
	})
	defer exec.Finalize()
	exec.MustCall1(tensors.FromFlatDataAndDimensions(noise(2, 1, 4, 4, 16), 1, 4, 4, 16))
}

// The label is the glyph in the rows of the tick, which is the one bright pixel at the border.
func TestRowImages(t *testing.T) {
	im := rowImages(50, 9, "test")
	if err := im.Validate(); err != nil {
		t.Fatal(err)
	}
	for i := range im.N {
		ticks := 0
		for y := range rowSize {
			if im.Pixels[((i*rowSize+y)*rowSize)*3] == 255 {
				ticks++
			}
		}
		if ticks != 2 {
			t.Fatalf("image %d has a tick of %d pixels", i, ticks)
		}
	}
}
