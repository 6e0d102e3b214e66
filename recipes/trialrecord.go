package recipes

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"fovea/internal/atomicfile"
)

// trialRecord is the file of a finished trial. Key ties it to everything that could have changed its values.
type trialRecord struct {
	Key     string     `json:"key"`
	Values  Values     `json:"values"`
	Data    []DataUsed `json:"data"`
	Figures []string   `json:"figures,omitempty"`
	Seconds float64    `json:"seconds"`
}

// trial measures one arm with one seed, or reads what was measured before.
func (x Experiment) trial(ctx context.Context, e *Entry, o ReproduceOptions, arm Arm[any], seed int64, common *shared, progress Progress) (*trialRecord, error) {
	config, err := json.Marshal(arm.Config)
	if err != nil {
		return nil, err
	}
	stamp, err := programStamp()
	if err != nil {
		return nil, err
	}
	key := fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%v\n%s\n%s\n%s\n%s\n%s\n%s", o.Validate, stamp, config, o.Scale, o.Dataset, o.Backend.Description(), os.Getenv("FOVEA_DATA"))))
	dir := ""
	if o.Work != "" {
		dir = filepath.Join(o.Work, x.Name, url.PathEscape(arm.Name))
		if record := readRecord(dir, seed, key); record != nil && !o.Fresh {
			fmt.Fprintf(o.Log, "%s/%s: %s, seed %d was done before in %.0f s\n", e.Name, x.Name, arm.Name, seed, record.Seconds)
			return record, nil
		}
	}
	t := &Trial{
		Backend: o.Backend, Arm: arm.Name, Seed: seed, Scale: o.Scale, Progress: progress, Log: o.Log,
		dataset: o.Dataset, shared: common, validate: o.Validate,
	}
	if o.Validate {
		t.Seed += validationSeeds
	}
	if !o.Validate && seed == 1 && dir != "" {
		t.pictures = dir
	}
	common.enter(arm.Name)
	start := time.Now()
	values, err := x.measure(ctx, t, arm.Config)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(values) == 0 {
		return nil, errors.New("nothing was measured")
	}
	for name, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("the measured %s is %v", name, v)
		}
	}
	record := &trialRecord{Key: key, Values: values, Data: t.data, Figures: t.saved, Seconds: time.Since(start).Seconds()}
	if dir == "" {
		return record, nil
	}
	data, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return nil, err
	}
	return record, atomicfile.WriteBytes(recordPath(dir, seed), data)
}

// validationSeeds is added to the seeds of a validation, so that no weights of a record are looked at either.
const validationSeeds = 1000

func recordPath(dir string, seed int64) string {
	return filepath.Join(dir, fmt.Sprintf("seed%d.json", seed))
}

// readRecord returns nil unless the file is whole and of this key.
func readRecord(dir string, seed int64, key string) *trialRecord {
	data, err := os.ReadFile(recordPath(dir, seed))
	if err != nil {
		return nil
	}
	var record trialRecord
	if json.Unmarshal(data, &record) != nil || record.Key != key {
		return nil
	}
	return &record
}

// programStamp identifies the running program by its content, so that no trial of other code is taken for one of this.
var programStamp = sync.OnceValues(func() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return fmt.Sprintf("%x", h.Sum(nil)), err
})
