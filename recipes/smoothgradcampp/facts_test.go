package smoothgradcampp_test

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/attr"
	"fovea/layers/layertest"
	"fovea/recipes/smoothgradcampp"
)

const channels, side = 5, 6

// host has a head that knows places, without which Grad-CAM++ would be little but Grad-CAM.
func host(s *model.Scope, x *Node) *Node {
	x = layers.Tap(layers.ReLU(layers.Conv(s.In("conv"), x, layers.ConvOptions{Filters: channels})), "conv") // [B 6 6 5]
	x = layers.Flatten(layers.MaxPool(x, layers.PoolOptions{}))                                              // [B 45]
	return layers.Dense(s.In("output"), layers.ReLU(layers.Dense(s.In("hidden"), x, 8)), 3)
}

func explain(t *testing.T, b compute.Backend, m attr.Method) []float64 {
	t.Helper()
	maps, err := attr.Explain(b, layertest.NewStore(1), host, m, layertest.Random[float32](2, 2, side, side, 2), 0, 2)
	if err != nil {
		t.Fatal(err)
	}
	values := layertest.Floats(maps)
	for _, v := range values {
		if !(v >= 0) || math.IsInf(v, 0) {
			t.Fatalf("a value of a map is %g", v)
		}
	}
	return values
}

func config(change func(*smoothgradcampp.Config)) attr.Method {
	c := smoothgradcampp.Config{Tap: "conv", Samples: 4, Noise: 0.2}
	change(&c)
	return c.Method()
}

func distance(a, b []float64) float64 {
	largest := 0.0
	for i := range a {
		largest = max(largest, math.Abs(a[i]-b[i]))
	}
	return largest
}

// normalized scales each of the two maps to a largest value of one.
func normalized(maps []float64) []float64 {
	out, n := make([]float64, len(maps)), len(maps)/2
	for i := range maps {
		top := 0.0
		for _, v := range maps[i/n*n : (i/n+1)*n] {
			top = max(top, v)
		}
		out[i] = maps[i] / max(top, 1e-12)
	}
	return out
}

// One version of the image without noise is Grad-CAM++; noise makes it another map, the same one each time.
func TestOneSampleWithoutNoiseIsGradCAMPlusPlus(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		plusPlus := explain(t, b, attr.GradCAMPlusPlus("conv"))
		one := config(func(c *smoothgradcampp.Config) { c.Samples, c.Noise = 1, 0 })
		if d := distance(explain(t, b, one), plusPlus); d > 1e-6 {
			t.Errorf("the maps differ by %g", d)
		}
		noisy := explain(t, b, config(func(*smoothgradcampp.Config) {}))
		if d := distance(noisy, plusPlus); d < 1e-4 {
			t.Errorf("noise changes the map by %g only", d)
		}
		if d := distance(noisy, explain(t, b, config(func(*smoothgradcampp.Config) {}))); d != 0 {
			t.Errorf("the same noise gives maps that differ by %g", d)
		}
	})
}

// All neurons, or all feature maps, are the layer; a part of them is less.
func TestAllNeuronsAreTheLayer(t *testing.T) {
	b := layertest.Go() // formulas: a second backend, which compiles each, says nothing new
	var neurons [][2]int
	for i := range side * side {
		neurons = append(neurons, [2]int{i / side, i % side})
	}
	layer := explain(t, b, config(func(*smoothgradcampp.Config) {}))
	all := explain(t, b, config(func(c *smoothgradcampp.Config) { c.Neurons, c.Maps = neurons, []int{0, 1, 2, 3, 4} }))
	if d := distance(layer, all); d > 1e-6 {
		t.Errorf("all neurons differ from the layer by %g", d)
	}
	upper := explain(t, b, config(func(c *smoothgradcampp.Config) { c.Neurons = neurons[:side*side/2] }))
	for i, v := range upper {
		if i%(side*side) >= side*side/2 && v != 0 {
			t.Fatalf("the lower half, which was not chosen, has a %g", v)
		}
	}
	sum := make([]float64, len(layer))
	for k := range channels {
		for i, v := range explain(t, b, config(func(c *smoothgradcampp.Config) { c.Maps = []int{k} })) {
			sum[i] += v
		}
	}
	// Weights are not negative and neither are the feature maps behind a ReLU, so parts add up.
	if d := distance(layer, sum); d > 1e-5 {
		t.Errorf("the feature maps' parts differ from the layer by %g", d)
	}
}

// A factor on the score is a factor on Grad-CAM's map; Grad-CAM++ weighs the feature maps otherwise.
func TestScaleOfTheScore(t *testing.T) {
	b := layertest.Go() // formulas: a second backend, which compiles each, says nothing new
	change := func(m attr.Method) float64 {
		scaled := func(s *model.Scope, network attr.Network, x *Node, target attr.Target) *Node {
			return m(s, network, x, func(outputs *Node) *Node { return MulScalar(target(outputs), 5) })
		}
		return distance(normalized(explain(t, b, m)), normalized(explain(t, b, scaled)))
	}
	if d := change(attr.GradCAM("conv")); d > 1e-5 {
		t.Errorf("Grad-CAM's map changes by %g", d)
	}
	for name, m := range map[string]attr.Method{"Grad-CAM++": attr.GradCAMPlusPlus("conv"), "Smooth": config(func(*smoothgradcampp.Config) {})} {
		if d := change(m); d < 1e-3 {
			t.Errorf("%s's map changes by %g only", name, d)
		}
	}
}

// The paper's text has a first derivative where Grad-CAM++ has a second.
func TestLiteral(t *testing.T) {
	b := layertest.Go()
	literal := explain(t, b, config(func(c *smoothgradcampp.Config) { c.Samples, c.Noise, c.Literal = 1, 0, true }))
	want := explain(t, b, func(s *model.Scope, network attr.Network, x *Node, target attr.Target) *Node {
		a, g := attr.FeatureGradient(s, network, x, target, "conv")
		sum := ReduceAndKeep(a, ReduceSum, 1, 2)
		denominator := Add(MulScalar(Square(g), 2), Mul(sum, Mul(Square(g), g)))
		denominator = Where(Equal(denominator, ZerosLike(denominator)), OnesLike(denominator), denominator)
		weights := ReduceSum(Mul(Div(g, denominator), MaxScalar(g, 0)), 1, 2)
		return MaxScalar(Einsum("bhwc,bc->bhw", a, weights), 0)
	})
	for i := range want {
		if !(math.Abs(literal[i]-want[i]) <= 1e-5*max(1, want[i])) {
			t.Fatalf("value %d is %g, the text gives %g", i, literal[i], want[i])
		}
	}
}
