package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/parser"

	"fovea/kernel/display"
)

// Evaluate returns the value of an expression over the live names, as a cell would show it. It leaves no name behind; what
// the expression prints goes where goroutines' text goes between cells.
func (s *Session) Evaluate(ctx context.Context, expression string) (display.Bundle, error) {
	if _, err := parser.ParseExpr(expression); err != nil {
		return display.Bundle{}, fmt.Errorf("not a Go expression: %s", firstLine(err.Error()))
	}
	if err := s.take(ctx); err != nil {
		return display.Bundle{}, err
	}
	defer s.release()
	if s.process == nil || !s.process.alive() {
		return display.Bundle{}, errors.New("the worker has ended and its values are gone: run a cell first") // which tells what was lost
	}
	s.process.inputter = nil
	s.sources[0] = expression
	var r Result
	frame := s.perform(ctx, Cell{Source: expression}, &r)
	if r.WorkerDied {
		s.untold = append([]string{}, r.Lost...)
	}
	switch {
	case r.Err != nil && r.Err.Name == CompileError:
		return display.Bundle{}, errors.New(r.Err.Message)
	case r.Err != nil:
		return display.Bundle{}, fmt.Errorf("%s: %s", r.Err.Name, r.Err.Message)
	case len(frame) == 0: // a nil error, or a call without results
		return display.BundleOf(nil), nil
	}
	m, err := display.ReadMessage(bytes.NewReader(frame))
	if err != nil {
		return display.Bundle{}, err
	}
	unmarkBundle(m.Bundle)
	return m.Bundle, nil
}
