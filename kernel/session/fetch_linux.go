package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fovea/internal/atomicfile"
	"fovea/kernel/session/host"
)

// newCellModule puts together the module of a session that gets one of its own, in its folder.
func newCellModule(o *Options, work string) (*cellModule, error) {
	dir := filepath.Join(work, "module")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	m := &cellModule{dir: dir, root: o.Root}
	start := o.Dir
	if o.Notebook != "" {
		notebook, err := filepath.Abs(o.Notebook)
		if err != nil {
			return nil, err
		}
		m.pins, start = PinsOf(notebook), filepath.Dir(notebook)
	}
	var err error
	if m.start, err = filepath.Abs(start); err != nil {
		return nil, err
	}
	files, err := m.compose(true)
	if err != nil {
		return nil, err
	}
	o.ModuleDir = dir
	if m.leftOut != nil && o.Log != nil {
		fmt.Fprintf(o.Log, "the modules around the notebook are left out: %v\n", m.leftOut)
	}
	return m, m.write(files)
}

// openHost is host.Open for a module that may need something from elsewhere: another machine has pinned it, or Fovea's own
// requirements have changed since.
func openHost(ctx context.Context, t *host.Toolchain, c host.Config, m *cellModule, env []string) (*host.Host, error) {
	h, err := host.Open(ctx, t, c)
	var missing *host.MissingError
	if m == nil || !errors.As(err, &missing) || !missing.Fetchable {
		return h, err
	}
	modfile, discard, err := m.draft()
	if err != nil {
		return nil, err
	}
	defer discard()
	if err := host.FetchFor(ctx, t, c, modfile, env, func(line string) { c.Log("%s", line) }); err != nil {
		return nil, explainFetch(err)
	}
	if _, err := m.commit(modfile); err != nil {
		return nil, err
	}
	return host.Open(ctx, t, c)
}

// draft copies the module's files, for a command that may fail or be interrupted.
func (m *cellModule) draft() (modfile string, discard func(), err error) {
	const name = "draft"
	for _, suffix := range []string{".mod", ".sum"} {
		text, err := os.ReadFile(filepath.Join(m.dir, "go"+suffix))
		if err == nil {
			err = atomicfile.WriteBytes(filepath.Join(m.dir, name+suffix), text)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", nil, err
		}
	}
	modfile = filepath.Join(m.dir, name+".mod")
	return modfile, func() {
		os.Remove(modfile)
		os.Remove(filepath.Join(m.dir, name+".sum"))
	}, nil
}

// commit makes a draft the module, and returns what it requires that the module did not.
func (m *cellModule) commit(modfile string) (changed []string, err error) {
	f, err := readModule(modfile)
	if err != nil {
		return nil, err
	}
	before := m.current
	if err := m.write(f); err != nil {
		return nil, err
	}
	return differences(before, f), nil
}

// addPackages makes packages importable, and fetches them where no module of the session has them. It returns a library
// for the worker to load. On failure the module is what it was.
func (s *Session) addPackages(ctx context.Context, paths []string, r *Result) (library string, err error) {
	if s.module != nil {
		if _, err := s.adopted(s.module.adopt()); err != nil {
			return "", err
		}
	}
	library, err = s.host.Add(ctx, "", paths...)
	var missing *host.MissingError
	var conflict *host.ConflictError
	if err != nil && s.module != nil && s.module.leftOut != nil {
		err = fmt.Errorf("%w\nThe modules around the notebook are left out: %w", err, s.module.leftOut)
	}
	switch {
	case errors.As(err, &conflict):
		return "", fmt.Errorf("%w.\n%%restart loads both as they are now; the values of this session go with it", err)
	case !errors.As(err, &missing):
		return library, err
	case !missing.Fetchable:
		return "", fmt.Errorf("%w\nIt is no package of the standard library, and its path names no place to fetch it from: check the spelling", err)
	case s.module == nil:
		return "", fmt.Errorf("%w\nThe notebook's module does not have it: add it to %s/go.mod with 'go get'", err, s.options.ModuleDir)
	case s.ownModule(paths, missing.Text) != "":
		return "", fmt.Errorf("%w\nIts module is the one in %s, where no such package is", err, s.ownModule(paths, missing.Text))
	case s.noGet:
		return "", fmt.Errorf("%w\n%%noautoget is in force: fetch it with  !*go get %s  or allow it with  %%autoget", err, strings.Join(paths, " "))
	}
	modfile, discard, err := s.module.draft()
	if err != nil {
		return "", err
	}
	defer discard()
	progress := func(line string) { s.process.pump.emitText("stderr", line+"\n") }
	if err := s.host.Fetch(ctx, modfile, s.options.Env, progress, paths...); err != nil {
		if ctx.Err() != nil {
			return "", err
		}
		return "", explainFetch(err)
	}
	if library, err = s.host.Add(ctx, modfile, paths...); err != nil {
		if errors.As(err, &conflict) {
			err = fmt.Errorf("%w. Nothing has changed.\nAn older version may do:  !*go get %s@VERSION\nOr take the new versions of both:  !*go get %[2]s  and then  %%restart, which ends all values", err, paths[0])
		}
		return "", err
	}
	changed, err := s.module.commit(modfile)
	if err != nil {
		return "", err
	}
	if len(changed) > 0 {
		r.Notes = append(r.Notes, "fetched "+strings.Join(changed, ", ")+s.pin())
	}
	return library, nil
}

// ownModule is the folder of a module on this disk that should hold one of the packages, which is missing; "": none.
func (s *Session) ownModule(paths []string, missing string) string {
	for module, dir := range s.module.current.localDirs() {
		for _, path := range paths {
			if (path == module || strings.HasPrefix(path, module+"/")) && strings.Contains(missing, "package "+path) {
				return dir
			}
		}
	}
	return ""
}

// pin writes the notebook's pins, and says so. That they cannot be written is no reason to stop.
func (s *Session) pin() string {
	if s.module.pins == "" {
		return "; this session has no notebook to pin it for"
	}
	if err := s.module.save(); err != nil {
		return fmt.Sprintf("; it could not be pinned, and will be fetched again by the next session: %v", err)
	}
	return "; pinned in " + filepath.Base(s.module.pins)
}

// explainFetch says what to do about packages that could not be fetched.
func explainFetch(err error) error {
	var fetch *host.FetchError
	if !errors.As(err, &fetch) {
		return err
	}
	what := "the package could not be fetched; nothing has changed, all values are there"
	advice := "Check the spelling of the import path. A module on this disk is used after  %track FOLDER"
	if fetch.Offline {
		what = "the network is away: the package could not be fetched; nothing has changed, all values are there"
		advice = "Run the cell again when the network is there; %env GOPROXY=… names another proxy, and %track FOLDER uses a module on this disk"
	}
	return fmt.Errorf("%s\n%s\n%s", what, cmp.Or(fetch.Text, "go list failed"), advice)
}
