package recipes

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend"
	_ "github.com/gomlx/go-xla/compute/xla"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/datasets"
	"fovea/datasets/synth"
	"fovea/layers"
)

func testBackend(t *testing.T) compute.Backend {
	t.Helper()
	if os.Getenv("GOMLX_BACKEND") == "" {
		t.Setenv("GOMLX_BACKEND", "go")
	}
	b, err := compute.New()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tinyNet(s *model.Scope, x *graph.Node) *graph.Node {
	x = layers.Conv(s.In("conv1"), x, layers.ConvOptions{Filters: 4, Stride: 2})
	x = layers.Tap(layers.ReLU(x), "conv1") // [B 8 8 4]
	x = layers.Flatten(layers.MaxPool(x, layers.PoolOptions{}))
	x = layers.Dropout(s, x, 0.1)
	return layers.Dense(s.In("output"), x, 3)
}

func tinyImages(t *testing.T, n int) (train, test *datasets.Images) {
	t.Helper()
	im, err := synth.Shapes(synth.ShapesOptions{N: n + 37, Size: 16, Classes: 3, Clutter: -1, Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	return im.Slice(0, n), im.Slice(n, n+37)
}

func quiet(f Fit) Fit {
	f.Progress, f.Log = NoProgress, io.Discard
	return f
}

func newTiny(t *testing.T, f Fit) *Trainer {
	t.Helper()
	tr, err := NewTrainer(testBackend(t), tinyNet, quiet(f))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

func weights(t *testing.T, tr *Trainer) map[string][]float32 {
	t.Helper()
	all := map[string][]float32{}
	for _, v := range tr.Variables() {
		all[v.Path()] = tensors.MustCopyFlatData[float32](v.MustValue())
	}
	return all
}

func distance(t *testing.T, a, b map[string][]float32) float64 {
	t.Helper()
	if len(a) != len(b) || len(a) == 0 {
		t.Fatalf("%d and %d variables", len(a), len(b))
	}
	largest := 0.0
	for path, x := range a {
		for i := range x {
			largest = max(largest, math.Abs(float64(x[i]-b[path][i])))
		}
	}
	return largest
}

func TestTrainsAndTrainsOn(t *testing.T) {
	ctx := context.Background()
	train, test := tinyImages(t, 96)
	tr := newTiny(t, Fit{Epochs: 6, Batch: 32, LearningRate: 0.05, LogEvery: 2})
	if err := tr.Run(ctx, train, test); err != nil {
		t.Fatal(err)
	}
	h := tr.History()
	first, last := h.Split("train")[0], h.Split("train")[len(h.Split("train"))-1]
	if last.Loss > first.Loss*0.9 || last.LearningRate >= first.LearningRate && last.LearningRate != 0 {
		t.Errorf("from %+v to %+v", first, last)
	}
	if n := len(h.Split("eval")); n != 6 {
		t.Errorf("%d evaluations, want one an epoch", n)
	}
	if tr.Step() != 18 || last.Step != 18 {
		t.Errorf("step %d, want 18", tr.Step())
	}
	// Another fit on the live weights: the frozen layer stays, the other moves.
	before := weights(t, tr)
	if err := tr.Configure(quiet(Fit{Epochs: 1, Batch: 32, Freeze: []string{"conv1"}, Augment: datasets.CropFlip(2)})); err != nil {
		t.Fatal(err)
	}
	if err := tr.Run(ctx, train, nil); err != nil {
		t.Fatal(err)
	}
	after := weights(t, tr)
	if d := distance(t, map[string][]float32{"": before["/conv1/weights"]}, map[string][]float32{"": after["/conv1/weights"]}); d != 0 {
		t.Errorf("frozen weights moved by %g", d)
	}
	if d := distance(t, map[string][]float32{"": before["/output/weights"]}, map[string][]float32{"": after["/output/weights"]}); d == 0 {
		t.Error("free weights didn't move")
	}
	if tr.Step() != 21 {
		t.Errorf("step %d, want 21", tr.Step())
	}
	if err := tr.Configure(quiet(Fit{Freeze: []string{"conv9"}})); err != nil {
		t.Fatal(err)
	}
	if err := tr.Run(ctx, train, nil); err == nil || !strings.Contains(err.Error(), "conv1") {
		t.Errorf("a scope that isn't there: %v", err)
	}
}

func TestSeedsRepeatAndResetEqualsNew(t *testing.T) {
	ctx := context.Background()
	train, _ := tinyImages(t, 64)
	run := func(seed int64) map[string][]float32 {
		tr := newTiny(t, Fit{Epochs: 2, Batch: 16, Seed: seed})
		if err := tr.Run(ctx, train, nil); err != nil {
			t.Fatal(err)
		}
		return weights(t, tr)
	}
	one, two := run(1), run(2)
	if d := distance(t, one, run(1)); d > 1e-6 {
		t.Errorf("the same seed differs by %g", d)
	}
	if d := distance(t, one, two); d < 1e-3 {
		t.Errorf("another seed differs by %g only", d)
	}
	tr := newTiny(t, Fit{Epochs: 2, Batch: 16, Seed: 1})
	for _, seed := range []int64{1, 2, 1} {
		if err := tr.Reset(seed); err != nil {
			t.Fatal(err)
		}
		if err := tr.Run(ctx, train, nil); err != nil {
			t.Fatal(err)
		}
		want := one
		if seed == 2 {
			want = two
		}
		if d := distance(t, weights(t, tr), want); d > 1e-6 {
			t.Errorf("after Reset(%d) the result differs by %g from a new trainer's", seed, d)
		}
	}
}

func TestResumeEqualsUninterrupted(t *testing.T) {
	train, test := tinyImages(t, 80)
	fit := Fit{Epochs: 3, Batch: 16, Seed: 3, LogEvery: 1, SaveEvery: 4, Augment: datasets.CropFlip(2)}
	whole := newTiny(t, fit)
	if err := whole.Run(context.Background(), train, test); err != nil {
		t.Fatal(err)
	}

	fit.Dir = t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	fit.OnPoint = func(h History) {
		if h[len(h)-1].Step == 7 {
			cancel()
		}
	}
	first := newTiny(t, fit)
	err := first.Run(ctx, train, test)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "step 7 of 15") {
		t.Fatalf("an interrupt gave %v", err)
	}
	fit.OnPoint = nil
	if err := newTiny(t, fit).Run(context.Background(), train, test); err == nil || !strings.Contains(err.Error(), "holds a run already") {
		t.Errorf("a folder with a run was taken for a new one: %v", err)
	}
	fit.Resume = true
	second := newTiny(t, fit)
	if err := second.Run(context.Background(), train, test); err != nil {
		t.Fatal(err)
	}
	if d := distance(t, weights(t, whole), weights(t, second)); d > 1e-6 {
		t.Errorf("resumed weights differ by %g", d)
	}
	saved, err := ReadHistory(filepath.Join(fit.Dir, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	want := whole.History()
	if len(saved) != len(want) {
		t.Fatalf("%d points, want %d", len(saved), len(want))
	}
	for i, p := range saved {
		if p.Step != want[i].Step || p.Split != want[i].Split || math.Abs(p.Loss-want[i].Loss) > 1e-5 || math.Abs(p.LearningRate-want[i].LearningRate) > 1e-8 {
			t.Errorf("point %d: %+v, want %+v", i, p, want[i])
		}
	}
}

func TestCheckpointFaults(t *testing.T) {
	ctx := context.Background()
	train, _ := tinyImages(t, 64)
	dir := t.TempDir()
	fit := Fit{Epochs: 2, Batch: 16, Dir: dir, Resume: true}
	if err := newTiny(t, fit).Run(ctx, train, nil); err != nil {
		t.Fatal(err)
	}
	all, err := listCheckpoints(filepath.Join(dir, "checkpoints"))
	if err != nil || len(all) != 2 {
		t.Fatalf("checkpoints %v, %v; want two", all, err)
	}
	damage := func(checkpoint string) string {
		t.Helper()
		files, _ := filepath.Glob(filepath.Join(checkpoint, "*.bin"))
		if len(files) != 1 {
			t.Fatalf("files %v", files)
		}
		data, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(files[0], data, 0o644); err != nil {
			t.Fatal(err)
		}
		return files[0]
	}
	bad := damage(all[1])
	var log strings.Builder
	tr := newTiny(t, fit)
	tr.fit.Log = &log
	if err := tr.Run(ctx, train, nil); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), bad) || !strings.Contains(log.String(), "step 4") {
		t.Errorf("the older checkpoint was taken without naming the damaged file: %q", log.String())
	}
	// Now none is whole.
	all, _ = listCheckpoints(filepath.Join(dir, "checkpoints"))
	for _, c := range all {
		bad = damage(c)
	}
	err = newTiny(t, fit).Run(ctx, train, nil)
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), bad) {
		t.Errorf("only damaged checkpoints: %v", err)
	}
	// Other settings and another network are refused.
	dir = t.TempDir()
	fit = Fit{Epochs: 1, Batch: 16, Dir: dir, Resume: true}
	if err := newTiny(t, fit).Run(ctx, train, nil); err != nil {
		t.Fatal(err)
	}
	fit.Batch = 8
	if err := newTiny(t, fit).Run(ctx, train, nil); err == nil || !strings.Contains(err.Error(), "batches of 16") {
		t.Errorf("another batch size: %v", err)
	}
	fit.Batch = 16
	other, err := NewTrainer(testBackend(t), func(s *model.Scope, x *graph.Node) *graph.Node {
		return layers.Dense(s.In("output"), layers.Flatten(x), 3)
	}, quiet(fit))
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Run(ctx, train, nil); err == nil || !strings.Contains(err.Error(), "another network") {
		t.Errorf("another network: %v", err)
	}
}

func TestRunFolderInUse(t *testing.T) {
	train, _ := tinyImages(t, 32)
	dir := t.TempDir()
	unlock, err := lockFolder(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	tr := newTiny(t, Fit{Batch: 16, Dir: dir})
	if err := tr.Run(context.Background(), train, nil); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a folder in use: %v", err)
	}
	unlock()
	if err := tr.Run(context.Background(), train, nil); err != nil {
		t.Error(err)
	}
}

func TestNaNNamesItsStep(t *testing.T) {
	train, _ := tinyImages(t, 64)
	tr := newTiny(t, Fit{Epochs: 3, Batch: 16, LearningRate: 1e30, WeightDecay: -1, LogEvery: 5})
	err := tr.Run(context.Background(), train, nil)
	if err == nil || !strings.Contains(err.Error(), "at step ") || !strings.Contains(err.Error(), "learning rate") {
		t.Errorf("a loss that isn't a number: %v", err)
	}
}

// When the weights blow up what was saved before is still there and whole, and nothing that is not finite is saved.
func TestNaNLosesNothing(t *testing.T) {
	ctx := context.Background()
	train, _ := tinyImages(t, 64)
	fit := Fit{Steps: 8, Batch: 16, LearningRate: 0.01, SaveEvery: 1, LogEvery: 1, Keep: 3, Dir: t.TempDir()}
	tr := newTiny(t, fit)
	fit.OnPoint = func(h History) {
		if h[len(h)-1].Step == 5 { // as a step too large would leave them
			v := tr.Store().GetVariable("/output/biases")
			if err := v.SetValue(tensors.FromFlatDataAndDimensions([]float32{float32(math.Inf(1)), 0, 0}, 3)); err != nil {
				t.Error(err)
			}
		}
	}
	if err := tr.Configure(quiet(fit)); err != nil {
		t.Fatal(err)
	}
	err := tr.Run(ctx, train, nil)
	if err == nil || !strings.Contains(err.Error(), "/output/biases") || !strings.Contains(err.Error(), "step 5") || !strings.Contains(err.Error(), "learning rate") {
		t.Fatalf("infinite weights: %v", err)
	}
	fit.Resume, fit.OnPoint = true, nil
	again := newTiny(t, fit)
	if err := again.Run(ctx, train, nil); err != nil || again.Step() != 8 {
		t.Errorf("resumed after it: step %d, %v", again.Step(), err)
	}
	if steps := again.History().Split("train"); len(steps) != 8 {
		t.Errorf("%d points", len(steps))
	}
}

func TestEvaluationCountsEachImageOnce(t *testing.T) {
	ctx := context.Background()
	train, _ := tinyImages(t, 300) // two batches of 128 and one of 44
	tr := newTiny(t, Fit{Seed: 1})
	all, err := tr.Evaluate(ctx, train)
	if err != nil {
		t.Fatal(err)
	}
	if all.Images != 300 || all.Confusion.Total() != 300 {
		t.Errorf("counted %d and %d of 300", all.Images, all.Confusion.Total())
	}
	var loss, hits float64
	for _, part := range []*datasets.Images{train.Slice(0, 1), train.Slice(1, 290), train.Slice(290, 300)} {
		e, err := tr.Evaluate(ctx, part)
		if err != nil {
			t.Fatal(err)
		}
		loss += e.Loss * float64(part.N)
		hits += e.Accuracy * float64(part.N)
	}
	if math.Abs(loss/300-all.Loss) > 1e-5 || math.Abs(hits/300-all.Accuracy) > 1e-9 {
		t.Errorf("parts give loss %g and accuracy %g, the whole %g and %g", loss/300, hits/300, all.Loss, all.Accuracy)
	}
	p, err := tr.Predict(ctx, train.Slice(0, 2))
	if err != nil || len(p) != 2 || math.Abs(float64(p[0][0]+p[0][1]+p[0][2])-1) > 1e-5 {
		t.Errorf("probabilities %v, %v", p, err)
	}
	f, err := tr.Features(ctx, train.Slice(0, 2), "conv1")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Shape().CheckDims(2, 8, 8, 4); err != nil {
		t.Error(err)
	}
	if _, err := tr.Features(ctx, train.Slice(0, 2), "conv2"); err == nil || !strings.Contains(err.Error(), "conv1") {
		t.Errorf("an unknown tap: %v", err)
	}
}
