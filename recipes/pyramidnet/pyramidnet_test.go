package pyramidnet

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
)

// Channels at the end of the network, tables 4 and 5.
func TestOutputWidths(t *testing.T) {
	for name, want := range map[string]int{
		"110-a48": 64, "110-a84": 100, "110-a270": 286, "164-a48": 256, "164-a84": 400, "164-a270": 1144, "272-a200": 864,
	} {
		c := Variants[name]
		widths := c.Widths()
		got := widths[len(widths)-1]
		if c.Bottleneck {
			got *= 4
		}
		if got != want {
			t.Errorf("%s: %d channels, want %d", name, got, want)
		}
	}
}

// Millions of parameters of the bottleneck networks, without those of the normalisations as the paper counts them, and with.
func TestParameters(t *testing.T) {
	b := backendtest.ForTest(t)
	for name, want := range map[string][2]float64{
		"164-a270": {27.05, 27.22}, "200-a240": {26.57, 26.75}, "236-a220": {26.77, 26.97}, "272-a200": {26.00, 26.21},
	} {
		c := Variants[name]
		s, err := layers.Summarize(b, Model(c), shapes.Make(dtypes.Float32, 1, 32, 32, 3))
		if err != nil {
			t.Fatal(err)
		}
		norms := 0
		for _, row := range s.Rows {
			if strings.Contains(row.Scope, "bn") {
				norms += row.Parameters
			}
		}
		for i, n := range []int{s.Parameters() - norms, s.Parameters()} {
			if millions := float64(n) / 1e6; math.Abs(millions-want[i]) > 0.005 {
				t.Errorf("%s: %.3f million parameters (normalisations: %v), want %.2f", name, millions, i == 1, want[i])
			}
		}
	}
}

func noise(n int) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// The channels that are new in a sum are those of the branch; the others have the shortcut in them.
func TestNewChannelsAreTheBranch(t *testing.T) {
	const in, out = 3, 5
	exec := graph.MustNewExec(backendtest.ForTest(t), func(x *graph.Node) []*graph.Node {
		return []*graph.Node{shortcut(x, out, 1), shortcut(x, out, 2)}
	})
	defer exec.Finalize()
	x := noise(4 * 4 * in)
	values := exec.MustCall(tensors.FromFlatDataAndDimensions(x, 1, 4, 4, in))
	for i, v := range tensors.MustCopyFlatData[float32](values[0]) {
		want := float32(0)
		if c := i % out; c < in {
			want = x[i/out*in+c]
		}
		if v != want {
			t.Fatalf("value %d of the shortcut is %g, want %g", i, v, want)
		}
	}
	halved := values[1].Shape().Dimensions
	if halved[1] != 2 || halved[2] != 2 || halved[3] != out {
		t.Errorf("halved: %v", halved)
	}
	mean := (x[0] + x[in] + x[4*in] + x[5*in]) / 4
	if got := tensors.MustCopyFlatData[float32](values[1])[0]; math.Abs(float64(got-mean)) > 1e-6 {
		t.Errorf("the first pixel is %g, want the mean of four, %g", got, mean)
	}
}

// Gates of one change nothing, and a gate of zero changes the output.
func TestGates(t *testing.T) {
	c := Tiny(Variants["110-a48"])
	b := backendtest.ForTest(t)
	store := model.NewStore()
	x := tensors.FromFlatDataAndDimensions(noise(2*16*16*3), 2, 16, 16, 3)
	gated := model.MustNewExec1(b, store, func(s *model.Scope, x, gates *graph.Node) *graph.Node { return build(s, x, c, gates) })
	defer gated.Finalize()
	all := tensors.MustCopyFlatData[float32](gated.MustCall1(x, []float32{1, 1, 1}))
	plain := model.MustNewExec1(b, store, Model(c))
	defer plain.Finalize()
	for i, v := range tensors.MustCopyFlatData[float32](plain.MustCall1(x)) {
		if math.Abs(float64(v-all[i])) > 1e-5 {
			t.Fatalf("logit %d is %g with open gates and %g without any", i, all[i], v)
		}
	}
	for k := range 3 {
		gates := []float32{1, 1, 1}
		gates[k] = 0
		if out := tensors.MustCopyFlatData[float32](gated.MustCall1(x, gates)); out[0] == all[0] {
			t.Errorf("without unit %d the output is the same", k)
		}
	}
}

// The claim's networks have equal multiply-adds within 3 %.
func TestEqualWork(t *testing.T) {
	b := backendtest.ForTest(t)
	macs := func(c Config) float64 {
		s, err := layers.Summarize(b, Model(c), shapes.Make(dtypes.Float32, 1, c.Size, c.Size, 3))
		if err != nil {
			t.Fatal(err)
		}
		return float64(s.MACs())
	}
	pyramid, steps := macs(small(Additive)), macs(small(Steps))
	if ratio := pyramid / steps; math.Abs(ratio-1) > 0.03 {
		t.Errorf("PyramidNet has %.3f times the multiply-adds of the residual network", ratio)
	}
}
