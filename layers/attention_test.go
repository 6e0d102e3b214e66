package layers_test

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/layertest"
)

func TestGroupNormSqueezeExciteDropPath(t *testing.T) {
	group := func(o layers.GroupNormOptions) func(s *model.Scope, x *graph.Node) *graph.Node {
		return func(s *model.Scope, x *graph.Node) *graph.Node { return layers.GroupNorm(s, x, o) }
	}
	squeeze := func(o layers.SqueezeExciteOptions) func(s *model.Scope, x *graph.Node) *graph.Node {
		return func(s *model.Scope, x *graph.Node) *graph.Node { return layers.SqueezeExcite(s, x, o) }
	}
	layertest.Run(t,
		layertest.Case{Name: "group norm", Layer: group(layers.GroupNormOptions{Groups: 2}),
			Input: []int{2, 3, 2, 4}, Output: []int{2, 3, 2, 4}, Parameters: 8},
		layertest.Case{Name: "instance norm along time", Layer: group(layers.GroupNormOptions{Groups: 3, NoAffine: true}),
			Input: []int{2, 5, 3}, Output: []int{2, 5, 3}},
		layertest.Case{Name: "layer norm", Input: []int{2, 2, 3, 4}, Output: []int{2, 2, 3, 4}, Parameters: 8,
			Layer: func(s *model.Scope, x *graph.Node) *graph.Node {
				return layers.LayerNorm(s, x, layers.LayerNormOptions{})
			}},
		layertest.Case{Name: "layer norm without weights", Input: []int{2, 5}, Output: []int{2, 5},
			Layer: func(s *model.Scope, x *graph.Node) *graph.Node {
				return layers.LayerNorm(s, x, layers.LayerNormOptions{NoAffine: true, Epsilon: 1e-3})
			}},
		layertest.Case{Name: "squeeze and excite", Layer: squeeze(layers.SqueezeExciteOptions{Ratio: 2}),
			Input: []int{2, 3, 2, 4}, Output: []int{2, 3, 2, 4}, Parameters: 4*2 + 2 + 2*4 + 4},
		layertest.Case{Name: "squeeze and excite without biases", Layer: squeeze(layers.SqueezeExciteOptions{Units: 3, NoBias: true}),
			Input: []int{2, 5, 4}, Output: []int{2, 5, 4}, Parameters: 24},
		layertest.Case{Name: "drop path", Stochastic: true, Input: []int{4, 3, 2}, Output: []int{4, 3, 2},
			Layer: func(s *model.Scope, x *graph.Node) *graph.Node { return layers.DropPath(s, x, 0.3) }},
		layertest.Case{Name: "drop path of a batch", Stochastic: true, Input: []int{4, 3, 2}, Output: []int{4, 3, 2},
			Layer: func(s *model.Scope, x *graph.Node) *graph.Node { return layers.DropPathBatch(s, x, 0.3) }},
	)
}

// Of one group of all channels at one position both are the same.
func TestLayerNormIsGroupNormOfAPosition(t *testing.T) {
	b := backendtest.ForTest(t)
	out, err := model.CallOnceN(b, layertest.NewStore(1), func(s *model.Scope, inputs []*graph.Node) []*graph.Node {
		x := inputs[0]
		return []*graph.Node{
			layers.LayerNorm(s.In("a"), x, layers.LayerNormOptions{}),
			layers.GroupNorm(s.In("b"), x, layers.GroupNormOptions{Groups: 1}),
		}
	}, layertest.Random[float32](2, 4, 6))
	if err != nil {
		t.Fatal(err)
	}
	a, c := layertest.Floats(out[0]), layertest.Floats(out[1])
	for i := range a {
		if math.Abs(a[i]-c[i]) > 1e-5 {
			t.Fatalf("value %d is %g and %g", i, a[i], c[i])
		}
	}
}

// Every group of every example has mean 0 and variance 1, whatever the other examples are.
func TestGroupNormStatistics(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		const examples, space, groups, size = 2, 20, 3, 2
		y, err := model.CallOnce(b, layertest.NewStore(1), func(s *model.Scope, x *graph.Node) *graph.Node {
			return layers.GroupNorm(s, graph.AddScalar(graph.MulScalar(x, 5), 3), layers.GroupNormOptions{Groups: groups})
		}, layertest.Random[float32](3, examples, 4, 5, groups*size))
		if err != nil {
			t.Fatal(err)
		}
		values := layertest.Floats(y)
		for e := range examples {
			for group := range groups {
				var sum, squares float64
				for p := range space {
					for c := range size {
						v := values[(e*space+p)*groups*size+group*size+c]
						sum, squares = sum+v, squares+v*v
					}
				}
				if n := float64(space * size); math.Abs(sum/n) > 1e-4 || math.Abs(squares/n-1) > 1e-3 {
					t.Errorf("example %d, group %d: mean %g, variance %g", e, group, sum/n, squares/n)
				}
			}
		}
	})
}

// In training whole examples vanish, at the rate asked for, and the mean over many stays what it was; with one draw for the
// batch all vanish together.
func TestDropPathRates(t *testing.T) {
	const examples, rate = 2000, 0.25
	for name, test := range map[string]struct {
		layer    func(s *model.Scope, x *graph.Node, rate float64) *graph.Node
		together bool
	}{"example": {layers.DropPath, false}, "batch": {layers.DropPathBatch, true}} {
		backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
			y, err := model.CallOnce(b, layertest.NewStore(1), func(s *model.Scope, x *graph.Node) *graph.Node {
				s.Store().SetTraining(x.Graph(), true)
				return test.layer(s, graph.OnesLike(x), rate)
			}, layertest.Random[float32](1, examples, 2))
			if err != nil {
				t.Fatal(err)
			}
			values, dropped := layertest.Floats(y), 0
			for i := 0; i < len(values); i += 2 {
				if values[i] != values[i+1] || values[i] != 0 && math.Abs(values[i]-1/(1-rate)) > 1e-6 {
					t.Fatalf("%s: example %d became %v", name, i/2, values[i:i+2])
				}
				if values[i] == 0 {
					dropped++
				}
			}
			if test.together && dropped != 0 && dropped != examples {
				t.Errorf("%s: %d of %d dropped", name, dropped, examples)
			}
			// Five deviations of a binomial count.
			if want := rate * examples; !test.together && math.Abs(float64(dropped)-want) > 5*math.Sqrt(want*(1-rate)) {
				t.Errorf("%s: %d of %d dropped, want about %g", name, dropped, examples, want)
			}
		})
	}
}
