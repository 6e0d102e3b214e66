package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
)

// PinsOf names the file beside a notebook that keeps what the notebook imports beyond Fovea's own requirements: a go.mod,
// with its go.sum beside it.
func PinsOf(notebook string) string {
	return strings.TrimSuffix(notebook, filepath.Ext(notebook)) + ".mod"
}

const pinsHeader = "// What %s.ipynb imports besides what Fovea requires itself. Written by the kernel; keep it beside the notebook.\n\nmodule notebook\n"

// save writes the pins: what the module has that it would not have without them. Lines and comments of the user's stay.
func (m *cellModule) save() error {
	if m.pins == "" {
		return nil
	}
	now, err := m.read()
	if err != nil {
		return err
	}
	plain, err := m.compose(false)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(m.pins)
	fresh := errors.Is(err, fs.ErrNotExist)
	if fresh {
		name := strings.TrimSuffix(filepath.Base(m.pins), ".mod")
		text, err = fmt.Appendf(nil, pinsHeader, name), nil
	}
	if err != nil {
		return err
	}
	pins, err := modfile.Parse(m.pins, text, anyVersion)
	if err != nil {
		return err
	}
	if err := m.fillPins(pins, now, plain); err != nil {
		return err
	}
	if fresh && len(pins.Require)+len(pins.Replace)+len(pins.Exclude) == 0 {
		return nil
	}
	pins.Cleanup()
	if text, err = pins.Format(); err != nil {
		return err
	}
	for line := range plain.sums {
		delete(now.sums, line)
	}
	if err := update(strings.TrimSuffix(m.pins, ".mod")+".sum", formatSums(now.sums)); err != nil {
		return err
	}
	return update(m.pins, text)
}

// fillPins makes pins hold the difference between two go.mod files.
func (m *cellModule) fillPins(pins *modfile.File, now, plain *moduleFiles) error {
	if now.mod.Go != nil {
		if err := pins.AddGoStmt(now.mod.Go.Version); err != nil {
			return err
		}
	}
	var requires []*modfile.Require
	for _, r := range now.mod.Require {
		if plain.version(r.Mod.Path) != r.Mod.Version {
			requires = append(requires, &modfile.Require{Mod: r.Mod, Indirect: r.Indirect})
		}
	}
	pins.SetRequire(requires)
	for _, r := range pins.Replace {
		if err := pins.DropReplace(r.Old.Path, r.Old.Version); err != nil {
			return err
		}
	}
	usual := map[modfile.Replace]bool{}
	for _, r := range plain.mod.Replace {
		usual[modfile.Replace{Old: r.Old, New: r.New}] = true
	}
	for _, r := range now.mod.Replace {
		if !usual[modfile.Replace{Old: r.Old, New: r.New}] {
			if err := pins.AddReplace(r.Old.Path, r.Old.Version, m.portable(r.New.Path), r.New.Version); err != nil {
				return err
			}
		}
	}
	for _, x := range pins.Exclude {
		if err := pins.DropExclude(x.Mod.Path, x.Mod.Version); err != nil {
			return err
		}
	}
	for _, x := range now.mod.Exclude {
		if err := pins.AddExclude(x.Mod.Path, x.Mod.Version); err != nil {
			return err
		}
	}
	return nil
}

// portable makes a folder relative to the pins when both lie in one project, which may be cloned elsewhere.
func (m *cellModule) portable(target string) string {
	if !filepath.IsAbs(target) {
		return target
	}
	dir := filepath.Dir(m.pins)
	top := dir
	for up := dir; up != filepath.Dir(up); up = filepath.Dir(up) {
		for _, name := range []string{".git", "go.work", "go.mod"} {
			if _, err := os.Stat(filepath.Join(up, name)); err == nil {
				top = up
			}
		}
	}
	rel, err := filepath.Rel(dir, target)
	if err != nil || !within(top, target) {
		return target
	}
	if !strings.HasPrefix(rel, "..") {
		rel = "./" + rel
	}
	return filepath.ToSlash(rel)
}

// adopt takes over what a command has done to the module's files. changed: there was something.
func (m *cellModule) adopt() (changed []string, err error) {
	if m.state() == m.known {
		return nil, nil
	}
	f, err := m.read()
	if err != nil {
		return nil, fmt.Errorf("the cells' go.mod: %w; mend it, or take a fresh one with %%reset go.mod", err)
	}
	before := m.current
	if work := filepath.Join(m.dir, "go.work"); fileExists(work) {
		if err := f.useWork(work); err != nil {
			return nil, err
		}
	}
	if err := m.settleReplacements(f); err != nil {
		return nil, err
	}
	if err := m.write(f); err != nil {
		return nil, err
	}
	changed = differences(before, f)
	for path, dir := range f.localDirs() {
		if before.localDirs()[path] != dir {
			changed = append(changed, path+" => "+dir)
		}
	}
	return changed, m.save()
}

// reset forgets the pins.
func (m *cellModule) reset() error {
	if m.pins != "" {
		for _, file := range []string{m.pins, strings.TrimSuffix(m.pins, ".mod") + ".sum"} {
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	os.Remove(filepath.Join(m.dir, "go.work")) // rarely there
	f, err := m.compose(false)
	if err != nil {
		return err
	}
	return m.write(f)
}

func fileExists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}
