package session

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"

	"fovea/internal/atomicfile"
	"fovea/internal/home"
	"fovea/kernel/session/host"
)

const moduleHeader = "// Written by fovea's kernel from Fovea's own go.mod; it is written again when that changes.\n"

// Module makes dir a module that can import fovea, whose source is at root, and everything that fovea requires, at the
// same versions. It writes go.mod and go.sum there, atomically, unless they are up to date. A go.mod that somebody else
// wrote is left alone, with an error.
func Module(dir, root string) error { return (&cellModule{dir: dir, root: root}).provide() }

// NotebookModule is Module for what the cells of a notebook can import: also what is pinned beside it, and the modules on
// this disk that it lies in.
func NotebookModule(dir, root, notebook string) error {
	notebook, err := filepath.Abs(notebook)
	if err != nil {
		return err
	}
	return (&cellModule{dir: dir, root: root, start: filepath.Dir(notebook), pins: PinsOf(notebook)}).provide()
}

func (m *cellModule) provide() error {
	path := filepath.Join(m.dir, "go.mod")
	if old, err := os.ReadFile(path); err == nil && !strings.HasPrefix(string(old), moduleHeader) {
		return fmt.Errorf("%s exists and was not written by fovea: it is left as it is", path)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	files, err := m.compose(true)
	if err != nil {
		return err
	}
	return m.write(files)
}

// A cellModule is the module that the cells of a session belong to: a go.mod and go.sum in a folder of the session's own,
// put together from what Fovea requires, from the modules on this disk that the notebook lies in, and from what is pinned
// for the notebook. A go.mod of the user's is only read.
type cellModule struct {
	dir   string // of the go.mod
	root  string // Fovea's source
	start string // from here upwards a go.mod or go.work of the user's is looked for; "": nowhere
	pins  string // the file that keeps what this notebook adds; "": none

	leftOut error        // why the user's go.mod or go.work is not in use
	current *moduleFiles // as the session wrote them last
	known   string       // their state then
}

// moduleFiles are a go.mod and its go.sum.
type moduleFiles struct {
	mod  *modfile.File
	sums map[string]bool // lines
}

// anyVersion lets versions be what the go command will resolve, such as a branch.
func anyVersion(_, version string) (string, error) { return version, nil }

// compose puts the module together. What is wrong with a go.mod around the notebook is for that to know, and no reason not
// to compute.
func (m *cellModule) compose(pins bool) (*moduleFiles, error) {
	f, err := m.composeOf(m.start, pins)
	var around *aroundError
	if m.leftOut = nil; errors.As(err, &around) {
		m.leftOut = around.error
		return m.composeOf("", pins)
	}
	return f, err
}

// An aroundError comes from a file that is not the kernel's.
type aroundError struct{ error }

func (m *cellModule) composeOf(start string, pins bool) (*moduleFiles, error) {
	root, err := filepath.Abs(m.root)
	if err != nil {
		return nil, err
	}
	mod, err := modfile.Parse("go.mod", []byte(moduleHeader+"\nmodule notebook\n"), nil)
	if err != nil {
		return nil, err
	}
	f := &moduleFiles{mod, map[string]bool{}}
	found, err := f.use(root)
	if err != nil {
		return nil, fmt.Errorf("fovea's module: %w", err)
	}
	if found != home.Module {
		return nil, fmt.Errorf("%s holds module %s, not %s", root, found, home.Module)
	}
	if start != "" {
		if err := f.useAround(start); err != nil {
			return nil, &aroundError{err}
		}
	}
	if pins && m.pins != "" {
		if err := f.merge(m.pins); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("what is pinned for the notebook: %w", err)
		}
	}
	return f, nil
}

// use makes the packages of a module on this disk importable, and takes over what it requires. It returns its path.
func (f *moduleFiles) use(dir string) (string, error) {
	file := filepath.Join(dir, "go.mod")
	path, err := modulePath(file)
	if err != nil {
		return "", err
	}
	if path == home.Module && len(f.mod.Require) > 0 {
		return path, nil // a notebook of Fovea's own, or of another clone: the kernel's is in use
	}
	if err := f.merge(file); err != nil {
		return "", err
	}
	if err := f.require(module.Version{Path: path, Version: zeroVersion(path)}, false); err != nil {
		return "", err
	}
	return path, f.mod.AddReplace(path, "", dir, "")
}

func modulePath(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	path := modfile.ModulePath(text)
	if path == "" {
		return "", fmt.Errorf("%s has no module line", file)
	}
	return path, nil
}

// zeroVersion is what stands for the version of a module on this disk.
func zeroVersion(path string) string {
	if _, major, ok := module.SplitPathVersion(path); ok && major != "" {
		return module.PathMajorPrefix(major) + ".0.0"
	}
	return "v0.0.0"
}

// merge takes over what another go.mod and the go.sum beside it hold; of a module that both require, the later version.
func (f *moduleFiles) merge(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	other, err := modfile.Parse(file, text, anyVersion)
	if err != nil {
		return err
	}
	if release := strings.TrimPrefix(host.Release, "go"); other.Go != nil && semver.Compare("v"+other.Go.Version, "v"+release) > 0 {
		return fmt.Errorf("%s wants Go %s, and the kernel compiles with %s", file, other.Go.Version, release)
	}
	if other.Go != nil && (f.mod.Go == nil || semver.Compare("v"+f.mod.Go.Version, "v"+other.Go.Version) < 0) {
		if err := f.mod.AddGoStmt(other.Go.Version); err != nil {
			return err
		}
	}
	for _, r := range other.Require {
		if err := f.require(r.Mod, r.Indirect); err != nil {
			return err
		}
	}
	if err := f.replace(other.Replace, filepath.Dir(file)); err != nil {
		return err
	}
	for _, x := range other.Exclude {
		if err := f.mod.AddExclude(x.Mod.Path, x.Mod.Version); err != nil {
			return err
		}
	}
	return f.readSums(strings.TrimSuffix(file, ".mod") + ".sum")
}

func (f *moduleFiles) require(m module.Version, indirect bool) error {
	if old := f.version(m.Path); old == "" {
		f.mod.AddNewRequire(m.Path, m.Version, indirect)
	} else if semver.Compare(old, m.Version) < 0 {
		return f.mod.AddRequire(m.Path, m.Version)
	}
	return nil
}

// version is the version that is required of a module; "": none.
func (f *moduleFiles) version(path string) string {
	for _, r := range f.mod.Require {
		if r.Mod.Path == path {
			return r.Mod.Version
		}
	}
	return ""
}

// replace takes over replacements of a file in dir.
func (f *moduleFiles) replace(list []*modfile.Replace, dir string) error {
	for _, r := range list {
		target := r.New.Path
		if r.New.Version == "" && !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		if err := f.mod.AddReplace(r.Old.Path, r.Old.Version, target, r.New.Version); err != nil {
			return err
		}
	}
	return nil
}

// readSums adds the lines of a go.sum, which need not be there.
func (f *moduleFiles) readSums(file string) error {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" {
			f.sums[line] = true
		}
	}
	return nil
}

// formatSums is the text of a go.sum.
func formatSums(lines map[string]bool) []byte {
	var b bytes.Buffer
	for _, line := range slices.Sorted(maps.Keys(lines)) {
		b.WriteString(line + "\n")
	}
	return b.Bytes()
}

// write puts the files into the module's folder.
func (m *cellModule) write(f *moduleFiles) error {
	f.mod.Cleanup()
	f.mod.SortBlocks()
	text, err := f.mod.Format()
	if err != nil {
		return err
	}
	// The sums first: a go.mod without them does not build.
	if err := update(filepath.Join(m.dir, "go.sum"), formatSums(f.sums)); err != nil {
		return err
	}
	if err := update(filepath.Join(m.dir, "go.mod"), text); err != nil {
		return err
	}
	m.current, m.known = f, m.state()
	return nil
}

// read returns the files that are in the module's folder.
func (m *cellModule) read() (*moduleFiles, error) { return readModule(filepath.Join(m.dir, "go.mod")) }

func readModule(file string) (*moduleFiles, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	mod, err := modfile.Parse(file, text, anyVersion)
	if err != nil {
		return nil, err
	}
	f := &moduleFiles{mod, map[string]bool{}}
	return f, f.readSums(strings.TrimSuffix(file, ".mod") + ".sum")
}

// state is what the module's files hold, to be compared.
func (m *cellModule) state() string {
	var b strings.Builder
	for _, name := range []string{"go.mod", "go.sum", "go.work"} {
		text, _ := os.ReadFile(filepath.Join(m.dir, name)) // what cannot be read is told by who needs it
		fmt.Fprintf(&b, "%d\n%s", len(text), text)
	}
	return b.String()
}

// differences lists the requirements that two go.mod files do not share, in words.
func differences(before, after *moduleFiles) (list []string) {
	for _, r := range after.mod.Require {
		if old := before.version(r.Mod.Path); old != r.Mod.Version {
			if old != "" {
				old += " → "
			}
			list = append(list, r.Mod.Path+" "+old+r.Mod.Version)
		}
	}
	for _, r := range before.mod.Require {
		if after.version(r.Mod.Path) == "" {
			list = append(list, r.Mod.Path+" removed")
		}
	}
	return list
}

func update(path string, content []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	return atomicfile.WriteBytes(path, content)
}
