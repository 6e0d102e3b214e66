//go:build !linux

package session

// Snapshot is for supported platforms.
func (s *Session) Snapshot() (Snapshot, bool) { return Snapshot{}, false }

// ModuleDir is for supported platforms.
func (s *Session) ModuleDir() string { return "" }
