// Package session executes the cells of a notebook as compiled Go, and keeps their values alive from one to the next.
package session

import (
	"context"
	"errors"
)

// A Session is a worker process that holds values, and what is known of their names and types.
type Session struct{}

// Open sets a session up: it builds the host library of o.Packages unless the cache holds it, and starts the worker.
func Open(ctx context.Context, o Options) (*Session, error) {
	return nil, errors.New("session: not linked in yet")
}

// Execute runs one cell; calls queue. When ctx ends, the cell is interrupted: the compiler is killed, or the cell's code
// stopped with all values kept; a cell that does not stop within Options.Grace takes the worker with it.
func (s *Session) Execute(ctx context.Context, cell Cell, out Output) Result { return Result{} }

// Restart ends the worker with all its values and starts a new one.
func (s *Session) Restart(ctx context.Context) error { return nil }

// Close ends the worker.
func (s *Session) Close() error { return nil }

// Names lists the live names, sorted.
func (s *Session) Names() []Name { return nil }

// Module makes dir a module that can import fovea, whose source is at root, and everything that fovea requires, at the
// same versions. It writes go.mod and go.sum there, atomically, unless they are there and good.
func Module(dir, root string) error { return nil }

// StandardPackages are packages of the standard library that cells commonly use.
func StandardPackages() []string { return nil }
