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

// The contributions add up to the difference of the scores (Shrikumar et al. 2017, eq. 1), against one baseline and
// on the average of several.
func TestDeepLiftIsComplete(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		for name, network := range map[string]attr.Network{"convolutional": convolutional(true), "mixed": mixed} {
			const class = 1
			store, x := layertest.NewStore(1), layertest.Random[float32](2, 2, 8, 8, 2)
			if name == "convolutional" {
				x = layertest.Random[float32](2, 2, 6, 6, 2)
			}
			setBiases(t, b, store, network, x)
			dims := x.Shape().Dimensions
			for _, baselines := range []*tensors.Tensor{nil, layertest.Random[float32](5, 1, dims[1], dims[2], 2), layertest.Random[float32](6, 3, dims[1], dims[2], 2)} {
				if b.Name() != "go" && (name != "mixed" || baselines == nil || baselines.Shape().Dimensions[0] == 1) {
					continue // compiling takes time
				}
				reference := baselines
				if reference == nil {
					reference = tensors.FromFlatDataAndDimensions(make([]float32, dims[1]*dims[2]*2), 1, dims[1], dims[2], 2)
				}
				mean := 0.0
				scores := scoresOf(t, b, store, network, reference, class)
				for _, s := range scores {
					mean += s / float64(len(scores))
				}
				want := scoresOf(t, b, store, network, x, class)
				for i := range want {
					want[i] -= mean
				}
				maps := explain(t, b, store, network, attr.DeepLift(attr.DeepLiftOptions{Baselines: baselines}), x, class)
				near(t, name, sums(maps, 2), want, 1e-4)
			}
		}
	})
}

// In a linear network the contribution of a pixel is w·(x − baseline), and of an image against itself it is 0 everywhere.
func TestDeepLiftOfALinearNetwork(t *testing.T) {
	b, store, x := layertest.Go(), layertest.NewStore(1), layertest.Random[float32](2, 1, 3, 3, 2)
	baseline := layertest.Random[float32](3, 1, 3, 3, 2)
	gradient := explain(t, b, store, linear, attr.InputGradient, x, 2)
	values, reference := layertest.Floats(x), layertest.Floats(baseline)
	for i := range gradient {
		gradient[i] *= values[i] - reference[i]
	}
	near(t, "contributions", explain(t, b, store, linear, attr.DeepLift(attr.DeepLiftOptions{Baselines: baseline}), x, 2), gradient, 1e-5)

	image := layertest.Random[float32](2, 1, 6, 6, 2)
	same := explain(t, b, layertest.NewStore(1), convolutional(true), attr.DeepLift(attr.DeepLiftOptions{Baselines: image}), image, 1)
	near(t, "against itself", same, make([]float64, len(same)), 0)
}

// saturating is S = 1 − relu(1 − x), [B 1 1 1] → [B 1].
func saturating(_ *model.Scope, x *Node) *Node {
	return OneMinus(layers.ReLU(OneMinus(layers.Flatten(x))))
}

// Where the gradient is 0 because a ReLU is shut, DeepLift still sees the way from the baseline: S = 1 − relu(1 − x) at x = 2
// differs from x = 0 by 1, and the gradient says nothing (figure 1 of the paper, with one input).
func TestDeepLiftSeesBehindAShutReLU(t *testing.T) {
	b, x := layertest.Go(), tensors.FromFlatDataAndDimensions([]float32{2}, 1, 1, 1, 1)
	near(t, "gradient", explain(t, b, layertest.NewStore(1), saturating, attr.InputGradient, x, 0), []float64{0}, 0)
	near(t, "DeepLift", explain(t, b, layertest.NewStore(1), saturating, attr.DeepLift(attr.DeepLiftOptions{}), x, 0), []float64{1}, 1e-6)
}
