package host

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A Cell is one package to build.
type Cell struct {
	ID     int
	Source string
	Cells  []int // the cell packages that Source imports, and all that these import
}

// CellPath is the import path of a cell's package.
func CellPath(id int) string { return "cell/c" + strconv.Itoa(id) }

// Times says what building a cell took.
type Times struct{ Compile, Link time.Duration }

func (h *Host) file(id int, suffix string) string {
	return filepath.Join(h.work, "c"+strconv.Itoa(id)+suffix)
}

// Build compiles and links one cell and returns the library to load.
func (h *Host) Build(ctx context.Context, c Cell) (library string, times Times, err error) {
	begun := time.Now()
	h.uses[c.ID] = h.usedBy(c)
	if err := h.compile(ctx, c); err != nil {
		return "", times, err
	}
	times.Compile = time.Since(begun)
	begun = time.Now()
	if err := h.way.link(ctx, h, c); err != nil {
		return "", times, err
	}
	times.Link = time.Since(begun)
	return h.file(c.ID, ".so"), times, nil
}

func (h *Host) compile(ctx context.Context, c Cell) error {
	source, config := h.file(c.ID, ".go"), h.file(c.ID, ".cfg")
	var cfg strings.Builder
	for _, p := range h.packages {
		if p.Export != "" {
			fmt.Fprintf(&cfg, "packagefile %s=%s\n", p.Path, p.Export)
		}
	}
	for _, id := range c.Cells {
		fmt.Fprintf(&cfg, "packagefile %s=%s\n", CellPath(id), h.file(id, ".o"))
	}
	if err := os.WriteFile(source, []byte(c.Source), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(config, []byte(cfg.String()), 0o644); err != nil {
		return err
	}
	args := []string{"-o", h.file(c.ID, ".o"), "-p", CellPath(c.ID), "-dynlink"}
	if h.symbols != nil {
		args = append(args, "-linkshared")
	}
	return h.tools.tool(ctx, h.work, nil, "compile", append(args, "-complete", "-dwarf=false", "-pack", "-importcfg", config, source)...)
}

// linkStub links a cell against a stub of the host library: given the real one, the linker would read all its symbols.
func linkStub(ctx context.Context, h *Host, c Cell) error {
	if err := h.ready(); err != nil {
		return err
	}
	file := h.file(c.ID, ".o")
	stub := filepath.Join(h.work, "stub", "libhost.so") // the linker wants this base name
	if err := os.MkdirAll(filepath.Dir(stub), 0o755); err != nil {
		return err
	}
	object, err := readObject(file)
	if err != nil {
		return err
	}
	if err := object.dropMethods(func(name string) bool { return h.symbols.find(name) != nil }); err != nil {
		return err
	}
	names := object.names(blockSymbols, blockNonPackageRf)
	if err := h.symbols.writeStub(stub, names); err != nil {
		return err
	}
	var cfg strings.Builder
	fmt.Fprintf(&cfg, "packagefile %s=%s\n", trampPath, h.tramp.Export)
	inStub := func(path, archive string) {
		fmt.Fprintf(&cfg, "packagefile %s=%s\npackageshlib %s=%s\n", path, archive, path, stub)
	}
	for path, p := range h.packages {
		if path == trampPath {
			continue
		}
		if path == "runtime" || path == "runtime/cgo" || p.Export != "" && strings.Contains(c.Source, strconv.Quote(path)) {
			inStub(path, p.Export)
		}
	}
	for _, id := range c.Cells {
		if strings.Contains(c.Source, strconv.Quote(CellPath(id))) {
			inStub(CellPath(id), h.file(id, ".o"))
		}
	}
	config := h.file(c.ID, ".link")
	if err := os.WriteFile(config, []byte(cfg.String()), 0o644); err != nil {
		return err
	}
	// In plugin mode the linker gives functions of the internal calling convention their plain names, but when it reads
	// a shared library it takes a plain name for the stable convention: ld adds a second name.
	var aliases strings.Builder
	for _, n := range names {
		if strings.HasPrefix(n, CellPath(c.ID)+".") && !strings.Contains(n, `"`) {
			fmt.Fprintf(&aliases, "\"%s.abiinternal\" = DEFINED(\"%s\") ? \"%s\" : 0;\n", n, n, n)
		}
	}
	script := h.file(c.ID, ".ld")
	if err := os.WriteFile(script, []byte(aliases.String()), 0o644); err != nil {
		return err
	}
	env := []string{"FOVEA_LD=" + h.tools.linker, "FOVEA_ALIASES=" + script}
	return h.tools.tool(ctx, h.work, env, "link", "-o", h.file(c.ID, ".so"), "-importcfg", config, "-buildmode=plugin", "-linkshared",
		"-pluginpath="+CellPath(c.ID), "-s", "-w", "-extld="+filepath.Join(h.work, "ld.sh"), file)
}

// linkPlugin links a cell with all packages that it needs, as the go command does with -buildmode=plugin.
func linkPlugin(ctx context.Context, h *Host, c Cell) error {
	return h.tools.tool(ctx, h.work, nil, "link", "-o", h.file(c.ID, ".so"), "-importcfg", h.file(c.ID, ".cfg"), "-buildmode=plugin",
		"-pluginpath="+CellPath(c.ID), "-s", "-w", "-extld=gcc", h.file(c.ID, ".o"))
}

// Loaded tells the host that the worker has loaded a cell: later cells may refer to what it defines.
func (h *Host) Loaded(id int) error {
	if h.symbols == nil {
		return nil
	}
	if err := h.ready(); err != nil {
		return err
	}
	return h.symbols.add(h.file(id, ".so"))
}
