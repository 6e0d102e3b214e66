package layers_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/layertest"
)

func near(t *testing.T, what string, got []float64, want ...float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= 1e-5*max(1, math.Abs(want[i]))) {
			t.Errorf("%s: got %.6v, want %.6v", what, got, want)
			return
		}
	}
}

func run(t *testing.T, b compute.Backend, f func(x *graph.Node) *graph.Node, x *tensors.Tensor) []float64 {
	t.Helper()
	y, err := graph.CallOnce(b, f, x)
	if err != nil {
		t.Fatal(err)
	}
	return layertest.Floats(y)
}

func column(values ...float32) *tensors.Tensor { // [1 n 1]
	return tensors.FromFlatDataAndDimensions(values, 1, len(values), 1)
}

// The first outputs of a convolution with ones tell where padding lies.
func TestPadding(t *testing.T) {
	b := layertest.Go()
	for _, test := range []struct {
		name string
		o    layers.ConvOptions
		size int
		want []float64
	}{
		{"same, odd", layers.ConvOptions{}, 3, []float64{3, 6, 9, 7}},
		{"same, even: larger half at the end", layers.ConvOptions{}, 2, []float64{3, 5, 7, 4}},
		{"same, stride 2", layers.ConvOptions{Stride: 2}, 3, []float64{3, 9}},
		{"TensorFlow, stride 2, even input: nothing in front", layers.ConvOptions{Stride: 2, Pad: layers.SameTF}, 3, []float64{6, 7}},
		{"valid", layers.ConvOptions{Pad: layers.Valid}, 3, []float64{6, 9}},
		{"explicit", layers.ConvOptions{Pad: layers.Pads(0, 2)}, 3, []float64{6, 9, 7, 4}},
		{"explicit, more than the window", layers.ConvOptions{Pad: layers.Pads(3, 0)}, 2, []float64{0, 0, 1, 3, 5, 7}},
		{"dilated", layers.ConvOptions{Dilation: 2}, 2, []float64{0 + 2, 1 + 3, 2 + 4, 3 + 0}},
	} {
		got := run(t, b, func(x *graph.Node) *graph.Node {
			return layers.Convolution(x, graph.Ones(x.Graph(), shapes.Make(dtypes.Float32, test.size, 1, 1)), test.o)
		}, column(1, 2, 3, 4))
		near(t, test.name, got, test.want...)
	}
}

func TestPoolValues(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		x := column(-1, -3, -2, -5, -4)
		pool := func(f func(*graph.Node, layers.PoolOptions) *graph.Node, o layers.PoolOptions) []float64 {
			return run(t, b, func(x *graph.Node) *graph.Node { return f(x, o) }, x)
		}
		near(t, "max", pool(layers.MaxPool, layers.PoolOptions{}), -1, -2)
		near(t, "padding never wins", pool(layers.MaxPool, layers.PoolOptions{Size: 3, Stride: 2, Pad: layers.Same}), -1, -2, -4)
		near(t, "mean counts padding", pool(layers.MeanPool, layers.PoolOptions{Size: 3, Stride: 2, Pad: layers.Same}), -4./3, -10./3, -3)
		near(t, "or not", pool(layers.MeanPool, layers.PoolOptions{Size: 3, Stride: 2, Pad: layers.Same, IgnorePadding: true}), -2, -10./3, -4.5)
		// Of equal values the first one has the gradient.
		got := run(t, b, func(x *graph.Node) *graph.Node {
			return graph.Gradient(graph.ReduceAllSum(layers.MaxPool(x, layers.PoolOptions{})), x)[0]
		}, column(2, 2, 0, 1))
		near(t, "gradient of ties", got, 1, 0, 0, 1)
	})
}

func TestReLUAtZeroAndTwice(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		x := column(-2, 0, 3)
		near(t, "gradient", run(t, b, func(x *graph.Node) *graph.Node {
			return graph.Gradient(graph.ReduceAllSum(layers.ReLU(x)), x)[0]
		}, x), 0, 0, 1)
		// d/dx of (d relu(x)³/dx) = 6·relu(x): it needs the second derivative of what ReLU stands in.
		near(t, "second derivative", run(t, b, func(x *graph.Node) *graph.Node {
			y := layers.ReLU(x)
			first := graph.Gradient(graph.ReduceAllSum(graph.Mul(y, graph.Square(y))), x)[0]
			return graph.Gradient(graph.ReduceAllSum(first), x)[0]
		}, x), 0, 0, 18)
	})
}

// The rules differ only in what passes a ReLU on the way back (Springenberg et al. 2015, figure 1c).
func TestReLURules(t *testing.T) {
	b := layertest.Go()
	weights := []float32{1, -1, -1, 1} // the gradient that arrives
	for rule, want := range map[layers.ReLURule][]float64{
		layers.ReLUGradient:  {1, -1, 0, 0},
		layers.ReLUDeconvnet: {1, 0, 0, 1},
		layers.ReLUGuided:    {1, 0, 0, 0},
	} {
		got := run(t, b, func(x *graph.Node) *graph.Node {
			var y *graph.Node
			layers.WithReLURule(x.Graph(), rule, func() { y = layers.ReLU(x) })
			up := graph.Reshape(graph.Const(x.Graph(), weights), 1, 4, 1)
			plain := graph.Gradient(graph.ReduceAllSum(layers.ReLU(x)), x)[0] // built after: no rule
			gradient := graph.Gradient(graph.ReduceAllSum(graph.Mul(y, up)), x)[0]
			return graph.Concatenate([]*graph.Node{layers.Flatten(gradient), layers.Flatten(plain), layers.Flatten(y)}, 0)
		}, column(2, 3, -1, -4))
		near(t, rule.String(), got, append(want, 1, 1, 0, 0, 2, 3, 0, 0)...)
	}
}

// Second derivatives pass a network of stride 1: gradient penalties need them.
func TestSecondOrder(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		layertest.CheckGradient(t, b, layertest.NewStore(1), func(s *model.Scope, x *graph.Node) *graph.Node {
			y := layers.ReLU(layers.Conv(s.In("conv"), x, layers.ConvOptions{Filters: 2}))
			y = layers.MaxPool(y, layers.PoolOptions{})
			y = layers.Dense(s.In("dense"), layers.Flatten(y), 1)
			gradient := graph.Gradient(graph.ReduceAllSum(graph.Square(y)), x)[0]
			return graph.ReduceAllSum(graph.Square(gradient))
		}, layertest.Random[float64](3, 2, 4, 4, 1), 1e-4)
	})
}

func TestBatchNormStatistics(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store := layertest.NewStore(1)
		x := tensors.FromFlatDataAndDimensions([]float32{1, 2, 3, 6}, 4, 1) // mean 3, variance 3.5, unbiased 14/3
		call := func(training bool) []float64 {
			y, err := model.CallOnce(b, store, func(s *model.Scope, x *graph.Node) *graph.Node {
				s.Store().SetTraining(x.Graph(), training)
				return layers.BatchNorm(s.In("norm"), x, layers.BatchNormOptions{})
			}, x)
			if err != nil {
				t.Fatal(err)
			}
			return layertest.Floats(y)
		}
		σ := math.Sqrt(3.5 + 1e-5)
		near(t, "training", call(true), -2/σ, -1/σ, 0, 3/σ)
		mean, variance := 0.9*0+0.1*3, 0.9*1+0.1*14./3
		near(t, "running mean", layertest.Floats(store.GetVariable("/norm/mean").MustValue()), mean)
		near(t, "running variance", layertest.Floats(store.GetVariable("/norm/variance").MustValue()), variance)
		σ = math.Sqrt(variance + 1e-5)
		near(t, "evaluation", call(false), (1-mean)/σ, (2-mean)/σ, (3-mean)/σ, (6-mean)/σ)
		near(t, "evaluation leaves the averages", layertest.Floats(store.GetVariable("/norm/mean").MustValue()), mean)
	})
}

// The random numbers of an initialiser may be infinite now and then; weights may not.
func TestWeightsAreFinite(t *testing.T) {
	store := model.NewStore()
	_, err := model.CallOnce(layertest.Go(), store, func(s *model.Scope, x *graph.Node) *graph.Node {
		s = s.WithInitializer(func(g *graph.Graph, shape shapes.Shape) *graph.Node {
			return graph.Div(graph.Ones(g, shape), graph.IotaFull(g, shape)) // 1/0 first
		})
		return layers.Dense(s, x, 2)
	}, layertest.Random[float32](1, 3, 2))
	if err != nil {
		t.Fatal(err)
	}
	near(t, "weights", layertest.Floats(store.GetVariable("/weights").MustValue()), 0, 1, 0.5, 1./3)
}

func TestDropout(t *testing.T) {
	b := layertest.Go()
	store := layertest.NewStore(1)
	ones := tensors.FromFlatDataAndDimensions(slices.Repeat([]float32{1}, 10000), 100, 100)
	y, err := model.CallOnce(b, store, func(s *model.Scope, x *graph.Node) *graph.Node {
		s.Store().SetTraining(x.Graph(), true)
		return layers.Dropout(s, x, 0.3)
	}, ones)
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for _, v := range layertest.Floats(y) {
		switch {
		case v == 0:
		case math.Abs(v-1/0.7) < 1e-6:
			kept++
		default:
			t.Fatalf("value %g, want 0 or 1/0.7", v)
		}
	}
	if kept < 6800 || kept > 7200 { // 7000 ± 46
		t.Errorf("%d of 10000 values kept at rate 0.3", kept)
	}
}

func TestPanicsSayWhatToDo(t *testing.T) {
	b := layertest.Go()
	image := layertest.Random[float32](1, 2, 4, 4, 3)
	for want, f := range map[string]func(s *model.Scope, x *graph.Node) *graph.Node{
		"Filters is 0":             conv(layers.ConvOptions{}),
		"2 groups must divide":     conv(layers.ConvOptions{Filters: 4, Groups: 2}),
		"window of 7 does not fit": conv(layers.ConvOptions{Filters: 4, Size: 7, Pad: layers.Valid}),
		"3 values of size for 2":   conv(layers.ConvOptions{Filters: 4, Sizes: []int{1, 2, 3}}),
		"0 ≤ rate < 1":             func(s *model.Scope, x *graph.Node) *graph.Node { return layers.Dropout(s, x, 1.5) },
		"[B T C], [B H W C]":       func(s *model.Scope, x *graph.Node) *graph.Node { return layers.GlobalMeanPool(layers.Flatten(x)) },
		"train with a larger batch": func(s *model.Scope, x *graph.Node) *graph.Node {
			s.Store().SetTraining(x.Graph(), true)
			return layers.BatchNorm(s, graph.Reshape(x, 1, -1), layers.BatchNormOptions{})
		},
	} {
		_, err := model.CallOnce(b, model.NewStore(), f, image)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestTaps(t *testing.T) {
	b := layertest.Go()
	var names []string
	var unknown, none error
	_, err := graph.CallOnce(b, func(x *graph.Node) *graph.Node {
		_, none = layers.TapNode(x.Graph(), "conv1")
		y := layers.Tap(graph.Neg(x), "zebra")
		z := layers.Tap(graph.Exp(y), "ape")
		names = layers.Taps(x.Graph())
		if got, err := layers.TapNode(x.Graph(), "zebra"); got != y || err != nil {
			t.Errorf("TapNode = %v, %v", got, err)
		}
		_, unknown = layers.TapNode(x.Graph(), "lion")
		return z
	}, column(1))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(names, []string{"zebra", "ape"}) {
		t.Errorf("taps %v, want zebra, ape in the order of the pass", names)
	}
	if unknown == nil || !strings.Contains(unknown.Error(), "zebra, ape") {
		t.Errorf("error %v does not list the taps", unknown)
	}
	if none == nil || !strings.Contains(none.Error(), "layers.Tap") {
		t.Errorf("error %v does not say how to make a tap", none)
	}
}

// Statistics behind sums of graph.Ones or joins with graph.Zeros get a wrong shape in training on the pure-Go backend of
// compute v0.1.6, so the layers use neither.
func TestNormBehindPooling(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store := model.NewStore()
		exec := model.MustNewExec1(b, store, func(s *model.Scope, x *graph.Node) *graph.Node {
			s.Store().SetTraining(x.Graph(), true)
			x = layers.MeanPool(x, layers.PoolOptions{Size: 3, Stride: 1, Pad: layers.Same, IgnorePadding: true})
			x = layers.Conv(s.In("conv"), x, layers.ConvOptions{Filters: 4, NoBias: true})
			return layers.BatchNorm(s.In("norm"), x, layers.BatchNormOptions{})
		})
		defer exec.Finalize()
		for range 2 {
			if _, err := exec.Call1(tensors.FromFlatDataAndDimensions(make([]float32, 2*6*6*3), 2, 6, 6, 3)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
