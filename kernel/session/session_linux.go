package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fovea/internal/atomicfile"
	"fovea/internal/home"
	"fovea/kernel/session/front"
	"fovea/kernel/session/host"
	"fovea/kernel/worker/message"
)

// A Session is a worker process that holds values, and what is known of their names and types.
type Session struct {
	options    Options
	workers    int          // how many were started
	removeWork func() error // removes the folder of this session's files
	tools      *host.Toolchain
	turn       chan struct{} // holds one token: whoever has it works on what follows
	host       *host.Host
	front      *front.State
	process    *process // nil: to be started
	closed     bool
	last       int            // ID of the last cell
	untold     []string       // what was lost with a worker that ended in Evaluate; nil: nothing
	sources    map[int]string // by the cell's number, for error messages

	checkpoints checkpoints

	names  atomic.Pointer[[]Name]
	worker atomic.Pointer[process] // the same as process, for Close while a cell runs
	logMu  sync.Mutex
	loader string

	work    string      // the folder of this session's files
	module  *cellModule // nil: somebody else's, which is only read
	noGet   bool        // packages are not fetched
	flags   []string    // for the compilation of packages
	dirty   bool        // the module or the flags have changed since the host was opened
	watched map[string]bool
	reloads int
}

const defaultGrace = 10 * time.Second

// Open sets a session up: it builds the host library of o.Packages unless the cache holds it, and starts the worker.
// The first time with a toolchain it also checks that the fast loader works with it.
func Open(ctx context.Context, o Options) (*Session, error) {
	if o.ModuleDir == "" && o.Root == "" {
		return nil, errors.New("session: Options.ModuleDir is empty: name the folder of the module that cells belong to, or with Root let the session make one")
	}
	if o.Root != "" {
		o.ModuleDir = "" // see newCellModule
	} else if _, err := os.Stat(filepath.Join(o.ModuleDir, "go.mod")); err != nil {
		return nil, fmt.Errorf("session: %s is no module: %w", o.ModuleDir, err)
	}
	if o.Dir != "" {
		if info, err := os.Stat(o.Dir); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("session: no such file or directory: %s (the folder in which cells should run)", o.Dir)
		}
	}
	if o.Packages == nil {
		o.Packages = StandardPackages()
	}
	if o.Cache == "" {
		dir, err := home.Cache("host")
		if err != nil {
			return nil, err
		}
		o.Cache = dir
	}
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	// The linker is given absolute paths.
	for _, dir := range []*string{&o.Cache, &o.ModuleDir} {
		if *dir == "" {
			continue
		}
		abs, err := filepath.Abs(*dir)
		if err != nil {
			return nil, err
		}
		*dir = abs
	}
	tools, err := host.FindToolchain(ctx)
	if err != nil {
		return nil, err
	}
	switch o.Loader {
	case "fast", "plugin":
		return open(ctx, o, tools, o.Loader)
	case "":
		return openChecked(ctx, o, tools)
	}
	return nil, fmt.Errorf("session: Options.Loader is %q: it can be \"fast\", \"plugin\" or empty", o.Loader)
}

// openChecked opens a session with the fast loader when that can be trusted, else with plugins.
func openChecked(ctx context.Context, o Options, tools *host.Toolchain) (*Session, error) {
	verdict := filepath.Join(o.Cache, "check-"+host.FastKey(tools))
	s := &Session{options: o} // for its log
	known, err := os.ReadFile(verdict)
	if err == nil && string(known) != passed {
		s.logf("cells are loaded as plugins, which takes longer: %s", strings.TrimSpace(string(known)))
		return open(ctx, o, tools, "plugin")
	}
	if !tools.Fast() {
		s.logf("the fast loader does not know %s: cells are loaded as plugins, which takes longer", tools.Version)
		return open(ctx, o, tools, "plugin")
	}
	s, openErr := open(ctx, o, tools, "fast")
	if openErr == nil && err == nil {
		return s, nil
	}
	if openErr != nil {
		// What the user can mend would stop plugins as well.
		var missing *host.MissingError
		if ctx.Err() != nil || errors.As(openErr, &missing) || !errors.Is(openErr, errFast) {
			return nil, openErr
		}
	} else if openErr = s.selfCheck(ctx); openErr == nil {
		return s, atomicfile.WriteBytes(verdict, []byte(passed))
	} else {
		s.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	s = &Session{options: o}
	s.logf("the fast loader does not work with %s here: %v", tools.Version, openErr)
	s.logf("cells are loaded as plugins, which takes longer")
	// A cell that came out wrong will come out wrong again. A worker that did not start may have had a passing reason.
	var wrong *wrongError
	if errors.As(openErr, &wrong) {
		if err := atomicfile.WriteBytes(verdict, []byte(openErr.Error()+"\n")); err != nil {
			return nil, err
		}
	}
	return open(ctx, o, tools, "plugin")
}

const passed = "passed\n"

// errFast marks errors of the fast loader's own steps.
var errFast = errors.New("fast loader")

func open(ctx context.Context, o Options, tools *host.Toolchain, loader string) (*Session, error) {
	work, removeWork, err := newFolder(ctx)
	if err != nil {
		return nil, err
	}
	s := &Session{options: o, removeWork: removeWork, tools: tools, turn: make(chan struct{}, 1), sources: map[int]string{}, loader: loader, work: work,
		watched: map[string]bool{}}
	if o.Root != "" {
		if s.module, err = newCellModule(&s.options, work); err != nil {
			return nil, errors.Join(fmt.Errorf("the module of the cells: %w", err), removeWork())
		}
		s.options.Env = append(slices.Clone(o.Env), "GONB_TMP_DIR="+s.module.dir) // where GoNB's notebooks look for it
	}
	s.host, err = openHost(ctx, tools, host.Config{ModuleDir: s.options.ModuleDir, Packages: o.Packages, Cache: o.Cache, WorkDir: work, Plugin: loader == "plugin", Log: s.logf}, s.module, s.options.Env)
	if err != nil {
		removeWork()
		var te *host.LinkError
		if loader == "fast" && errors.As(err, &te) {
			return nil, fmt.Errorf("%w: %w", errFast, err)
		}
		return nil, err
	}
	s.front = front.New(packages{s.host})
	preloaded := make(chan struct{})
	go func() {
		defer close(preloaded)
		s.front.Preload("fmt", "os", "time", "strings", "github.com/gomlx/gomlx/core/graph", "github.com/gomlx/gomlx/ml/train")
	}()
	err = s.start(ctx)
	<-preloaded
	if err != nil {
		s.host.Close() // its errors add nothing
		removeWork()
		if loader == "fast" && ctx.Err() == nil {
			return nil, fmt.Errorf("%w: %w", errFast, err)
		}
		return nil, err
	}
	s.names.Store(&[]Name{})
	s.turn <- struct{}{}
	return s, nil
}

func (s *Session) logf(format string, args ...any) {
	if s.options.Log == nil {
		return
	}
	s.logMu.Lock()
	defer s.logMu.Unlock()
	fmt.Fprintf(s.options.Log, format+"\n", args...)
}

// start starts the worker with the libraries that came later.
func (s *Session) start(ctx context.Context) error {
	s.workers++
	pipes := filepath.Join(s.work, fmt.Sprintf("gonb-%d", s.workers)) // each worker has its own
	p, err := startProcess(ctx, s.host.Worker, s.options.Dir, s.options.Env, pipes)
	if err != nil {
		return err
	}
	p.pump.background = s.options.Background
	for _, library := range s.host.Later() {
		r, err := p.call(ctx, message.Request{Op: message.Load, Path: library, Name: filepath.Base(library)}, s.options.Grace)
		if err == nil && r.Error != "" {
			err = errors.New(r.Error)
		}
		if err != nil {
			p.close(0)
			return fmt.Errorf("loading %s again: %w", library, err)
		}
	}
	s.process = p
	s.worker.Store(p)
	return nil
}

// take waits for this call's turn.
func (s *Session) take(ctx context.Context) error {
	s.makeWay()
	select {
	case <-s.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.closed {
		s.turn <- struct{}{}
		return errors.New("the session is closed")
	}
	return nil
}

func (s *Session) release() { s.turn <- struct{}{} }

// Restart ends the worker with all its values and starts a new one. Imports stay in force. Packages that have changed on
// disk or in go.mod are loaded as they are now; when they do not compile, the old worker and its values stay.
func (s *Session) Restart(ctx context.Context) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.release()
	if s.process != nil && s.process.alive() {
		s.saveNow()
	}
	if s.outdated(ctx) {
		_, err := s.reload(ctx)
		return err
	}
	if s.process != nil {
		s.process.close(0)
	}
	s.forget()
	return s.start(ctx)
}

// forget drops the worker and all names.
func (s *Session) forget() {
	s.process = nil
	s.front.Reset()
	s.front.SetRestorable(s.checkpoints.set())
	s.names.Store(&[]Name{})
}

// Close ends the worker. A cell that runs is not waited for: it is killed, with all that cells have started.
func (s *Session) Close() error {
	if p := s.worker.Load(); p != nil && p.alive() && len(s.turn) == 0 {
		p.kill()
	}
	if err := s.take(context.Background()); err != nil {
		return nil // closed already
	}
	defer s.release()
	s.closed = true
	if s.process != nil {
		s.process.close(time.Second)
	}
	return errors.Join(s.host.Close(), s.removeWork())
}

// Names lists the live names, sorted. It may be called while a cell runs, and then tells of the time before it.
func (s *Session) Names() []Name { return slices.Clone(*s.names.Load()) }

// Loader says how cells get into the worker: "fast" or "plugin".
func (s *Session) Loader() string { return s.loader }

// Pid is the worker's process ID; 0 when none runs. For tests and for watching its memory.
func (s *Session) Pid() int {
	if err := s.take(context.Background()); err != nil {
		return 0
	}
	defer s.release()
	if s.process == nil || !s.process.alive() {
		return 0
	}
	return s.process.cmd.Process.Pid
}

// packages shows the host to the front end.
type packages struct{ *host.Host }

func (p packages) Name(path string) (string, bool) {
	found, ok := p.Host.Package(path)
	if !ok {
		return "", false
	}
	return found.Name, true
}

func (p packages) ByName(name string) (path string, plain, ok bool) {
	found, only := p.Host.ByName(name)
	if found == nil {
		return "", false, false
	}
	return found.Path, found.Std && only, true
}

func (p packages) Export(path string) (io.ReadCloser, error) {
	found, ok := p.Host.Package(path)
	if !ok || found.Export == "" {
		return nil, fmt.Errorf("package %s is not loaded", path)
	}
	return os.Open(found.Export)
}
