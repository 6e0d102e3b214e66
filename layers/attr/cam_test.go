package attr_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/attr"
	"fovea/layers/layertest"
)

// flattened is a classifier whose last feature maps [B 4 4 3] are flattened, not averaged: gradients vary over space.
// It is piecewise linear above the tap, so that derivatives of its score beyond the first are zero.
func flattened(s *model.Scope, x *Node) *Node { // [B 8 8 2]
	x = layers.ReLU(layers.Conv(s.In("conv1"), x, layers.ConvOptions{Filters: 4}))
	x = layers.MaxPool(x, layers.PoolOptions{}) // [B 4 4 4]
	x = layers.Tap(layers.ReLU(layers.Conv(s.In("conv2"), x, layers.ConvOptions{Filters: 3})), "conv2")
	x = layers.ReLU(layers.Dense(s.In("hidden"), layers.Flatten(x), 7))
	return layers.Dense(s.In("dense"), x, 3)
}

// averaged ends in global mean pooling and a linear layer.
func averaged(s *model.Scope, x *Node) *Node {
	x = layers.ReLU(layers.Conv(s.In("conv1"), x, layers.ConvOptions{Filters: 4}))
	x = layers.Tap(layers.ReLU(layers.Conv(s.In("conv2"), x, layers.ConvOptions{Filters: 5, Stride: 2})), "conv2")
	return layers.Dense(s.In("dense"), layers.GlobalMeanPool(x), 3)
}

func images(n int) *tensors.Tensor { return layertest.Random[float32](7, n, 8, 8, 2) }

// scaled divides each map by its largest value.
func scaled(maps []float64, n int) []float64 {
	var all []float64
	for m := range slices.Chunk(maps, len(maps)/n) {
		largest := slices.Max(m)
		for _, v := range m {
			all = append(all, v/largest)
		}
	}
	return all
}

func TestGradCAMIsCAMBeforeGlobalMeanPooling(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store, x, classes := layertest.NewStore(1), images(3), []int{0, 2, 1}
		cam := explain(t, b, store, averaged, attr.AtTapSize(attr.CAM("conv2", "dense")), x, classes...)
		if len(cam) != 3*4*4 || slices.Max(cam) <= 0 || slices.Min(cam) < 0 {
			t.Fatalf("%d values from %g to %g", len(cam), slices.Min(cam), slices.Max(cam))
		}
		grad := explain(t, b, store, averaged, attr.AtTapSize(attr.GradCAM("conv2")), x, classes...)
		for i := range grad {
			grad[i] *= 16 // Grad-CAM's weights are those of CAM divided by the number of places, twice over: ∂mean/∂A and the mean
		}
		near(t, "map", grad, cam, 1e-5)
		// What weighs values one by one is the same thing here too.
		near(t, "HiResCAM", scaled(explain(t, b, store, averaged, attr.AtTapSize(attr.HiResCAM("conv2")), x, classes...), 3), scaled(cam, 3), 1e-5)
		near(t, "XGradCAM", scaled(explain(t, b, store, averaged, attr.AtTapSize(attr.XGradCAM("conv2")), x, classes...), 3), scaled(cam, 3), 1e-5)
	})
}

// α follows from the second and third derivatives of exp(S), here by differentiating differences of first derivatives:
// GoMLX's automatic differentiation has no third derivatives. For a piecewise linear network S is linear along each A_ij near where it is,
// so S(A + h·e) is known exactly, and derivatives of exp(S) along e are those of a function of one variable.
func TestAlphaIsOfHigherDerivatives(t *testing.T) {
	b, store := layertest.Go(), layertest.NewStore(1)
	x := layertest.Random[float64](7, 1, 8, 8, 2)
	above := func(s *model.Scope, a *Node) *Node {
		h := layers.ReLU(layers.Dense(s.In("hidden"), layers.Flatten(a), 7))
		return SliceAxis(layers.Dense(s.In("dense"), h, 3), -1, AxisElem(1))
	}
	exec, err := model.NewExec(b, store, func(s *model.Scope, x *Node) []*Node {
		a, g := attr.FeatureGradient(s, flattened, x, func(y *Node) *Node { return Reshape(SliceAxis(y, -1, AxisElem(1)), -1) }, "conv2")
		return []*Node{a, attr.PlusPlusAlpha(a, g)}
	})
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := exec.Call(x)
	if err != nil {
		t.Fatal(err)
	}
	a, alpha := layertest.Floats(outputs[0]), layertest.Floats(outputs[1])

	// Automatic differentiation twice: the gradient of exp(S), and for each neuron the derivative of its own gradient.
	derivatives, err := model.NewExec(b, store, func(s *model.Scope, a, direction *Node) (first, second *Node) {
		y := ReduceAllSum(Exp(above(s, a)))
		gradient := ReduceAllSum(Mul(Gradient(y, a)[0], direction))
		return gradient, ReduceAllSum(Mul(Gradient(gradient, a)[0], direction))
	})
	if err != nil {
		t.Fatal(err)
	}
	second := func(a []float64, i int) float64 {
		direction := make([]float64, len(a))
		direction[i] = 1
		outputs, err := derivatives.Call(tensors.FromFlatDataAndDimensions(slices.Clone(a), 1, 4, 4, 3), tensors.FromFlatDataAndDimensions(direction, 1, 4, 4, 3))
		if err != nil {
			t.Fatal(err)
		}
		return layertest.Floats(outputs[1])[0]
	}
	sums := make([]float64, 3)
	for i, v := range a {
		sums[i%3] += v
	}
	nonzero := 0
	for i := range a {
		const h = 1e-5
		up, down := slices.Clone(a), slices.Clone(a)
		up[i] += h
		down[i] -= h
		d2, d3 := second(a, i), (second(up, i)-second(down, i))/(2*h)
		want := 0.0
		if denominator := 2*d2 + sums[i%3]*d3; denominator != 0 {
			want = d2 / denominator
		}
		if math.Abs(alpha[i]-want) > 1e-3*max(1, math.Abs(want)) {
			t.Errorf("α of value %d is %g, its derivatives give %g", i, alpha[i], want)
		}
		if want != 0 {
			nonzero++
		}
	}
	if nonzero < len(a)/2 {
		t.Errorf("only %d of %d α are not zero: the test shows little", nonzero, len(a))
	}
}

// Grad-CAM++ from its parts, in plain Go.
func TestGradCAMPlusPlusByHand(t *testing.T) {
	b, store, x := layertest.Go(), layertest.NewStore(1), images(2)
	exec, err := model.NewExec(b, store, func(s *model.Scope, x *Node) (a, g *Node) {
		return attr.FeatureGradient(s, flattened, x, func(y *Node) *Node { return Reshape(SliceAxis(y, -1, AxisElem(1)), -1) }, "conv2")
	})
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := exec.Call(x)
	if err != nil {
		t.Fatal(err)
	}
	features, gradients := layertest.Floats(outputs[0]), layertest.Floats(outputs[1])
	for _, normalize := range []bool{false, true} {
		var want []float64
		for n := range 2 {
			a, g := features[n*48:][:48], gradients[n*48:][:48]
			var sums, totals, weights [3]float64
			for i, v := range a {
				sums[i%3] += v
			}
			alpha := make([]float64, 48)
			for i := range a {
				denominator := 2*g[i]*g[i] + sums[i%3]*g[i]*g[i]*g[i]
				if denominator == 0 {
					denominator = 1
				}
				alpha[i] = g[i] * g[i] / denominator
				totals[i%3] += alpha[i]
			}
			for i := range a {
				if normalize && totals[i%3] != 0 {
					alpha[i] /= totals[i%3]
				}
				weights[i%3] += alpha[i] * max(g[i], 0)
			}
			for place := range 16 {
				v := 0.0
				for k := range 3 {
					v += weights[k] * a[place*3+k]
				}
				want = append(want, max(v, 0))
			}
		}
		method := attr.AtTapSize(attr.GradCAMPlusPlusWith("conv2", attr.PlusPlusOptions{Normalize: normalize}))
		got := explain(t, b, store, flattened, method, x, 1)
		near(t, "map", got, want, 1e-4)
	}
	// One sample without noise, consistently: the same.
	smooth := attr.SmoothCAMOptions{SmoothOptions: attr.SmoothOptions{Samples: 1, Noise: -1}}
	plain := explain(t, b, store, flattened, attr.GradCAMPlusPlus("conv2"), x, 1)
	near(t, "smooth", explain(t, b, store, flattened, attr.SmoothGradCAMPlusPlus("conv2", smooth), x, 1), plain, 1e-6)
	smooth.Maps = []int{2, 0, 1}
	for i := range 16 {
		smooth.Neurons = append(smooth.Neurons, [2]int{i / 4, i % 4})
	}
	near(t, "all neurons", explain(t, b, store, flattened, attr.SmoothGradCAMPlusPlus("conv2", smooth), x, 1), plain, 1e-6)
	smooth.Neurons = smooth.Neurons[:4]
	upper := explain(t, b, store, flattened, attr.AtTapSize(attr.SmoothGradCAMPlusPlus("conv2", smooth)), x, 1)
	if below := slices.Max(upper[4:16]); below != 0 {
		t.Errorf("neurons of the first row alone, and %g shown in another", below)
	}
}

// Multiplying a logit by a constant multiplies Grad-CAM's map, but makes another one of Grad-CAM++.
func TestScaleOfTheScore(t *testing.T) {
	b, store, x := layertest.Go(), layertest.NewStore(1), images(1)
	double := func(s *model.Scope, x *Node) *Node { return MulScalar(flattened(s, x), 2.0) }
	difference := func(method attr.Method) (d float64) {
		method = attr.AtTapSize(method)
		one := scaled(explain(t, b, store, flattened, method, x, 1), 1)
		for i, v := range scaled(explain(t, b, store, double, method, x, 1), 1) {
			d = max(d, math.Abs(v-one[i]))
		}
		return d
	}
	if d := difference(attr.GradCAM("conv2")); d > 1e-5 {
		t.Errorf("Grad-CAM of twice the score differs by %g", d)
	}
	if d := difference(attr.GradCAMPlusPlus("conv2")); d < 1e-3 {
		t.Errorf("Grad-CAM++ of twice the score differs by %g only", d)
	}
}

func TestTapErrors(t *testing.T) {
	b, store, x := layertest.Go(), layertest.NewStore(1), images(2)
	cut := func(s *model.Scope, x *Node) *Node {
		a := layers.Tap(layers.Conv(s.In("conv1"), x, layers.ConvOptions{Filters: 4}), "beside")
		return layers.Dense(s.In("dense"), layers.Flatten(Add(StopGradient(a), ConvertDType(GreaterThan(a, ZerosLike(a)), a.DType()))), 3)
	}
	hidden := func(s *model.Scope, x *Node) *Node {
		return layers.Dense(s.In("dense"), layers.Tap(layers.Dense(s.In("hidden"), layers.Flatten(x), 4), "hidden"), 3)
	}
	for name, test := range map[string]struct {
		network attr.Network
		method  attr.Method
		images  *tensors.Tensor
		class   int
		want    string
	}{
		"unknown tap":   {flattened, attr.GradCAM("conv9"), x, 0, `no tap "conv9": the network has conv2`},
		"no taps":       {linear, attr.GradCAM("conv9"), layertest.Random[float32](1, 2, 3, 3, 2), 0, "has no taps"},
		"no path":       {cut, attr.GradCAM("beside"), x, 0, "no differentiable path from the tap beside"},
		"no path image": {cut, attr.Saliency, x, 0, "no differentiable path from the image"},
		"no space":      {hidden, attr.GradCAM("hidden"), x, 0, "want feature maps [B h w C]"},
		"class":         {flattened, attr.GradCAM("conv2"), x, 3, "class 3, the network has the classes 0 to 2"},
		"image size":    {flattened, attr.GradCAM("conv2"), layertest.Random[float32](1, 2, 9, 12, 2), 0, "cannot be built for images (Float32)[2, 9, 12, 2]"},
		"head":          {averaged, attr.CAM("conv2", "output"), x, 0, "has no variable /output/weights"},
		"other head":    {averaged, attr.CAM("conv2", "conv1"), x, 0, "no weights for the means of 5 feature maps"},
		"feature map":   {flattened, attr.SmoothGradCAMPlusPlus("conv2", attr.SmoothCAMOptions{Maps: []int{3}}), x, 0, "the maps 0 to 2"},
		"neuron":        {flattened, attr.SmoothGradCAMPlusPlus("conv2", attr.SmoothCAMOptions{Neurons: [][2]int{{0, 4}}}), x, 0, "row 0, column 4"},
	} {
		store := layertest.NewStore(1)
		if strings.HasPrefix(name, "image size") { // the weights are there, for another size
			explain(t, b, store, test.network, attr.Saliency, x, 0)
		}
		_, err := attr.Explain(b, store, test.network, test.method, test.images, test.class)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
	_ = store
}
