package attr_test

import (
	"context"
	"errors"
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
)

// linear is S = W·I, [B 3 3 2] → [B 4].
func linear(s *model.Scope, x *Node) *Node {
	return layers.Dense(s.In("dense"), layers.Flatten(x), 4)
}

// convolutional has the parts of a classifier, without and with kinks.
func convolutional(kinks bool) attr.Network {
	return func(s *model.Scope, x *Node) *Node { // [B 6 6 2]
		activate := func(x *Node) *Node {
			if kinks {
				return layers.ReLU(x)
			}
			return x
		}
		x = activate(layers.BatchNorm(s.In("norm"), layers.Conv(s.In("conv1"), x, layers.ConvOptions{Filters: 4}), layers.BatchNormOptions{}))
		x = layers.MaxPool(x, layers.PoolOptions{}) // [B 3 3 4]
		x = activate(layers.Conv(s.In("conv2"), x, layers.ConvOptions{Filters: 5}))
		return layers.Dense(s.In("dense"), layers.GlobalMeanPool(x), 3) // [B 3]
	}
}

func explain(t *testing.T, b compute.Backend, store *model.Store, n attr.Network, m attr.Method, x *tensors.Tensor, classes ...int) []float64 {
	t.Helper()
	maps, err := attr.Explain(b, store, n, m, x, classes...)
	if err != nil {
		t.Fatal(err)
	}
	return layertest.Floats(maps)
}

func near(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= tolerance*max(1, math.Abs(want[i]))) {
			t.Fatalf("%s: value %d is %g, want %g", what, i, got[i], want[i])
		}
	}
}

// For S = W·I the map of class c is the largest |w| of each pixel, whatever the image.
func TestSaliencyOfALinearNetwork(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store := layertest.NewStore(1)
		got := explain(t, b, store, linear, attr.Saliency, layertest.Random[float32](2, 2, 3, 3, 2), 3, 1)
		w := layertest.Floats(store.GetVariable("/dense/weights").MustValue()) // [18 4]
		var want []float64
		for _, class := range []int{3, 1} {
			for pixel := range 9 {
				at := func(channel int) float64 { return math.Abs(w[(pixel*2+channel)*4+class]) }
				want = append(want, max(at(0), at(1)))
			}
		}
		near(t, "map", got, want, 1e-6)
	})
}

func TestInputGradientIsTheDerivative(t *testing.T) {
	b, store := layertest.Go(), layertest.NewStore(1)
	network := convolutional(true)
	x := layertest.Random[float64](2, 1, 6, 6, 2)
	got := explain(t, b, store, network, attr.InputGradient, x, 2)
	score, err := model.NewExec(b, store, func(s *model.Scope, x *Node) *Node { return network(s, x) })
	if err != nil {
		t.Fatal(err)
	}
	want := layertest.NumericGradient(func(x *tensors.Tensor) float64 {
		outputs, err := score.Call(x)
		if err != nil {
			t.Fatal(err)
		}
		return layertest.Floats(outputs[0])[2] // the logit, not its softmax
	}, x)
	near(t, "gradient", got, want, 1e-5)
}

// Each image of a batch has the map that it has alone.
func TestMapsOfABatch(t *testing.T) {
	b, store := layertest.Go(), layertest.NewStore(1)
	x := layertest.Random[float32](2, 3, 6, 6, 2)
	together := explain(t, b, store, convolutional(true), attr.Saliency, x, 0, 1, 2)
	values := tensors.MustCopyFlatData[float32](x)
	for i := range 3 {
		one := tensors.FromFlatDataAndDimensions(values[i*72:(i+1)*72], 1, 6, 6, 2)
		near(t, "alone", explain(t, b, store, convolutional(true), attr.Saliency, one, i), together[i*36:(i+1)*36], 1e-5)
	}
}

// Without a ReLU the three ways back are one; with ReLUs they are not (Simonyan et al. 2014, section 4).
func TestWaysBack(t *testing.T) {
	b, x := layertest.Go(), layertest.Random[float32](2, 2, 6, 6, 2)
	for _, kinks := range []bool{false, true} {
		store := layertest.NewStore(1)
		gradient := explain(t, b, store, convolutional(kinks), attr.InputGradient, x, 1)
		for name, method := range map[string]attr.Method{"deconvnet": attr.Deconvnet, "guided": attr.Guided} {
			other := explain(t, b, store, convolutional(kinks), method, x, 1)
			if !kinks {
				near(t, name, other, gradient, 1e-6)
				continue
			}
			diff := 0.0
			for i := range other {
				diff += math.Abs(other[i] - gradient[i])
			}
			if diff < 1e-3 {
				t.Errorf("%s does not differ from the gradient of a network with ReLUs", name)
			}
		}
	}
}

// For S = W·I the maximum of S_c(I) − λ‖I‖² is w_c/2λ.
func TestClassModelsOfALinearNetwork(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store, steps := layertest.NewStore(1), 0
		o := attr.ClassModelOptions{Classes: []int{2, 0}, Height: 3, Width: 3, Channels: 2, Steps: 60, Rate: 0.5, Decay: 0.25,
			Progress: func(done, total int, _ string) { steps = done }}
		models, err := attr.ClassModels(context.Background(), b, store, linear, o)
		if err != nil {
			t.Fatal(err)
		}
		w := layertest.Floats(store.GetVariable("/dense/weights").MustValue())
		var want []float64
		for _, class := range o.Classes {
			for i := range 18 {
				want = append(want, w[i*4+class]/(2*o.Decay))
			}
		}
		near(t, "image", layertest.Floats(models.Images), want, 1e-5)
		for i, class := range o.Classes { // S_c(w_c/2λ) = ‖w_c‖²/2λ
			norm := 0.0
			for j := range 18 {
				norm += w[j*4+class] * w[j*4+class]
			}
			near(t, "score", models.Scores[i:i+1], []float64{norm / (2 * o.Decay)}, 1e-5)
		}
		if steps != 60 || len(models.History) != 60 || models.History[0][0] != 0 {
			t.Errorf("%d steps reported, history of %d that starts at %v", steps, len(models.History), models.History[0])
		}
	})
}

func TestClassModelsRise(t *testing.T) {
	b, store := layertest.Go(), layertest.NewStore(1)
	models, err := attr.ClassModels(context.Background(), b, store, convolutional(true), attr.ClassModelOptions{
		Classes: []int{0, 1, 2}, Height: 6, Width: 6, Channels: 2, Steps: 30, Rate: 0.05, Normalize: true, Momentum: 0.5,
		Start: layertest.Random[float32](3, 3, 6, 6, 2)})
	if err != nil {
		t.Fatal(err)
	}
	for i, score := range models.Scores {
		if score <= models.History[0][i] {
			t.Errorf("class %d: the score went from %g to %g", i, models.History[0][i], score)
		}
	}
}

func TestErrors(t *testing.T) {
	b, x := layertest.Go(), layertest.Random[float32](2, 2, 6, 6, 2)
	for _, test := range []struct {
		images  *tensors.Tensor
		classes []int
		want    string
	}{
		{x, []int{3}, "classes 0 to 2"},
		{x, []int{-1}, "negative"},
		{x, []int{0, 1, 2}, "3 classes for 2 images"},
		{layertest.Random[float32](1, 6, 6, 2), []int{0}, "[1 H W C]"},
		{layertest.Random[float32](1, 2, 6, 6, 5), []int{0}, "different shape"},
	} {
		store := layertest.NewStore(1)
		explain(t, b, store, convolutional(true), attr.Saliency, x, 0)
		_, err := attr.Explain(b, store, convolutional(true), attr.Saliency, test.images, test.classes...)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want one with %q", err, test.want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	o := attr.ClassModelOptions{Classes: []int{0}, Height: 6, Width: 6, Channels: 2}
	if _, err := attr.ClassModels(ctx, b, layertest.NewStore(1), convolutional(true), o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
	o.Classes = []int{5}
	if _, err := attr.ClassModels(context.Background(), b, layertest.NewStore(1), convolutional(true), o); err == nil || !strings.Contains(err.Error(), "classes 0 to 2") {
		t.Errorf("class beyond the outputs: error %v", err)
	}
}
