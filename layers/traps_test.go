package layers_test

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	plain "github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/layers/norm"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers/layertest"
)

// These tests hold what is wrong or missing in the GoMLX of go.mod and is worked around in this package. One that
// fails after an upgrade says that GoMLX was mended: then the work-around that it names can go, and the test with it.

// gradientOf runs the gradient of a sum of squares of a layer's output, summed to a number for each input value.
func gradientOf(b compute.Backend, training bool, layer func(s *model.Scope, x *graph.Node) *graph.Node, x *tensors.Tensor) (*tensors.Tensor, error) {
	return model.CallOnce(b, layertest.NewStore(1), func(s *model.Scope, x *graph.Node) *graph.Node {
		s.Store().SetTraining(x.Graph(), training)
		return graph.Gradient(graph.ReduceAllSum(graph.Square(layer(s, x))), x)[0]
	}, x)
}

// numericError is how far the gradient of f at x is from finite differences, relative to its largest value.
func numericError(t *testing.T, b compute.Backend, training bool, layer func(s *model.Scope, x *graph.Node) *graph.Node, x *tensors.Tensor) float64 {
	t.Helper()
	store := layertest.NewStore(1)
	exec, err := model.NewExec(b, store, func(s *model.Scope, x *graph.Node) (*graph.Node, *graph.Node) {
		s.Store().SetTraining(x.Graph(), training)
		y := graph.ReduceAllSum(graph.Square(layer(s, x)))
		return y, graph.Gradient(y, x)[0]
	})
	if err != nil {
		t.Fatal(err)
	}
	at := func(x *tensors.Tensor) []*tensors.Tensor {
		outputs, err := exec.Call(x)
		if err != nil {
			t.Fatal(err)
		}
		return outputs
	}
	analytic := layertest.Floats(at(x)[1])
	numeric := layertest.NumericGradient(func(x *tensors.Tensor) float64 { return layertest.Floats(at(x)[0])[0] }, x)
	diff, scale := 0.0, 0.0
	for i := range numeric {
		diff, scale = max(diff, math.Abs(numeric[i]-analytic[i])), max(scale, math.Abs(numeric[i]))
	}
	return diff / scale
}

func TestTrapBatchNorm(t *testing.T) {
	xla := backendtest.SkipWithoutXLA(t)
	x := layertest.Random[float64](1, 4, 3, 3, 2)
	stock := func(inference bool) func(s *model.Scope, x *graph.Node) *graph.Node {
		return func(s *model.Scope, x *graph.Node) *graph.Node {
			y := norm.BatchNorm(s, x, -1).UseBackendInference(inference).Done()
			return graph.Mul(y, graph.Add(y, x)) // a sum of squares of normalised values would have no gradient at all
		}
	}
	if _, err := gradientOf(xla, false, stock(true), x); err == nil {
		t.Error("mended: batch normalisation has a gradient in evaluation with its default")
	}
	if numericError(t, xla, true, stock(false), x) < 1e-3 {
		t.Error("mended: batch normalisation in plain operations has the right gradient in training")
	}
}

func TestTrapEvenWindows(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		stock := func(s *model.Scope, x *graph.Node) *graph.Node {
			return plain.Convolution(s, x).Channels(2).KernelSize(2).Strides(2).Done()
		}
		if numericError(t, b, false, stock, layertest.Random[float64](1, 1, 4, 4, 1)) < 1e-3 {
			t.Error("mended: the gradient of windows of even width is right: rightGradient is needed for padding only")
		}
	})
}

func TestTrapPaddingBeyondTheWindow(t *testing.T) {
	_, err := gradientOf(layertest.Go(), false, func(s *model.Scope, x *graph.Node) *graph.Node {
		kernel := s.VariableWithShape("weights", shapes.Make(x.DType(), 1, 1, 1, 1)).NodeValue(x.Graph())
		return graph.Convolve(x, kernel).PaddingPerDim([][2]int{{1, 1}, {1, 1}}).Done()
	}, layertest.Random[float64](1, 1, 4, 4, 1))
	if err == nil {
		t.Error("mended: padding of more than window−1 has a gradient: rightGradient need not move it")
	}
}

func TestTrapGroups(t *testing.T) {
	_, err := gradientOf(layertest.Go(), false, func(s *model.Scope, x *graph.Node) *graph.Node {
		return plain.Convolution(s, x).Channels(4).KernelSize(3).PadSame().ChannelGroupCount(2).Done()
	}, layertest.Random[float64](1, 1, 4, 4, 4))
	if err == nil {
		t.Error("mended: the layer makes kernels of the right shape for groups")
	}
}

func TestTrapReLU(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		relu := func(_ *model.Scope, x *graph.Node) *graph.Node {
			return graph.Add(activation.Relu(x), graph.OnesLike(x))
		}
		at := func(v float64) float64 {
			y, err := gradientOf(b, false, relu, tensors.FromFlatDataAndDimensions([]float64{v}, 1, 1))
			if err != nil {
				t.Fatal(err)
			}
			return layertest.Floats(y)[0]
		}
		if at(0) == 0 {
			t.Error("mended: the gradient of ReLU at 0 is 0")
		}
	})
}

func TestTrapStridedSecondOrder(t *testing.T) {
	_, err := gradientOf(layertest.Go(), false, func(s *model.Scope, x *graph.Node) *graph.Node {
		kernel := s.VariableWithShape("weights", shapes.Make(x.DType(), 3, 3, 1, 1)).NodeValue(x.Graph())
		y := graph.Convolve(x, kernel).Strides(2).PadSame().Done()
		return graph.Gradient(graph.ReduceAllSum(graph.Square(y)), x)[0]
	}, layertest.Random[float64](1, 1, 5, 5, 1))
	if err == nil {
		t.Error("mended: strided convolutions have second derivatives: Convolution may set strides always")
	}
}
