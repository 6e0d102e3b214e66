package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"fovea/kernel/display"
	"fovea/kernel/session"
)

// CommandError is the name of the error of a cell whose special line could not be done. The Go of the cell was not run.
const CommandError = "CommandError"

// GoNB is the release of GoNB whose commands these are.
const GoNB = "v0.11.5"

// A Session runs the Go of the cells; *session.Session is one.
type Session interface {
	Execute(ctx context.Context, cell session.Cell, out session.Output) session.Result
	Restart(ctx context.Context) error
	Reset(ctx context.Context) error
	Close() error
	Names() []session.Name
	Imports(ctx context.Context) (map[string]string, error)
	Remove(ctx context.Context, names ...string) (users, missing []string, err error)
	SetEnvironment(ctx context.Context, dir string, env []string) error
}

var _ Session = (*session.Session)(nil)

// Options of an Engine. Dir, ModuleDir and Env are those of the session.
type Options struct {
	Dir       string   // where programs run, until %cd; "": the current folder
	ModuleDir string   // where those of !* lines run
	Env       []string // besides this process's environment
	Version   string   // what %version says
}

// An Engine executes cells with special lines. It is used in place of its session.
type Engine struct {
	session   Session
	module    string
	version   string
	dir       string
	last      string   // the folder before the last %cd
	env       []string // Options.Env and what %env has set
	set       []string // the variables that %env has set
	args      []string // the worker's os.Args[1:], as far as is known
	flags     bool     // some cell uses package flag
	goflags   []string
	explained map[string]bool // what has been said once
	declared  []declaration   // of earlier cells, for %wasm
	wasmID    string          // names the folder of this kernel's programs

	stopped context.Context // ends with Close
	stop    context.CancelFunc
	mu      sync.Mutex
}

// New returns an engine around a session.
func New(s Session, o Options) (*Engine, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	e := &Engine{session: s, module: o.ModuleDir, version: o.Version, dir: dir, env: slices.Clone(o.Env), explained: map[string]bool{}}
	e.stopped, e.stop = context.WithCancel(context.Background())
	return e, nil
}

// Session is the session behind the engine.
func (e *Engine) Session() Session { return e.session }

// Names lists the live names.
func (e *Engine) Names() []session.Name { return e.session.Names() }

// Comm hands a message from the page to the cells' comms, at any time.
func (e *Engine) Comm(m display.Message) error {
	cells, ok := e.session.(interface{ Comm(display.Message) error })
	if !ok {
		return errors.New("this session has no comms")
	}
	return cells.Comm(m)
}

// Restart ends the worker with all its values and starts a new one. The folder and the environment stay.
func (e *Engine) Restart(ctx context.Context) error {
	e.args = nil
	return e.session.Restart(ctx)
}

// Close ends the session, and a program that a cell runs.
func (e *Engine) Close() error {
	e.stop()
	return e.session.Close()
}

// running is ctx that also ends with Close.
func (e *Engine) running(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	unhook := context.AfterFunc(e.stopped, cancel)
	return ctx, func() { unhook(); cancel() }
}

// environ is the environment of programs that cells run.
func (e *Engine) environ() []string {
	return append(append(os.Environ(), e.env...), "PWD="+e.dir)
}

// getenv is os.Getenv for that environment.
func (e *Engine) getenv(name string) string {
	for _, variable := range slices.Backward(e.env) {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	return os.Getenv(name)
}

// path makes a file's name of a command absolute: ~ and variables are replaced.
func (e *Engine) path(name string) string {
	if name == "~" || strings.HasPrefix(name, "~/") {
		name = e.getenv("HOME") + name[1:]
	}
	name = os.Expand(name, e.getenv)
	if !filepath.IsAbs(name) {
		name = filepath.Join(e.dir, name)
	}
	return filepath.Clean(name)
}

// A call is the execution of one cell.
type call struct {
	engine *Engine
	ctx    context.Context
	cell   session.Cell
	out    session.Output
	result session.Result // what hidden cells and commands add to it

	ask   asking // of the next program
	main  int    // the line of %%; -1: none
	args  []string
	exec  string // the function of %exec
	line  int    // of %exec
	timed bool

	widgets bool // %widgets

	wasm     bool // %wasm
	wasmLine int

	test     bool // %test
	testLine int
	testArgs []string
	capture  *tee
}

// Execute runs a cell: first its special lines, in order, then its Go.
func (e *Engine) Execute(ctx context.Context, cell session.Cell, out session.Output) (r session.Result) {
	e.mu.Lock()
	defer e.mu.Unlock()
	begun := time.Now()
	c := &call{engine: e, ctx: ctx, cell: cell, out: out, main: -1}
	defer func() {
		c.endCapture()
		r.Notes = append(c.result.Notes, r.Notes...)
		r.Lost = append(c.result.Lost, r.Lost...)
		r.WorkerDied = r.WorkerDied || c.result.WorkerDied
		r.Timing.Total = time.Since(begun)
		if r.WorkerDied {
			e.args = nil
		}
	}()
	p := parse(cell.Source)
	if p.magic != "" {
		return session.Result{Err: c.explain(c.cellMagic(p), strings.Index(cell.Source, p.magic), p.magic)}
	}
	for _, s := range p.specials {
		if ctx.Err() != nil {
			return session.Result{Err: &session.CellError{Name: session.Interrupted, Message: "the cell was interrupted before its Go began"}}
		}
		if err := c.special(s); err != nil {
			return session.Result{Err: c.explainAt(err, s.line, s.text)}
		}
	}
	if c.wasm {
		r.Err = c.runWasm(p.lines)
		return r
	}
	declares := p.lines
	if c.main >= 0 {
		declares = p.lines[:c.main] // what follows is the body of main
	}
	plain := strings.Join(declares, "\n")
	source, err := c.golang(p.lines)
	if err != nil {
		return session.Result{Err: c.explainAt(err, 0, "")}
	}
	if c.test {
		if source, err = c.testSource(source); err != nil {
			return session.Result{Err: c.explainAt(err, c.testLine, "%test")}
		}
	}
	if c.widgets {
		source += fmt.Sprintf("\nimport %s \"github.com/janpfeifer/gonb/gonbui/comms\"\n%s.Start()", commsName, commsName)
	}
	if strings.TrimSpace(source) == "" {
		return session.Result{}
	}
	cell.Source = source
	r = e.session.Execute(ctx, cell, c.out)
	if r.Err == nil {
		e.remember(plain)
	}
	if c.test && r.Err != nil && r.Err.Name == session.Exit {
		r.Err = &session.CellError{Name: TestFailure, Message: "tests have failed"} // they have said why
		if ctx.Err() != nil {
			r.Err = &session.CellError{Name: session.Interrupted, Message: "the tests were interrupted; the values are kept"}
		}
	}
	if c.timed {
		ms := func(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
		t := r.Timing
		c.out.Stream("stdout", fmt.Sprintf("run %s; check %s, compile %s, link %s, load %s\n", ms(t.Run), ms(t.Check), ms(t.Compile), ms(t.Link), ms(t.Load)))
	}
	return r
}

// hidden runs Go that is none of the user's, in the session.
func (c *call) hidden(source string) error {
	r := c.engine.session.Execute(c.ctx, session.Cell{Source: source, Silent: true}, nothing{})
	c.result.Notes = append(c.result.Notes, r.Notes...)
	c.result.Lost = append(c.result.Lost, r.Lost...)
	c.result.WorkerDied = c.result.WorkerDied || r.WorkerDied
	if r.Err != nil && r.Err.Name == session.Interrupted {
		return r.Err
	}
	if r.Err != nil {
		return failed("%s", r.Err.Message)
	}
	return nil
}

// note tells the user something, the first time that it comes up.
func (c *call) note(text string) {
	if !c.engine.explained[text] {
		c.engine.explained[text] = true
		c.result.Notes = append(c.result.Notes, text)
	}
}

func (c *call) printf(format string, args ...any) {
	c.out.Stream("stdout", fmt.Sprintf(format, args...))
}

func (c *call) warnf(format string, args ...any) {
	c.out.Stream("stderr", fmt.Sprintf(format, args...))
}

// failed is the error of a special line.
func failed(format string, args ...any) error {
	return &session.CellError{Name: CommandError, Message: fmt.Sprintf(format, args...)}
}

func (c *call) explain(err error, offset int, text string) *session.CellError {
	return c.explainAt(err, strings.Count(c.cell.Source[:max(offset, 0)], "\n"), text)
}

// explainAt completes the error of a special line.
func (c *call) explainAt(err error, line int, text string) *session.CellError {
	if err == nil {
		return nil
	}
	e, ok := err.(*session.CellError)
	if !ok {
		e = &session.CellError{Name: CommandError, Message: err.Error()}
	}
	if text != "" && e.Traceback == nil {
		e.Line = line + 1
		e.Traceback = []string{fmt.Sprintf("In[%d]:%d: %s", c.cell.Number, e.Line, e.Message), "    " + text}
	}
	return e
}

// nothing is where the output of hidden cells goes.
type nothing struct{}

func (nothing) Stream(string, string)   {}
func (nothing) Display(display.Message) {}
func (nothing) Result(display.Bundle)   {}
