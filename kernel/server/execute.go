package server

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"fovea/kernel/display"
	"fovea/kernel/session"
	"fovea/kernel/wire"
)

// A frontend that runs a whole notebook sends its cells one by one, and the first can have failed before the last is
// sent. lateTime is how long after an error cells can still come in that were sent before it, by their date; burstTime
// is the longest pause within such a burst. Who waits for each reply before the next cell is never in a burst.
const (
	lateTime  = 500 * time.Millisecond
	burstTime = 20 * time.Millisecond
)

// A shell runs cells one after the other: the main one, or a subshell, which also answers other requests in its turn.
type shell struct {
	server *Server
	id     string
	queue  *queue

	running *request // the cell that runs now; guarded by server.status

	failedAt  time.Time // when a cell failed that stops what waits
	abortedAt time.Time // when the last cell that was not run for it had arrived

	mu     sync.Mutex
	cancel context.CancelFunc // stops the cell that runs now
}

func newShell(s *Server, id string) *shell { return &shell{server: s, id: id, queue: newQueue()} }

func (sh *shell) run() {
	sh.queue.each(func(r *request) {
		if body, ok := r.body.(*wire.ExecuteRequest); ok {
			sh.cell(r, body)
		} else {
			sh.server.handle(r)
		}
	})
}

// interrupt stops the cell that runs now, if any.
func (sh *shell) interrupt() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.cancel != nil {
		sh.cancel()
	}
}

// begin and end bracket the time in which a cell can be interrupted.
func (sh *shell) begin() context.Context {
	ctx, cancel := context.WithCancel(sh.server.ctx)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.cancel = cancel
	return ctx
}

func (sh *shell) end() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.cancel()
	sh.cancel = nil
}

// cell answers an execute request: busy, the cell's input, its output, its error, the reply, idle.
func (sh *shell) cell(r *request, body *wire.ExecuteRequest) {
	s := sh.server
	sh.setRunning(r, "busy")
	defer sh.setRunning(nil, "idle", r)
	started := time.Now()
	metadata := map[string]any{"started": wire.Date(started)}
	if sh.aborts(r) {
		aborted := wire.Failed("Aborted", "not run, because a cell before it failed")
		aborted.Status = "aborted"
		metadata["status"] = aborted.Status
		s.reply(r, aborted, metadata) // without a count, which frontends would write beside a cell that has not run
		return
	}
	ctx := sh.begin()
	defer sh.end()
	reply, timing := sh.execute(ctx, r, body)
	metadata["status"] = "ok"
	if _, bad := reply.(wire.ExecuteError); bad {
		metadata["status"] = "error"
		if body.StopOnError {
			sh.failedAt = time.Now()
		}
	}
	if timing.Total > 0 {
		metadata["fovea"] = milliseconds(timing)
	}
	s.reply(r, reply, metadata)
	s.tellVariables()
}

// aborts says whether the cell was sent before its sender could know that an earlier one has failed.
func (sh *shell) aborts(r *request) bool {
	if sh.failedAt.IsZero() {
		return false
	}
	sent := r.Header.Time()
	queued := !r.arrived.After(sh.failedAt)
	late := r.arrived.Before(sh.failedAt.Add(lateTime)) && !sent.IsZero() && sent.Before(sh.failedAt)
	burst := !sh.abortedAt.IsZero() && r.arrived.Before(sh.abortedAt.Add(burstTime))
	if queued || late || burst {
		sh.abortedAt = r.arrived
		return true
	}
	sh.failedAt, sh.abortedAt = time.Time{}, time.Time{}
	return false
}

// setRunning publishes the status and notes what runs, in one step (see publishStatus).
func (sh *shell) setRunning(r *request, state string, parent ...*request) {
	s := sh.server
	s.status.Lock()
	defer s.status.Unlock()
	sh.running = r
	if r == nil {
		r = parent[0]
	}
	s.sendStatus(r, state)
	if running := s.main.running; state == "idle" && running != nil {
		s.sendStatus(running, "busy")
	}
}

// execute runs the cell and makes the content of the reply.
func (sh *shell) execute(ctx context.Context, r *request, body *wire.ExecuteRequest) (any, session.Timing) {
	s := sh.server
	store := body.StoreHistory && !body.Silent
	count := s.nextCount(store)
	out := &output{server: s, parent: r, count: count, silent: body.Silent, stdin: body.AllowStdin}
	if !body.Silent {
		s.background.adopt(r)
		s.publish("execute_input", r, wire.ExecuteInput{Code: body.Code, Count: count})
	}
	code, asked, detail := question(body.Code)
	result, engine := sh.runOn(ctx, session.Cell{Number: count, Source: code, Silent: body.Silent}, out)
	if result.Err == nil && asked != "" {
		result.Err = s.page(asked, detail, out)
	}
	for _, note := range result.Notes {
		out.Stream("stderr", strings.TrimRight(note, "\n")+"\n")
	}
	out.close()
	if store {
		s.history.add(count, body.Code, out.result)
	}
	if e := result.Err; e != nil {
		failed := wire.Failed(e.Name, e.Message, coloured(e.Traceback)...)
		if !body.Silent {
			s.publish("error", r, failed.Error)
		}
		return wire.ExecuteError{ErrorReply: failed, Count: count, UserExpressions: map[string]any{}, Payload: []any{}}, result.Timing
	}
	return wire.ExecuteReply{OK: wire.Good, Count: count,
		UserExpressions: evaluate(ctx, engine, body.UserExpressions), Payload: out.payload()}, result.Timing
}

// runOn waits for the engine and for its turn on it, and runs the cell. A fault of the engine is an error of the cell.
func (sh *shell) runOn(ctx context.Context, cell session.Cell, out *output) (result session.Result, engine Engine) {
	failed := func(name, message string) session.Result {
		return session.Result{Err: &session.CellError{Name: name, Message: message, Traceback: []string{name + ": " + message}}}
	}
	defer func() {
		if fault := recover(); fault != nil {
			sh.server.log(fmt.Sprintf("the engine panicked: %v", fault))
			result = failed(session.SessionError, fmt.Sprint("the kernel's own fault: ", fault))
		}
	}()
	opened, err := sh.server.engine.wait(ctx, out)
	if ctx.Err() != nil {
		return failed(session.Interrupted, "the cell was stopped before it began"), nil
	}
	if err != nil {
		return failed(session.SessionError, err.Error()), nil
	}
	release, err := sh.server.engine.turn(ctx)
	if err != nil {
		return failed(session.Interrupted, "the cell was stopped before it began"), nil
	}
	defer release()
	return opened.Execute(ctx, cell, out), opened
}

// evaluate finds the values of user_expressions; each fails alone.
func evaluate(ctx context.Context, engine Engine, expressions map[string]string) map[string]any {
	values := map[string]any{}
	evaluator, able := engine.(Evaluator)
	for key, expression := range expressions {
		if !able {
			values[key] = wire.Failed("NotSupported", "this kernel does not evaluate expressions besides cells")
			continue
		}
		b, err := evaluator.Evaluate(ctx, expression)
		if err != nil {
			values[key] = wire.Failed("EvaluationError", err.Error())
			continue
		}
		values[key] = map[string]any{"status": "ok", "data": mimeData(b.Data), "metadata": orEmpty(b.Metadata)}
	}
	return values
}

func (s *Server) nextCount(store bool) int {
	s.count.Lock()
	defer s.count.Unlock()
	if store {
		s.cells++
	}
	return s.cells
}

func milliseconds(t session.Timing) map[string]any {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return map[string]any{"check_ms": ms(t.Check), "compile_ms": ms(t.Compile), "link_ms": ms(t.Link), "load_ms": ms(t.Load),
		"run_ms": ms(t.Run), "total_ms": ms(t.Total), "memory_bytes": t.Memory}
}

var _ session.Output = (*output)(nil)
var _ interface {
	Inputter
	Pager
	Replacer
} = (*output)(nil)

// page makes the payload of something for the pager.
func page(b display.Bundle) wire.PagePayload {
	return wire.PagePayload{Source: "page", Data: mimeData(b.Data)}
}
