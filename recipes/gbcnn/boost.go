package gbcnn

import (
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/train"

	"fovea/datasets"
	"fovea/recipes"
)

// Options says how a network is boosted.
type Options struct {
	Steps int         // T: networks that are added up
	Rate  float64     // η: the part of each step's length that is taken; 0: 0.1
	Fit   recipes.Fit // of each step
}

// Boosted is the outcome of a boosting.
type Boosted struct {
	Trainers     []*recipes.Trainer // the network of each step
	Lengths      []float64          // ρ of each step
	CrossEntropy []float64          // on the training images, of the sum after each step, and of no network at first: T+1
	Logits       []Sum              // on each set of images that was asked for, after the last step
}

// Sum is the logits of the sum of networks on N images, row by row.
type Sum []float64

// Boost trains o.Steps networks of configuration c, of 1, 2, … dense layers, each to fit the residuals r = y − softmax(F) of the sum F
// of those before it, which is 0 at first, and adds each to the sum as F + ρ·f (algorithm 1). newTrainer makes the trainer of
// a step. The sums for the test images are only computed, never looked at.
func Boost(ctx context.Context, c Config, o Options, newTrainer func(recipes.Network, recipes.Fit) (*recipes.Trainer, error), images *datasets.Images, tests ...*datasets.Images) (Boosted, error) {
	if o.Rate == 0 {
		o.Rate = 0.1
	}
	k := c.Classes
	var b Boosted
	sets := append([]*datasets.Images{images}, tests...)
	sums := make([]Sum, len(sets))
	for i, set := range sets {
		sums[i] = make(Sum, set.N*k)
	}
	b.CrossEntropy = append(b.CrossEntropy, sums[0].CrossEntropy(images.Labels, k))
	for step := range o.Steps {
		c.Steps = step + 1
		fit := o.Fit
		fit.Loss, fit.Freeze = squaredError, nil
		for before := range step {
			fit.Freeze = append(fit.Freeze, dense(before))
		}
		trainer, err := newTrainer(Model(c), fit)
		if err != nil {
			return b, err
		}
		// Looking at some images makes the variables; those that the network of the step before has go on from there.
		if _, err := trainer.Output(ctx, images.Slice(0, min(images.N, 128))); err != nil {
			return b, err
		}
		if step > 0 {
			if err := inherit(trainer, b.Trainers[step-1]); err != nil {
				return b, err
			}
		}
		b.Trainers = append(b.Trainers, trainer)

		residuals := sums[0].Residuals(images.Labels, k)
		feed, err := newResidualFeed(images, residuals, k, fit.Batch, uint64(trainer.Fit().Seed)+uint64(step)<<32)
		if err != nil {
			return b, err
		}
		if err := trainer.RunFeed(ctx, feed, nil); err != nil {
			return b, fmt.Errorf("boosting step %d: %w", step+1, err)
		}
		var length float64
		for i, set := range sets {
			out, err := trainer.Output(ctx, set)
			if err != nil {
				return b, err
			}
			f := tensors.MustCopyFlatData[float32](out)
			if i == 0 {
				length = Length(o.Rate, residuals, f, images.Labels, k)
			}
			for j, v := range f {
				sums[i][j] += length * float64(v)
			}
		}
		b.Lengths = append(b.Lengths, length)
		b.CrossEntropy = append(b.CrossEntropy, sums[0].CrossEntropy(images.Labels, k))
	}
	b.Logits = sums[1:]
	return b, nil
}

// inherit copies the values of all variables that both networks have.
func inherit(to, from *recipes.Trainer) error {
	for _, v := range from.Variables() {
		own := to.Store().GetVariable(v.Path())
		if own == nil {
			continue
		}
		value, err := v.Value()
		if err != nil {
			return err
		}
		if value, err = value.LocalClone(); err != nil {
			return err
		}
		if err := own.SetValue(value); err != nil {
			return err
		}
	}
	return nil
}

// squaredError is the mean of (label − output)².
func squaredError(labels, outputs []*graph.Node) *graph.Node {
	return graph.ReduceAllMean(graph.Square(graph.Sub(outputs[0], labels[0])))
}

// probabilities of the classes of one image.
func probabilities(z []float64) []float64 {
	largest, sum := math.Inf(-1), 0.0
	for _, v := range z {
		largest = max(largest, v)
	}
	p := make([]float64, len(z))
	for i, v := range z {
		p[i] = math.Exp(v - largest)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// CrossEntropy is the mean of −log softmax(F) at the labels.
func (f Sum) CrossEntropy(labels []int32, k int) (mean float64) {
	for i, label := range labels {
		mean -= math.Log(probabilities(f[i*k : (i+1)*k])[label])
	}
	return mean / float64(len(labels))
}

// Accuracy is the share of images whose largest value is at the label; the first counts of equal ones.
func (f Sum) Accuracy(labels []int32, k int) float64 {
	hits := 0
	for i, label := range labels {
		best := 0
		for j, v := range f[i*k : (i+1)*k] {
			if v > f[i*k+best] {
				best = j
			}
		}
		if best == int(label) {
			hits++
		}
	}
	return float64(hits) / float64(len(labels))
}

// Residuals are y − softmax(F), the negative gradient of the cross-entropy: rows [K] that sum to 0.
func (f Sum) Residuals(labels []int32, k int) []float32 {
	r := make([]float32, len(f))
	for i, label := range labels {
		for j, p := range probabilities(f[i*k : (i+1)*k]) {
			r[i*k+j] = -float32(p)
			if j == int(label) {
				r[i*k+j] += 1
			}
		}
	}
	return r
}

// Length is ρ = η · Σ r·f / Σ f²·p(1−p), a Newton step along f with the diagonal of the Hessian; p = y − r. It is 0 for an f of zeros.
func Length(rate float64, residuals, f []float32, labels []int32, k int) float64 {
	var slope, curvature float64
	for i := range f {
		r, v := float64(residuals[i]), float64(f[i])
		p := -r
		if i%k == int(labels[i/k]) {
			p++
		}
		slope += r * v
		curvature += v * v * p * (1 - p)
	}
	if curvature == 0 {
		return 0
	}
	return rate * slope / curvature
}

// residualFeed gives batches of images whose labels are residuals, [B K].
type residualFeed struct {
	*datasets.Batches
	residuals []float32
	classes   int
}

func newResidualFeed(im *datasets.Images, residuals []float32, classes, batch int, seed uint64) (*residualFeed, error) {
	numbered := *im // the label of an image is its number, under which its residuals are found
	numbered.Labels, numbered.Classes = make([]int32, im.N), make([]string, im.N)
	for i := range numbered.Labels {
		numbered.Labels[i] = int32(i)
	}
	b, err := numbered.Batches(datasets.BatchOptions{Size: min(batch, im.N), Shuffle: true, Seed: seed, Last: datasets.DropLast, Infinite: true})
	return &residualFeed{b, residuals, classes}, err
}

// Iter is that of the batches of images.
func (f *residualFeed) Iter() iter.Seq2[train.Batch, error] {
	return func(yield func(train.Batch, error) bool) {
		for batch, err := range f.Batches.Iter() {
			if err == nil {
				numbers := tensors.MustCopyFlatData[int32](batch.Labels[0])
				rows := make([]float32, 0, len(numbers)*f.classes)
				for _, i := range numbers {
					rows = append(rows, f.residuals[int(i)*f.classes:int(i+1)*f.classes]...)
				}
				_ = batch.Labels[0].FinalizeAll()
				batch.Labels[0] = tensors.FromFlatDataAndDimensions(rows, len(numbers), f.classes)
			}
			if !yield(batch, err) || err != nil {
				return
			}
		}
	}
}
