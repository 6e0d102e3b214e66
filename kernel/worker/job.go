package worker

import (
	"bytes"
	"sync"
	"syscall"
	"time"

	"fovea/kernel/display"
	"fovea/kernel/worker/message"
	"fovea/kernel/worker/rt"
)

// A job is one request, which can be stopped before it has begun.
type job struct {
	request message.Request
	prepare func() // done in place of the request, without a response

	mu      sync.Mutex
	stopped bool
	cell    *rt.Run
	halt    chan struct{} // closed by stop while the cell runs
}

func (j *job) stop() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stopped {
		return
	}
	j.stopped = true
	if j.cell != nil {
		j.cell.Stop()
		close(j.halt)
	}
}

// run runs a cell to its end, or leaves it behind when it was interrupted and waits for something that does not come.
func (j *job) run(entry func()) message.Response {
	j.mu.Lock()
	if j.stopped { // while the library was being loaded
		j.mu.Unlock()
		return message.Response{Ended: message.Interrupted, Stopped: true}
	}
	rt.KeepSource(j.request.Cell, j.request.Source)
	r := rt.Start(j.request.Cell, entry)
	halt := make(chan struct{})
	j.cell, j.halt = r, halt
	j.mu.Unlock()

	begun := time.Now()
	select {
	case <-r.Done:
	case <-halt:
		if !ends(r) {
			display.EndCell(true)
			return message.Response{Ended: message.Interrupted, Stopped: true, Left: true, RunMicros: time.Since(begun).Microseconds(), Result: rt.TakeResult()}
		}
	}
	response := r.Outcome
	response.Result = rt.TakeResult()
	return response
}

const (
	lookEvery = 100 * time.Millisecond
	idleLooks = 5 // so many looks in a row must find the cell idle
)

// ends waits until an interrupted cell has ended; false: it is idle and would wait for ever. A cell that waits while the
// process computes may be waiting for a library's result, which would go on changing values: it is given time, and the
// session kills the worker when its patience ends.
func ends(r *rt.Run) bool {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last []byte
	idle, used := 0, processorTime()
	for {
		select {
		case <-r.Done:
			return true
		case <-tick.C:
		}
		stack, waits := r.Waits()
		now := processorTime()
		if waits && bytes.Equal(stack, last) && now-used < lookEvery/20 {
			idle++
		} else {
			idle = 0
		}
		last, used = stack, now
		if idle >= idleLooks || idle > 0 && r.Reads() {
			return false
		}
	}
}

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
