//go:build !linux

package session

import (
	"context"
	"errors"
	"runtime"

	"fovea/kernel/display"
)

// A Session is a worker process that holds values, and what is known of their names and types.
type Session struct{}

var errPlatform = errors.New("the kernel runs on linux/amd64 so far, and this is " + runtime.GOOS + "/" + runtime.GOARCH + ": use a container or a virtual machine")

// Open says that this platform is not supported.
func Open(ctx context.Context, o Options) (*Session, error) { return nil, errPlatform }

// Execute is for supported platforms.
func (s *Session) Execute(ctx context.Context, cell Cell, out Output) Result {
	return Result{Err: &CellError{Name: SessionError, Message: errPlatform.Error()}}
}

// Evaluate is for supported platforms.
func (s *Session) Evaluate(ctx context.Context, expression string) (display.Bundle, error) {
	return display.Bundle{}, errPlatform
}

// Comm is for supported platforms.
func (s *Session) Comm(m display.Message) error { return errPlatform }

// Restart is for supported platforms.
func (s *Session) Restart(ctx context.Context) error { return errPlatform }

// Close is for supported platforms.
func (s *Session) Close() error { return nil }

// Names is for supported platforms.
func (s *Session) Names() []Name { return nil }

// Loader is for supported platforms.
func (s *Session) Loader() string { return "" }

// Pid is for supported platforms.
func (s *Session) Pid() int { return 0 }
