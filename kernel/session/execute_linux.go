package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"fovea/kernel/display"
	"fovea/kernel/session/front"
	"fovea/kernel/session/host"
	"fovea/kernel/worker/message"
)

// Execute runs one cell; calls queue. When ctx ends, the cell is interrupted: the compiler is killed, or the cell's code
// stopped with all values kept; a cell that does not stop within Options.Grace takes the worker with it.
func (s *Session) Execute(ctx context.Context, cell Cell, out Output) (r Result) {
	begun := time.Now()
	defer func() { r.Timing.Total = time.Since(begun) }()
	if err := s.take(ctx); err != nil {
		if ctx.Err() != nil {
			return Result{Err: interruptedError("the cell was interrupted before it began; nothing has changed")}
		}
		return Result{Err: sessionError(err)}
	}
	defer s.release()
	defer func() {
		if !r.WorkerDied {
			s.checkpoints.changed = true
		}
		r.Restorable = s.checkpoints.restorable(r.Lost)
		if r.WorkerDied && (r.Err == nil || r.Err.Name != WorkerDied) { // it was not this cell's end
			if len(r.Lost) > 0 {
				r.Notes = append(r.Notes, "lost: "+strings.Join(r.Lost, ", "))
			}
			if r.Restorable != nil {
				r.Notes = append(r.Notes, "%restore brings back: "+strings.Join(r.Restorable, ", "))
			}
		}
		s.saveSoon(automaticIdle)
	}()
	begun = time.Now()
	s.sources[cell.Number] = cell.Source

	if s.untold != nil {
		r.WorkerDied, r.Lost = true, s.untold
		r.Notes = append(r.Notes, "the worker had ended while an expression was evaluated: all values are gone")
		s.untold = nil
	}
	if s.process != nil && !s.process.alive() {
		// It ended while no cell ran: a goroutine's fault, or somebody killed it.
		r.WorkerDied, r.Lost = true, s.lose()
		r.Notes = append(r.Notes, fmt.Sprintf("the worker had ended (%s): all values are gone", s.process.epitaph()))
		s.process.close(0)
		s.forget()
	}
	if s.process == nil {
		if err := s.start(ctx); err != nil {
			r.Err = s.explain(ctx, err, cell.Number)
			return r
		}
	}
	notes, err := s.refresh(ctx)
	if err != nil {
		r.Err = s.explain(ctx, err, cell.Number)
		return r
	}
	r.Notes = append(r.Notes, notes...)
	s.process.pump.attach(out)
	s.process.inputter, _ = out.(Inputter)
	defer func() {
		if s.process != nil {
			s.process.pump.attach(nil)
		}
	}()
	if frame := s.perform(ctx, cell, &r); r.Err == nil && !cell.Silent {
		showResult(frame, out)
	}
	return r
}

// perform takes a cell all the way, and returns its value as a frame.
func (s *Session) perform(ctx context.Context, cell Cell, r *Result) (frame []byte) {
	s.last++
	id := s.last
	program, err := s.lower(ctx, front.Cell{ID: id, Number: cell.Number, Source: cell.Source}, r)
	if errors.Is(err, errDied) { // initialising a package ended it
		s.died(ctx, r)
		return nil
	}
	if err != nil || program.Empty {
		if err == nil {
			program.Commit()
			r.Notes = append(r.Notes, program.Notes...)
		}
		r.Err = s.explain(ctx, err, cell.Number)
		return nil
	}
	if r.Err = s.stale(id, program); r.Err != nil {
		return nil
	}
	library, times, err := s.host.Build(ctx, host.Cell{ID: id, Source: program.Source, Cells: program.Cells})
	r.Timing.Compile, r.Timing.Link = times.Compile, times.Link
	if err != nil {
		r.Err = s.explain(ctx, err, cell.Number)
		return nil
	}
	response, err := s.process.call(ctx, message.Request{Op: message.Run, ID: id, Path: library, Name: host.CellPath(id), Cell: cell.Number, Source: cell.Source}, s.options.Grace)
	if err != nil {
		s.died(ctx, r)
		return nil
	}
	r.Timing.Load, r.Timing.Run = micros(response.LoadMicros), micros(response.RunMicros)
	r.Timing.Memory = response.Memory
	if response.Error != "" {
		r.Err = &CellError{Name: LoadError, Message: front.Unmark(response.Error)}
		return nil
	}
	program.Commit()
	s.saveNames()
	r.Notes = append(r.Notes, program.Notes...)
	if err := s.host.Loaded(id); err != nil {
		r.Err = sessionError(err)
		return nil
	}
	r.Err = s.ended(response, cell.Number)
	return response.Result
}

// lower checks the cell, and loads packages that it is the first to import.
func (s *Session) lower(ctx context.Context, c front.Cell, r *Result) (*front.Program, error) {
	begun := time.Now()
	defer func() { r.Timing.Check += time.Since(begun) }()
	for {
		program, err := s.front.Lower(c)
		var need *front.NeedPackages
		if !errors.As(err, &need) {
			return program, err
		}
		added := time.Now()
		library, err := s.addPackages(ctx, need.Paths, r)
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			return nil, &packageError{need, err}
		}
		if library != "" {
			response, err := s.process.call(ctx, message.Request{Op: message.Load, Path: library, Name: library}, s.options.Grace)
			if err != nil {
				return nil, err
			}
			if response.Error != "" {
				return nil, &packageError{need, errors.New(response.Error)}
			}
		}
		r.Notes = append(r.Notes, fmt.Sprintf("loaded %s (%.1f s)", strings.Join(need.Paths, ", "), time.Since(added).Seconds()))
	}
}

type packageError struct {
	need *front.NeedPackages
	err  error
}

func (e *packageError) Error() string { return e.err.Error() }

// explain makes a cell's error of what stopped it before it ran.
func (s *Session) explain(ctx context.Context, err error, number int) *CellError {
	var compile *front.Error
	var pkg *packageError
	var tool *host.ToolError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return interruptedError("the cell was interrupted while it was compiled; nothing has changed")
	case errors.As(err, &compile):
		return s.compileError(compile, number)
	case errors.As(err, &pkg):
		return s.packageError(pkg)
	case errors.As(err, &tool):
		if compile := front.CompilerError(tool.Output); compile != nil {
			return s.compileError(compile, number)
		}
		e := &CellError{Name: LoadError, Message: "the cell could not be built; nothing has changed", Traceback: strings.Split(front.Unmark(tool.Error()), "\n")}
		if tool.Tool == "compile" {
			e.Name = CompileError
		}
		return e
	}
	return sessionError(err)
}

// ended makes a cell's error of how it ended; nil when it ended well.
func (s *Session) ended(r message.Response, number int) *CellError {
	switch {
	case r.Ended == message.Panicked:
		return s.panicError(r)
	case r.Ended == message.Exited:
		return s.stackError(Exit, fmt.Sprintf("os.Exit(%d) was called: it ends the cell, the values stay", r.ExitCode), r.Frames)
	case r.Ended == message.Goexit:
		return s.stackError(Exit, "runtime.Goexit was called: the cell has ended", r.Frames)
	case r.Left:
		return interruptedError("the cell was interrupted; it waited for something, and its goroutine waits on in the background. The values are kept")
	case r.Ended == message.Interrupted, r.Stopped:
		text := "the cell was interrupted; the values are kept"
		if r.Text != "" { // what the library that was stopped has to say
			text += "\n" + r.Text
		}
		return s.stackError(Interrupted, text, r.Frames)
	}
	return nil
}

// died cleans up after a worker that ended while a cell ran, and starts another one.
func (s *Session) died(ctx context.Context, r *Result) {
	p := s.process
	p.kill()
	<-p.exited
	p.pump.wait() // all that it wrote has been forwarded
	r.WorkerDied, r.Lost = true, s.lose()
	message := fmt.Sprintf("the worker ended (%s): all values are gone", p.epitaph())
	if ctx.Err() != nil {
		message = fmt.Sprintf("the cell did not stop within %s, so its process was killed: all values are gone", s.options.Grace)
	}
	r.Err = &CellError{Name: WorkerDied, Message: message, Traceback: []string{message}}
	if len(r.Lost) > 0 {
		r.Err.Traceback = append(r.Err.Traceback, "lost: "+strings.Join(r.Lost, ", "))
	}
	if saved := s.checkpoints.restorable(r.Lost); saved != nil {
		r.Err.Traceback = append(r.Err.Traceback, "%restore brings back: "+strings.Join(saved, ", "))
	}
	p.close(0)
	s.forget()
	if err := s.start(context.WithoutCancel(ctx)); err != nil {
		r.Notes = append(r.Notes, "a new worker could not be started: "+err.Error()) // the next cell tries again
	}
}

// lose lists the variables that go with the worker. What was declared is compiled again when a cell uses it.
func (s *Session) lose() (names []string) {
	for _, n := range s.front.Names() {
		if n.Kind == "var" {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}

func (s *Session) saveNames() {
	var names []Name
	for _, n := range s.front.Names() {
		names = append(names, Name(n))
	}
	s.names.Store(&names)
}

func showResult(frame []byte, out Output) {
	if len(frame) == 0 {
		return
	}
	m, err := display.ReadMessage(bytes.NewReader(frame))
	if err != nil {
		out.Stream("stderr", fmt.Sprintf("the cell's value cannot be shown: %v\n", err))
		return
	}
	unmarkBundle(m.Bundle)
	out.Result(m.Bundle)
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
