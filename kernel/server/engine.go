package server

import (
	"context"
	"errors"
	"io"

	"fovea/kernel/display"
	"fovea/kernel/session"
)

// An Engine runs cells; session.Session is one. Execute is called by one goroutine at a time, the other methods at any
// time.
type Engine interface {
	// Execute runs a cell. When ctx ends the cell is stopped.
	//
	// The Output that it is given is also an [Inputter] and a [Pager].
	Execute(ctx context.Context, cell session.Cell, out session.Output) session.Result
	// Close ends everything that the engine has started, also a cell that runs.
	Close() error
}

// What an Engine may offer besides. Completion and inspection fall back to the live names of a Namer.
type (
	// A Namer lists the live names.
	Namer interface{ Names() []session.Name }

	// An Evaluator finds the value of an expression, for a request's user_expressions.
	Evaluator interface {
		Evaluate(ctx context.Context, expression string) (display.Bundle, error)
	}

	// A Completer lists what could stand at a position of the code, a byte offset.
	Completer interface {
		Complete(ctx context.Context, code string, offset int) (Completion, error)
	}

	// An Inspector describes what stands at a position of the code, a byte offset; found is false when it is nothing.
	// detail is 1 when the user asks a second time.
	Inspector interface {
		Inspect(ctx context.Context, code string, offset, detail int) (b display.Bundle, found bool, err error)
	}
)

// A Completion lists what could replace code[Start:End].
type Completion struct {
	Start, End int // bytes
	Matches    []Match
}

// A Match is one possible completion.
type Match struct {
	Text string
	Type string // what a frontend shows beside it: function, variable, type, keyword, …

	Signature string // of a function, or the type of a value, as Go source; "" where it is not known
}

// ErrUnavailable is the error of a Completer or Inspector that has no answer now; then live names are used.
var ErrUnavailable = errors.New("no answer now")

// What the Output of a cell offers besides.
type (
	// An Inputter asks the user for a line. It fails where the frontend has no way to ask.
	Inputter interface {
		Input(ctx context.Context, prompt string, password bool) (string, error)
	}

	// A Pager shows something beside the notebook instead of in it, as help is.
	Pager interface{ Page(b display.Bundle) }

	// A Replacer puts text in the place of the cell's source.
	Replacer interface{ ReplaceInput(text string) }
)

// Setup is what an Engine gets when it is opened.
type Setup struct {
	Progress   io.Writer      // a line for each step that takes long
	Background session.Output // for what appears while no cell runs
}

// An Opened engine.
type Opened struct {
	Engine  Engine
	Warning string // a line for the user's first cell; "" for none
}
