package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fovea/internal/atomicfile"
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

// laterUnused is how long a library that came late is kept when nobody asks for it.
const laterUnused = 30 * 24 * time.Hour

// linkLater links added into a library that uses the ones which are loaded. It is kept beside the host library for the
// next session.
func (h *Host) linkLater(ctx context.Context, all, added []*Package) (string, error) {
	// The linker wants these also of packages that import nothing.
	for _, path := range []string{"runtime", "runtime/cgo"} {
		if old := h.packages[path]; old != nil && !slices.ContainsFunc(all, func(p *Package) bool { return p.Path == path }) {
			all = append(all, old)
		}
	}
	library := filepath.Join(h.dir, "liblater-"+h.laterKey(all)+".so")
	if info, err := os.Stat(library); err == nil && info.Mode().IsRegular() {
		now := time.Now()
		os.Chtimes(library, now, now) // only tells that it is used
	} else if err := h.buildLater(ctx, library, all, added); err != nil {
		return "", err
	}
	if err := h.ready(); err != nil {
		return "", err
	}
	return library, h.symbols.add(library)
}

// laterKey names a library by what is in it and what it uses.
func (h *Host) laterKey(all []*Package) string {
	var lines []string
	for _, p := range all {
		line := p.Path + "=" + filepath.Base(p.Export)
		if old := h.packages[p.Path]; old != nil {
			line += " in " + filepath.Base(old.library)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:12])
}

func (h *Host) buildLater(ctx context.Context, library string, all, added []*Package) error {
	found, _ := filepath.Glob(filepath.Join(h.dir, "liblater-*.so"))
	for _, old := range found {
		if info, err := os.Stat(old); err == nil && time.Since(info.ModTime()) > laterUnused {
			os.Remove(old) // what cannot be removed is tried again
		}
	}
	// In a folder of its own under its final name, which the linker writes into it.
	dir, err := os.MkdirTemp(h.dir, "later-*")
	if err != nil {
		return atomicfile.Explain(err, h.dir)
	}
	defer os.RemoveAll(dir)
	fresh := filepath.Join(dir, filepath.Base(library))
	err = h.linkLaterStub(ctx, fresh, all, added)
	if err == nil {
		return os.Rename(fresh, library)
	} else if ctx.Err() != nil {
		return ctx.Err()
	}
	var foreign *foreignError
	if !errors.As(err, &foreign) {
		h.log("linking late packages against the whole host library, which takes seconds: %v", err)
	}
	args := []string{"-o", fresh, "-importcfg", fresh + ".cfg", "-buildmode=shared", "-linkshared", "-w", "-checklinkname=0", "-extld=gcc",
		"-extldflags=-fuse-ld=bfd", "-L", h.dir} // a library that came late names others by their base names
	var cfg strings.Builder
	for _, p := range all {
		fmt.Fprintf(&cfg, "packagefile %s=%s\n", p.Path, p.Export)
		if old := h.packages[p.Path]; old != nil {
			fmt.Fprintf(&cfg, "packageshlib %s=%s\n", p.Path, old.library)
		}
	}
	for _, p := range added {
		args = append(args, p.Path+"="+p.Export)
	}
	if err := os.WriteFile(fresh+".cfg", []byte(cfg.String()), 0o644); err != nil {
		return err
	}
	if err := h.tools.tool(ctx, dir, nil, "link", args...); err != nil {
		return fmt.Errorf("linking packages that came late: %w", err)
	}
	return os.Rename(fresh, library)
}
