package datasets

import (
	"math"
	"testing"

	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/loss"
	"github.com/gomlx/gomlx/ml/train/metric"
	"github.com/gomlx/gomlx/ml/train/optimizer"
)

// One trainer trains on full batches and evaluates on a set that doesn't divide evenly. The padding must not count: the
// losses and accuracies of padded batches, weighted by the images in each, must give those of smaller last batches.
func TestTrainerTakesTheBatches(t *testing.T) {
	backend, err := gobackend.New("")
	if err != nil {
		t.Fatal(err)
	}
	im := numbered(70, 3, 3, 3, 2)
	for i := range im.N { // something to learn: the first pixel is the label
		im.PixelsAt(i)[0] = uint8(200 * im.Labels[i])
	}
	network := func(s *model.Scope, _ any, inputs []*graph.Node) []*graph.Node {
		x := inputs[0]
		return []*graph.Node{layers.Dense(s.In("fc"), graph.Reshape(x, x.Shape().Dimensions[0], -1), true, 2)}
	}
	store := model.NewStore()
	store.SetRNGStateFromSeed(1)
	trainer := train.NewTrainer(backend, store, network, loss.SparseCategoricalCrossEntropyLogits,
		optimizer.Adam().LearningRate(0.03).Done(), nil, []metric.Interface{metric.NewSparseCategoricalAccuracy("accuracy", "acc")})
	evaluate := func(last Last) (meanLoss, accuracy float64) {
		for k, batch := range take(t, batches(t, im, BatchOptions{Size: 32, Last: last}), -1) {
			if (batch.Spec == Padded) != (last == PadLast) {
				t.Errorf("Spec is %v", batch.Spec)
			}
			for _, m := range trainer.EvalMetrics() {
				m.Reset(store.RootScope())
			}
			results, err := trainer.EvalStep(batch)
			if err != nil {
				t.Fatal(err)
			}
			weight := float64(min(32, im.N-32*k)) / float64(im.N)
			meanLoss += weight * float64(tensors.ToScalar[float32](results[0]))
			accuracy += weight * float64(tensors.ToScalar[float32](results[len(results)-1]))
		}
		return meanLoss, accuracy
	}
	training := batches(t, im, BatchOptions{Size: 16, Shuffle: true, Last: DropLast, Infinite: true})
	loop := train.NewLoop(trainer)
	for _, steps := range []int{3, 60} {
		if _, err := loop.RunSteps(training, steps); err != nil {
			t.Fatal(err)
		}
		exactLoss, exact := evaluate(KeepLast)
		paddedLoss, padded := evaluate(PadLast)
		if math.Abs(exactLoss-paddedLoss) > 1e-5 || math.Abs(exact-padded) > 1e-6 {
			t.Errorf("after %d steps loss and accuracy are %g and %g, with a padded batch %g and %g", training.Position(), exactLoss, exact, paddedLoss, padded)
		}
		if steps == 60 && exact < 0.9 {
			t.Errorf("accuracy %g after training", exact)
		}
	}
}
