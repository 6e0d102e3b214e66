package host

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// buildVariables are what the go command and the tools it starts look at in the environment.
var buildVariables = []string{"GO", "CGO_", "CC=", "CXX=", "FC=", "AR=", "PKG_CONFIG", "PATH=", "HOME=", "XDG_",
	"C_INCLUDE_PATH=", "CPLUS_INCLUDE_PATH=", "CPATH=", "LIBRARY_PATH=", "GCC_EXEC_PREFIX=", "COMPILER_PATH="}

// listingKey names a question to the go command by all that it looks at besides the files of packages: the packages that
// are asked for and how they are to be compiled, the module, the modules on this disk that stand in for others, the
// toolchain, the C compiler, the environment. "": the answer is not to be kept. anywhere: the module's folder does not matter,
// since none of the packages is in it.
func (h *Host) listingKey() (key string, anywhere bool) {
	var b strings.Builder
	part := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	file := func(path string) {
		text, err := os.ReadFile(path)
		part("%q %t %d %s", path, err == nil, len(text), text)
	}
	part("%s %s %q %q %q", layoutVersion, h.tools.Version, h.way.listFlags, h.config.Flags, h.roots())
	for _, tool := range []string{"asm", "cgo", "compile", "link"} {
		part("%q", fileStamp(filepath.Join(h.tools.tools, tool)))
	}
	for _, e := range slices.Sorted(slices.Values(h.tools.env)) {
		if slices.ContainsFunc(buildVariables, func(prefix string) bool { return strings.HasPrefix(e, prefix) }) {
			part("%q", e)
		}
	}
	file(h.tools.settings)
	for _, command := range h.tools.compilers {
		path, _ := exec.LookPath(command)
		part("%q", fileStamp(path))
	}

	// Sessions have modules of their own in folders of their own, which are the same but for the folder.
	mod, err := os.ReadFile(filepath.Join(h.moduleDir, "go.mod"))
	if err != nil {
		return "", false
	}
	sum, _ := os.ReadFile(filepath.Join(h.moduleDir, "go.sum")) // there need be none
	part("%d %s %d %s", len(mod), mod, len(sum), sum)
	parsed, err := modfile.Parse("go.mod", mod, nil)
	if err != nil || parsed.Module == nil {
		return "", false
	}
	if anywhere = !slices.ContainsFunc(h.roots(), func(p string) bool { return strings.HasPrefix(p+"/", parsed.Module.Mod.Path+"/") }); !anywhere {
		part("in %q", h.moduleDir)
	}
	for _, r := range parsed.Replace {
		if r.New.Version == "" {
			target := r.New.Path
			if !filepath.IsAbs(target) {
				target = filepath.Join(h.moduleDir, target)
			}
			file(filepath.Join(target, "go.mod")) // its requirements count, also when no package is taken from it
		}
	}
	hash := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(hash[:12]), anywhere
}

// fileStamp describes a file by name, size and time; "": there is none.
func fileStamp(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprint(path, " ", info.Size(), " ", info.ModTime().UnixNano())
}
