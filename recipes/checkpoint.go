package recipes

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/checkpoint"

	"fovea/internal/atomicfile"
)

// ErrDamaged is wrapped by the error for a checkpoint whose files are not what was written.
var ErrDamaged = errors.New("damaged checkpoint")

// progressState is what a training must know beside its variables to go on as if it had never stopped.
type progressState struct {
	Step    int     `json:"step"`
	Origin  int     `json:"origin"` // the step at which the current schedule began
	End     int     `json:"end"`    // the step at which it ends
	Seed    int64   `json:"seed"`
	Batch   int     `json:"batch"`
	Seconds float64 `json:"seconds"`
	Score   float64 `json:"score,omitempty"` // of the evaluation, in checkpoints that are kept for it; larger is better
}

// manifest is written last into a checkpoint's folder, with the sums of the other files.
type manifest struct {
	State progressState     `json:"state"`
	Files map[string]string `json:"files"` // name to SHA-256
}

const manifestName = "manifest.json"

// saveCheckpoint writes the store into dir/step-NNN as GoMLX's checkpoint files and a manifest. The folder gets its name when
// everything is on the disk, so there is no half checkpoint. Then all but the newest keep are removed.
func saveCheckpoint(dir string, store *model.Store, state progressState, keep int) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return atomicfile.Explain(err, dir)
	}
	partial, err := os.MkdirTemp(dir, ".partial-")
	if err != nil {
		return atomicfile.Explain(err, dir)
	}
	defer os.RemoveAll(partial) // after the rename there is nothing of that name
	defer func() { err = atomicfile.Explain(err, dir) }()

	// The handler makes itself the store's loader, which a later variable would ask in vain.
	loader := store.Loader()
	handler, err := checkpoint.Build(store).Dir(partial).WithCompression(checkpoint.BinUncompressed).ExcludeAllParams().Done()
	if err == nil {
		err = handler.Save()
	}
	store.SetLoader(loader)
	if err != nil {
		return fmt.Errorf("save checkpoint of step %d: %w", state.Step, err)
	}
	m := manifest{State: state, Files: map[string]string{}}
	entries, err := os.ReadDir(partial)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if m.Files[entry.Name()], err = syncAndSum(filepath.Join(partial, entry.Name())); err != nil {
			return err
		}
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(filepath.Join(partial, manifestName), data); err != nil {
		return err
	}
	if err := os.Chmod(partial, 0o755); err != nil {
		return err
	}
	final := filepath.Join(dir, fmt.Sprintf("step-%09d", state.Step))
	// One of the same step holds the same weights; a rename onto a full folder is refused.
	if err := os.RemoveAll(final); err != nil {
		return err
	}
	if err := os.Rename(partial, final); err != nil {
		return err
	}
	all, err := listCheckpoints(dir)
	if err != nil {
		return err
	}
	for _, old := range all[:max(0, len(all)-max(keep, 1))] {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	return nil
}

// syncAndSum puts a file on the disk for good and returns its SHA-256.
func syncAndSum(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), f.Sync()
}

// listCheckpoints returns the checkpoints' folders, the oldest first; none if dir is not there.
func listCheckpoints(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), "step-") {
			all = append(all, filepath.Join(dir, e.Name())) // ReadDir sorts, and steps have leading zeros
		}
	}
	return all, nil
}

// loadNewest loads the newest whole checkpoint in dir into the store. A damaged one is passed over only for an older
// whole one, and a line in log says so; if none is whole the error names the newest one's bad file.
// Without any checkpoint it returns false.
func loadNewest(dir string, store *model.Store, log io.Writer) (progressState, bool, error) {
	all, err := listCheckpoints(dir)
	if err != nil {
		return progressState{}, false, err
	}
	var damage error
	for i := len(all) - 1; i >= 0; i-- {
		m, err := verifyCheckpoint(all[i])
		if err == nil {
			err = loadVariables(all[i], store)
		}
		if err == nil {
			if damage != nil {
				fmt.Fprintf(log, "%v; going on from the one before, step %d\n", damage, m.State.Step)
			}
			return m.State, true, nil
		}
		if damage == nil {
			damage = err
		}
	}
	return progressState{}, false, damage
}

// readManifest reads what a checkpoint says of itself.
func readManifest(dir string) (m manifest, err error) {
	path := filepath.Join(dir, manifestName)
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		return m, fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	}
	return m, nil
}

// verifyCheckpoint compares the files of a checkpoint with its manifest.
func verifyCheckpoint(dir string) (manifest, error) {
	m, err := readManifest(dir)
	if err != nil {
		return m, err
	}
	for _, name := range slices.Sorted(maps.Keys(m.Files)) {
		file := filepath.Join(dir, name)
		f, err := os.Open(file)
		if err != nil {
			return m, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return m, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if got := fmt.Sprintf("%x", h.Sum(nil)); got != m.Files[name] {
			return m, fmt.Errorf("%w: %s has another SHA-256 than when it was written (%.12s…, not %.12s…)", ErrDamaged, file, got, m.Files[name])
		}
	}
	return m, nil
}

// loadVariables sets the store's variables to those of a checkpoint. The store's model has been traced before, so a
// variable of the checkpoint that the model lacks, or has in another shape, means another model.
func loadVariables(dir string, store *model.Store) error {
	scratch := model.NewStore()
	handler, err := checkpoint.Load(scratch).Dir(dir).ExcludeAllParams().Done()
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, dir, err)
	}
	loaded := map[string]*tensors.Tensor{}
	for key, value := range handler.LoadedVariables() {
		loaded[strings.TrimPrefix(key, "var:")] = value
	}
	for v := range store.IterVariables() {
		value, ok := loaded[v.Path()]
		if !ok {
			return fmt.Errorf("checkpoint %s is of another network: it has no variable %s", dir, v.Path())
		}
		if !value.Shape().Equal(v.Shape()) {
			return fmt.Errorf("checkpoint %s is of another network: %s is %s there and %s here", dir, v.Path(), value.Shape(), v.Shape())
		}
	}
	for v := range store.IterVariables() {
		if err := v.SetValue(loaded[v.Path()]); err != nil {
			return err
		}
	}
	return nil
}
