package attr_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers/attr"
	"fovea/layers/layertest"
)

// setting suits the network averaged, with few samples.
func setting() attr.Setting {
	return attr.Setting{Tap: "conv2", Head: "dense", Baselines: layertest.Random[float32](11, 3, 8, 8, 2), Samples: 5}
}

// Every method of the table gives maps of the shape and sign it is said to give, finite, not all the same, the same for an
// image in a batch as alone, and the same again.
func TestEveryMethod(t *testing.T) {
	b, x := layertest.Go(), images(3)
	values := tensors.MustCopyFlatData[float32](x)
	names := map[string]bool{}
	for _, m := range attr.Methods() {
		t.Run(m.Name, func(t *testing.T) {
			if names[m.Name] {
				t.Error("stands twice in the table")
			}
			names[m.Name] = true
			store := layertest.NewStore(1)
			explainer, err := attr.NewExplainer(b, store, averaged, m.New(setting()))
			if err != nil {
				t.Fatal(err)
			}
			defer explainer.Close()
			maps, outputs, err := explainer.Explain(x, 2, 0, 1)
			if err != nil {
				t.Fatal(err)
			}
			want := []int{3, 8, 8}
			if m.Channels {
				want = append(want, 2)
			}
			if !slices.Equal(maps.Shape().Dimensions, want) || !slices.Equal(outputs.Shape().Dimensions, []int{3, 3}) {
				t.Fatalf("maps %s, outputs %s; want maps %v", maps.Shape(), outputs.Shape(), want)
			}
			together := layertest.Floats(maps)
			least, largest := slices.Min(together), slices.Max(together)
			if math.IsNaN(least) || math.IsInf(largest-least, 0) || least == largest {
				t.Fatalf("values from %g to %g", least, largest)
			}
			if least < 0 && !m.Signed {
				t.Errorf("the least value is %g, though the map is not signed", least)
			}
			if least >= 0 && m.Signed && m.Name != "Occlusion" && m.Name != "Deconvnet" && m.Name != "Guided backpropagation" {
				t.Errorf("the least value is %g, though the map is signed", least)
			}
			y, err := model.CallOnce(b, store, averaged, x)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "outputs", layertest.Floats(outputs), layertest.Floats(y), 1e-5)
			again, _, err := explainer.Explain(x, 2, 0, 1)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "again", layertest.Floats(again), together, 0)
			each := len(together) / 3
			for i, class := range []int{2, 0, 1} {
				one := tensors.FromFlatDataAndDimensions(values[i*128:(i+1)*128], 1, 8, 8, 2)
				alone, _, err := explainer.Explain(one, class)
				if err != nil {
					t.Fatal(err)
				}
				near(t, "alone", layertest.Floats(alone), together[i*each:(i+1)*each], 1e-4)
			}
		})
	}
}

// All methods in one graph, on XLA as on the Go backend, with the same weights. Those that add noise are left out: each
// backend draws its own.
func TestMethodsOnBothBackends(t *testing.T) {
	backendtest.SkipWithoutXLA(t)
	weights := layertest.NewStore(1)
	explain(t, layertest.Go(), weights, averaged, attr.Saliency, images(2), 0)
	var want [][]float64
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store := layertest.NewStore(1)
		for v := range weights.IterVariables() {
			if v.Name() == model.RNGStateVariableName {
				continue
			}
			if _, err := store.CreateVariable(v.Path(), layertest.Host(v.MustValue())); err != nil {
				t.Fatal(err)
			}
		}
		maps, err := model.CallOnceN(b, store, func(s *model.Scope, inputs []*Node) (maps []*Node) {
			target := attr.Class(Const(inputs[0].Graph(), []int32{1, 2}))
			for _, m := range attr.Methods() {
				maps = append(maps, m.New(setting())(s, averaged, inputs[0], target))
			}
			return maps
		}, images(2))
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range attr.Methods() {
			got := layertest.Floats(maps[i])
			if len(want) <= i {
				want = append(want, got)
				continue
			}
			if m.Name != "VarGrad" && !strings.HasPrefix(m.Name, "Smooth") {
				near(t, m.Name, got, want[i], 1e-4)
			}
		}
	})
}

// For S = w·x + b every gradient method gives w or w·x (or w·(x − x') from a baseline).
func TestMethodsOnALinearNetwork(t *testing.T) {
	b, store := layertest.Go(), layertest.NewStore(1)
	x := layertest.Random[float32](2, 2, 3, 3, 2)
	baseline := layertest.Random[float32](5, 1, 3, 3, 2)
	explain(t, b, store, linear, attr.Saliency, x, 0)
	weights, pixels, from := layertest.Floats(store.GetVariable("/dense/weights").MustValue()), layertest.Floats(x), layertest.Floats(baseline)
	var w, wx, fromBaseline, zero, pixel []float64
	for i, class := range []int{3, 1} {
		for j := range 18 {
			v, value := weights[j*4+class], pixels[i*18+j]
			w, wx, zero = append(w, v), append(wx, v*value), append(zero, 0)
			fromBaseline = append(fromBaseline, v*(value-from[j]))
		}
		for j := 0; j < 18; j += 2 {
			at := i*18 + j
			pixel = append(pixel, wx[at]+wx[at+1])
		}
	}
	noise := attr.SmoothOptions{Samples: 7}
	for name, test := range map[string]struct {
		method attr.Method
		want   []float64
	}{
		"gradient":                   {attr.InputGradient, w},
		"deconvnet":                  {attr.Deconvnet, w},
		"guided":                     {attr.Guided, w},
		"SmoothGrad":                 {attr.SmoothGrad(attr.InputGradient, noise), w},
		"VarGrad":                    {attr.VarGrad(attr.InputGradient, noise), zero},
		"input × gradient":           {attr.InputTimesGradient, wx},
		"integrated gradients":       {attr.IntegratedGradients(attr.IntegratedOptions{Steps: 2}), wx},
		"integrated from a baseline": {attr.IntegratedGradients(attr.IntegratedOptions{Steps: 3, Trapezoid: true, Baseline: baseline}), fromBaseline},
		"expected gradients":         {attr.ExpectedGradients(attr.ExpectedOptions{Baselines: baseline, Samples: 4}), fromBaseline},
		"DeepLift":                   {attr.DeepLift(attr.DeepLiftOptions{}), wx},
		"occlusion of a pixel":       {attr.Occlusion(attr.OcclusionOptions{Size: 1}), pixel},
		"SmoothGrad of another":      {attr.SmoothGrad(attr.IntegratedGradients(attr.IntegratedOptions{Steps: 2}), attr.SmoothOptions{Samples: 3, Noise: -1}), wx},
	} {
		near(t, name, explain(t, b, store, linear, test.method, x, 3, 1), test.want, 1e-5)
	}
}

// Of S = Σ x² the gradient at a noisy image is 2x + 2·noise.
func TestNoise(t *testing.T) {
	b, store := layertest.Go(), layertest.NewStore(1)
	square := func(_ *model.Scope, x *Node) *Node {
		return BroadcastToDims(InsertAxes(ReduceSum(Square(x), 1, 2, 3), -1), x.Shape().Dimensions[0], 2)
	}
	x := images(2)
	values := tensors.MustCopyFlatData[float32](x)
	for name, test := range map[string]struct {
		options   attr.SmoothOptions
		deviation func(image []float32) float64
	}{
		"share of the range": {attr.SmoothOptions{Samples: 600, Noise: 0.2}, func(image []float32) float64 {
			return 0.2 * float64(slices.Max(image)-slices.Min(image))
		}},
		"absolute": {attr.SmoothOptions{Samples: 600, Noise: 0.2, Absolute: true, Seed: 3}, func([]float32) float64 { return 0.2 }},
	} {
		smooth := explain(t, b, store, square, attr.SmoothGrad(attr.InputGradient, test.options), x, 0)
		variance := explain(t, b, store, square, attr.VarGrad(attr.InputGradient, test.options), x, 0)
		for i := range 2 {
			deviation := test.deviation(values[i*128 : (i+1)*128])
			mean, off := 0.0, 0.0
			for j := i * 128; j < (i+1)*128; j++ {
				mean += variance[j] / 128
				off = max(off, math.Abs(smooth[j]-2*float64(values[j])))
			}
			near(t, name+": variance", []float64{mean}, []float64{4 * deviation * deviation}, 0.03*max(1, 4*deviation*deviation))
			if limit := 5 * 2 * deviation / math.Sqrt(600); off > limit || off == 0 {
				t.Errorf("%s: SmoothGrad is off by %g, want at most %g and not 0", name, off, limit)
			}
		}
	}
}

func TestTableOfMethods(t *testing.T) {
	text := fmt.Sprint(attr.Methods())
	for _, want := range []string{"Integrated gradients", "needs", "tap", "baseline", "±", "n(f+b)"} {
		if !strings.Contains(text, want) {
			t.Errorf("the table has no %q:\n%s", want, text)
		}
	}
	if lines := strings.Count(text, "\n"); lines != len(attr.Methods())+1 {
		t.Errorf("%d lines for %d methods", lines, len(attr.Methods()))
	}
	if m, err := attr.Methods().Lookup("grad-cam++"); err != nil || m.Name != "Grad-CAM++" {
		t.Errorf("looked up %q, %v", m.Name, err)
	}
	if _, err := attr.Methods().Lookup("grad-cam+++"); err == nil || !strings.Contains(err.Error(), "Eigen-CAM") {
		t.Errorf("error %v", err)
	}
}

// logits are the network's outputs in rows.
func logits(t *testing.T, b compute.Backend, store *model.Store, n attr.Network, x *tensors.Tensor) [][]float64 {
	t.Helper()
	y, err := model.CallOnce(b, store, func(s *model.Scope, x *Node) *Node { return n(s, x) }, x)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(slices.Chunk(layertest.Floats(y), y.Shape().Dimensions[1]))
}
