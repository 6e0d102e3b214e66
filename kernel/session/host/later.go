package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Add makes more packages importable. With the fast way it returns a library that the running worker must load;
// with the plugin way "", since each plugin brings its packages. modfile, unless empty, stands in for the module's go.mod.
func (h *Host) Add(ctx context.Context, modfile string, paths ...string) (library string, err error) {
	packages, err := h.list(ctx, modfile, paths...)
	if err != nil {
		return "", err
	}
	var added []*Package
	for _, p := range packages {
		switch old := h.packages[p.Path]; {
		case old == nil:
			added = append(added, p)
		case old.Export != p.Export:
			return "", &ConflictError{strings.Join(paths, ", "), p.Path}
		}
	}
	if len(added) > 0 && h.symbols != nil {
		if library, err = h.linkLater(ctx, packages, added); err != nil {
			return "", err
		}
		h.later = append(h.later, library)
	}
	for _, p := range added {
		p.library = library
		h.packages[p.Path] = p
	}
	h.added = append(h.added, paths...)
	return library, nil
}

// A ConflictError says that packages need another version of one that is loaded already. Nothing has changed.
type ConflictError struct{ Paths, Loaded string }

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s needs package %s otherwise than this session has loaded it", e.Paths, e.Loaded)
}

// linkLater links added into a library that uses the ones which are loaded.
func (h *Host) linkLater(ctx context.Context, all, added []*Package) (string, error) {
	if err := h.ready(); err != nil {
		return "", err
	}
	library := filepath.Join(h.work, fmt.Sprintf("liblater%d.so", len(h.later)+1))
	args := []string{"-o", library, "-importcfg", library + ".cfg", "-buildmode=shared", "-linkshared", "-w", "-checklinkname=0", "-extld=gcc",
		"-extldflags=-fuse-ld=bfd", "-L", h.dir, "-L", h.work} // a library that came late names others by their base names
	var cfg strings.Builder
	// The linker wants these also of packages that import nothing.
	for _, path := range []string{"runtime", "runtime/cgo"} {
		if old := h.packages[path]; old != nil && !slices.ContainsFunc(all, func(p *Package) bool { return p.Path == path }) {
			all = append(all, old)
		}
	}
	for _, p := range all {
		fmt.Fprintf(&cfg, "packagefile %s=%s\n", p.Path, p.Export)
		if old := h.packages[p.Path]; old != nil {
			fmt.Fprintf(&cfg, "packageshlib %s=%s\n", p.Path, old.library)
		}
	}
	for _, p := range added {
		args = append(args, p.Path+"="+p.Export)
	}
	if err := os.WriteFile(library+".cfg", []byte(cfg.String()), 0o644); err != nil {
		return "", err
	}
	if err := h.tools.tool(ctx, h.work, nil, "link", args...); err != nil {
		return "", fmt.Errorf("linking packages that came late: %w", err)
	}
	return library, h.symbols.add(library)
}
