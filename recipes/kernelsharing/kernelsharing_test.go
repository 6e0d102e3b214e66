package kernelsharing

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
)

// Sharing takes parameters and no multiply-adds; the counts themselves are in Recipe.Params, which the suite tests.
func TestSharingKeepsTheWork(t *testing.T) {
	b := backendtest.ForTest(t)
	for _, name := range []string{"convmixer-256/16-c10", "seresnet-n2-c10"} {
		own, shared := summary(t, b, Variants[name]), summary(t, b, Variants[name+"-shared"])
		if own.MACs() != shared.MACs() || own.MACs() == 0 {
			t.Errorf("%s: %d MACs with own kernels and %d with shared ones", name, own.MACs(), shared.MACs())
		}
	}
	// One more unit in each stage costs normalisations and squeeze and excite alone.
	six, ten := summary(t, b, Variants["seresnet-n6-c10-shared"]), summary(t, b, Variants["seresnet-n10-c10-shared"])
	if got := (ten.Parameters() - six.Parameters()) / 4; got != 12_544 {
		t.Errorf("a unit more a stage costs %d parameters, want 12,544", got)
	}
}

func summary(t *testing.T, b compute.Backend, c Config) *layers.Summary {
	t.Helper()
	s, err := layers.Summarize(b, Model(c), shapes.Make(dtypes.Float32, 1, c.Size, c.Size, 3))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The gradient by a shared kernel is the sum of those by the layers' own kernels when these are all equal to it.
func TestSharedGradientIsTheSum(t *testing.T) {
	b := backendtest.ForTest(t)
	c := Tiny(Variants["convmixer-256/16-c10"])
	r := rand.New(rand.NewPCG(1, 2))
	images := make([]float32, 2*c.Size*c.Size*3)
	for i := range images {
		images[i] = float32(r.NormFloat64())
	}
	x := tensors.FromFlatDataAndDimensions(images, 2, c.Size, c.Size, 3)

	store := func(seed int64) *model.Store {
		s := model.NewStore()
		if err := s.SetRNGStateFromSeed(seed); err != nil {
			t.Fatal(err)
		}
		return s
	}
	gradients := func(c Config, store *model.Store, paths []string) [][]float32 {
		exec := model.MustNewExec(b, store, func(s *model.Scope, x *graph.Node) []*graph.Node {
			loss := graph.ReduceAllSum(graph.Square(Model(c)(s, x)))
			var by []*graph.Node
			for _, p := range paths {
				by = append(by, store.GetVariable(p).NodeValue(x.Graph()))
			}
			return graph.Gradient(loss, by...)
		})
		defer exec.Finalize()
		var values [][]float32
		for _, g := range exec.MustCall(x) {
			values = append(values, tensors.MustCopyFlatData[float32](g))
		}
		return values
	}
	build := func(c Config, store *model.Store) {
		exec := model.MustNewExec1(b, store, Model(c))
		defer exec.Finalize()
		exec.MustCall1(x)
	}

	shared, own := store(3), store(4)
	c.Shared = true
	build(c, shared)
	c.Shared = false
	build(c, own)
	layersOf := []string{"/depthwise0/weights", "/depthwise1/weights", "/depthwise2/weights"}
	for v := range own.IterVariables() {
		from := shared.GetVariable(v.Path())
		if from == nil { // a kernel of the layer's own
			from = shared.GetVariable(string(slices.DeleteFunc([]rune(v.Path()), func(r rune) bool { return r >= '0' && r <= '9' })))
		}
		if from == nil {
			t.Fatalf("%s has nothing to be copied from", v.Path())
		}
		value, err := from.MustValue().LocalClone()
		if err != nil {
			t.Fatal(err)
		}
		setValue(t, v, value)
	}
	each := gradients(c, own, layersOf)
	c.Shared = true
	sum := gradients(c, shared, []string{"/depthwise/weights"})[0]
	for i := range sum {
		want := float64(each[0][i]) + float64(each[1][i]) + float64(each[2][i])
		if math.Abs(float64(sum[i])-want) > 1e-4*(1+math.Abs(want)) {
			t.Fatalf("gradient %d is %g, the layers' sum %g", i, sum[i], want)
		}
	}
}

// With one block there is nothing to share.
func TestDepthOne(t *testing.T) {
	b := backendtest.ForTest(t)
	c := Variants["convmixer-256/16-c10"]
	c.Depth = 1
	own := summary(t, b, c)
	c.Shared = true
	if got := summary(t, b, c); got.Parameters() != own.Parameters() {
		t.Errorf("one block has %d parameters shared and %d unshared", got.Parameters(), own.Parameters())
	}
}

func setValue(t *testing.T, v *model.Variable, value *tensors.Tensor) {
	t.Helper()
	if err := v.SetValue(value); err != nil {
		t.Fatal(err)
	}
}
