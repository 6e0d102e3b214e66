package recipes

import (
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

// A seed means the same weights, whichever backend the network is for, and leaves the generator in the same state.
func TestInitializeIsTheSameEverywhere(t *testing.T) {
	var first map[string][]float32
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store := model.NewStore()
		if err := store.SetRNGStateFromSeed(7); err != nil {
			t.Fatal(err)
		}
		network := func(s *model.Scope, x *graph.Node) *graph.Node {
			x = layers.Conv(s.In("conv"), x, layers.ConvOptions{Filters: 4}) // [B H W 4]
			return layers.Dense(s.In("output"), layers.Flatten(x), 3)        // [B 3]
		}
		g := graph.NewGraph(b, "variables")
		defer g.Finalize()
		model.SetStore(g, store)
		network(store.RootScope(), graph.Parameter(g, "x", shapes.Make(dtypes.Float32, 1, 4, 4, 2)))
		if err := Initialize(store); err != nil {
			t.Fatal(err)
		}

		values := map[string][]float32{}
		for v := range store.IterVariables() {
			if v.DType() == dtypes.Float32 {
				value, err := v.Value()
				if err != nil {
					t.Fatal(err)
				}
				values[v.Path()] = tensors.MustCopyFlatData[float32](value)
			}
		}
		if weights := values["/conv/weights"]; len(weights) != 3*3*2*4 || slices.Min(weights) == slices.Max(weights) {
			t.Fatalf("the kernel is %v", weights)
		}
		// The backend goes on from there: its own variables are found, and so is the generator's state.
		exec, err := model.NewExec(b, store, func(s *model.Scope, x *graph.Node) (y, random *graph.Node) {
			return network(s, x), s.RandomUniform(x.Graph(), shapes.Make(dtypes.Float32, 2))
		})
		if err != nil {
			t.Fatal(err)
		}
		defer exec.Finalize()
		if _, err := exec.Call(tensors.FromShape(shapes.Make(dtypes.Float32, 1, 4, 4, 2))); err != nil {
			t.Fatal(err)
		}
		// Variables that come later are drawn where the generator's state is now: on the backend.
		later := store.RootScope().In("later").WithInitializer(drawn).VariableWithShape("v", shapes.Make(dtypes.Float32, 3))
		if err := Initialize(store); err != nil {
			t.Fatal(err)
		}
		if !later.HasValue() {
			t.Error("a variable that came later has no value")
		}
		if first == nil {
			first = values
			return
		}
		for path, value := range first {
			if !slices.Equal(value, values[path]) {
				t.Errorf("%s is %v, and was %v for the other backend", path, values[path], value)
			}
		}
	})
}

func drawn(g *graph.Graph, shape shapes.Shape) *graph.Node {
	return model.GetStore(g).RootScope().RandomNormal(g, shape)
}
