package recipes

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// score is what evaluations are compared by, larger being better: the accuracy, and of equal ones the loss; for other
// losses than a classifier's the loss alone.
func (f Fit) score(e Evaluation) float64 {
	if f.Loss != nil {
		return -e.Loss
	}
	// The loss only decides between equal accuracies, which differ by an image in a million at least.
	return e.Accuracy - 1e-7*math.Tanh(e.Loss)
}

// keepBest saves a checkpoint in the folder "best" if the evaluation is among the best so far, and removes the worst one
// that is too many. What is saved is what a training can go on with; LoadBest looks at it.
func (r *run) keepBest(e Evaluation) error {
	if r.fit.Best == 0 {
		return nil
	}
	score := r.fit.score(e)
	if math.IsNaN(score) {
		return nil
	}
	dir := filepath.Join(r.fit.Dir, "best")
	kept, err := rankCheckpoints(dir)
	if err != nil {
		return err
	}
	// One of this step was measured before an interrupt.
	again := slices.ContainsFunc(kept, func(c scored) bool { return c.step == r.step })
	if !again && len(kept) >= r.fit.Best && kept[r.fit.Best-1].score >= score {
		return nil
	}
	state := r.state()
	state.Score = score
	if err := saveCheckpoint(dir, r.store, state, math.MaxInt); err != nil {
		return err
	}
	if kept, err = rankCheckpoints(dir); err != nil {
		return err
	}
	for _, c := range kept[min(len(kept), r.fit.Best):] {
		if err := os.RemoveAll(c.dir); err != nil {
			return err
		}
	}
	return nil
}

type scored struct {
	dir   string
	step  int
	score float64
}

// rankCheckpoints lists the checkpoints of a folder by their score, the best first; of equal ones the earlier.
func rankCheckpoints(dir string) ([]scored, error) {
	all, err := listCheckpoints(dir)
	if err != nil {
		return nil, err
	}
	var ranked []scored
	for _, c := range all {
		m, err := readManifest(c)
		if err != nil {
			return nil, err
		}
		ranked = append(ranked, scored{c, m.State.Step, m.State.Score})
	}
	slices.SortStableFunc(ranked, func(a, b scored) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	return ranked, nil
}

// LoadBest gives the network the weights of the best evaluation that the run folder keeps (Fit.Best), and says of which
// step they are. The trainer must have trained with these settings.
func (t *Trainer) LoadBest() (step int, err error) {
	if t.fit.Best == 0 || t.steps == nil {
		return 0, errors.New("there is no best checkpoint: train with Best set, in a run folder, first")
	}
	dir := filepath.Join(t.fit.Dir, "best")
	ranked, err := rankCheckpoints(dir)
	if err != nil {
		return 0, err
	}
	if len(ranked) == 0 {
		return 0, fmt.Errorf("there is no checkpoint in %s: was the network evaluated while it trained?", dir)
	}
	if _, err := verifyCheckpoint(ranked[0].dir); err != nil {
		return 0, err
	}
	return ranked[0].step, loadVariables(ranked[0].dir, t.store)
}
