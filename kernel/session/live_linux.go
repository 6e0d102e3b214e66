package session

import "context"

// Reset is Restart that forgets imports and declarations too.
func (s *Session) Reset(ctx context.Context) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.release()
	if s.process != nil {
		s.process.close(0)
	}
	s.forget()
	s.front.Forget()
	s.checkpoints.forget()
	return s.start(ctx)
}

// Remove forgets live names and imports. What code of other names has of them stays as it is; users are those names,
// and missing are the names that were neither live nor imported.
func (s *Session) Remove(ctx context.Context, names ...string) (users, missing []string, err error) {
	if err := s.take(ctx); err != nil {
		return nil, nil, err
	}
	defer s.release()
	users, missing = s.front.Remove(names)
	s.checkpoints.forget(append([]string{}, names...)...)
	s.saveNames()
	return users, missing, nil
}

// Imports returns the imports in force, name to path.
func (s *Session) Imports(ctx context.Context) (map[string]string, error) {
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.release()
	return s.front.Imports(), nil
}

// SetEnvironment sets Options.Dir and Options.Env for workers that are started from now on, as after a restart. The
// worker that runs has its own: a cell changes that with os.Chdir and os.Setenv.
func (s *Session) SetEnvironment(ctx context.Context, dir string, env []string) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.release()
	s.options.Dir, s.options.Env = dir, env
	return nil
}
