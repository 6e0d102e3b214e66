package celltest

import (
	"errors"
	"io"
	"reflect"
	"runtime/pprof"
	"time"
)

// seed is package testing's corpusEntry.
type seed = struct {
	Parent     string
	Path       string
	Data       []byte
	Values     []any
	Generation int
	IsSeed     bool
}

var errFuzz = errors.New("a cell's fuzz test runs its seeds only")

func (deps) StartCPUProfile(w io.Writer) error { return pprof.StartCPUProfile(w) }
func (deps) StopCPUProfile()                   { pprof.StopCPUProfile() }
func (deps) WriteProfileTo(name string, w io.Writer, debug int) error {
	return pprof.Lookup(name).WriteTo(w, debug)
}

// The test log tells go test what a test depends on, for its cache.
func (deps) StartTestLog(io.Writer) {}
func (deps) StopTestLog() error     { return nil }

// Fuzzing starts programs; the seeds that a test adds need none of this.
func (deps) CoordinateFuzzing(time.Duration, int64, time.Duration, int64, int, []seed, []reflect.Type, string, string) error {
	return errFuzz
}
func (deps) RunFuzzWorker(func(seed) error) error              { return errFuzz }
func (deps) ReadCorpus(string, []reflect.Type) ([]seed, error) { return nil, nil }

func (deps) CheckCorpus(values []any, types []reflect.Type) error {
	if len(values) != len(types) {
		return errors.New("wrong number of values in a seed")
	}
	for i, t := range types {
		if reflect.TypeOf(values[i]) != t {
			return errors.New("a seed has a " + reflect.TypeOf(values[i]).String() + " where the fuzz target wants a " + t.String())
		}
	}
	return nil
}

// Cells are not instrumented for coverage.
func (deps) ResetCoverage()    {}
func (deps) SnapshotCoverage() {}
func (deps) InitRuntimeCoverage() (mode string, tearDown func(string, string) (string, error), snapshot func() float64) {
	return "", nil, nil
}
