package highperfnn

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/datasets"
	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/optim"
	"fovea/recipes"
)

// The formula for map sizes, and the network built by it, layer by layer.
func TestMapSizes(t *testing.T) {
	for _, c := range [][4]int{{29, 4, 0, 26}, {13, 3, 0, 11}, {29, 5, 1, 13}, {48, 5, 2, 15}, {5, 5, 3, 1}} {
		if got := MapSize(c[0], c[1], c[2]); got != c[3] {
			t.Errorf("maps of %d, kernel %d, skip %d: %d, want %d", c[0], c[1], c[2], got, c[3])
		}
	}
	c := Variants["mnist"]
	c.Layers = slices.Clone(c.Layers[:4])
	c.Layers[1].Skip = 1
	g := graph.NewGraph(backendtest.ForTest(t), "maps")
	defer g.Finalize()
	store := model.NewStore()
	model.SetStore(g, store)
	Model(c)(store.RootScope(), graph.Parameter(g, "x", shapes.Make(dtypes.Float32, 1, 29, 29, 1)))
	side := 29
	for i, l := range c.Layers { // 29 → 26 → 13 → 6 → 4 → 2
		side = MapSize(side, l.Kernel, l.Skip)
		if l.Pool > 0 {
			side /= l.Pool
		}
		node, err := layers.TapNode(g, name(i))
		if err != nil {
			t.Fatal(err)
		}
		if want := []int{1, side, side, l.Maps}; !slices.Equal(node.Shape().Dimensions, want) {
			t.Errorf("%s is %v, want %v", name(i), node.Shape().Dimensions, want)
		}
	}
}

func TestActivation(t *testing.T) {
	exec := graph.MustNewExec(backendtest.ForTest(t), ScaledTanh)
	defer exec.Finalize()
	out := tensors.MustCopyFlatData[float32](exec.MustCall1([]float32{-1, 0, 1, 100}))
	for i, want := range []float64{-1, 0, 1, 1.7159} {
		if d := math.Abs(float64(out[i]) - want); d > 2e-4 {
			t.Errorf("activation %d is %g, want %g", i, out[i], want)
		}
	}
}

// An alpha of 0 changes nothing, displacements have no direction on average, and their size is what the smoothing leaves.
func TestElastic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	src, dst := make([]uint8, 29*29), make([]uint8, 29*29)
	for i := range src {
		src[i] = uint8(r.IntN(256))
	}
	if Elastic(6, 0)(dst, src, 29, 29, 1, r); !bytes.Equal(src, dst) {
		t.Error("alpha 0 changed the image")
	}
	var sum, squares float64
	const draws = 400
	kernel := gaussian(6)
	for range draws {
		var mean float64
		for _, v := range field(29, 29, kernel, 36, r) {
			mean += v / (29 * 29)
			squares += v * v / (29 * 29 * draws)
		}
		sum += mean / draws
	}
	// Noise of variance 1/3 under weights whose squares sum to 1/(4πσ²).
	want := 36 * math.Sqrt(1.0/3/(4*math.Pi*36))
	if deviation := math.Sqrt(squares); math.Abs(deviation/want-1) > 0.1 {
		t.Errorf("displacements of %g pixels, want %g", deviation, want)
	}
	if math.Abs(sum) > 4*want/math.Sqrt(draws) {
		t.Errorf("the mean displacement is %g pixels", sum)
	}
}

// The same image in the next epoch is another distorted image; the same seed draws the same digits.
func TestDistortionsAreDrawnAnew(t *testing.T) {
	im, err := digits(1, 7, "test", mild)
	if err != nil {
		t.Fatal(err)
	}
	again, err := digits(1, 7, "test", mild)
	if err != nil || !bytes.Equal(im.Pixels, again.Pixels) {
		t.Fatalf("the same seed drew other digits (%v)", err)
	}
	feed, err := im.Batches(datasets.BatchOptions{Size: 1, Seed: 1, Infinite: true, Augment: Distort})
	if err != nil {
		t.Fatal(err)
	}
	var epochs [][]float32
	for batch, err := range feed.Iter() {
		if err != nil {
			t.Fatal(err)
		}
		epochs = append(epochs, tensors.MustCopyFlatData[float32](batch.Inputs[0]))
		_ = batch.Finalize()
		if len(epochs) == 2 {
			break
		}
	}
	if slices.Equal(epochs[0], epochs[1]) {
		t.Error("the second epoch has the same image")
	}
	if low, high := slices.Min(epochs[0]), slices.Max(epochs[0]); low < -1 || high > 1 {
		t.Errorf("inputs from %g to %g, want −1 to 1", low, high)
	}
}

// One online step of a net with two layers is what back-propagation by hand gives.
func TestOnlineStep(t *testing.T) {
	const rate = 0.1
	im := &datasets.Images{
		Name: "one", N: 1, H: 1, W: 1, C: 2, Pixels: []uint8{51, 204}, Labels: []int32{1}, Classes: []string{"a", "b"},
		Norm: datasets.Normalization{Mean: []float32{0.5, 0.5}, Std: []float32{0.5, 0.5}},
	}
	x := []float64{-0.6, 0.6}
	c := Config{Hidden: 2, Classes: 2, Size: 1, Channels: 2}
	fit := recipes.Fit{Steps: 1, Batch: 1, Seed: 1, Progress: recipes.NoProgress, Optimizer: func(int) optimizer.Interface { return optim.SGD{LearningRate: optim.Constant(rate)} }}
	trainer, err := recipes.NewTrainer(backendtest.ForTest(t), Model(c), fit)
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.Close()
	ctx := context.Background()
	if _, err := trainer.Output(ctx, im); err != nil { // makes the weights
		t.Fatal(err)
	}
	read := func(path string) []float64 {
		var all []float64
		for _, v := range tensors.MustCopyFlatData[float32](trainer.Store().GetVariable(path).MustValue()) {
			all = append(all, float64(v))
		}
		return all
	}
	w, v := read("/hidden/weights"), read("/output/weights") // [in out]; biases are 0
	if err := trainer.Run(ctx, im, nil); err != nil {
		t.Fatal(err)
	}
	var h, slope, z, delta, back [2]float64
	for j := range 2 {
		th := math.Tanh(0.6666 * (x[0]*w[j] + x[1]*w[2+j]))
		h[j], slope[j] = 1.7159*th, 1.7159*0.6666*(1-th*th)
	}
	for k := range 2 {
		z[k] = h[0]*v[k] + h[1]*v[2+k]
	}
	for k := range 2 {
		delta[k] = math.Exp(z[k]) / (math.Exp(z[0]) + math.Exp(z[1]))
	}
	delta[1]--
	for j := range 2 {
		back[j] = slope[j] * (delta[0]*v[2*j] + delta[1]*v[2*j+1])
	}
	for i := range 2 {
		for j := range 2 {
			w[2*i+j] -= rate * x[i] * back[j]
			v[2*i+j] -= rate * h[i] * delta[j]
		}
	}
	for path, want := range map[string][]float64{
		"/hidden/weights": w, "/output/weights": v,
		"/hidden/biases": {-rate * back[0], -rate * back[1]}, "/output/biases": {-rate * delta[0], -rate * delta[1]},
	} {
		for i, got := range read(path) {
			if math.Abs(got-want[i]) > 1e-6 {
				t.Errorf("%s[%d] is %g, by hand %g", path, i, got, want[i])
			}
		}
	}
}
