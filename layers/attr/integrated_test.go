package attr_test

import (
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

// What integrated gradients give each value sums to the difference of the scores.
func TestIntegratedGradientsAreComplete(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store, x := layertest.NewStore(1), layertest.Random[float32](2, 2, 3, 3, 2)
		network := func(s *model.Scope, x *Node) *Node { return layers.Dense(s.In("output"), layers.ReLU(linear(s, x)), 3) }
		baseline, zeros := layertest.Random[float32](9, 3, 3, 2), make([]float32, 18)
		values := tensors.MustCopyFlatData[float32](baseline)
		at := logits(t, b, store, network, x)
		for name, test := range map[string]struct {
			options attr.IntegratedOptions
			from    []float32
		}{
			"from zero":     {attr.IntegratedOptions{Steps: 6000}, zeros},
			"from an image": {attr.IntegratedOptions{Steps: 6000, Baseline: baseline}, values},
			"trapezoid":     {attr.IntegratedOptions{Steps: 6000, Trapezoid: true, Baseline: baseline}, values},
		} {
			from := logits(t, b, store, network, tensors.FromFlatDataAndDimensions(test.from, 1, 3, 3, 2))[0]
			maps := explain(t, b, store, network, attr.IntegratedGradients(test.options), x, 0, 2)
			for i, class := range []int{0, 2} {
				near(t, name, []float64{sum(maps[i*18 : (i+1)*18])}, []float64{at[i][class] - from[class]}, 1e-3)
			}
		}
	})
}
