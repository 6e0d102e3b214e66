package hiresnet

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
)

// The residuals cost the product of the channels for each pair of stages, and nothing else: n(n−1)/2 pairs.
func TestExtraParameters(t *testing.T) {
	b := backendtest.ForTest(t)
	count := func(name string) int {
		s, err := layers.Summarize(b, Model(Variants[name]), shapes.Make(dtypes.Float32, 1, 32, 32, 3))
		if err != nil {
			t.Fatal(err)
		}
		return s.Parameters()
	}
	want, pairs := 0, 0
	widths := Variants["resnet18"].Host.Widths
	for j := range widths {
		for i := range j {
			want += widths[i] * widths[j]
			pairs++
		}
	}
	if pairs != 6 {
		t.Fatalf("%d pairs of 4 stages", pairs)
	}
	for _, host := range []string{"resnet18", "plain18"} {
		if got := count(host+"-hi") - count(host); got != want {
			t.Errorf("%s: hierarchical residuals have %d parameters, want %d", host, got, want)
		}
	}
}

func output(t *testing.T, c Config) []float32 {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 2*c.Size*c.Size*3)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	store := model.NewStore()
	// The weights are set by path below, so that the order in which they are drawn does not matter.
	exec := model.MustNewExec1(backendtest.ForTest(t), store, Model(c))
	defer exec.Finalize()
	images := tensors.FromFlatDataAndDimensions(x, 2, c.Size, c.Size, 3)
	exec.MustCall1(images).MustFinalizeAll()
	for v := range store.IterVariables() {
		if v.Name() != "weights" || strings.HasPrefix(v.Path(), "/hierarchy/") {
			continue
		}
		h := uint64(14695981039346656037)
		for _, b := range []byte(v.Path()) {
			h = (h ^ uint64(b)) * 1099511628211
		}
		r := rand.New(rand.NewPCG(h, 1))
		w := make([]float32, v.Shape().Size())
		for i := range w {
			w[i] = float32(0.3 * r.NormFloat64())
		}
		setValue(t, v, tensors.FromFlatDataAndDimensions(w, v.Shape().Dimensions...))
	}
	return tensors.MustCopyFlatData[float32](exec.MustCall1(images))
}

// With weights of zero the network is its host, to the last bit; with others it is not.
func TestZeroResidualsAreTheHost(t *testing.T) {
	for _, name := range []string{"resnet18-hi", "plain18-hi"} {
		c := Tiny(Variants[name])
		c.Random = false
		with := output(t, c)
		c.Random = true
		random := output(t, c)
		c.Hi = false
		host := output(t, c)
		var distance float64
		for i := range host {
			if with[i] != host[i] {
				t.Fatalf("%s: logit %d is %g with residuals of zero and %g without any", name, i, with[i], host[i])
			}
			distance = max(distance, math.Abs(float64(random[i]-host[i])))
		}
		if distance < 1e-3 {
			t.Errorf("%s: residuals with weights change the output by %g only", name, distance)
		}
	}
}

func setValue(t *testing.T, v *model.Variable, value *tensors.Tensor) {
	t.Helper()
	if err := v.SetValue(value); err != nil {
		t.Fatal(err)
	}
}
