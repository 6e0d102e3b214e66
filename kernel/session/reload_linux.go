package session

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fovea/kernel/session/front"
	"fovea/kernel/session/host"
)

// A package that has changed cannot take the place of the one that is loaded: values have the old one's types. So cells
// that use it are refused until a restart, which loads everything anew.

// tracked says of which folders the sources of packages are watched: in modules of the user's on this disk, and where
// Track and Untrack say. The most special folder decides.
func (s *Session) tracked() func(dir string) bool {
	dirs := s.watchedDirs()
	return func(dir string) bool {
		yes, longest := false, -1
		for root, watch := range dirs {
			if len(root) > longest && within(root, dir) {
				yes, longest = watch, len(root)
			}
		}
		return yes
	}
}

func (s *Session) watchedDirs() map[string]bool {
	dirs := map[string]bool{}
	if s.module != nil {
		for _, dir := range s.module.current.localDirs() {
			dirs[dir] = true
		}
	}
	maps.Copy(dirs, s.watched)
	return dirs
}

// outdated reports whether a worker that is started now should have other packages.
func (s *Session) outdated(ctx context.Context) bool {
	changed, err := s.host.Changed(ctx, s.tracked())
	return s.dirty || err == nil && len(changed) > 0
}

// refresh loads changed packages anew when no value would be lost by it.
func (s *Session) refresh(ctx context.Context) (notes []string, err error) {
	changed, err := s.host.Changed(ctx, s.tracked())
	if err != nil || len(changed) == 0 || len(s.lose()) > 0 {
		return nil, err
	}
	for _, broken := range changed {
		if broken != "" {
			return nil, nil // the cells that need it say so
		}
	}
	names := slices.Sorted(maps.Keys(changed))
	if notes, err = s.reload(ctx); err != nil {
		return nil, err
	}
	return append(notes, strings.Join(names, ", ")+" changed: loaded anew"), nil
}

// stale is the error of a cell that would run code which has changed on disk; nil when it would not.
func (s *Session) stale(id int, p *front.Program) *CellError {
	paths := s.host.Stale(host.Cell{ID: id, Source: p.Source, Cells: p.Cells})
	if paths == nil {
		return nil
	}
	e := &CellError{Name: PackageError, Message: strings.Join(paths, ", ") + " changed after it was loaded; the cell was not run"}
	e.Traceback = []string{e.Message}
	for _, path := range paths {
		if broken := s.host.WhyChanged(path); broken != "" {
			e.Traceback = append(e.Traceback, "It does not compile now:")
			e.Traceback = append(e.Traceback, strings.Split(broken, "\n")...)
			break
		}
	}
	lost := s.lose()
	e.Traceback = append(e.Traceback, fmt.Sprintf("%%restart loads it anew: declarations stay, the values of %s go; %%restore brings back those that could be saved", list(lost, 8)),
		"%untrack FOLDER goes on with the code as it was loaded; what else a cell does still runs")
	return e
}

// list is some of the names.
func list(names []string, most int) string {
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// reload starts a new worker with all packages as they are now. When that fails, the old one and its values stay.
func (s *Session) reload(ctx context.Context) (notes []string, err error) {
	if s.module != nil {
		if err := s.module.recompose(); err != nil {
			return nil, err
		}
	}
	s.reloads++
	work := filepath.Join(s.work, fmt.Sprintf("reload%d", s.reloads))
	if err := os.Mkdir(work, 0o755); err != nil {
		return nil, err
	}
	fresh, missing, err := s.host.Reopen(ctx, work, s.flags)
	if err != nil {
		return nil, err
	}
	for _, path := range missing {
		notes = append(notes, path+" is in no module any more: it is not loaded")
	}
	if s.process != nil {
		s.process.close(0)
	}
	s.host.Close() // its errors add nothing
	s.host, s.dirty = fresh, false
	s.forget()
	s.front.Use(packages{s.host})
	return notes, s.start(ctx)
}

// recompose takes over what has changed in the modules on this disk.
func (m *cellModule) recompose() error {
	f, err := m.compose(true)
	if err != nil {
		return err
	}
	if m.pins == "" { // then only the session knows what it has fetched
		if err := f.merge(filepath.Join(m.dir, "go.mod")); err != nil {
			return err
		}
	}
	return m.write(f)
}
