package recipes

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/datasets"
	"fovea/internal/tfevents"
	"fovea/layers/optim"
)

// Mixing changes what is learnt from, not what is looked at, and a resumed training mixes as an uninterrupted one.
func TestMixing(t *testing.T) {
	ctx := context.Background()
	train, test := tinyImages(t, 64)
	run := func(f Fit) (*Trainer, float64) {
		f.Epochs, f.Batch, f.Seed, f.LogEvery = 8, 16, 1, 4
		tr := newTiny(t, f)
		if err := tr.Run(ctx, train, nil); err != nil {
			t.Fatal(err)
		}
		e, err := tr.Evaluate(ctx, test)
		if err != nil {
			t.Fatal(err)
		}
		return tr, e.Loss
	}
	plain, _ := run(Fit{})
	all := map[string]map[string][]float32{"plain": weights(t, plain)}
	for name, fit := range map[string]Fit{"mixup": {Mixup: 0.5}, "cutmix": {CutMix: 1}, "both": {Mixup: 0.5, CutMix: 1}} {
		tr, _ := run(fit)
		points := tr.History().Split("train")
		if first, last := points[0].Loss, points[len(points)-1].Loss; !(last < first) {
			t.Errorf("%s: the loss went from %g to %g", name, first, last)
		}
		for other, w := range all {
			if d := distance(t, w, weights(t, tr)); d < 1e-4 {
				t.Errorf("%s trains as %s does", name, other)
			}
		}
		all[name] = weights(t, tr)
		again, _ := run(fit)
		if d := distance(t, weights(t, again), weights(t, tr)); d > 1e-6 {
			t.Errorf("%s: the same seed differs by %g", name, d)
		}
	}
}

func TestAverages(t *testing.T) {
	ctx := context.Background()
	train, test := tinyImages(t, 64)
	fit := Fit{Epochs: 3, Batch: 16, Seed: 1, Average: 0.9, LearningRate: 0.2, Dir: t.TempDir()}
	tr := newTiny(t, fit)
	if err := tr.Run(ctx, train, test); err != nil {
		t.Fatal(err)
	}
	plain := newTiny(t, Fit{Epochs: 3, Batch: 16, Seed: 1, LearningRate: 0.2})
	if err := plain.Run(ctx, train, test); err != nil {
		t.Fatal(err)
	}
	if d := distance(t, weights(t, tr), weights(t, plain)); d > 1e-6 {
		t.Errorf("averaging moved the weights themselves by %g", d)
	}
	before := weights(t, tr)
	looked, err := tr.Evaluate(ctx, test)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := plain.Evaluate(ctx, test)
	if err != nil {
		t.Fatal(err)
	}
	if looked.Loss == raw.Loss {
		t.Error("the evaluation saw the weights, not their average")
	}
	if d := distance(t, before, weights(t, tr)); d != 0 {
		t.Errorf("the evaluation left the weights %g away", d)
	}
	// The file has the averages, which evaluate as the trainer did.
	file := filepath.Join(t.TempDir(), "w.npz")
	if err := tr.SaveWeights(file, WeightMap{}); err != nil {
		t.Fatal(err)
	}
	loaded := newTiny(t, Fit{})
	if _, err := loaded.LoadWeights(file, nil, []int{16, 16, 3}, WeightOptions{}); err != nil {
		t.Fatal(err)
	}
	if e, err := loaded.Evaluate(ctx, test); err != nil || e.Loss != looked.Loss {
		t.Errorf("loss %g of the file, %g of the trainer, %v", e.Loss, looked.Loss, err)
	}
	// Loaded into the trainer itself they are its weights, and no older average stands before them.
	if err := tr.Configure(quiet(Fit{Average: 0.9, Batch: 16, Seed: 1})); err != nil {
		t.Fatal(err)
	}
	if err := tr.Run(ctx, train, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.LoadWeights(file, nil, []int{16, 16, 3}, WeightOptions{}); err != nil {
		t.Fatal(err)
	}
	if e, err := tr.Evaluate(ctx, test); err != nil || e.Loss != looked.Loss {
		t.Errorf("loss %g after loading the file again, want %g, %v", e.Loss, looked.Loss, err)
	}
	// A resumed run has them too.
	fit.Resume = true
	resumed := newTiny(t, fit)
	if err := resumed.Run(ctx, train, test); err != nil {
		t.Fatal(err)
	}
	if e, err := resumed.Evaluate(ctx, test); err != nil || e.Loss != looked.Loss {
		t.Errorf("loss %g after resuming, %g before, %v", e.Loss, looked.Loss, err)
	}
	if n := len(optim.Averages(resumed.Store())); n != len(before) {
		t.Errorf("%d averages for %d variables", n, len(before))
	}
}

func TestHalfPrecision(t *testing.T) {
	ctx := context.Background()
	train, test := tinyImages(t, 96)
	var types []dtypes.DType
	net := func(s *model.Scope, x *graph.Node) *graph.Node {
		types = append(types, x.DType())
		return tinyNet(s, x)
	}
	fit := quiet(Fit{Epochs: 6, Batch: 32, LearningRate: 0.05, BFloat16: true, LogEvery: 2})
	tr, err := NewTrainer(testBackend(t), net, fit)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if err := tr.Run(ctx, train, test); err != nil {
		t.Fatal(err)
	}
	for _, d := range types {
		if d != dtypes.BFloat16 {
			t.Fatalf("the network was fed %s", d)
		}
	}
	points := tr.History().Split("train")
	if first, last := points[0].Loss, points[len(points)-1].Loss; !(last < 0.95*first) {
		t.Errorf("the loss went from %g to %g", first, last)
	}
	for _, v := range tr.Variables() {
		if v.DType() != dtypes.Float32 {
			t.Errorf("%s is stored as %s", v.Path(), v.DType())
		}
	}
	half, err := tr.Evaluate(ctx, test)
	if err != nil {
		t.Fatal(err)
	}
	f, err := tr.Features(ctx, test.Slice(0, 2), "conv1")
	if err != nil || f.DType() != dtypes.Float32 {
		t.Errorf("features %v, %v", f, err)
	}
	fit.BFloat16 = false
	if err := tr.Configure(fit); err != nil {
		t.Fatal(err)
	}
	full, err := tr.Evaluate(ctx, test)
	if err != nil {
		t.Fatal(err)
	}
	if types[len(types)-1] != dtypes.Float32 {
		t.Error("after Configure the network is still fed half precision")
	}
	if d := half.Loss - full.Loss; d == 0 || d > 0.05 || d < -0.05 {
		t.Errorf("loss %g in half precision and %g in full", half.Loss, full.Loss)
	}
}

// Training in the engine's own forms comes to the same.
func TestPlainForms(t *testing.T) {
	train, _ := tinyImages(t, 32)
	var losses []float32
	for _, plain := range []bool{false, true} {
		tr, err := NewTrainer(testBackend(t), tinyNet, quiet(Fit{Steps: 4, Batch: 16, LearningRate: 0.05, LogEvery: 4, PlainForms: plain}))
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.Run(context.Background(), train, nil); err != nil {
			t.Fatal(err)
		}
		points := tr.History().Split("train")
		losses = append(losses, float32(points[len(points)-1].Loss))
		tr.Close()
	}
	if d := losses[0] - losses[1]; !(d < 1e-4 && d > -1e-4) {
		t.Errorf("losses %v differ", losses)
	}
}

func TestBestCheckpoints(t *testing.T) {
	ctx := context.Background()
	train, _ := tinyImages(t, 32)
	dir := t.TempDir()
	tr := newTiny(t, Fit{Epochs: 6, Batch: 16, Dir: dir, Best: 2, LearningRate: 1e-9})
	if _, err := tr.LoadBest(); err == nil || !strings.Contains(err.Error(), "train") {
		t.Errorf("before training: %v", err)
	}
	feed, err := train.Batches(batchesOf(16))
	if err != nil {
		t.Fatal(err)
	}
	// Evaluations as they might be; the fourth and the second are best.
	accuracies, saw := []float64{0.3, 0.8, 0.5, 0.9, 0.8, 0.1}, map[int][]float32{}
	err = tr.RunFeed(ctx, feed, func(context.Context) (Evaluation, error) {
		i := len(saw)
		v := tr.Store().GetVariable("/output/biases")
		if err := v.SetValue(tensors.FromFlatDataAndDimensions([]float32{float32(i), 0, 0}, 3)); err != nil {
			return Evaluation{}, err
		}
		saw[i] = []float32{float32(i), 0, 0}
		return Evaluation{Accuracy: accuracies[i], Loss: 1}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := rankCheckpoints(filepath.Join(dir, "best"))
	if err != nil || len(kept) != 2 || kept[0].step != 8 || kept[1].step != 4 {
		t.Fatalf("kept %+v, %v; want steps 8 and 4", kept, err)
	}
	step, err := tr.LoadBest()
	if err != nil || step != 8 {
		t.Fatalf("step %d, %v", step, err)
	}
	got := weights(t, tr)["/output/biases"]
	if got[0] < 2.9 || got[0] > 3.1 {
		t.Errorf("biases %v, want those of the fourth evaluation", got)
	}
	files, err := filepath.Glob(filepath.Join(kept[0].dir, "*.bin"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.Truncate(files[0], 10); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.LoadBest(); err == nil || !strings.Contains(err.Error(), files[0]) {
		t.Errorf("a damaged one: %v", err)
	}
}

func TestEventsForTensorBoard(t *testing.T) {
	train, test := tinyImages(t, 32)
	dir := t.TempDir()
	tr := newTiny(t, Fit{Epochs: 2, Batch: 16, Dir: dir, LogEvery: 1})
	if err := tr.Run(context.Background(), train, test); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	scalars, err := tfevents.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range tr.History() {
		want := tfevents.Scalar{Name: "loss/" + p.Split, Step: p.Step, Value: float64(float32(p.Loss))}
		if !slices.Contains(scalars, want) {
			t.Errorf("no %+v among %v", want, scalars)
		}
	}
}

func TestFitRefuses(t *testing.T) {
	for says, f := range map[string]Fit{
		"alphas":        {Mixup: -1},
		"decay is 1":    {Average: 1},
		"run folder":    {Best: 2},
		"the best -1":   {Best: -1},
		"learning rate": {LearningRate: -1},
	} {
		if _, err := NewTrainer(testBackend(t), tinyNet, f); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: error %v, want one with %q", f, err, says)
		}
	}
}

func batchesOf(n int) datasets.BatchOptions {
	return datasets.BatchOptions{Size: n, Last: datasets.DropLast, Infinite: true}
}
