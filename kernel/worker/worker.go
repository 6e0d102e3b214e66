// Package worker is the process that holds a session's values. It loads compiled cells and runs them; whatever happens
// to it, the kernel lives on.
package worker

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"fovea/kernel/display"
	"fovea/kernel/gonb"
	"fovea/kernel/worker/message"
	"fovea/kernel/worker/rt"
)

// A Loader brings compiled packages into this process and runs their initialisers.
type Loader interface {
	// Load maps the library at path, which holds the package of that name.
	Load(path, name string) error
	// Flush writes what buffered streams of C code hold.
	Flush()
}

// Main serves requests until the session closes its end of the pipe.
func Main(loader Loader) {
	debug.SetTraceback("single")
	in, out := os.NewFile(message.RequestFD, "requests"), os.NewFile(message.ResponseFD, "responses")
	if in == nil || out == nil {
		fmt.Fprintln(os.Stderr, "this program is started by fovea's kernel, not by hand")
		os.Exit(2)
	}
	// Programs that cells start must not hold the pipes open.
	syscall.CloseOnExec(message.RequestFD)
	syscall.CloseOnExec(message.ResponseFD)

	w := &worker{loader: loader, responses: json.NewEncoder(out)}
	if err := rt.OpenInput(func(a message.Ask) { w.write(message.Response{Ask: &a}) }); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err := gonb.Serve(gonb.Hooks{Ask: rt.NextQuestion}); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	// Libraries that listen for SIGINT themselves get it too. Without a listener it would end the process.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT)
	go func() {
		for range signals {
			if r := w.running.Load(); r != nil {
				r.stop()
			}
		}
	}()

	work := make(chan *job, 16)
	go w.serve(work)
	w.respond(message.Response{ID: message.Ready})
	if p, ok := loader.(interface{ Prepare() }); ok {
		// Before the first request is taken up, while the session still compiles it.
		work <- &job{prepare: p.Prepare}
	}
	requests := json.NewDecoder(bufio.NewReader(in))
	for {
		var request message.Request
		if err := requests.Decode(&request); err != nil {
			os.Exit(0)
		}
		if request.Op == message.Interrupt {
			// The pipe keeps order, so the job is known here, started or not.
			if j := w.newest.Load(); j != nil && j.request.ID == request.ID {
				j.stop()
			}
			continue
		}
		if request.Op == message.Reply {
			rt.Answer(*request.Answer)
			continue
		}
		if request.Op == message.Comm {
			if m, err := display.ReadMessage(bytes.NewReader(request.Frame)); err != nil {
				fmt.Fprintln(os.Stderr, "a message from the page is broken:", err)
			} else {
				display.DeliverComm(m)
			}
			continue
		}
		j := &job{request: request}
		w.newest.Store(j)
		work <- j
	}
}

type worker struct {
	loader    Loader
	mu        sync.Mutex // of responses
	responses *json.Encoder
	newest    atomic.Pointer[job] // the last one that was asked for
	running   atomic.Pointer[job]
}

func (w *worker) respond(r message.Response) {
	r.Memory, r.Goroutines = memory(), runtime.NumGoroutine()
	w.write(r)
}

func (w *worker) write(r message.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.responses.Encode(r); err != nil {
		fmt.Fprintln(os.Stderr, "worker: the kernel is gone:", err)
		os.Exit(1)
	}
}

func (w *worker) serve(work <-chan *job) {
	for j := range work {
		if j.prepare != nil {
			j.prepare()
			continue
		}
		w.running.Store(j)
		r := w.do(j)
		w.running.Store(nil)
		w.loader.Flush()
		r.ID = j.request.ID
		w.respond(r)
	}
}

// do loads a library and runs its cell.
func (w *worker) do(j *job) message.Response {
	switch j.request.Op {
	case message.Look, message.Save, message.Restore:
		return j.values()
	}
	begun := time.Now()
	err := load(w.loader, j.request.Path, j.request.Name)
	loaded := time.Since(begun).Microseconds()
	if err != nil {
		return message.Response{Error: err.Error(), LoadMicros: loaded}
	}
	r := message.Response{LoadMicros: loaded}
	if j.request.Op == message.Run {
		if entry := rt.Take(j.request.ID); entry != nil {
			r = j.run(entry)
			r.LoadMicros = loaded
		} else {
			r.Error = fmt.Sprintf("%s holds no cell %d", j.request.Path, j.request.ID)
		}
	}
	return r
}

// load calls the loader; the initialisers that it runs are code of packages and may panic.
func load(l Loader, path, name string) (err error) {
	defer func() {
		if e := recover(); e != nil {
			err = fmt.Errorf("initialising package %s panicked: %v", name, e)
		}
	}()
	return l.Load(path, name)
}

// memory is the resident size of this process in bytes.
func memory() int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int64
	if _, err := fmt.Fscan(strings.NewReader(string(statm)), &size, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}
