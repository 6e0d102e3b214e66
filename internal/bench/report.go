package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"fovea/internal/atomicfile"
	"fovea/internal/bench/kernels"
	"fovea/internal/bench/operators"
)

// Parts of the benchmark.
const (
	networkPart     = "network"
	growthPart      = "growth"
	attributionPart = "attribution"
	operatorsPart   = "operators"
	variationsPart  = "variations"
	kernelPart      = "kernel"
)

var allParts = []string{networkPart, growthPart, attributionPart, operatorsPart, variationsPart, kernelPart}

// A report is what the JSON file holds: parts, and for each of them when and how it was measured. What is compared is always of
// one part, and so of one session.
type report struct {
	Sessions    map[string]session `json:"sessions"` // by part
	Network     *networkReport     `json:"network,omitempty"`
	Growth      *networkReport     `json:"growth,omitempty"` // of time with the batch and of compilation with depth
	Attribution *networkReport     `json:"attribution,omitempty"`
	Operators   *operators.Report  `json:"operators,omitempty"` // one by one
	Variations  *networkReport     `json:"variations,omitempty"`
	Kernel      *kernels.Report    `json:"kernel,omitempty"`
}

// A session is one run of the benchmark.
type session struct {
	Date    time.Time       `json:"date"`
	Machine kernels.Machine `json:"machine"`
	Flags   string          `json:"goflags,omitempty"`
	Quick   bool            `json:"quick,omitempty"`
	Turns   int             `json:"turns"` // of each library, on each network
}

// readReport reads what was measured before; no file is an empty report.
func readReport(file string) (*report, error) {
	r := &report{Sessions: map[string]session{}}
	if file == "" {
		return r, nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(data, r)
	}
	if err != nil {
		return nil, fmt.Errorf("%s holds no measurements: %w: move it away, or name another file with -o", file, err)
	}
	return r, nil
}

// save writes what has been measured so far, the part that was measured last among it: a later one that fails does not take it along.
func (r *report) save(file, part string, s session) error {
	s.Machine.LoadAfter = kernels.Load()
	r.Sessions[part] = s
	if file == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(file, append(data, '\n'))
}
