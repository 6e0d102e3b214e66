package parity

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/internal/tensorfile"
	"fovea/layers"
	"fovea/layers/attr"
)

// mapTolerance is relative to the largest value of all maps of a method.
const mapTolerance = 1e-3

// attributions are our methods by the names of the maps in captum.npz, which attribution.py writes.
var attributions = map[string]attr.Method{
	"saliency":               attr.Saliency,
	"gradient":               attr.InputGradient,
	"input x gradient":       attr.InputTimesGradient,
	"deconvnet":              attr.Deconvnet,
	"guided backpropagation": attr.Guided,
	"integrated gradients":   attr.IntegratedGradients(attr.IntegratedOptions{Steps: 50}),
	"grad-cam":               attr.AtTapSize(attr.GradCAM("relu2")),
	"occlusion":              attr.Occlusion(attr.OcclusionOptions{Size: 5, Stride: 3, Value: 0.25}),
	"deeplift":               attr.DeepLift(attr.DeepLiftOptions{}),
	"deeplift from grey":     attr.DeepLift(attr.DeepLiftOptions{Baselines: grey}),
	"lrp-epsilon":            attr.LRP(attr.Composite{Conv: attr.Epsilon{Epsilon: 1e-6}, Dense: attr.Epsilon{Epsilon: 1e-6}}),
	"lrp-epsilon 0.25":       attr.LRP(attr.Composite{Conv: attr.Epsilon{Epsilon: 0.25}, Dense: attr.Epsilon{Epsilon: 0.25}}),

	"zennit epsilon-plus":              attr.LRP(attr.EpsilonPlus),
	"zennit epsilon-plus-flat":         attr.LRP(attr.EpsilonPlusFlat),
	"zennit epsilon-alpha2-beta1":      attr.LRP(attr.EpsilonAlpha2Beta1),
	"zennit epsilon-alpha2-beta1-flat": attr.LRP(attr.EpsilonAlpha2Beta1Flat),
	"zennit epsilon-gamma-box":         attr.LRP(attr.EpsilonGammaBox([]float64{-4}, []float64{4})),
}

var grey = tensors.FromFlatDataAndDimensions(slices.Repeat([]float32{0.5}, 16*16*3), 16, 16, 3)

// explained is the network of attribution.py.
func explained(s *model.Scope, x *graph.Node) *graph.Node { // [B 16 16 3]
	x = layers.ReLU(layers.Conv(s.In("conv1"), x, layers.ConvOptions{Filters: 8}))
	x = layers.MaxPool(x, layers.PoolOptions{}) // [B 8 8 8]
	x = layers.Tap(layers.ReLU(layers.Conv(s.In("conv2"), x, layers.ConvOptions{Filters: 12})), "relu2")
	x = layers.MaxPool(x, layers.PoolOptions{}) // [B 4 4 12]
	x = layers.ReLU(layers.Dense(s.In("hidden"), layers.Flatten(x), 16))
	return layers.Dense(s.In("output"), x, 5)
}

func TestMapsEqualThoseOfCaptum(t *testing.T) {
	path := filepath.Join(folder(t), "captum.npz")
	file, err := tensorfile.Open(path)
	if os.IsNotExist(err) {
		t.Skipf("there is no %s: 'make parity' writes it", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	compared := 0
	for _, tensor := range file.Tensors {
		if name, ok := strings.CutPrefix(tensor.Name, "map "); ok && attributions[name] == nil {
			t.Errorf("no method of ours stands for captum's %s", name)
		} else if ok {
			compared++
		}
	}
	if compared != len(attributions) {
		t.Errorf("%s has %d of the %d methods: is it older than the table?", path, compared, len(attributions))
	}
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store := model.NewStore()
		for _, tensor := range file.Tensors {
			if strings.HasSuffix(tensor.Name, "/weights") || strings.HasSuffix(tensor.Name, "/biases") {
				value := tensors.FromFlatDataAndDimensions(values(t, file, tensor.Name), tensor.Shape...)
				if _, err := store.CreateVariable("/"+tensor.Name, value); err != nil {
					t.Fatal(err)
				}
			}
		}
		x := tensors.FromFlatDataAndDimensions(values(t, file, "x"), file.Tensor("x").Shape...)
		var classes []int
		for _, c := range values(t, file, "classes") {
			classes = append(classes, int(c))
		}
		for name, method := range attributions {
			if file.Tensor("map "+name) == nil {
				continue
			}
			t.Run(name, func(t *testing.T) {
				explainer, err := attr.NewExplainer(b, store, explained, method)
				if err != nil {
					t.Fatal(err)
				}
				defer explainer.Close()
				maps, scores, err := explainer.Explain(x, classes...)
				if err != nil {
					t.Fatal(err)
				}
				if want := file.Tensor("map " + name).Shape; !slices.Equal(maps.Shape().Dimensions, want) {
					t.Fatalf("maps %s, want %v", maps.Shape(), want)
				}
				agree(t, "scores", scores, values(t, file, "scores"), 1e-4)
				agree(t, "maps", maps, values(t, file, "map "+name), mapTolerance)
			})
		}
	})
}

// agree compares with what is wanted, relative to its largest value.
func agree(t *testing.T, what string, got *tensors.Tensor, want []float32, tolerance float64) {
	t.Helper()
	off, largest := 0.0, 0.0
	for i, v := range tensors.MustCopyFlatData[float32](got) {
		off = math.Max(off, math.Abs(float64(v)-float64(want[i])))
		largest = math.Max(largest, math.Abs(float64(want[i])))
	}
	t.Logf("%s up to %.3g differ by up to %.2g (relative %.2g)", what, largest, off, off/largest)
	if !(off/largest <= tolerance) || largest == 0 {
		t.Errorf("%s differ by %g of up to %g", what, off, largest)
	}
}
