package recipes

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gomlx/compute"

	"fovea/datasets"
)

// A Figure can be saved; the name's ending says the format. *fig.Figure is one.
type Figure interface{ Save(path string) error }

// A Trial is one arm of a claim with one seed, or one run of a Study: what Measure gets to work with.
type Trial struct {
	Backend  compute.Backend
	Arm      string
	Seed     int64
	Scale    Scale
	Progress Progress  // never nil
	Log      io.Writer // lines for the user; never nil

	validate bool   // the test images are not to be seen: others stand in for them
	dataset  string // what the user asked for in place of the claim's own choice
	pictures string // folder for figures, empty: they are not wanted
	saved    []string
	data     []DataUsed
	shared   *shared
	trainers int // how many this trial has asked for
}

// NewTrial makes a trial outside of any claim: for a Study, and for tests.
func NewTrial(backend compute.Backend, scale Scale, seed int64) *Trial {
	return &Trial{Backend: backend, Scale: scale, Seed: seed, Progress: NoProgress, Log: io.Discard, shared: newShared()}
}

// shared is what the trials of a claim have in common: read data, and compiled programs for the seeds of an arm.
type shared struct {
	images   map[string]Data
	arm      string
	trainers []*Trainer
	kept     map[string]closer
}

type closer interface{ Close() }

func newShared() *shared { return &shared{images: map[string]Data{}, kept: map[string]closer{}} }

// enter frees the programs of the arm before.
func (s *shared) enter(arm string) {
	if s.arm != arm {
		for _, t := range s.trainers {
			t.Close()
		}
		for _, k := range s.kept {
			k.Close()
		}
		clear(s.kept)
		s.arm, s.trainers = arm, nil
	}
}

// Images opens the images that the user named with --data, or else the first of o.Sets that is on this machine, and
// notes in the result what was used. The same images come back for each trial that asks for the same.
func (t *Trial) Images(ctx context.Context, o ImageOptions) (Data, error) {
	key := fmt.Sprintf("%s %+v", t.dataset, o)
	d, ok := t.shared.images[key]
	if !ok {
		var err error
		if t.validate {
			d, err = openHeldOut(ctx, t.dataset, o)
		} else {
			d, err = OpenImages(ctx, t.dataset, o)
		}
		if err != nil {
			return Data{}, err
		}
		t.shared.images[key] = d
	}
	t.use(d, o.Seed)
	return d, nil
}

// Generated gives the images of a claim that draws its own, made once for all its trials under a name of its choice. They
// are noted in the result; their Synthetic should be set. The user's --data cannot take their place: it is an error.
func (t *Trial) Generated(name string, seed uint64, draw func() (Data, error)) (Data, error) {
	if t.dataset != "" {
		return Data{}, fmt.Errorf("this claim draws its own images (%s): run it without --data %s", name, t.dataset)
	}
	key := fmt.Sprintf("generated %s %d", name, seed)
	d, ok := t.shared.images[key]
	if !ok {
		var err error
		if d, err = draw(); err != nil {
			return Data{}, fmt.Errorf("images %s: %w", name, err)
		}
		for _, part := range []*datasets.Images{d.Train, d.Valid, d.Test} {
			if err := part.Validate(); err != nil {
				return Data{}, err
			}
		}
		if t.validate {
			if d.Valid.N == 0 {
				return Data{}, fmt.Errorf("images %s: none are held out for validation", name)
			}
			d.Test = d.Valid
		}
		t.shared.images[key] = d
	}
	t.use(d, seed)
	return d, nil
}

func (t *Trial) use(d Data, seed uint64) {
	t.data = append(t.data, DataUsed{
		Name: strings.TrimSuffix(d.Train.Name, "/train"), Synthetic: d.Train.Synthetic,
		Train: d.Train.N, Valid: d.Valid.N, Test: d.Test.N, Shape: [3]int{d.Train.H, d.Train.W, d.Train.C}, Seed: seed,
	})
}

// Trainer returns a trainer for a network with fresh weights from the trial's seed. The seeds of an arm share one
// compiled program, so trials of one arm must ask for the same networks in the same order.
func (t *Trial) Trainer(net Network, fit Fit) (*Trainer, error) {
	fit.Seed, fit.Progress, fit.Log = t.Seed, t.Progress, t.Log
	n := t.trainers
	t.trainers++
	if n < len(t.shared.trainers) {
		trainer := t.shared.trainers[n]
		trainer.fit.Progress, trainer.fit.Log = fit.Progress, fit.Log
		return trainer, trainer.Reset(t.Seed)
	}
	trainer, err := NewTrainer(t.Backend, net, fit)
	if err != nil {
		return nil, err
	}
	t.shared.trainers = append(t.shared.trainers, trainer)
	return trainer, nil
}

// Keep gives what open makes under a name, once for all trials of an arm, which closes it when they are done: for compiled programs
// of networks that are not the same in each trial, or are used otherwise than by a Trainer.
func Keep[T interface{ Close() }](t *Trial, name string, open func() T) T {
	if k, ok := t.shared.kept[name].(T); ok {
		return k
	}
	k := open()
	t.shared.kept[name] = k
	return k
}

// Pictures says whether figures are wanted from this trial: the first seed of each arm draws them.
func (t *Trial) Pictures() bool { return t.pictures != "" }

// Figure keeps a picture of this trial beside the result, as name.png. Without a wish for pictures it does nothing.
func (t *Trial) Figure(name string, f Figure) error {
	if t.pictures == "" {
		return nil
	}
	if err := os.MkdirAll(t.pictures, 0o755); err != nil {
		return err
	}
	if err := f.Save(filepath.Join(t.pictures, name+".png")); err != nil {
		return fmt.Errorf("figure %s: %w", name, err)
	}
	t.saved = append(t.saved, name+".png")
	return nil
}
