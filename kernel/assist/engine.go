package assist

import (
	"context"
	"errors"
	"time"

	"fovea/kernel/display"
	"fovea/kernel/server"
	"fovea/kernel/session"
)

// An Engine is a session that also completes and inspects.
type Engine struct {
	*session.Session
	assistant *Assistant
}

var (
	_ server.Completer = (*Engine)(nil)
	_ server.Inspector = (*Engine)(nil)
)

// startDelay is how long gopls leaves the processors to a session's first cell. It reads the packages for seconds.
const startDelay = 1500 * time.Millisecond

// Assist adds completion and inspection to a session, which it then closes with itself.
func Assist(s *session.Session, o Options) *Engine {
	if o.ModuleDir == "" {
		o.ModuleDir = s.ModuleDir()
	}
	if o.Delay == 0 {
		o.Delay = startDelay
	}
	e := &Engine{s, New(o)}
	e.look()
	return e
}

// look takes what the session knows now. While a cell runs, what was known before it stays right.
func (e *Engine) look() {
	if s, ok := e.Session.Snapshot(); ok {
		e.assistant.SetSession(s)
	}
}

// Execute runs a cell. See session.Session.
func (e *Engine) Execute(ctx context.Context, cell session.Cell, out session.Output) session.Result {
	defer e.assistant.Begin()
	defer e.look() // before the next one in the queue begins
	return e.Session.Execute(ctx, cell, out)
}

// Complete lists what could stand at an offset of the code.
func (e *Engine) Complete(ctx context.Context, code string, offset int) (server.Completion, error) {
	e.look()
	return e.assistant.Complete(ctx, code, offset)
}

// Inspect describes what stands at an offset of the code.
func (e *Engine) Inspect(ctx context.Context, code string, offset, detail int) (display.Bundle, bool, error) {
	e.look()
	return e.assistant.Inspect(ctx, code, offset, detail)
}

// Diagnose lists the mistakes in a cell.
func (e *Engine) Diagnose(ctx context.Context, code string) ([]Diagnostic, error) {
	e.look()
	return e.assistant.Diagnose(ctx, code)
}

// Signature describes the call around an offset of the code; nil when there is none.
func (e *Engine) Signature(ctx context.Context, code string, offset int) (*Signature, error) {
	e.look()
	return e.assistant.Signature(ctx, code, offset)
}

// Close ends the session and gopls.
func (e *Engine) Close() error { return errors.Join(e.Session.Close(), e.assistant.Close()) }
