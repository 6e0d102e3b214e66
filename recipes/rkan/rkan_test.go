package rkan

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
	"fovea/layers/resnet"
)

func parameters(t *testing.T, net func(*model.Scope, *graph.Node) *graph.Node, shape ...int) int {
	t.Helper()
	s, err := layers.Summarize(backendtest.ForTest(t), net, shapes.Make(dtypes.Float32, shape...))
	if err != nil {
		t.Fatal(err)
	}
	return s.Parameters()
}

// A KAN convolution has 54 parameters whatever the width; beside stage 4 of ResNet-34 the path has 197,686.
func TestParameters(t *testing.T) {
	for _, channels := range []int{1, 16, 64} {
		if n := parameters(t, func(s *model.Scope, x *graph.Node) *graph.Node { return KANConv(s, x, 1) }, 1, 4, 4, channels); n != 54 {
			t.Errorf("with %d channels it has %d parameters, want 54", channels, n)
		}
	}
	c := Variants["resnet34"]
	plain := parameters(t, Model(c), 1, 32, 32, 3)
	if n := parameters(t, Model(Variants["resnet34-4"]), 1, 32, 32, 3) - plain; n != 197_686 {
		t.Errorf("the path beside stage 4 has %d parameters, want 197,686", n)
	}
}

func random(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// Tₙ(cos θ) = cos nθ, and |Tₙ(tanh x)| ≤ 1.
func TestChebyshev(t *testing.T) {
	exec := graph.MustNewExec(backendtest.ForTest(t), func(x *graph.Node) []*graph.Node { return Chebyshev(x, 5) })
	defer exec.Finalize()
	angles, bounded := make([]float32, 50), random(1, 50)
	cosines := make([]float32, 50)
	for i := range angles {
		angles[i] = float32(i) * math.Pi / 49
		cosines[i] = float32(math.Cos(float64(angles[i])))
		bounded[i] = float32(math.Tanh(3 * float64(bounded[i])))
	}
	for n, values := range exec.MustCall(tensors.FromFlatDataAndDimensions(cosines, 50)) {
		for i, v := range tensors.MustCopyFlatData[float32](values) {
			if want := math.Cos(float64(n) * float64(angles[i])); math.Abs(float64(v)-want) > 2e-5 {
				t.Fatalf("T%d(cos %g) = %g, want %g", n, angles[i], v, want)
			}
		}
	}
	for n, values := range exec.MustCall(tensors.FromFlatDataAndDimensions(bounded, 50)) {
		for _, v := range tensors.MustCopyFlatData[float32](values) {
			if math.Abs(float64(v)) > 1+1e-5 {
				t.Fatalf("|T%d| reaches %g", n, v)
			}
		}
	}
}

// kanConv evaluates KANConv with given variables.
func kanConv(t *testing.T, x []float32, size, channels, stride int, linear, scale, chebyshev []float32) []float32 {
	t.Helper()
	store := model.NewStore()
	exec := model.MustNewExec1(backendtest.ForTest(t), store, func(s *model.Scope, x *graph.Node) *graph.Node { return KANConv(s, x, stride) })
	defer exec.Finalize()
	images := tensors.FromFlatDataAndDimensions(x, 1, size, size, channels)
	exec.MustCall1(images).MustFinalizeAll()
	setValue(t, store.GetVariable("/linear"), tensors.FromFlatDataAndDimensions(linear, 9))
	setValue(t, store.GetVariable("/scale"), tensors.FromFlatDataAndDimensions(scale, 9))
	setValue(t, store.GetVariable("/chebyshev"), tensors.FromFlatDataAndDimensions(chebyshev, 9, 4))
	return tensors.MustCopyFlatData[float32](exec.MustCall1(images))
}

// The convolution is the formula, pixel by pixel, computed here without a graph; the padding is an image of zeros.
func TestKANConvIsTheFormula(t *testing.T) {
	const size, channels = 5, 2
	x := random(2, size*size*channels)
	linear, scale, chebyshev := random(3, 9), random(4, 9), random(5, 36)
	at := func(y, x0, c int) float64 {
		if y < 0 || y >= size || x0 < 0 || x0 >= size {
			return 0
		}
		return float64(x[(y*size+x0)*channels+c])
	}
	for _, stride := range []int{1, 2} {
		got := kanConv(t, x, size, channels, stride, linear, scale, chebyshev)
		out := (size + stride - 1) / stride
		for i := range got {
			c, px, py := i%channels, i/channels%out*stride, i/channels/out*stride
			var want float64
			for tap := range 9 {
				v := at(py+tap/3-1, px+tap%3-1, c)
				want += float64(linear[tap]) * v
				angle := math.Acos(math.Tanh(v))
				for n := range 4 {
					want += float64(scale[tap]) * float64(chebyshev[4*tap+n]) * math.Cos(float64(n)*angle)
				}
			}
			if math.Abs(float64(got[i])-want) > 1e-4*(1+math.Abs(want)) {
				t.Fatalf("stride %d, value %d: %g, the formula gives %g", stride, i, got[i], want)
			}
		}
	}
}

// Without polynomials it is a depthwise convolution with one kernel for all channels.
func TestZeroChebyshevIsDepthwise(t *testing.T) {
	const size, channels = 6, 3
	x, linear := random(6, size*size*channels), random(7, 9)
	got := kanConv(t, x, size, channels, 1, linear, random(8, 9), make([]float32, 36))
	store := model.NewStore()
	exec := model.MustNewExec1(backendtest.ForTest(t), store, func(s *model.Scope, x *graph.Node) *graph.Node {
		return layers.Conv(s, x, layers.ConvOptions{Filters: channels, Groups: channels, NoBias: true})
	})
	defer exec.Finalize()
	images := tensors.FromFlatDataAndDimensions(x, 1, size, size, channels)
	exec.MustCall1(images).MustFinalizeAll()
	var kernel []float32
	for _, w := range linear {
		for range channels {
			kernel = append(kernel, w)
		}
	}
	setValue(t, store.GetVariable("/weights"), tensors.FromFlatDataAndDimensions(kernel, 3, 3, 1, channels))
	for i, want := range tensors.MustCopyFlatData[float32](exec.MustCall1(images)) {
		if math.Abs(float64(got[i]-want)) > 1e-5 {
			t.Fatalf("value %d is %g, the depthwise convolution gives %g", i, got[i], want)
		}
	}
}

// A normalisation with a scale of zero turns the path off, to the last bit.
func TestZeroScaleIsTheHost(t *testing.T) {
	c := Tiny(Variants["resnet34-3"])
	store := model.NewStore()
	x := tensors.FromFlatDataAndDimensions(random(9, 2*16*16*3), 2, 16, 16, 3)
	run := func(net func(*model.Scope, *graph.Node) *graph.Node) []float32 {
		exec := model.MustNewExec1(backendtest.ForTest(t), store, net)
		defer exec.Finalize()
		return tensors.MustCopyFlatData[float32](exec.MustCall1(x))
	}
	with := run(Model(c))
	for _, stage := range []string{"/layer3/0", "/layer4/0"} {
		v := store.GetVariable(stage + "/rkan/norm/scale")
		setValue(t, v, tensors.FromFlatDataAndDimensions(make([]float32, v.Shape().Size()), v.Shape().Dimensions...))
	}
	off, host := run(Model(c)), run(resnet.Network(c.Host, resnet.Hooks{}))
	for i := range host {
		if off[i] != host[i] {
			t.Fatalf("logit %d is %g with the path off and %g without it", i, off[i], host[i])
		}
	}
	if with[0] == off[0] {
		t.Error("the path makes no difference when it is on")
	}
}

func setValue(t *testing.T, v *model.Variable, value *tensors.Tensor) {
	t.Helper()
	if err := v.SetValue(value); err != nil {
		t.Fatal(err)
	}
}
