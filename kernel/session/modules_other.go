//go:build !linux

package session

import "context"

// SetAutoget is for supported platforms.
func (s *Session) SetAutoget(ctx context.Context, on bool) error { return errPlatform }

// SetFlags is for supported platforms.
func (s *Session) SetFlags(ctx context.Context, flags []string) error { return errPlatform }

// AdoptModule is for supported platforms.
func (s *Session) AdoptModule(ctx context.Context) ([]string, error) { return nil, errPlatform }

// ResetModule is for supported platforms.
func (s *Session) ResetModule(ctx context.Context) error { return errPlatform }

// UseWorkspace is for supported platforms.
func (s *Session) UseWorkspace(ctx context.Context) ([]string, error) { return nil, errPlatform }

// Track is for supported platforms.
func (s *Session) Track(ctx context.Context, dir string) (string, error) { return "", errPlatform }

// Untrack is for supported platforms.
func (s *Session) Untrack(ctx context.Context, dir string) error { return errPlatform }

// Tracked is for supported platforms.
func (s *Session) Tracked(ctx context.Context) ([]string, error) { return nil, errPlatform }
