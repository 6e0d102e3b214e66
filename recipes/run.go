package recipes

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"os/signal"
	"time"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/datasets"
	"fovea/internal/tfevents"
)

// A Feed is training data whose batch number s is a function of s alone, so that an interrupted training goes on with
// the batches that it would have seen. *datasets.Batches with Infinite set is one.
type Feed interface {
	train.Dataset
	Steps() int    // batches in an epoch
	Seek(step int) // the next Iter begins with this batch
}

// Run trains the network on images for the fit's epochs, and evaluates it on test, unless that is nil, after each epoch.
// Run again trains on, with a fresh optimiser and the schedule from its start.
//
// Cancelling ctx, or an interrupt from the keyboard, ends it between two steps: with a run folder a checkpoint is
// saved, and the error wraps context.Canceled and says which step was reached.
func (t *Trainer) Run(ctx context.Context, train, test *datasets.Images) error {
	if train == nil {
		return errors.New("there are no images to train on")
	}
	feed, err := train.Batches(datasets.BatchOptions{
		Size: min(t.fit.batch(), train.N), Shuffle: true, Seed: uint64(t.fit.Seed), Last: datasets.DropLast, Infinite: true, Augment: t.fit.Augment,
	})
	if err != nil {
		return err
	}
	if test == nil {
		return t.RunFeed(ctx, feed, nil)
	}
	return t.RunFeed(ctx, feed, func(ctx context.Context) (Evaluation, error) { return t.Evaluate(ctx, test) })
}

// RunFeed is Run for any data. Evaluate, if not nil, measures the network after each epoch.
func (t *Trainer) RunFeed(ctx context.Context, feed Feed, evaluate func(context.Context) (Evaluation, error)) (err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()

	steps := t.fit.Steps
	if steps == 0 {
		steps = max(t.fit.Epochs, 1) * feed.Steps()
	}
	feed.Seek(t.step)
	inputs, labels, err := firstShapes(feed)
	if err != nil {
		return err
	}
	if err := t.build(steps, inputs, labels); err != nil {
		return fmt.Errorf("the network doesn't take %s: %w", feed.Name(), err)
	}
	if t.used {
		if err := t.refresh(func(path string) bool { return !t.own[path] }); err != nil {
			return err
		}
	}
	r := &run{Trainer: t, feed: feed, evaluate: evaluate, origin: t.step, end: t.step + steps, last: t.step}
	if err := r.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := t.steps.ResetTrainMetrics(); err != nil {
		return err
	}
	t.used = true
	return r.loop(ctx)
}

// firstShapes makes one batch to see its shapes. It leaves the feed where it was.
func firstShapes(feed Feed) (inputs, labels []shapes.Shape, err error) {
	for batch, err := range feed.Iter() {
		if err != nil {
			return nil, nil, err
		}
		for _, x := range batch.Inputs {
			inputs = append(inputs, x.Shape())
		}
		for _, y := range batch.Labels {
			labels = append(labels, y.Shape())
		}
		return inputs, labels, batch.Finalize()
	}
	return nil, nil, fmt.Errorf("%s has no batch", feed.Name())
}

// run is one call of Run.
type run struct {
	*Trainer
	feed     Feed
	evaluate func(context.Context) (Evaluation, error)

	origin, end int // steps of this run's schedule
	last        int // step of the newest point of the history

	pending []pendingStep // steps whose metrics are still on the device
	start   time.Time
	before  float64 // seconds of earlier runs

	unlock  func()
	metrics *metricsLog
	events  *tfevents.Writer
	saved   int // step of the newest checkpoint, -1: none
}

type pendingStep struct{ loss, accuracy *tensors.Tensor }

func (r *run) now() float64 { return r.before + time.Since(r.start).Seconds() }

func (p pendingStep) free() {
	_ = p.loss.FinalizeAll()
	if p.accuracy != nil {
		_ = p.accuracy.FinalizeAll()
	}
}

func (r *run) loop(ctx context.Context) error {
	progress := r.fit.progress()
	r.feed.Seek(r.step)
	next, stop := iter.Pull2(r.feed.Iter())
	defer stop()
	note := ""
	for r.step < r.end {
		if ctx.Err() != nil {
			return r.interrupted(ctx)
		}
		progress(r.step-r.origin, r.end-r.origin, note)
		batch, err, ok := next()
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%s ended after %d steps; %d were asked for", r.feed.Name(), r.step-r.origin, r.end-r.origin)
		}
		metrics, err := r.steps.TrainStep(batch)
		if err != nil {
			return fmt.Errorf("step %d: %w", r.step+1, err)
		}
		r.keep(metrics)
		r.step++

		// Reading a metric waits for the device, so several steps share one reading.
		if len(r.pending) >= r.fit.logEvery() || r.step == r.end {
			if err := r.read(); err != nil {
				return err
			}
			note = r.note()
		}
		if r.step == r.end || (r.step-r.origin)%r.evalEvery() == 0 {
			if err := r.read(); err != nil {
				return err
			}
			if err := r.test(ctx); err != nil {
				return err
			}
			note = r.note()
		}
		if r.fit.Dir != "" && (r.step == r.end || (r.step-r.origin)%r.saveEvery() == 0) {
			if err := r.read(); err != nil {
				return err
			}
			if err := r.save(); err != nil {
				return err
			}
		}
	}
	r.seconds = r.now()
	progress(r.end-r.origin, r.end-r.origin, note)
	return nil
}

func (r *run) evalEvery() int {
	if r.fit.EvalEvery > 0 {
		return r.fit.EvalEvery
	}
	return r.feed.Steps()
}

func (r *run) saveEvery() int {
	if r.fit.SaveEvery > 0 {
		return r.fit.SaveEvery
	}
	return r.feed.Steps()
}

// keep holds on to the step's loss and accuracy and frees what else came back.
func (r *run) keep(metrics []*tensors.Tensor) {
	p := pendingStep{loss: metrics[0]}
	for i, m := range metrics[1:] {
		if i == 1 { // after the loss and its moving average
			p.accuracy = m
		} else {
			_ = m.FinalizeAll()
		}
	}
	r.pending = append(r.pending, p)
}

// read turns the pending steps into one point of the history.
func (r *run) read() error {
	if len(r.pending) == 0 {
		return nil
	}
	var loss, accuracy float64
	first := r.step - len(r.pending) + 1
	for i, p := range r.pending {
		l := shapes.ConvertTo[float64](p.loss.Value())
		if math.IsNaN(l) || math.IsInf(l, 0) {
			return fmt.Errorf("the loss is %v at step %d: lower the learning rate (now %.3g), clip the gradients, or look for a division by zero or a logarithm of zero in the network",
				l, first+i, r.rate())
		}
		loss += l
		if p.accuracy != nil {
			accuracy += shapes.ConvertTo[float64](p.accuracy.Value())
		}
		p.free()
	}
	n := float64(len(r.pending))
	r.pending = r.pending[:0]
	return r.point(Point{Split: "train", Loss: loss / n, Accuracy: accuracy / n, LearningRate: r.rate()})
}

func (r *run) test(ctx context.Context) error {
	if r.evaluate == nil {
		return nil
	}
	e, err := r.evaluate(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return r.interrupted(ctx)
		}
		return fmt.Errorf("evaluate at step %d: %w", r.step, err)
	}
	if err := r.point(Point{Split: "eval", Loss: e.Loss, Accuracy: e.Accuracy}); err != nil {
		return err
	}
	return r.keepBest(e)
}

// point adds to the history, to the file and, for whoever draws it, to the screen.
func (r *run) point(p Point) error {
	p.Step, p.Epoch, p.Seconds = r.step, float64(r.step)/float64(r.feed.Steps()), r.now()
	r.history = append(r.history, p)
	if err := errors.Join(r.metrics.append(p), p.event(r.events)); err != nil {
		return err
	}
	if r.fit.OnPoint != nil {
		r.fit.OnPoint(r.history)
	}
	return nil
}

// rate is the learning rate of the last step; 0 if the optimiser doesn't tell.
func (r *run) rate() float64 {
	v := r.store.GetVariable("/" + optimizer.Scope + "/" + optimizer.ParamLearningRate)
	if v == nil || !v.HasValue() {
		return 0
	}
	value, err := v.Value()
	if err != nil {
		return 0
	}
	return shapes.ConvertTo[float64](value.Value())
}

func (r *run) note() string {
	note := ""
	if p, ok := r.history.Last("train"); ok {
		note = fmt.Sprintf("epoch %.1f  loss %.3f", p.Epoch, p.Loss)
		if r.fit.Loss == nil {
			note += fmt.Sprintf("  accuracy %.1f %%", 100*p.Accuracy)
		}
	}
	if p, ok := r.history.Last("eval"); ok {
		note += fmt.Sprintf("  eval loss %.3f", p.Loss)
		if r.fit.Loss == nil {
			note += fmt.Sprintf(" accuracy %.1f %%", 100*p.Accuracy)
		}
	}
	return note
}
