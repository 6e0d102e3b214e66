package gradcampp_test

import (
	"math"
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
	"fovea/recipes/gradcampp"
)

// pooled ends in a mean over space and a linear layer, flat in linear layers over the whole map.
func pooled(s *model.Scope, x *Node) *Node {
	x = layers.Tap(layers.ReLU(layers.Conv(s.In("conv"), x, layers.ConvOptions{Filters: 5})), "conv") // [B 6 6 5]
	return layers.Dense(s.In("output"), layers.GlobalMeanPool(x), 3)
}

func flat(s *model.Scope, x *Node) *Node {
	x = layers.Tap(layers.ReLU(layers.Conv(s.In("conv"), x, layers.ConvOptions{Filters: 5})), "conv") // [B 6 6 5]
	x = layers.Flatten(layers.MaxPool(x, layers.PoolOptions{}))                                       // [B 45]
	return layers.Dense(s.In("output"), layers.ReLU(layers.Dense(s.In("hidden"), x, 8)), 3)
}

func explain(t *testing.T, b compute.Backend, net attr.Network, m attr.Method) []float64 {
	t.Helper()
	maps, err := attr.Explain(b, layertest.NewStore(1), net, m, layertest.Random[float32](2, 3, 6, 6, 2), 0, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	return layertest.Floats(maps)
}

// distance is the largest difference between maps of images that are scaled to a largest value of one.
func distance(a, b []float64, images int) float64 {
	n, largest := len(a)/images, 0.0
	for i := range images {
		topA, topB := 0.0, 0.0
		for p := i * n; p < (i+1)*n; p++ {
			topA, topB = max(topA, a[p]), max(topB, b[p])
		}
		for p := i * n; p < (i+1)*n; p++ {
			largest = max(largest, math.Abs(a[p]/max(topA, 1e-12)-b[p]/max(topB, 1e-12)))
		}
	}
	return largest
}

// Before a mean over space the gradient is the same at every place. Then Grad-CAM is CAM, and α the same all over a map.
func TestGradCAMIsCAMBeforeMeanPooling(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		cam, gradCAM := explain(t, b, pooled, attr.CAM("conv", "output")), explain(t, b, pooled, attr.GradCAM("conv"))
		if d := distance(cam, gradCAM, 3); d > 1e-5 {
			t.Errorf("CAM and Grad-CAM differ by %g", d)
		}
		if d := distance(explain(t, b, flat, attr.GradCAM("conv")), cam, 3); d < 0.01 {
			t.Errorf("with a head that knows places the maps differ by %g only: the comparison says nothing", d)
		}
		spread := func(net attr.Network) float64 {
			alpha := explain(t, b, net, func(s *model.Scope, network attr.Network, x *Node, target attr.Target) *Node {
				a := attr.PlusPlusAlpha(attr.FeatureGradient(s, network, x, target, "conv"))
				return ReduceAllMax(Sub(ReduceMax(a, 1, 2), ReduceMin(a, 1, 2)))
			})
			return alpha[0]
		}
		if s := spread(pooled); s > 1e-6 {
			t.Errorf("α varies by %g over a map before mean pooling", s)
		}
		if s := spread(flat); s < 0.1 {
			t.Errorf("α varies by %g only where the head knows places", s)
		}
	})
}

// α is what the derivatives of exp(S) make it, found here by differentiating three times.
func TestAlphaIsAutodiffs(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		const h, w, c = 2, 3, 2
		// The second derivative of GoMLX's ReLU is missing, so the network's kinks are written out.
		score := func(a, first, second *Node) *Node {
			hidden := Einsum("hwc,hwcn->n", a, first)
			hidden = Where(GreaterThan(hidden, ZerosLike(hidden)), hidden, ZerosLike(hidden))
			return ReduceAllSum(Mul(hidden, second))
		}
		exec := MustNewExec(b, func(a, first, second *Node) (alpha, derived *Node) {
			gradient := Gradient(score(a, first, second), a)[0]
			alpha = Squeeze(attr.PlusPlusAlpha(InsertAxes(a, 0), InsertAxes(gradient, 0)), 0) // [h w c]

			y := Exp(score(a, first, second))
			sums := ReduceSum(a, 0, 1) // [c]
			var all []*Node
			for i := range h * w * c {
				at := func(x *Node) *Node { return Reshape(Slice(Reshape(x, -1), AxisElem(i))) }
				one := at(Gradient(y, a)[0])
				two := at(Gradient(one, a)[0])
				three := at(Gradient(two, a)[0])
				sum := Reshape(Slice(sums, AxisElem(i%c)))
				all = append(all, Div(two, Add(MulScalar(two, 2), Mul(sum, three))))
			}
			return alpha, Reshape(Stack(all, 0), h, w, c)
		})
		defer exec.Finalize()
		positive := func(seed uint64, dims ...int) *tensors.Tensor {
			x := layertest.Random[float32](seed, dims...)
			values := tensors.MustCopyFlatData[float32](x)
			for i := range values {
				values[i] = float32(math.Abs(float64(values[i])))
			}
			return tensors.FromFlatDataAndDimensions(values, dims...)
		}
		// Positive weights keep every kink open, and the denominators away from zero.
		out, err := exec.Call(positive(1, h, w, c), positive(2, h, w, c, 4), positive(3, 4))
		if err != nil {
			t.Fatal(err)
		}
		got, want := layertest.Floats(out[0]), layertest.Floats(out[1])
		for i := range want {
			if !(math.Abs(got[i]-want[i]) < 1e-4*want[i]) || want[i] <= 0 {
				t.Errorf("α of value %d is %g, derivatives give %g", i, got[i], want[i])
			}
		}
	})
}

// A map is never negative, has the size of the feature map, and does not change when a constant is added to the score.
func TestMapOfATap(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		small := attr.AtTapSize(attr.GradCAMPlusPlus("conv"))
		halved := func(s *model.Scope, x *Node) *Node { return flat(s, layers.MeanPool(x, layers.PoolOptions{})) }
		store, x := layertest.NewStore(1), layertest.Random[float32](2, 3, 12, 12, 2)
		maps, err := attr.Explain(b, store, halved, small, x, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := maps.Shape().CheckDims(3, 6, 6); err != nil {
			t.Error(err)
		}
		largest := 0.0
		for _, v := range layertest.Floats(maps) {
			if !(v >= 0) {
				t.Fatalf("a value is %g", v)
			}
			largest = max(largest, v)
		}
		if largest == 0 {
			t.Error("the map is empty")
		}
		plain := explain(t, b, flat, attr.GradCAMPlusPlus("conv"))
		shifted := explain(t, b, flat, func(s *model.Scope, network attr.Network, x *Node, target attr.Target) *Node {
			return attr.GradCAMPlusPlus("conv")(s, network, x, func(outputs *Node) *Node { return AddScalar(target(outputs), 7) })
		})
		if d := distance(plain, shifted, 3); d > 1e-5 {
			t.Errorf("a constant on the score changes the map by %g", d)
		}
	})
}

// The authors' code divides α by its sum: another map than the formula's, with weights that are means of positive gradients.
func TestVariantOfTheCode(t *testing.T) {
	b := layertest.Go()
	formula := explain(t, b, flat, attr.GradCAMPlusPlus("conv"))
	code := explain(t, b, flat, attr.GradCAMPlusPlusWith("conv", attr.PlusPlusOptions{Normalize: true}))
	if d := distance(formula, code, 3); d < 1e-3 {
		t.Errorf("the maps differ by %g only", d)
	}
}

// The recipe finds the last feature map by itself.
func TestLastMap(t *testing.T) {
	b, x := layertest.Go(), layertest.Random[float32](2, 2, 32, 32, 3)
	host := gradcampp.Classifier(4)
	call := func(c gradcampp.Config) []float64 {
		y, err := model.CallOnce(b, layertest.NewStore(1), gradcampp.Map(c, host), x)
		if err != nil {
			t.Fatal(err)
		}
		return layertest.Floats(y)
	}
	found, named := call(gradcampp.Config{}), call(gradcampp.Config{Tap: gradcampp.HostTap})
	if d := distance(found, named, 2); d != 0 || len(found) != 2*32*32 {
		t.Errorf("%d values, which differ by %g from those of %s", len(found), d, gradcampp.HostTap)
	}
	nameless := func(s *model.Scope, x *Node) *Node { return layers.Dense(s.In("output"), layers.Flatten(x), 2) }
	if _, err := model.CallOnce(b, layertest.NewStore(1), gradcampp.Map(gradcampp.Config{}, nameless), x); err == nil || !strings.Contains(err.Error(), "layers.Tap") {
		t.Errorf("a network without taps: %v", err)
	}
}
