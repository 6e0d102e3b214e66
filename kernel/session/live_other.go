//go:build !linux

package session

import "context"

// Reset is for supported platforms.
func (s *Session) Reset(ctx context.Context) error { return errPlatform }

// Remove is for supported platforms.
func (s *Session) Remove(ctx context.Context, names ...string) (users, missing []string, err error) {
	return nil, nil, errPlatform
}

// Imports is for supported platforms.
func (s *Session) Imports(ctx context.Context) (map[string]string, error) { return nil, errPlatform }

// SetEnvironment is for supported platforms.
func (s *Session) SetEnvironment(ctx context.Context, dir string, env []string) error {
	return errPlatform
}
