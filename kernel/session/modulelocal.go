package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"

	"fovea/internal/home"
)

// useAround takes in the modules on this disk that a folder lies in, as the go command would see them: that of the next
// go.mod above, and those of the next go.work, unless $GOWORK says otherwise.
func (f *moduleFiles) useAround(dir string) error {
	if file := findUp(dir, "go.mod"); file != "" {
		if _, err := f.use(filepath.Dir(file)); err != nil {
			return err
		}
	}
	work := os.Getenv("GOWORK")
	if work == "" {
		work = findUp(dir, "go.work")
	}
	if work == "" || work == "off" {
		return nil
	}
	return f.useWork(work)
}

// useWork takes in the modules of a go.work. Its own replacements come last, since they win.
func (f *moduleFiles) useWork(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	work, err := modfile.ParseWork(file, text, anyVersion)
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	for _, u := range work.Use {
		used := u.Path
		if !filepath.IsAbs(used) {
			used = filepath.Join(dir, used)
		}
		if own, err := modulePath(filepath.Join(used, "go.mod")); err == nil && own == "notebook" {
			continue // the go.work beside the cells' go.mod
		}
		if _, err := f.use(used); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	if err := f.replace(work.Replace, dir); err != nil {
		return err
	}
	return f.readSums(filepath.Join(dir, "go.work.sum"))
}

// findUp looks for a file in a folder and those above it; "": there is none.
func findUp(dir, name string) string {
	for {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && !info.IsDir() {
			return file
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// localDirs are the folders of the modules on this disk that cells can use, by module. Fovea's own is not among them.
func (f *moduleFiles) localDirs() map[string]string {
	dirs := map[string]string{}
	for _, r := range f.mod.Replace {
		if r.New.Version == "" && r.Old.Path != home.Module {
			dirs[r.Old.Path] = r.New.Path
		}
	}
	return dirs
}

// settleReplacements makes replacements that a command has written independent of the folder: a relative path is meant
// from the module's folder or else from the notebook's. What stands there is then required too, so that it can be imported.
func (m *cellModule) settleReplacements(f *moduleFiles) error {
	for _, r := range f.mod.Replace {
		if r.New.Version != "" {
			continue
		}
		target := r.New.Path
		if !filepath.IsAbs(target) {
			target = filepath.Join(m.dir, r.New.Path)
			if _, err := os.Stat(target); err != nil && m.start != "" {
				target = filepath.Join(m.start, r.New.Path)
			}
		}
		info, err := os.Stat(filepath.Join(target, "go.mod"))
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
			return fmt.Errorf("replace %s => %s: there is no go.mod in %s; take it back with !*go mod edit -dropreplace %[1]s, or %%reset go.mod",
				r.Old.Path, r.New.Path, target)
		}
		if err != nil {
			return err
		}
		if target != r.New.Path {
			if err := f.mod.AddReplace(r.Old.Path, r.Old.Version, target, ""); err != nil {
				return err
			}
		}
	}
	for path, dir := range f.localDirs() {
		if f.version(path) != "" {
			continue
		}
		f.mod.AddNewRequire(path, zeroVersion(path), false)
		if err := f.merge(filepath.Join(dir, "go.mod")); err != nil {
			return err
		}
	}
	return nil
}

// within reports whether a path lies in a folder.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
