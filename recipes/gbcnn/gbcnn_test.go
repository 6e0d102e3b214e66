package gbcnn

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/recipes"
)

// Parameters of the released code: a body of 287,904 and 2,048 features at 32×32; each later step has 20·20+20 more.
func TestParameters(t *testing.T) {
	b := backendtest.ForTest(t)
	for steps, want := range []int{308_394, 333_190, 333_610, 334_030} {
		s, err := layers.Summarize(b, Model(paper(steps)), shapes.Make(dtypes.Float32, 1, 32, 32, 3))
		if err != nil {
			t.Fatal(err)
		}
		if s.Parameters() != want {
			t.Errorf("%d steps: %d parameters, want %d", steps, s.Parameters(), want)
		}
		if steps == 0 && s.Parameters()-(2048*10+10) != 287_904 {
			t.Errorf("the body has %d parameters", s.Parameters()-(2048*10+10))
		}
	}
}

// Residual rows sum to 0, and a full step along the residuals themselves lowers the cross-entropy.
func TestResiduals(t *testing.T) {
	const n, k = 50, 4
	r := rand.New(rand.NewPCG(1, 1))
	f, labels := make(Sum, n*k), make([]int32, n)
	for i := range f {
		f[i] = r.NormFloat64()
	}
	for i := range labels {
		labels[i] = int32(r.IntN(k))
	}
	residuals := f.Residuals(labels, k)
	for i := range n {
		var sum float64
		for _, v := range residuals[i*k : (i+1)*k] {
			sum += float64(v)
		}
		if math.Abs(sum) > 1e-6 {
			t.Fatalf("the residuals of row %d sum to %g", i, sum)
		}
	}
	length := Length(1, residuals, residuals, labels, k)
	before, moved := f.CrossEntropy(labels, k), slices.Clone(f)
	for i, v := range residuals {
		moved[i] += length * float64(v)
	}
	if after := moved.CrossEntropy(labels, k); !(length > 0 && after < before) {
		t.Errorf("a step of %g took the cross-entropy from %g to %g", length, before, after)
	}
	if got := Length(1, residuals, make([]float32, n*k), labels, k); got != 0 {
		t.Errorf("a step along zeros has length %g", got)
	}
}

// The dense layers of earlier steps stay as they are to the bit, the convolutions go on, and the sum grows by ρ·f.
func TestBoost(t *testing.T) {
	ctx := context.Background()
	data, err := tableData()
	if err != nil {
		t.Fatal(err)
	}
	images, test := data.Train.Slice(0, 512), data.Valid.Slice(0, 100)
	c := table(1)
	c.Stages = [][]int{{4}} // pooled along both axes, so the row becomes two
	images.H, images.W, test.H, test.W = 2, 10, 2, 10
	var trainers []*recipes.Trainer
	fit := recipes.Fit{Epochs: 2, Batch: 32, Optimizer: adam, Seed: 1, Progress: recipes.NoProgress}
	b, err := Boost(ctx, c, Options{Steps: 2, Fit: fit}, func(net recipes.Network, fit recipes.Fit) (*recipes.Trainer, error) {
		trainer, err := recipes.NewTrainer(backendtest.ForTest(t), net, fit)
		trainers = append(trainers, trainer)
		return trainer, err
	}, images, test)
	if err != nil {
		t.Fatal(err)
	}
	values := func(step int, path string) []float32 {
		return tensors.MustCopyFlatData[float32](trainers[step].Store().GetVariable(path).MustValue())
	}
	for _, path := range []string{"/dense1/weights", "/dense1/biases"} {
		if !slices.Equal(values(0, path), values(1, path)) {
			t.Errorf("%s changed in the second step", path)
		}
	}
	for _, path := range []string{"/stage1/conv1/weights", "/output/weights"} {
		if slices.Equal(values(0, path), values(1, path)) {
			t.Errorf("%s did not change in the second step", path)
		}
	}
	var sum Sum = make([]float64, test.N*c.Classes)
	for step, trainer := range trainers {
		out, err := trainer.Output(ctx, test)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range tensors.MustCopyFlatData[float32](out) {
			sum[i] += b.Lengths[step] * float64(v)
		}
	}
	for i := range sum {
		if math.Abs(sum[i]-b.Logits[0][i]) > 1e-6 {
			t.Fatalf("logit %d is %g, the steps sum to %g", i, b.Logits[0][i], sum[i])
		}
	}
	if math.Abs(b.CrossEntropy[0]-math.Log(4)) > 1e-9 || !(b.CrossEntropy[2] < b.CrossEntropy[0]) {
		t.Errorf("cross-entropies %v", b.CrossEntropy)
	}
}
