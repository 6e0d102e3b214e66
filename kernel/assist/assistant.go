package assist

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"fovea/kernel/server"
	"fovea/kernel/session"
)

// ErrUnavailable says that gopls has no answer now. It is the server's, which then completes live names.
var ErrUnavailable = server.ErrUnavailable

// Options say how an Assistant is set up. The zero value of each field but ModuleDir is useful.
type Options struct {
	ModuleDir string                 // the module that governs the cells' imports
	Find      func() (string, error) // the path of gopls; nil: Find
	Log       func(line string)      // what happens to gopls; nil: nobody
	Deadline  time.Duration          // for an answer; 0: 1 s
	Delay     time.Duration          // gopls is not started before that, unless Begin is called or something is asked

	pause time.Duration // before gopls is started again, doubled each time; 0: firstPause
}

// An Assistant answers questions about cells that are being written. Its methods may be called at any time, also at once.
type Assistant struct {
	options Options
	ctx     context.Context
	stop    context.CancelFunc
	runner  sync.WaitGroup
	begin   func() // closes begun
	begun   chan struct{}

	mu       sync.Mutex // guards what follows, and the order of what gopls is sent
	process  *process   // nil: none answers
	ready    chan struct{}
	snapshot session.Snapshot
}

// Back-off after gopls ends or is not found.
const (
	firstPause = time.Second
	longPause  = time.Minute
)

// New returns an Assistant and starts gopls in the background, after o.Delay. It must be closed.
func New(o Options) *Assistant {
	if o.Find == nil {
		o.Find = Find
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	if o.Deadline == 0 {
		o.Deadline = time.Second
	}
	if o.pause == 0 {
		o.pause = firstPause
	}
	if dir, err := filepath.EvalSymlinks(o.ModuleDir); err == nil {
		o.ModuleDir = dir // gopls takes files for strangers that lie elsewhere by name
	}
	a := &Assistant{options: o, begun: make(chan struct{}), ready: make(chan struct{})}
	a.begin = sync.OnceFunc(func() { close(a.begun) })
	a.ctx, a.stop = context.WithCancel(context.Background())
	a.runner.Go(a.run)
	return a
}

// Close ends gopls.
func (a *Assistant) Close() error {
	a.stop()
	a.runner.Wait()
	return nil
}

// Begin starts gopls now if it waits for Options.Delay.
func (a *Assistant) Begin() { a.begin() }

// run keeps a gopls going.
func (a *Assistant) run() {
	if a.options.Delay > 0 {
		select {
		case <-a.begun:
		case <-time.After(a.options.Delay):
		case <-a.ctx.Done():
			return
		}
	}
	pause, said := a.options.pause, ""
	say := func(line string) { // a failure that lasts is told once
		if line != said {
			a.options.Log(line)
			said = line
		}
	}
	for a.ctx.Err() == nil {
		begun := time.Now()
		path, err := a.options.Find()
		if err == nil {
			err = a.serve(path, say)
		}
		if a.ctx.Err() != nil {
			return
		}
		say(fmt.Sprintf("assist: %v; live names are completed meanwhile", err))
		if time.Since(begun) > longPause {
			pause = a.options.pause
		}
		select {
		case <-time.After(pause):
		case <-a.ctx.Done():
		}
		pause = min(2*pause, longPause)
	}
}

// serve runs one gopls until it ends.
func (a *Assistant) serve(path string, say func(string)) error {
	p, err := startProcess(a.ctx, path, a.options.ModuleDir)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer p.stop()
	a.mu.Lock()
	a.process = p
	close(a.ready)
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.process, a.ready = nil, make(chan struct{})
		a.mu.Unlock()
	}()
	a.warm()
	select {
	case <-p.closed:
		p.mu.Lock()
		defer p.mu.Unlock()
		return fmt.Errorf("gopls has ended (%w) and is started again", p.err)
	case <-a.ctx.Done():
		return a.ctx.Err()
	}
}

// warmTime is how long the first answer may take in the background: gopls reads all packages for it.
const warmTime = 2 * time.Minute

// warm asks for something that nobody waits for, so that gopls reads the packages before somebody does.
func (a *Assistant) warm() {
	a.runner.Go(func() {
		ctx, cancel := context.WithTimeout(a.ctx, warmTime)
		defer cancel()
		d, k, err := a.ask("", 0, "textDocument/completion")
		if err == nil && d != nil {
			k.wait(ctx, nil) // its answer does not matter
		}
	})
}

// SetSession tells what cells may refer to from now on.
func (a *Assistant) SetSession(s session.Snapshot) {
	a.mu.Lock()
	changed := a.snapshot.Live != s.Live || imports(a.snapshot, nil) != imports(s, nil)
	a.snapshot = s
	running := a.process != nil
	a.mu.Unlock()
	if changed && running {
		a.warm()
	}
}

// A question is a request on its way, with what its answer refers to.
type question struct {
	*call
	utf8 bool
}

// ask shows gopls a cell and starts a request about a place in it. The document is nil when the place is none of Go's.
func (a *Assistant) ask(cell string, offset int, method string) (*Document, *question, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.process
	if p == nil {
		return nil, nil, ErrUnavailable
	}
	d := NewDocument(cell, offset, a.snapshot)
	at := 0
	if offset >= 0 { // a question about a place
		var ok bool
		if at, ok = d.ToFile(offset); !ok {
			return nil, nil, nil
		}
	}
	live, uri := a.uri("live.go"), a.uri("cell.go")
	params := map[string]any{"textDocument": map[string]string{"uri": uri}}
	if offset >= 0 {
		params["position"] = position(d.Text, at, p.utf8)
	}
	if err := p.lookAtModule(a.options.ModuleDir); err != nil {
		return nil, nil, ErrUnavailable
	}
	// The live names lie in a file of their own, which the writing of a cell does not change.
	if a.snapshot.Live != "" {
		if err := p.show(live, a.snapshot.Live); err != nil {
			return nil, nil, ErrUnavailable
		}
	}
	if err := p.show(uri, d.Text); err != nil {
		return nil, nil, ErrUnavailable
	}
	k, err := p.start(method, params)
	if err != nil {
		return nil, nil, ErrUnavailable
	}
	return d, &question{k, p.utf8}, nil
}

// uri names a file of the package that is on no disk. Its folder need not be there either.
func (a *Assistant) uri(name string) string {
	return fileURI(filepath.Join(a.options.ModuleDir, name))
}

const (
	diagnostic = "textDocument/diagnostic"
	patience   = 20 * time.Second
)

// get asks and waits for the answer, no longer than the deadline. The document is nil when the place is none of Go's.
func (a *Assistant) get(ctx context.Context, cell string, offset int, method string, result any) (*Document, *question, error) {
	limit := a.options.Deadline
	if method == diagnostic { // of a whole cell, for somebody who waits
		limit = max(limit, patience)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a.Begin()
	a.mu.Lock()
	ready := a.ready
	a.mu.Unlock()
	if _, err := a.options.Find(); err != nil { // nothing to wait for
		return nil, nil, ErrUnavailable
	}
	select {
	case <-ready:
	case <-ctx.Done():
		return nil, nil, ErrUnavailable
	}
	d, q, err := a.ask(cell, offset, method)
	if d == nil {
		return nil, nil, err
	}
	err = q.wait(ctx, result)
	var refused *rpcError
	switch {
	case err == nil:
		return d, q, nil
	case errors.As(err, &refused):
		return nil, nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil, nil, ErrUnavailable // too late, or it has died
}
