package host

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A source is the folder of a package that may be edited while the session runs. The zero value is none.
type source struct {
	dir      string
	embeds   []string
	patterns []string // of embed directives
	stamp    string   // of its files when they were compiled; "": not known
}

// newSource notes what files are there. What was written since begun may or may not have been compiled.
func newSource(dir string, embeds []string, begun time.Time) source {
	s := source{dir: dir, embeds: embeds}
	stamp, newest := s.look()
	if newest.Before(begun.Add(-10 * time.Millisecond)) { // clocks of file systems are coarse
		s.stamp = stamp
	}
	return s
}

// look describes the files of a package by names, sizes and times.
func (s source) look() (stamp string, newest time.Time) {
	var b strings.Builder
	add := func(name string) {
		if info, err := os.Stat(filepath.Join(s.dir, name)); err == nil {
			fmt.Fprintln(&b, name, info.Size(), info.ModTime().UnixNano())
			if info.ModTime().After(newest) {
				newest = info.ModTime()
			}
		}
	}
	entries, _ := os.ReadDir(s.dir) // a folder that has gone has no files
	for _, e := range entries {
		name := e.Name()
		if e.Type().IsDir() || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		switch filepath.Ext(name) {
		case ".go", ".s", ".S", ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx", ".syso",
			".m", ".f", ".F", ".for", ".f90", ".swig", ".swigcxx":
			add(name)
		}
	}
	for _, name := range s.embeds {
		add(name)
	}
	return b.String(), newest
}

// Changed looks at the sources of the loaded packages in the folders that tracked accepts. It returns the packages that
// would be compiled otherwise now, and why that is not known where they do not compile.
func (h *Host) Changed(ctx context.Context, tracked func(dir string) bool) (map[string]string, error) {
	var paths, suspects []string
	for path, p := range h.packages {
		if p.local.dir == "" || !tracked(p.local.dir) {
			if _, was := h.changed[path]; was {
				delete(h.changed, path)
				p.local.stamp = "" // it is compared again when it is tracked again
			}
			continue
		}
		paths = append(paths, path)
		if stamp, _ := p.local.look(); stamp != p.local.stamp {
			suspects = append(suspects, path)
		}
	}
	if suspects == nil {
		return h.changed, nil
	}
	slices.Sort(paths)
	found, err := h.list(ctx, "", paths...)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, path := range suspects {
		local := &h.packages[path].local
		local.stamp, _ = local.look()
		if err != nil {
			h.changed[path] = err.Error()
		}
	}
	if err != nil {
		return h.changed, nil
	}
	clear(h.changed)
	for _, p := range found {
		if old := h.packages[p.Path]; old != nil && old.local.dir != "" && tracked(old.local.dir) {
			if old.Export != p.Export {
				h.changed[p.Path] = ""
			}
			old.local.stamp, old.local.embeds = p.local.stamp, p.local.embeds
		}
	}
	return h.changed, nil
}

// Stale lists the changed packages that a cell uses, itself or through earlier cells.
func (h *Host) Stale(c Cell) (paths []string) {
	if len(h.changed) == 0 {
		return nil
	}
	for path := range h.usedBy(c) {
		if _, ok := h.changed[path]; ok {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// usedBy finds the packages with sources on this disk that a cell depends on, also through earlier cells.
func (h *Host) usedBy(c Cell) map[string]bool {
	paths := map[string]bool{}
	for path, p := range h.packages {
		if p.local.dir != "" && strings.Contains(c.Source, strconv.Quote(path)) {
			paths[path] = true
		}
	}
	for _, id := range c.Cells {
		if len(h.uses[id]) > 0 && strings.Contains(c.Source, strconv.Quote(CellPath(id))) {
			maps.Copy(paths, h.uses[id])
		}
	}
	return paths
}

// WhyChanged is what the compiler says of a changed package that does not compile; "": it does.
func (h *Host) WhyChanged(path string) string { return h.changed[path] }
