//go:build !linux

package session

import "context"

// Checkpoint is for supported platforms.
func (s *Session) Checkpoint(ctx context.Context, names ...string) ([]Checkpoint, error) {
	return nil, errPlatform
}

// Checkpoints is for supported platforms.
func (s *Session) Checkpoints(ctx context.Context) ([]Checkpoint, error) { return nil, errPlatform }

// Restore is for supported platforms.
func (s *Session) Restore(ctx context.Context, names ...string) (Restored, error) {
	return Restored{}, errPlatform
}

// SetAutomaticCheckpoints is for supported platforms.
func (s *Session) SetAutomaticCheckpoints(ctx context.Context, on bool) error { return errPlatform }

// Variables is for supported platforms.
func (s *Session) Variables(ctx context.Context) ([]Variable, error) { return nil, errPlatform }
