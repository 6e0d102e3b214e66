package host

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// linkLaterStub links packages that come late against a stub, as cells are: given the host library itself, the linker
// would read all its symbols, which takes twenty times as long for a small package. It is for packages of Go and its
// assembler; a foreignError says that one holds objects of another compiler, whose symbols are not known here.
func (h *Host) linkLaterStub(ctx context.Context, library string, all, added []*Package) error {
	if err := h.ready(); err != nil {
		return err
	}
	var names []string
	archives := map[string]string{}
	for i, p := range added {
		objects, err := readArchive(p.Export)
		if err != nil {
			return err
		}
		for _, o := range objects {
			names = append(names, o.names(blockSymbols, blockNonPackageRf)...)
		}
		// The archive is the go command's, and stays as it is: what has to be changed is changed in a copy.
		o := objects[0]
		o.path = library + "." + strconv.Itoa(i) + ".a"
		archives[p.Path] = p.Export
		if err := o.dropMethods(func(name string) bool { return h.symbols.find(name) != nil }); err != nil {
			return err
		}
		if _, err := os.Stat(o.path); err == nil {
			archives[p.Path] = o.path
		}
	}
	stub := filepath.Join(library+".stub", "libhost.so")
	if err := os.MkdirAll(filepath.Dir(stub), 0o755); err != nil {
		return err
	}
	if err := h.symbols.writeStub(stub, names); err != nil {
		return err
	}
	args := []string{"-o", library, "-importcfg", library + ".cfg", "-buildmode=shared", "-linkshared", "-s", "-w", "-checklinkname=0",
		"-extld=" + filepath.Join(h.work, "ld.sh")}
	var cfg strings.Builder
	for _, p := range all {
		if archive := archives[p.Path]; archive != "" {
			fmt.Fprintf(&cfg, "packagefile %s=%s\n", p.Path, archive)
			args = append(args, p.Path+"="+archive)
			continue
		}
		fmt.Fprintf(&cfg, "packagefile %s=%s\npackageshlib %s=%s\n", p.Path, p.Export, p.Path, stub)
	}
	if err := os.WriteFile(library+".cfg", []byte(cfg.String()), 0o644); err != nil {
		return err
	}
	return h.tools.tool(ctx, h.work, []string{"FOVEA_LD=" + h.tools.linker, "FOVEA_ALIASES="}, "link", args...)
}

type foreignError struct{ archive, member string }

func (e *foreignError) Error() string {
	return fmt.Sprintf("%s: %s is no Go object of a known format", e.archive, e.member)
}

// readArchive reads the objects of a package: the compiler's first, then those of the assembler.
func readArchive(path string) (objects []*object, err error) {
	const magic, header = "!<arch>\n", 60
	archive, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	rest, ok := bytes.CutPrefix(archive, []byte(magic))
	if !ok {
		return nil, fmt.Errorf("%s: no archive", path)
	}
	for len(rest) >= header {
		name := strings.TrimSpace(string(rest[:16]))
		size, err := strconv.Atoi(strings.TrimSpace(string(rest[48:58])))
		if err != nil || size < 0 || header+size > len(rest) {
			return nil, fmt.Errorf("%s: damaged", path)
		}
		member := rest[header : header+size]
		rest = rest[min(header+size+size%2, len(rest)):]
		if name == "__.PKGDEF" {
			continue
		}
		start := bytes.Index(member, []byte(objectMagic))
		if start < 0 || !bytes.HasPrefix(member, []byte("go object ")) {
			return nil, &foreignError{path, name}
		}
		o := &object{path: path, archive: archive, data: member[start:]}
		if err := o.check(); err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	if len(objects) == 0 {
		return nil, &foreignError{path, "it"}
	}
	return objects, nil
}
