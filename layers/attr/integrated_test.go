package attr_test

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers/attr"
	"fovea/layers/layertest"
)

// What integrated gradients give each value sums to the difference of the scores.
func TestIntegratedGradientsAreComplete(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store, x := layertest.NewStore(1), images(2)
		baseline := layertest.Random[float32](9, 8, 8, 2)
		logits := func(x *tensors.Tensor) []float64 {
			y, err := model.CallOnce(b, store, flattened, x)
			if err != nil {
				t.Fatal(err)
			}
			return layertest.Floats(y)
		}
		at := logits(x)
		values := tensors.MustCopyFlatData[float32](baseline)
		for name, test := range map[string]struct {
			options attr.IntegratedOptions
			from    []float64
		}{
			"from zero":     {attr.IntegratedOptions{Steps: 6000}, logits(tensors.FromFlatDataAndDimensions(make([]float32, 128), 1, 8, 8, 2))},
			"from an image": {attr.IntegratedOptions{Steps: 6000, Baseline: baseline}, logits(tensors.FromFlatDataAndDimensions(values, 1, 8, 8, 2))},
			"trapezoid":     {attr.IntegratedOptions{Steps: 6000, Trapezoid: true}, logits(tensors.FromFlatDataAndDimensions(make([]float32, 128), 1, 8, 8, 2))},
		} {
			maps := explain(t, b, store, flattened, attr.IntegratedGradients(test.options), x, 0, 2)
			for i, class := range []int{0, 2} {
				sum := 0.0
				for _, v := range maps[i*128 : (i+1)*128] {
					sum += v
				}
				near(t, name, []float64{sum}, []float64{at[i*3+class] - test.from[class]}, 1e-3)
			}
		}
	})
}
