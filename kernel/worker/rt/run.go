// Package rt is the runtime of cell code: the rewritten source of a cell calls it. It is linked into the worker.
package rt

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"fovea/kernel/display"
	"fovea/kernel/worker/message"
)

var entries = struct {
	sync.Mutex
	m map[int]func()
}{m: map[int]func(){}}

// Register is called by the init function of each cell package. keep refers to all that later cells may use, so that
// the linker does not drop it, and lists it when it is called.
func Register(id int, run, keep func()) {
	entries.Lock()
	defer entries.Unlock()
	entries.m[id] = run
	tables.Lock()
	defer tables.Unlock()
	tables.byCell[id] = &table{keep: keep}
}

// Take returns and forgets the entry of a cell; nil when no cell of that number was loaded.
func Take(id int) func() {
	entries.Lock()
	defer entries.Unlock()
	run := entries.m[id]
	delete(entries.m, id)
	return run
}

// A Run is one execution of a cell.
type Run struct {
	cell      int // the notebook's number
	stop      chan struct{}
	stopOnce  sync.Once
	mu        sync.Mutex
	label     unsafe.Pointer // marks the cell's goroutine and those that it starts
	goroutine int64
	exited    bool // by Exit, with exitCode
	exitCode  int
	reads     atomic.Bool // waits for a line of standard input

	Done    chan struct{} // closed when the cell has ended
	Outcome message.Response
}

// Start runs a cell's entry in a goroutine of its own.
func Start(cell int, entry func()) *Run {
	r := &Run{cell: cell, stop: make(chan struct{}), Done: make(chan struct{})}
	if p := currentStdin(); p != nil {
		p.drain()
		forgetPrompts()
	}
	go r.watchInput()
	go func() {
		defer close(r.Done)
		pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("cell", strconv.Itoa(cell))))
		r.begin()
		debug.SetPanicOnFault(true) // a bad address in Go code is a panic of the cell, not the end of the worker
		display.BeginCell()         // names that earlier cells updated are shown anew in this one
		begun := time.Now()
		r.call(entry)
		r.Outcome.RunMicros = time.Since(begun).Microseconds()
		r.Outcome.Stopped = r.stopped()
		display.EndCell(r.Outcome.Stopped || r.Outcome.Ended != message.Done)
	}()
	return r
}

func (r *Run) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.label = profLabel()
	r.goroutine = goroutineID()
	current.Store(r)
	if r.stopped() { // interrupted before it began
		stopLabel(r.label)
	}
}

func (r *Run) call(entry func()) {
	returned := false
	defer func() {
		if returned {
			return
		}
		switch e := recover(); {
		case e != nil:
			r.Outcome.Ended, r.Outcome.Text = message.Panicked, panicText(e)
			// A library that was stopped says so with an error, and panic(err) is how a cell passes it on.
			if err, ok := e.(error); ok && r.stopped() && errors.Is(err, context.Canceled) {
				r.Outcome.Ended = message.Interrupted
			}
		case r.exited:
			r.Outcome.Ended, r.Outcome.ExitCode = message.Exited, r.exitCode
		case r.stopped():
			r.Outcome.Ended = message.Interrupted
		default:
			r.Outcome.Ended = message.Goexit
		}
		r.Outcome.Frames = frames()
	}()
	entry()
	returned = true
}

// panicText is what a panic's value says. Its methods are user code: they may panic too.
func panicText(e any) (s string) {
	defer func() {
		if recover() != nil {
			s = fmt.Sprintf("(%T: describing it panicked)", e)
		}
	}()
	if err, ok := e.(error); ok {
		return err.Error()
	}
	return fmt.Sprint(e)
}
