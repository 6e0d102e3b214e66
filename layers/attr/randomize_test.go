package attr_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
	"fovea/layers/loss"
)

// bars draws n images of 16×16 with noise and one bar, whose direction, level, upright or slanted, is the class.
func bars(n int, seed uint64) (images, labels *tensors.Tensor, classes []int) {
	r := rand.New(rand.NewPCG(seed, 0))
	pixels, ints := make([]float32, n*256), make([]int32, n)
	for i := range n {
		class, y, x := r.IntN(3), 4+r.IntN(8), 4+r.IntN(8)
		ints[i], classes = int32(class), append(classes, class)
		image := pixels[i*256 : (i+1)*256]
		for p := range image {
			image[p] = float32(0.2 * r.NormFloat64())
		}
		for k := -4; k < 4; k++ {
			dy, dx := k, k // slanted
			if class == 0 {
				dy = 0
			} else if class == 1 {
				dx = 0
			}
			image[(y+dy)*16+x+dx] += 2
		}
	}
	return tensors.FromFlatDataAndDimensions(pixels, n, 16, 16, 1), tensors.FromFlatDataAndDimensions(ints, n, 1), classes
}

// reader tells bars apart, by four convolutions.
func reader(s *model.Scope, x *Node) *Node { // [B 16 16 1]
	for i := range 4 {
		name := fmt.Sprintf("conv%d", i+1)
		x = layers.Tap(layers.ReLU(layers.Conv(s.In("%s", name), x, layers.ConvOptions{Filters: 8})), name)
		if i == 1 {
			x = layers.MaxPool(x, layers.PoolOptions{}) // [B 8 8 8]
		}
	}
	return layers.Dense(s.In("dense"), layers.Flatten(x), 3)
}

// learn trains the reader by plain gradient descent and returns its weights and its last loss.
func learn(t *testing.T, b compute.Backend, steps int) (*model.Store, float64) {
	t.Helper()
	store := layertest.NewStore(1)
	step, err := model.NewExec(b, store, func(s *model.Scope, x, labels *Node) *Node {
		cost := ReduceAllMean(loss.SoftmaxCrossEntropy(0)([]*Node{labels}, []*Node{reader(s, x)}))
		var learnt []*model.Variable
		var at []*Node
		for v := range store.IterVariables() {
			if v.Trainable && v.InUseByGraph(x.Graph()) {
				learnt, at = append(learnt, v), append(at, v.NodeValue(x.Graph()))
			}
		}
		for i, gradient := range Gradient(cost, at...) {
			learnt[i].SetNodeValue(Sub(at[i], MulScalar(gradient, 0.1)))
		}
		return cost
	})
	if err != nil {
		t.Fatal(err)
	}
	defer step.Finalize()
	last := 0.0
	for i := range steps {
		x, labels, _ := bars(32, uint64(i))
		outputs, err := step.Call(x, labels)
		if err != nil {
			t.Fatal(err)
		}
		last = layertest.Floats(outputs[0])[0]
	}
	return store, last
}

// Guided backpropagation hardly looks at the weights of the upper layers, the gradient does (Adebayo et al. 2018). A method
// that knows only the image fails altogether.
func TestRandomize(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store, cost := learn(t, b, 120)
		if !(cost < 0.6) { // guessing: 1.1
			t.Fatalf("the network has not learnt: its loss is %g", cost)
		}
		x, _, classes := bars(8, 1000)
		before := layertest.Floats(store.GetVariable("/conv1/weights").MustValue())
		image := func(s *model.Scope, n attr.Network, x *Node, target attr.Target) *Node {
			return Add(x, MulScalar(attr.InputGradient(s, n, x, target), 0))
		}
		methods := map[string]attr.Method{"gradient": attr.InputGradient, "guided": attr.Guided, "image": image}
		calls := 0
		found, err := attr.Randomize(context.Background(), b, store, reader, methods, x, classes, attr.RandomizeOptions{
			Progress: func(done, total int, _ string) { calls = done }})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range found {
			t.Log(s)
			if want := s.Method == "gradient"; s.Passed != want {
				t.Errorf("%s: passed %v, want %v", s.Method, s.Passed, want)
			}
			if len(s.Layers) != 5 || s.Layers[0] != "dense" || s.Layers[4] != "conv1" {
				t.Errorf("layers %v, want those from dense to conv1", s.Layers)
			}
		}
		gradient, guided, same := found[0], found[1], found[2]
		for i := range 2 { // dense and conv4
			if guided.Spearman[i] < gradient.Spearman[i]+0.2 || guided.SSIM[i] < gradient.SSIM[i]+0.2 {
				t.Errorf("%d layers random: guided %g (SSIM %g), gradient %g (%g)", i+1, guided.Spearman[i], guided.SSIM[i], gradient.Spearman[i], gradient.SSIM[i])
			}
		}
		if calls != 15 || same.Unchanged != 5 || same.SSIM[4] < 0.999 {
			t.Errorf("%d calls of Progress; the image: %+v", calls, same)
		}
		near(t, "the store", layertest.Floats(store.GetVariable("/conv1/weights").MustValue()), before, 0)

		// One at a time: the last layer alone changes as much as in the cascade, whose first it is.
		alone, err := attr.Randomize(context.Background(), b, store, reader, map[string]attr.Method{"gradient": attr.InputGradient}, x, classes, attr.RandomizeOptions{Independent: true})
		if err != nil {
			t.Fatal(err)
		}
		near(t, "the output layer alone", alone[0].Spearman[:1], gradient.Spearman[:1], 1e-6)
		if alone[0].Spearman[4] == gradient.Spearman[4] {
			t.Error("conv1 alone is as all layers together")
		}
	})
}

func TestRandomizeErrors(t *testing.T) {
	b, x := layertest.Go(), layertest.Random[float32](1, 2, 16, 16, 1)
	methods := map[string]attr.Method{"gradient": attr.InputGradient}
	if _, err := attr.Randomize(context.Background(), b, layertest.NewStore(1), twoSided(weights), methods, x, []int{0}, attr.RandomizeOptions{}); err == nil || !strings.Contains(err.Error(), "no variables that are trained") && !strings.Contains(err.Error(), "dimension") {
		t.Errorf("a network without weights: %v", err)
	}
	store := layertest.NewStore(1)
	explain(t, b, store, reader, attr.Saliency, x, 0)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := attr.Randomize(ctx, b, store, reader, methods, x, []int{0}, attr.RandomizeOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	methods["gradient"] = attr.GradCAM("conv7")
	if _, err := attr.Randomize(context.Background(), b, store, reader, methods, x, []int{0}, attr.RandomizeOptions{}); err == nil || !strings.Contains(err.Error(), "conv1, conv2") {
		t.Errorf("a tap that does not exist: %v", err)
	}
}
