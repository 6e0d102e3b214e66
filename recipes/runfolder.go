package recipes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"

	"fovea/internal/atomicfile"
	"fovea/internal/filelock"
	"fovea/internal/tfevents"
)

// open takes the run folder and, if asked to resume, loads the newest checkpoint.
func (r *run) open(ctx context.Context) error {
	r.start, r.before, r.saved = time.Now(), r.seconds, -1
	dir := r.fit.Dir
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return atomicfile.Explain(err, dir)
	}
	unlock, err := lockFolder(ctx, dir)
	if err != nil {
		return err
	}
	r.unlock = unlock
	fail := func(err error) error {
		r.close()
		return err
	}
	checkpoints := filepath.Join(dir, "checkpoints")
	if r.fit.Resume {
		state, found, err := loadNewest(checkpoints, r.store, r.fit.log())
		if err != nil {
			return fail(fmt.Errorf("resume %s: %w; delete it to go on from an older one, or start anew in another folder", dir, err))
		}
		if found {
			if state.Batch != r.fit.batch() || state.Seed != r.fit.Seed || state.End != state.Origin+r.plan {
				return fail(fmt.Errorf("resume %s: it was trained with batches of %d, seed %d and %d steps, not %d, %d and %d: give it the same settings or another folder",
					dir, state.Batch, state.Seed, state.End-state.Origin, r.fit.batch(), r.fit.Seed, r.plan))
			}
			r.step, r.origin, r.end, r.before, r.saved = state.Step, state.Origin, state.End, state.Seconds, state.Step
			r.last = r.step
			fmt.Fprintf(r.fit.log(), "resumed %s at step %d of %d\n", dir, r.step, r.end)
		}
	} else if r.step == 0 {
		all, err := listCheckpoints(checkpoints)
		if err != nil {
			return fail(err)
		}
		if len(all) > 0 {
			return fail(fmt.Errorf("%s holds a run already: resume it (--resume) or choose another folder", dir))
		}
	}
	var history History
	r.metrics, history, err = openMetrics(filepath.Join(dir, "metrics.jsonl"), r.step)
	if err != nil {
		return fail(err)
	}
	if r.fit.Resume && r.saved >= 0 {
		r.history = history
	}
	if r.events, err = tfevents.Create(dir, r.step); err != nil {
		return fail(atomicfile.Explain(err, dir))
	}
	if r.fit.Describe != nil {
		data, err := json.MarshalIndent(r.fit.Describe, "", "  ")
		if err != nil {
			return fail(err)
		}
		if err := atomicfile.WriteBytes(filepath.Join(dir, "config.json"), append(data, '\n')); err != nil {
			return fail(err)
		}
	}
	return nil
}

// lockFolder keeps a second training out of the folder; it doesn't wait for the first.
func lockFolder(ctx context.Context, dir string) (func(), error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	busy := false
	unlock, err := filelock.Lock(ctx, filepath.Join(dir, "lock"), func() {
		busy = true
		cancel()
	})
	if busy {
		if err == nil {
			unlock()
		}
		return nil, fmt.Errorf("the run folder %s is in use by another training: wait for it or choose another folder", dir)
	}
	return unlock, err
}

func (r *run) close() error {
	err := errors.Join(r.metrics.close(), r.events.Close())
	r.metrics, r.events = nil, nil
	if r.unlock != nil {
		r.unlock()
		r.unlock = nil
	}
	for _, p := range r.pending {
		p.free()
	}
	r.pending = nil
	return err
}

func (r *run) save() error {
	if r.saved == r.step {
		return nil
	}
	// The loss of a step is that of the weights before it: the last step before a loss that isn't a number leaves weights
	// that aren't, and a training that resumed from them would go nowhere.
	if err := r.finite(); err != nil {
		return err
	}
	state := r.state()
	if err := saveCheckpoint(filepath.Join(r.fit.Dir, "checkpoints"), r.store, state, r.fit.keep()); err != nil {
		return err
	}
	r.saved = r.step
	return nil
}

// finite finds weights that are infinite or not numbers.
func (r *run) finite() error {
	for _, v := range r.Variables() {
		if !v.Trainable || v.DType() != dtypes.Float32 {
			continue
		}
		value, err := v.Value()
		if err != nil {
			return err
		}
		bad := false
		if err := tensors.ConstFlatData(value, func(flat []float32) {
			for _, x := range flat {
				bad = bad || x-x != 0 // of infinite numbers and NaN
			}
		}); err != nil {
			return err
		}
		if bad {
			return fmt.Errorf("the weights of %s are not finite at step %d, which is not saved: lower the learning rate (now %.3g) or clip the gradients", v.Path(), r.step, r.rate())
		}
	}
	return nil
}

func (r *run) state() progressState {
	return progressState{Step: r.step, Origin: r.origin, End: r.end, Seed: r.fit.Seed, Batch: r.fit.batch(), Seconds: r.now()}
}

// interrupted saves what can be saved and says where the training stands.
func (r *run) interrupted(ctx context.Context) error {
	if err := r.read(); err != nil {
		return err
	}
	r.seconds = r.now()
	cause := context.Cause(ctx)
	if !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		cause = fmt.Errorf("%w: %w", context.Canceled, cause)
	}
	if r.fit.Dir == "" {
		return fmt.Errorf("training stopped after step %d of %d: %w", r.step, r.end, cause)
	}
	if err := r.save(); err != nil {
		return errors.Join(fmt.Errorf("training stopped after step %d of %d: %w", r.step, r.end, cause), err)
	}
	return fmt.Errorf("training stopped after step %d of %d and saved in %s, to be resumed: %w", r.step, r.end, r.fit.Dir, cause)
}
