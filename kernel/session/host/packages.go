package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sort"
	"strings"
)

// A Package is one that cells can import.
type Package struct {
	Path    string
	Name    string
	Export  string // its archive in the go command's cache
	Std     bool
	library string // the shared library that holds it; "" with the plugin way
}

// Packages that every worker needs.
const (
	workerPath  = "fovea/kernel/worker"
	runtimePath = workerPath + "/rt"
	addmdPath   = workerPath + "/addmd"
	trampPath   = workerPath + "/tramp"
	fastPath    = workerPath + "/load"
	pluginPath  = workerPath + "/official"
	displayPath = "fovea/kernel/display"
)

// A MissingError says that packages are in no module that the session knows.
type MissingError struct{ Text string }

func (e *MissingError) Error() string { return e.Text }

// list compiles packages and all that they import, and says where the archives are.
func (h *Host) list(ctx context.Context, paths ...string) ([]*Package, error) {
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Name,Export,Standard"}
	args = append(args, h.way.listFlags...)
	out, err := h.tools.goCommand(ctx, h.moduleDir, append(append(args, "--"), paths...)...)
	if err != nil {
		if te, ok := err.(*ToolError); ok {
			return nil, explainList(te)
		}
		return nil, err
	}
	var packages []*Package
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p struct {
			ImportPath, Name, Export string
			Standard                 bool
		}
		if err := d.Decode(&p); err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if p.Export != "" {
			packages = append(packages, &Package{Path: p.ImportPath, Name: p.Name, Export: p.Export, Std: p.Standard})
		}
	}
	return packages, nil
}

// explainList turns the go command's words into what a notebook's user can do.
func explainList(e *ToolError) error {
	text := e.Output
	switch {
	case strings.Contains(text, "no required module provides package"), strings.Contains(text, "is not in std"), strings.Contains(text, "cannot find module providing"):
		var lines []string
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "go get") {
				continue
			}
			line, _, _ = strings.Cut(line, "; to add it:")
			line, _, _ = strings.Cut(line, ": import lookup disabled")
			lines = append(lines, line)
		}
		return &MissingError{strings.Join(lines, "\n") + "\nThe notebook's module does not have it: check the spelling, or add the module to go.mod with 'go get'."}
	case strings.Contains(text, "dial tcp"), strings.Contains(text, "no such host"), strings.Contains(text, "connection refused"):
		return &MissingError{text + "\nThe module is not on this machine yet and the network did not answer: try again when it is there."}
	}
	return e
}

// key names a set of packages by content. The names of archives in the go command's cache are hashes of what they hold.
func (h *Host) key(packages []*Package) string {
	lines := []string{h.tools.Version, h.way.name, layoutVersion, h.way.program()}
	for _, p := range packages {
		lines = append(lines, p.Path+"="+filepath.Base(p.Export))
	}
	sort.Strings(lines[4:])
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return hex.EncodeToString(sum[:12])
}
