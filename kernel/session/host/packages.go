package host

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"
)

// A Package is one that cells can import.
type Package struct {
	Path    string
	Name    string
	Export  string // its archive in the go command's cache
	Std     bool
	library string // the shared library that holds it; "" with the plugin way
	local   source // where its source is, when that may change
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
type MissingError struct {
	Text      string
	Fetchable bool // Fetch may find them
}

func (e *MissingError) Error() string { return e.Text }

// list compiles packages and all that they import, and says where the archives are.
func (h *Host) list(ctx context.Context, modfile string, paths ...string) ([]*Package, error) {
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Name,Export,Standard,Dir,EmbedFiles,EmbedPatterns"}
	args = append(append(args, h.way.listFlags...), h.config.Flags...)
	if modfile != "" {
		args = append(args, "-modfile="+modfile)
	}
	begun := time.Now()
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
			ImportPath, Name, Export, Dir string
			Standard                      bool
			EmbedFiles, EmbedPatterns     []string
		}
		if err := d.Decode(&p); err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if p.Export != "" {
			found := &Package{Path: p.ImportPath, Name: p.Name, Export: p.Export, Std: p.Standard}
			if !p.Standard && !h.tools.fetched(p.Dir) {
				found.local = newSource(p.Dir, p.EmbedFiles, begun)
				found.local.patterns = p.EmbedPatterns
			}
			packages = append(packages, found)
		}
	}
	return packages, nil
}

// absent are the go command's words for what Fetch can mend.
var absent = []string{"no required module provides package", "cannot find module providing", "replaced but not required", "missing go.sum entry",
	"updates to go.mod needed", "go: updating go.mod"}

// explainList turns the go command's words into what a notebook's user can do.
func explainList(e *ToolError) error {
	fetchable := mentions(e.Output, absent)
	if !fetchable && !strings.Contains(e.Output, "is not in std") {
		return e
	}
	var lines []string
	for line := range strings.Lines(e.Output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "go get") || strings.HasPrefix(line, "go mod") {
			continue
		}
		line, _, _ = strings.Cut(line, "; to add")
		line, _, _ = strings.Cut(line, ": import lookup disabled")
		lines = append(lines, line)
	}
	return &MissingError{strings.Join(lines, "\n"), fetchable}
}

func mentions(text string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
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
