package session

// Snapshot describes the live names and the imports in force. ok is false while a cell runs or the session is closed: then
// the snapshot that was taken before it is still right, as a cell's names become live when it has ended.
func (s *Session) Snapshot() (shot Snapshot, ok bool) {
	select {
	case <-s.turn:
	default:
		return shot, false
	}
	defer s.release()
	if s.closed {
		return shot, false
	}
	return s.front.Snapshot(s.options.Packages), true
}

// ModuleDir is the folder of the module that governs the cells' imports.
func (s *Session) ModuleDir() string { return s.options.ModuleDir }
