package recipes

import (
	"fmt"
	"io"
	"os"

	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/datasets"
	"fovea/layers/loss"
	"fovea/layers/optim"
)

// Fit says how a network is trained. The zero value is one epoch in batches of 64 by SGD with Nesterov momentum, a
// cosine schedule from 0.05 to zero after a short warm-up, and softmax cross-entropy on integer labels.
type Fit struct {
	Epochs int // passes through the data; 0: 1
	Steps  int // instead of Epochs, if not 0
	Batch  int // 0: 64

	LearningRate float64          // the peak; 0: 0.05
	WeightDecay  float64          // 0: 5e-4; negative: none. Biases and normalisations are spared
	Augment      datasets.Augment // nil: images as they are
	Freeze       []string         // scopes whose weights stay as they are: "conv1", "stage2/conv1"
	Loss         train.LossFn     // nil: softmax cross-entropy

	// Mixup and CutMix, if not 0, are the alphas of mixing each batch with itself (layers.Mixup, layers.CutMix); with both,
	// each batch takes one of them by chance. They need a loss that is linear in the target, as cross-entropy is.
	Mixup, CutMix float64

	// Average, if not 0, is the decay of a moving average of the weights (optim.EMA): 0.999, or nearer to 1 for long
	// trainings. Whatever looks at the network, evaluation and SaveWeights included, then sees the average.
	Average float64

	// BFloat16 computes the network in half precision while weights, normalisations and the loss stay in float32.
	BFloat16 bool

	// PlainForms builds the network with layers.WithPlainForms: slower on most machines, the same up to rounding.
	PlainForms bool

	// Optimizer, if not nil, makes the optimiser for a training of that many steps; LearningRate and WeightDecay are then
	// its own matter.
	Optimizer func(steps int) optimizer.Interface

	Seed int64 // of weights, which are the same on every backend, order, augmentation and dropout

	LogEvery  int // steps between points of the history; 0: 10
	EvalEvery int // steps between evaluations; 0: an epoch

	Dir       string // run folder with metrics.jsonl, config.json and checkpoints; empty: nothing is written
	Resume    bool   // go on from the newest checkpoint in Dir, if there is one
	SaveEvery int    // steps between checkpoints; 0: an epoch
	Keep      int    // newest checkpoints that stay; 0: 2
	Best      int    // checkpoints of the best evaluations that stay too, see LoadBest; 0: none
	Describe  any    // written to config.json: what a reader needs to repeat the run

	Progress Progress      // nil: a bar on stderr
	OnPoint  func(History) // called with the whole history at each new point, to draw live curves
	Log      io.Writer     // lines for the user; nil: stderr
}

func (f Fit) check() error {
	switch {
	case f.Epochs < 0 || f.Steps < 0 || f.Batch < 0:
		return fmt.Errorf("a fit of %d epochs, %d steps and batches of %d: none may be negative", f.Epochs, f.Steps, f.Batch)
	case f.LearningRate < 0:
		return fmt.Errorf("the learning rate is %g, it must not be negative", f.LearningRate)
	case f.LogEvery < 0 || f.EvalEvery < 0 || f.SaveEvery < 0 || f.Keep < 0 || f.Best < 0:
		return fmt.Errorf("a fit that logs every %d steps, evaluates every %d, saves every %d and keeps %d and the best %d: none may be negative",
			f.LogEvery, f.EvalEvery, f.SaveEvery, f.Keep, f.Best)
	case f.Mixup < 0 || f.CutMix < 0:
		return fmt.Errorf("mixing with alphas %g and %g: neither may be negative", f.Mixup, f.CutMix)
	case f.Average < 0 || f.Average >= 1:
		return fmt.Errorf("the average's decay is %g: want at least 0 and less than 1, such as 0.999", f.Average)
	case f.Best > 0 && f.Dir == "":
		return fmt.Errorf("the best %d checkpoints need a run folder: set Dir", f.Best)
	case f.Resume && f.Dir == "":
		return fmt.Errorf("there is nothing to resume without a run folder: set Dir")
	}
	return nil
}

func (f Fit) batch() int    { return orDefault(f.Batch, 64) }
func (f Fit) logEvery() int { return orDefault(f.LogEvery, 10) }
func (f Fit) keep() int     { return orDefault(f.Keep, 2) }

func orDefault(v, otherwise int) int {
	if v == 0 {
		return otherwise
	}
	return v
}

func (f Fit) loss() train.LossFn {
	if f.Loss != nil {
		return f.Loss
	}
	return loss.SoftmaxCrossEntropy(0)
}

func (f Fit) optimizer(steps int) optimizer.Interface {
	o := f.plainOptimizer(steps)
	if f.Average > 0 {
		return optim.EMA{Optimizer: o, Decay: f.Average}
	}
	return o
}

func (f Fit) plainOptimizer(steps int) optimizer.Interface {
	if f.Optimizer != nil {
		return f.Optimizer(steps)
	}
	rate, decay := f.LearningRate, f.WeightDecay
	if rate == 0 {
		rate = 0.05
	}
	if decay == 0 {
		decay = 5e-4
	}
	return optim.SGD{
		// The first steps are small, since fresh weights have large gradients.
		LearningRate: optim.Warmup{Steps: min(steps/10, 100), Then: optim.Cosine{Initial: rate, Steps: steps}},
		Momentum:     0.9, Nesterov: true, WeightDecay: max(decay, 0), NoDecay: optim.BiasesAndNorms,
	}
}

func (f Fit) progress() Progress {
	if f.Progress != nil {
		return f.Progress
	}
	return TerminalProgress(os.Stderr)
}

func (f Fit) log() io.Writer {
	if f.Log != nil {
		return f.Log
	}
	return os.Stderr
}
