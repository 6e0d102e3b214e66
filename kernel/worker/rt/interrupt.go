package rt

import (
	"bytes"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// An interrupt stops the goroutines that belong to one cell, and leaves those of earlier cells alone. What a goroutine
// belongs to is known by its profiler label, which the goroutines that it starts inherit, also through libraries.

//go:linkname profLabel runtime/pprof.runtime_getProfLabel
func profLabel() unsafe.Pointer

var (
	current atomic.Pointer[Run]              // the cell that runs or ran last
	halted  atomic.Pointer[[]unsafe.Pointer] // labels of interrupted cells; nil: none so far
	haltMu  sync.Mutex
)

// keptLabels bounds halted: goroutines that survive this many later interrupts go on.
const keptLabels = 16

func stopLabel(label unsafe.Pointer) {
	haltMu.Lock()
	defer haltMu.Unlock()
	var labels []unsafe.Pointer
	if old := halted.Load(); old != nil {
		labels = slices.Clone(*old)
	}
	labels = append(labels, label)
	if len(labels) > keptLabels {
		labels = labels[1:]
	}
	halted.Store(&labels)
}

// Poll is called at the start of every loop body of cell code. It ends the goroutine when its cell was interrupted.
// Goexit runs deferred calls as a panic would, but nobody can recover it by mistake, and in a goroutine that a library
// has started it is not the end of the worker.
func Poll() {
	if labels := halted.Load(); labels != nil {
		pollLabels(*labels)
	}
}

//go:noinline
func pollLabels(labels []unsafe.Pointer) {
	if slices.Contains(labels, profLabel()) {
		runtime.Goexit()
	}
}

// Sleep is time.Sleep that an interrupt ends.
func Sleep(d time.Duration) {
	Poll()
	r := current.Load()
	if r == nil || r.label != profLabel() {
		time.Sleep(d)
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.stop:
		runtime.Goexit()
	}
}

// Stop interrupts the cell.
func (r *Run) Stop() {
	r.stopOnce.Do(func() {
		close(r.stop)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.label != nil {
			stopLabel(r.label)
		}
	})
}

func (r *Run) stopped() bool {
	select {
	case <-r.stop:
		return true
	default:
		return false
	}
}

// Waits reports whether the cell's goroutine waits for another one, and its stack. A cell that waits on a channel
// cannot be unwound, but it can be left behind: it changes nothing.
func (r *Run) Waits() (stack []byte, waits bool) {
	r.mu.Lock()
	id := r.goroutine
	r.mu.Unlock()
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) || len(buf) >= 1<<24 {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 4*len(buf))
	}
	head := []byte("goroutine " + strconv.FormatInt(id, 10) + " [")
	for _, stack := range bytes.Split(buf, []byte("\n\n")) {
		state, ok := bytes.CutPrefix(stack, head)
		if !ok {
			continue
		}
		state, _, _ = bytes.Cut(state, []byte("]"))
		state, _, _ = bytes.Cut(state, []byte(","))
		waits := []string{"chan receive", "chan send", "select", "sync.", "semacquire", "sleep", "IO wait"}
		if r.Reads() {
			waits = append(waits, "syscall")
		}
		for _, wait := range waits {
			if bytes.HasPrefix(state, []byte(wait)) {
				_, calls, _ := bytes.Cut(stack, []byte("\n")) // without "[chan receive, 2 minutes]"
				return calls, true
			}
		}
	}
	return nil, false
}

// goroutineID reads the number of the calling goroutine from its stack trace: there is no other way.
func goroutineID() int64 {
	var buf [64]byte
	s := bytes.TrimPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	s, _, _ = bytes.Cut(s, []byte(" "))
	id, _ := strconv.ParseInt(string(s), 10, 64)
	return id
}
