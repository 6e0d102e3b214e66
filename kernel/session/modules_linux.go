package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

var errNoModule = errors.New("the cells belong to a module that the kernel only reads: edit its go.mod by hand")

// SetAutoget says whether packages that no module of the session has are fetched when a cell imports them. They are, at
// first.
func (s *Session) SetAutoget(ctx context.Context, on bool) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.release()
	s.noGet = !on
	return nil
}

// SetFlags sets the go command's flags for the compilation of packages that are loaded from now on, and of all at the next
// restart.
func (s *Session) SetFlags(ctx context.Context, flags []string) error {
	checked, err := CheckFlags(flags)
	if err != nil {
		return err
	}
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.release()
	if !slices.Equal(checked, s.flags) {
		s.flags, s.dirty = checked, true
		s.host.SetFlags(checked)
	}
	return nil
}

// AdoptModule takes over what a program has done to the files in ModuleDir: its go.mod is pinned, and modules on this disk
// that it or a go.work there names can be imported. It says what has changed. What is loaded stays until a restart.
func (s *Session) AdoptModule(ctx context.Context) (changed []string, err error) {
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.release()
	if s.module == nil {
		return nil, nil
	}
	return s.adopted(s.module.adopt())
}

func (s *Session) adopted(changed []string, err error) ([]string, error) {
	s.dirty = s.dirty || len(changed) > 0
	return changed, err
}

// ResetModule forgets what has been fetched and replaced for the notebook. What is loaded stays until a restart.
func (s *Session) ResetModule(ctx context.Context) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.release()
	if s.module == nil {
		return errNoModule
	}
	s.dirty = true
	return s.module.reset()
}

// UseWorkspace looks again for the go.mod and go.work that the notebook lies in, and returns the modules on this disk that
// cells can import, each with its folder.
func (s *Session) UseWorkspace(ctx context.Context) (modules []string, err error) {
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.release()
	if s.module == nil {
		return nil, errNoModule
	}
	before := s.module.known
	if err := s.module.recompose(); err != nil {
		return nil, err
	}
	s.dirty = s.dirty || s.module.known != before
	if s.module.leftOut != nil {
		return nil, s.module.leftOut
	}
	for path, dir := range s.module.current.localDirs() {
		modules = append(modules, path+" => "+dir)
	}
	slices.Sort(modules)
	return modules, nil
}

// Track makes the session watch the sources of packages in a folder. When a module there is none of the session's, cells
// can import it from now on; used is then its path.
func (s *Session) Track(ctx context.Context, dir string) (used string, err error) {
	if dir, err = existing(dir); err != nil {
		return "", err
	}
	if err := s.take(ctx); err != nil {
		return "", err
	}
	defer s.release()
	s.watched[dir] = true
	file := findUp(dir, "go.mod")
	if file == "" || s.module == nil || within(s.module.root, file) {
		return "", nil
	}
	for _, local := range s.module.current.localDirs() {
		if local == filepath.Dir(file) {
			return "", nil
		}
	}
	f, err := s.module.read()
	if err != nil {
		return "", err
	}
	if used, err = f.use(filepath.Dir(file)); err != nil {
		return "", err
	}
	if err := s.module.write(f); err != nil {
		return "", err
	}
	return used, s.module.save()
}

// Untrack ends that for a folder, or with "" for all. Cells go on with packages as they were loaded.
func (s *Session) Untrack(ctx context.Context, dir string) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.release()
	if dir == "" {
		for watched := range s.watchedDirs() {
			s.watched[watched] = false
		}
		return nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if !s.tracked()(dir) && !slices.ContainsFunc(slices.Collect(maps.Keys(s.watchedDirs())), func(w string) bool { return within(dir, w) }) {
		return fmt.Errorf("%s is not tracked; %%track without a folder lists what is", dir)
	}
	for watched := range s.watchedDirs() {
		if within(dir, watched) {
			s.watched[watched] = false
		}
	}
	s.watched[dir] = false
	return nil
}

// Tracked lists the folders that are watched.
func (s *Session) Tracked(ctx context.Context) (dirs []string, err error) {
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.release()
	for dir, watch := range s.watchedDirs() {
		if watch {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	return dirs, nil
}

func existing(dir string) (string, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%s is a file: name a folder", dir)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	return dir, nil
}
