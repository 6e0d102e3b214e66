package multisampledropout

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"

	"fovea/internal/backend/backendtest"
	"fovea/layers/loss"
	"fovea/recipes"
)

const examples, features, classes = 4, 6, 3

func random(r *rand.Rand, shape ...int) *tensors.Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return tensors.FromFlatDataAndDimensions(x, shape...)
}

// masksOf are dropout masks at rate one half; each example's first mask is repeated if same is set.
func masksOf(r *rand.Rand, m int, same bool) *tensors.Tensor {
	x := make([]float32, examples*m*features)
	for i := range x {
		if x[i] = float32(2 * r.IntN(2)); same && i/features%m > 0 {
			x[i] = x[i-features]
		}
	}
	return tensors.FromFlatDataAndDimensions(x, examples, m, features)
}

var labels = tensors.FromFlatDataAndDimensions([]int32{0, 2, 1, 2}, examples, 1)

// gradients returns the loss and its gradients by the features [B F] and by the weights [F K] of a linear head, as a
// trainer computes them: cross-entropy plus what the graph has added.
func gradients(t *testing.T, b compute.Backend, x, masks, w *tensors.Tensor, lossOf func(x, masks, w, y *graph.Node) *graph.Node) [3][]float32 {
	t.Helper()
	exec := graph.MustNewExec(b, func(x, masks, w, y *graph.Node) []*graph.Node {
		l := lossOf(x, masks, w, y)
		g := graph.Gradient(l, x, w)
		return []*graph.Node{l, g[0], g[1]}
	})
	defer exec.Finalize()
	var values [3][]float32
	for i, out := range exec.MustCall(x, masks, w, labels) {
		values[i] = tensors.MustCopyFlatData[float32](out)
	}
	return values
}

// multi is the loss of this package's head.
func multi(x, masks, w, y *graph.Node) *graph.Node {
	out := Head(x, masks, func(x *graph.Node) *graph.Node { return graph.Dot(x, w).Product() })
	l := loss.SoftmaxCrossEntropy(0)([]*graph.Node{y}, []*graph.Node{out})
	if extra := train.GetRegularizationLoss(x.Graph()); extra != nil {
		l = graph.Add(l, extra)
	}
	return l
}

// ordinary is the loss of the paper taken literally: each sample a batch of its own under ordinary dropout, losses averaged.
func ordinary(x, masks, w, y *graph.Node) *graph.Node {
	var sum *graph.Node
	m := masks.Shape().Dimensions[1]
	for i := range m {
		mask := graph.Squeeze(graph.Slice(masks, graph.AxisRange(), graph.AxisElem(i)), 1) // [B F]
		l := loss.SoftmaxCrossEntropy(0)([]*graph.Node{y}, []*graph.Node{graph.Dot(graph.Mul(x, mask), w).Product()})
		if sum == nil {
			sum = l
		} else {
			sum = graph.Add(sum, l)
		}
	}
	return graph.DivScalar(sum, float64(m))
}

func same(t *testing.T, what string, a, b [3][]float32) {
	t.Helper()
	for i, name := range []string{"loss", "gradient by the features", "gradient by the weights"} {
		for j := range a[i] {
			if d := math.Abs(float64(a[i][j] - b[i][j])); !(d < 1e-6) {
				t.Fatalf("%s: %s differs by %g at %d: %g and %g", what, name, d, j, a[i][j], b[i][j])
			}
		}
	}
}

// The head is the average of M ordinary dropout losses, and so the batch duplicated M times; M = 1 is ordinary dropout.
func TestEqualsOrdinaryDropout(t *testing.T) {
	b := backendtest.ForTest(t)
	r := rand.New(rand.NewPCG(1, 1))
	x, w := random(r, examples, features), random(r, features, classes)
	for _, m := range []int{1, 2, 8} {
		masks := masksOf(r, m, false)
		same(t, "M losses averaged", gradients(t, b, x, masks, w, multi), gradients(t, b, x, masks, w, ordinary))
	}
	eight := masksOf(r, 8, true)
	flat := tensors.MustCopyFlatData[float32](eight)
	var first []float32
	for i := range examples {
		first = append(first, flat[i*8*features:i*8*features+features]...)
	}
	one := tensors.FromFlatDataAndDimensions(first, examples, 1, features)
	same(t, "identical masks", gradients(t, b, x, eight, w, multi), gradients(t, b, x, one, w, ordinary))
}

// Given the batch, the gradient's variance over masks falls as 1/M while its mean stays.
func TestVarianceOfGradient(t *testing.T) {
	b := backendtest.ForTest(t)
	r := rand.New(rand.NewPCG(2, 1))
	x, w := random(r, examples, features), random(r, features, classes)
	const draws = 3000
	moments := func(m int) (mean []float64, variance float64) {
		exec := graph.MustNewExec(b, func(x, masks, w, y *graph.Node) *graph.Node { return graph.Gradient(multi(x, masks, w, y), w)[0] })
		defer exec.Finalize()
		sum, squares := make([]float64, features*classes), make([]float64, features*classes)
		for range draws {
			masks := masksOf(r, m, false)
			out := exec.MustCall1(x, masks, w, labels)
			for i, v := range tensors.MustCopyFlatData[float32](out) {
				sum[i] += float64(v)
				squares[i] += float64(v) * float64(v)
			}
			out.MustFinalizeAll()
			masks.MustFinalizeAll()
		}
		for i := range sum {
			sum[i] /= draws
			variance += squares[i]/draws - sum[i]*sum[i]
		}
		return sum, variance
	}
	mean1, var1 := moments(1)
	mean8, var8 := moments(8)
	if ratio := var1 / var8; math.Abs(ratio-8) > 8*0.15 {
		t.Errorf("the variance with 1 sample is %.2f times that with 8, want 8 within 15 %%", ratio)
	}
	// The summed squared distance of two means of n draws has the expectation (var1+var8)/n.
	var distance float64
	for i := range mean1 {
		distance += (mean1[i] - mean8[i]) * (mean1[i] - mean8[i])
	}
	if expected := (var1 + var8) / draws; distance > 4*expected {
		t.Errorf("the mean gradients lie %.2g apart, chance explains %.2g", math.Sqrt(distance), math.Sqrt(expected))
	}
}

// In evaluation nothing depends on the number of samples, and neither do the weights.
func TestEvaluationIgnoresSamples(t *testing.T) {
	b := backendtest.ForTest(t)
	x := random(rand.New(rand.NewPCG(3, 1)), 2, 8, 8, 3)
	c := Tiny(Variants["M1"])
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(1); err != nil {
		t.Fatal(err)
	}
	run := func(samples int) []float32 {
		c.Samples = samples
		exec := model.MustNewExec1(b, store, Model(c))
		defer exec.Finalize()
		return tensors.MustCopyFlatData[float32](exec.MustCall1(x))
	}
	one, many := run(1), run(32)
	for i := range one {
		if one[i] != many[i] {
			t.Fatalf("logit %d is %g with 1 sample and %g with 32", i, one[i], many[i])
		}
	}
}

func TestStepsTo(t *testing.T) {
	var h recipes.History
	for i, l := range []float64{3, 2, 0.1, 2, 2, 1, 0.9, 0.8, 0.7, 0.6, 0.5} { // the 0.1 is noise
		h = append(h, recipes.Point{Split: "train", Step: 10 * (i + 1), Loss: l})
	}
	if step, ok := stepsTo(1, h); step != 100 || !ok {
		t.Errorf("the goal is reached at %d (%v), want 100", step, ok)
	}
	if step, ok := stepsTo(0.1, h); step != 110 || ok {
		t.Errorf("a goal that isn't reached gives %d (%v), want the last step and false", step, ok)
	}
}
