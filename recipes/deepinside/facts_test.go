package deepinside_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/attr"
	"fovea/recipes"
	"fovea/recipes/deepinside"
)

const batch, side, channels, classes = 2, 8, 3, 4

func images(seed uint64) *tensors.Tensor {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, batch*side*side*channels)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return tensors.FromFlatDataAndDimensions(x, batch, side, side, channels)
}

func seeded(t *testing.T) *model.Store {
	t.Helper()
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(4); err != nil {
		t.Fatal(err)
	}
	return store
}

func call(t *testing.T, b compute.Backend, store *model.Store, net recipes.Network, x *tensors.Tensor) []float32 {
	t.Helper()
	y, err := model.CallOnce(b, store, net, x)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](y)
}

func linear(s *model.Scope, x *graph.Node) *graph.Node {
	return layers.Dense(s.In("output"), layers.Flatten(x), classes)
}

// withoutReLU has the convolutions and poolings of a network, but nothing that the two ways of going back treat apart.
func withoutReLU(s *model.Scope, x *graph.Node) *graph.Node {
	x = layers.Conv(s.In("conv1"), x, layers.ConvOptions{Filters: 4})
	x = layers.MaxPool(x, layers.PoolOptions{})
	return layers.Dense(s.In("output"), layers.Flatten(x), classes)
}

// smooth has no kinks, so that finite differences are exact up to their order.
func smooth(s *model.Scope, x *graph.Node) *graph.Node {
	x = graph.Tanh(layers.Conv(s.In("conv1"), x, layers.ConvOptions{Filters: 4}))
	return layers.Dense(s.In("output"), layers.Flatten(x), classes)
}

// For S = w·I the saliency is |w|, whatever the image (section 3: eq. 3 is exact).
func TestLinearModelSaliencyIsWeights(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store := seeded(t)
		const class = 2
		for seed := range uint64(2) {
			maps, err := attr.Explain(b, store, linear, attr.Saliency, images(seed), class)
			if err != nil {
				t.Fatal(err)
			}
			w := tensors.MustCopyFlatData[float32](store.GetVariable("/output/weights").MustValue()) // [pixels·channels classes]
			got := tensors.MustCopyFlatData[float32](maps)
			for i := range got {
				p, want := i%(side*side), float32(0)
				for c := range channels {
					want = max(want, float32(math.Abs(float64(w[(p*channels+c)*classes+class]))))
				}
				if math.Abs(float64(got[i]-want)) > 1e-6 {
					t.Fatalf("pixel %d: saliency %g, weight %g", p, got[i], want)
				}
			}
		}
	})
}

// The gradient agrees with central finite differences of the score.
func TestSaliencyEqualsFiniteDifferences(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store, x := seeded(t), images(3)
		const class, step = 1, 1e-2
		maps, err := attr.Explain(b, store, smooth, attr.InputGradient, x, class)
		if err != nil {
			t.Fatal(err)
		}
		gradient := tensors.MustCopyFlatData[float32](maps)
		flat := tensors.MustCopyFlatData[float32](x)
		score := func(i int, d float32) float64 {
			moved := append([]float32(nil), flat...)
			moved[i] += d
			y := call(t, b, store, smooth, tensors.FromFlatDataAndDimensions(moved, batch, side, side, channels))
			return float64(y[i/(side*side*channels)*classes+class])
		}
		var difference, norm float64
		for i := 0; i < len(flat); i += 37 {
			numeric := (score(i, step) - score(i, -step)) / (2 * step)
			difference += (numeric - float64(gradient[i])) * (numeric - float64(gradient[i]))
			norm += numeric * numeric
		}
		if relative := math.Sqrt(difference / norm); relative > 1e-3 {
			t.Errorf("the gradient differs from finite differences by %g of its size", relative)
		}
	})
}

// Deconvolutional networks go back through convolutions and poolings as the gradient does (section 4); ReLU is where they differ.
func TestDeconvnetIsGradientWithoutReLU(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		compare := func(net attr.Network) float64 {
			store, x := seeded(t), images(5)
			gradient, err := attr.Explain(b, store, net, attr.InputGradient, x, 0)
			if err != nil {
				t.Fatal(err)
			}
			deconvnet, err := attr.Explain(b, store, net, attr.Deconvnet, x, 0)
			if err != nil {
				t.Fatal(err)
			}
			g, d := tensors.MustCopyFlatData[float32](gradient), tensors.MustCopyFlatData[float32](deconvnet)
			largest := 0.0
			for i := range g {
				largest = max(largest, math.Abs(float64(g[i]-d[i])))
			}
			return largest
		}
		if d := compare(withoutReLU); d > 1e-6 {
			t.Errorf("without ReLU the maps differ by %g", d)
		}
		if d := compare(attr.Network(deepinside.Classifier(classes))); d < 1e-4 {
			t.Errorf("with ReLU the maps differ by %g only", d)
		}
	})
}

// The score is the logit: the gradient of the softmax is another one.
func TestSaliencyUsesLogits(t *testing.T) {
	b, store, x := backendtest.ForTest(t), seeded(t), images(6)
	host := deepinside.Classifier(classes)
	ofRecipe := call(t, b, store, deepinside.Saliency(host), x)
	gradientOf := func(output func(*graph.Node) *graph.Node) []float32 {
		return call(t, b, store, func(s *model.Scope, x *graph.Node) *graph.Node {
			top := graph.ReduceAllSum(graph.ReduceMax(output(host(s, x)), -1))
			return graph.ReduceMax(graph.Abs(graph.Gradient(top, x)[0]), -1)
		}, x)
	}
	logits := gradientOf(func(y *graph.Node) *graph.Node { return y })
	softmax := gradientOf(func(y *graph.Node) *graph.Node { return graph.Softmax(y) })
	var fromLogits, fromSoftmax float64
	for i := range ofRecipe {
		fromLogits = max(fromLogits, math.Abs(float64(ofRecipe[i]-logits[i])))
		fromSoftmax = max(fromSoftmax, math.Abs(float64(ofRecipe[i]-softmax[i])))
	}
	if fromLogits > 1e-6 || fromSoftmax < 1e-3 {
		t.Errorf("the map differs from the logits' by %g and from the softmax's by %g", fromLogits, fromSoftmax)
	}
}

func TestMapHasImageShapeAndIsNotNegative(t *testing.T) {
	y, err := model.CallOnce(backendtest.ForTest(t), seeded(t), deepinside.Saliency(deepinside.Classifier(classes)), images(7))
	if err != nil {
		t.Fatal(err)
	}
	if err := y.Shape().CheckDims(batch, side, side); err != nil {
		t.Error(err)
	}
	for _, v := range tensors.MustCopyFlatData[float32](y) {
		if !(v >= 0) {
			t.Fatalf("a saliency is %g", v)
		}
	}
}
