package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"fovea/internal/atomicfile"
	"fovea/internal/filelock"
)

// layoutVersion changes when the files of a cached host library do.
const layoutVersion = "1"

// Config says what to build.
type Config struct {
	ModuleDir string
	Packages  []string
	Flags     []string // further flags of go list, which compiles the packages
	Cache     string   // folder of cached host libraries
	WorkDir   string   // this session's own folder
	Plugin    bool     // the plugin way instead of the fast one
	Log       func(format string, args ...any)
}

// A Host knows the packages that cells can import and builds cells that use them. One call at a time.
type Host struct {
	Worker string // the worker program

	config    Config
	tools     *Toolchain
	way       *way
	moduleDir string
	dir       string // of the cached library
	work      string
	log       func(string, ...any)
	packages  map[string]*Package
	symbols   *symbols // fast way; see ready
	reading   chan error
	tramp     *Package                // fast way
	later     []string                // libraries of packages that came later
	added     []string                // what Add was asked for
	uses      map[int]map[string]bool // the local packages that a cell depends on
	changed   map[string]string
}

func newHost(t *Toolchain, c Config) *Host {
	h := &Host{config: c, tools: t, way: &fastWay, moduleDir: c.ModuleDir, work: c.WorkDir, log: c.Log, packages: map[string]*Package{},
		uses: map[int]map[string]bool{}, changed: map[string]string{}}
	if c.Plugin {
		h.way = &pluginWay
	}
	return h
}

// roots are the packages of the host library, besides what they import.
func (h *Host) roots() []string {
	roots := append([]string{workerPath, runtimePath, displayPath, h.way.loader}, h.way.extra...)
	for _, p := range h.config.Packages {
		if p != "unsafe" && p != "C" && !slices.Contains(roots, p) {
			roots = append(roots, p)
		}
	}
	return roots
}

// Open builds the host library and the worker, or finds them in the cache.
func Open(ctx context.Context, t *Toolchain, c Config) (*Host, error) {
	h := newHost(t, c)
	begun := time.Now()
	stop := h.every(10*time.Second, func() {
		h.log("still compiling packages for the kernel: %d s (each is compiled once)", int(time.Since(begun).Seconds()))
	})
	packages, err := h.listRoots(ctx)
	stop()
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(packages, func(p *Package) bool { return p.Path == trampPath }); i >= 0 {
		h.tramp = packages[i] // part of each cell, not of the library
		packages = slices.Delete(packages, i, i+1)
	}
	if took := time.Since(begun); took > 3*time.Second {
		h.log("compiled %d packages in %.1f s", len(packages), took.Seconds())
	}
	h.dir = filepath.Join(c.Cache, h.key(packages))
	if err := h.provide(ctx, packages); err != nil {
		return nil, err
	}
	for _, p := range packages {
		h.packages[p.Path] = p
	}
	if h.tramp != nil {
		h.packages[trampPath] = h.tramp
	}
	h.packages["unsafe"] = &Package{Path: "unsafe", Name: "unsafe", Std: true}
	if err := h.way.open(h, packages); err != nil {
		return nil, &LinkError{err}
	}
	return h, nil
}

// A LinkError is a failure of the tools with packages that compile: the other way may work.
type LinkError struct{ Err error }

func (e *LinkError) Error() string { return "building the host library: " + e.Err.Error() }
func (e *LinkError) Unwrap() error { return e.Err }

const readyFile = "ready"

// provide makes sure that h.dir holds the library and the worker. They are linked in place, since the worker finds the
// library by its path; the ready file is written last, and only one process works there at a time.
func (h *Host) provide(ctx context.Context, packages []*Package) error {
	h.Worker = filepath.Join(h.dir, "worker")
	ready := filepath.Join(h.dir, readyFile)
	if fresh(ready) {
		return nil
	}
	unlock, err := filelock.Lock(ctx, h.dir+".lock", func() { h.log("another kernel builds the same host library: waiting for it") })
	if err != nil {
		return err
	}
	defer unlock()
	if fresh(ready) {
		return nil
	}
	if err := os.MkdirAll(h.dir, 0o755); err != nil {
		return atomicfile.Explain(err, h.dir)
	}
	begun := time.Now()
	h.log("linking %d packages into the host library", len(packages))
	if err := h.way.build(ctx, h, packages); err != nil {
		os.RemoveAll(h.dir)
		if noSpace(err) {
			return fmt.Errorf("the disk that holds %s is full: free some space there (a host library needs about 300 MB) and try again", h.dir)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &LinkError{err}
	}
	if err := atomicfile.WriteBytes(ready, []byte(h.tools.Version+"\n")); err != nil {
		return err
	}
	h.log("host library ready in %.1f s", time.Since(begun).Seconds())
	prune(filepath.Dir(h.dir), h.dir)
	return nil
}

// fresh reports whether a library is ready, and marks it as used.
func fresh(ready string) bool {
	if _, err := os.Stat(ready); err != nil {
		return false
	}
	now := time.Now()
	os.Chtimes(ready, now, now) // only tells prune; a failure costs a rebuild some day
	return true
}

// A host library takes 30 to 120 MB. One that no session has opened for keepUnused goes, and the oldest ones when there
// are more than keepMost, since each change of a package on disk makes a new one.
const (
	keepUnused = 7 * 24 * time.Hour
	keepMost   = 16
	keepRecent = 24 * time.Hour // in any case
)

// prune removes libraries that are not used any more. A session that still runs on one has it mapped, and is harmed only
// if its worker must start again; so the times are long.
func prune(cache, keep string) {
	type entry struct {
		ready string
		used  time.Time
	}
	var entries []entry
	found, _ := filepath.Glob(filepath.Join(cache, "*", readyFile))
	for _, ready := range found {
		if info, err := os.Stat(ready); err == nil && filepath.Dir(ready) != keep {
			entries = append(entries, entry{ready, info.ModTime()})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return b.used.Compare(a.used) })
	for i, e := range entries {
		if idle := time.Since(e.used); idle > keepUnused || i >= keepMost && idle > keepRecent {
			os.Remove(e.ready) // first: from here on nobody takes the folder for whole
			os.RemoveAll(filepath.Dir(e.ready))
		}
	}
}

func noSpace(err error) bool {
	var te *ToolError
	return errors.As(err, &te) && strings.Contains(te.Output, "no space left")
}

// every calls f now and then until stop is called.
func (h *Host) every(d time.Duration, f func()) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(d)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				f()
			}
		}
	}()
	return func() { close(done) }
}

// Package returns the package of that import path, if cells can import it now.
func (h *Host) Package(path string) (*Package, bool) {
	p, ok := h.packages[path]
	return p, ok
}

// ByName returns the package that a plain identifier in a cell most likely means: standard packages first, then the
// shortest path, then the first in the alphabet. Internal packages are never meant. only: there is no other of its kind.
func (h *Host) ByName(name string) (best *Package, only bool) {
	only = true
	for path, p := range h.packages {
		if p.Name != name || !importable(path) || strings.HasPrefix(path, workerPath) {
			continue
		}
		if best != nil && best.Std == p.Std {
			only = false
		}
		if best == nil || better(p, best) {
			best = p
		}
	}
	return best, only
}

func better(a, b *Package) bool {
	if a.Std != b.Std {
		return a.Std
	}
	if len(a.Path) != len(b.Path) {
		return len(a.Path) < len(b.Path)
	}
	return a.Path < b.Path
}

// Later lists the libraries that a new worker must load before its first cell, in order.
func (h *Host) Later() []string { return slices.Clone(h.later) }

// Reopen returns a host of the same packages as they are now, those that came later included. missing are those of them
// that are not to be had any more. The old host still works.
func (h *Host) Reopen(ctx context.Context, workDir string, flags []string) (fresh *Host, missing []string, err error) {
	c := h.config
	c.WorkDir, c.Flags = workDir, flags
	if fresh, err = Open(ctx, h.tools, c); err != nil {
		return nil, nil, err
	}
	for _, path := range h.added {
		_, err := fresh.Add(ctx, "", path)
		var gone *MissingError
		if errors.As(err, &gone) {
			missing = append(missing, path)
		} else if err != nil {
			return nil, nil, errors.Join(err, fresh.Close())
		}
	}
	return fresh, missing, nil
}

// Close closes the libraries' files. The worker needs them no more when it has loaded them.
func (h *Host) Close() error {
	if h.symbols == nil {
		return nil
	}
	err := h.ready()
	h.symbols.close()
	return err
}
