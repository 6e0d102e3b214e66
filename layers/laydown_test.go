package layers

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"fovea/internal/backend/backendtest"
	"fovea/layers/layertest"
)

// What is laid down keeps every value, NaN and infinities among them, and a first and a second derivative.
func TestLayDown(t *testing.T) {
	values := make([]float32, 2*manyValues)
	for i := range values {
		values[i] = float32(i)
	}
	values[3], values[7], values[9] = float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		outputs, err := graph.CallOnceN(b, func(in []*graph.Node) []*graph.Node {
			x, finite := in[0], graph.Where(graph.IsFinite(in[0]), in[0], graph.ScalarZero(in[0].Graph(), in[0].DType()))
			y := graph.Square(layDown(finite))
			first := graph.Gradient(graph.ReduceAllSum(y), finite)[0]
			second := graph.Gradient(graph.ReduceAllSum(graph.Square(layDown(first))), finite)[0]
			return []*graph.Node{layDown(x), first, second}
		}, tensors.FromFlatDataAndDimensions(values, manyValues, 2))
		if err != nil {
			t.Fatal(err)
		}
		down, first, second := layertest.Floats(outputs[0]), layertest.Floats(outputs[1]), layertest.Floats(outputs[2])
		for i, v := range values {
			want := float64(v)
			if down[i] != want && !(math.IsNaN(down[i]) && math.IsNaN(want)) {
				t.Errorf("value %d is %g, want %g", i, down[i], want)
			}
			if math.IsNaN(want) || math.IsInf(want, 0) {
				want = 0
			}
			if first[i] != 2*want || second[i] != 8*want {
				t.Errorf("derivatives at %g are %g and %g, want %g and %g", want, first[i], second[i], 2*want, 8*want)
			}
		}
	})
}

// Pooling computes what its definition by windows does, and the same gradients, for maps whose gradients are laid down too.
func TestPoolingFormsEqualTheDefinition(t *testing.T) {
	for _, o := range []PoolOptions{{}, {Size: 3, Stride: 1, Pad: Same}, {Size: 3, Stride: 2, Pad: Same}, {Size: 3, Stride: 1}, {Sizes: []int{2, 3}, Stride: 1, Pad: SameTF}} {
		for name, pool := range map[string]func(x *graph.Node, o PoolOptions) *graph.Node{"mean": MeanPool, "max": MaxPool} {
			t.Run(fmt.Sprintf("%s %+v", name, o), func(t *testing.T) {
				backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
					ours := withGradients(func(in []*graph.Node) *graph.Node { return pool(in[0], o) })
					plain := withGradients(func(in []*graph.Node) (y *graph.Node) {
						WithPlainForms(in[0].Graph(), func() { y = pool(in[0], o) })
						return y
					})
					agree(t, b, ours, plain, layertest.Random[float32](1, 3, 17, 16, 3))
				})
			})
		}
	}
}
