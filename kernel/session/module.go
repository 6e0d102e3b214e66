package session

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"fovea/internal/atomicfile"
	"fovea/internal/home"
)

const moduleHeader = "// Written by fovea's kernel from Fovea's own go.mod; it is written again when that changes.\n"

// Module makes dir a module that can import fovea, whose source is at root, and everything that fovea requires, at the
// same versions. It writes go.mod and go.sum there, atomically, unless they are up to date. A go.mod that somebody else
// wrote is left alone, with an error.
func Module(dir, root string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	own, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return fmt.Errorf("fovea's module: %w", err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		return fmt.Errorf("fovea's module: %w", err)
	}
	mod, err := moduleFile(string(own), root)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "go.mod")
	old, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !strings.HasPrefix(string(old), moduleHeader):
		return fmt.Errorf("%s exists and was not written by fovea: it is left as it is", path)
	}
	// The sums first: a go.mod without them does not build.
	if err := update(filepath.Join(dir, "go.sum"), sums); err != nil {
		return err
	}
	return update(path, []byte(mod))
}

// moduleFile turns Fovea's go.mod into that of a module which requires it.
func moduleFile(own, root string) (string, error) {
	var b strings.Builder
	b.WriteString(moduleHeader)
	named := false
	for line := range strings.Lines(own) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == "module" {
			if fields[1] != home.Module {
				return "", fmt.Errorf("%s holds module %s, not %s", root, fields[1], home.Module)
			}
			line, named = "module notebook\n", true
		}
		b.WriteString(line)
	}
	if !named {
		return "", fmt.Errorf("%s/go.mod has no module line", root)
	}
	fmt.Fprintf(&b, "\nrequire %s v0.0.0\n\nreplace %s => %s\n", home.Module, home.Module, strconv.Quote(root))
	return b.String(), nil
}

func update(path string, content []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	return atomicfile.WriteBytes(path, content)
}
