package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Release is the toolchain that compiles sessions. Package load knows its runtime.
const Release = "go1.26.8"

// A Toolchain is the go command and what it starts.
type Toolchain struct {
	Version   string // as go env GOVERSION says
	Arch      string
	tools     string   // the folder of compile and link
	linker    string   // GNU ld
	modules   string   // the go command's folder of modules that it has fetched
	settings  string   // the file that 'go env -w' writes
	compilers []string // commands that cgo uses
	env       []string
}

// FindToolchain asks the go command in PATH for the pinned release, which it fetches where it is missing.
func FindToolchain(ctx context.Context) (*Toolchain, error) {
	if _, err := exec.LookPath("go"); err != nil {
		return nil, errors.New("the kernel compiles cells with the go command, which is not in PATH: install Go 1.21 or newer from https://go.dev/dl")
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		return nil, errors.New("the kernel links with gcc, which is not in PATH: install it (on Debian: apt-get install gcc)")
	}
	t := &Toolchain{env: environment()}
	for _, ld := range []string{"ld.bfd", "ld"} {
		if path, err := exec.LookPath(ld); err == nil {
			t.linker = path
			break
		}
	}
	if t.linker == "" {
		return nil, errors.New("the kernel links cells with GNU ld, and neither ld.bfd nor ld is in PATH: install binutils (on Debian: apt-get install binutils)")
	}
	out, err := t.goCommand(ctx, "", "env", "-json", "GOTOOLDIR", "GOVERSION", "GOARCH", "GOOS", "GOMODCACHE", "GOENV",
		"CC", "CXX", "PKG_CONFIG")
	if err != nil {
		return nil, fmt.Errorf("the toolchain %s is not to be had: %w", Release, err)
	}
	var e struct{ GOTOOLDIR, GOVERSION, GOARCH, GOOS, GOMODCACHE, GOENV, CC, CXX, PKG_CONFIG string }
	if err := json.Unmarshal(out, &e); err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	if e.GOOS != "linux" || e.GOARCH != "amd64" {
		return nil, fmt.Errorf("the kernel runs on linux/amd64 so far, and this is %s/%s", e.GOOS, e.GOARCH)
	}
	t.Version, t.Arch, t.tools = e.GOVERSION, e.GOARCH, e.GOTOOLDIR
	t.modules = e.GOMODCACHE + string(filepath.Separator)
	t.settings, t.compilers = e.GOENV, strings.Fields(e.CC+" "+e.CXX+" "+e.PKG_CONFIG)
	for _, tool := range []string{"compile", "link"} {
		if _, err := os.Stat(filepath.Join(t.tools, tool)); err != nil {
			return nil, fmt.Errorf("the toolchain %s lacks its %s tool: %w", e.GOVERSION, tool, err)
		}
	}
	return t, nil
}

// fetched reports whether a package's source came from elsewhere, and so never changes.
func (t *Toolchain) fetched(dir string) bool { return strings.HasPrefix(dir, t.modules) }

// Fast reports whether package load knows the toolchain's runtime.
func (t *Toolchain) Fast() bool {
	return t.Version == "go1.26" || strings.HasPrefix(t.Version, "go1.26.")
}

// FastKey names what a check of the fast loader holds for.
func FastKey(t *Toolchain) string { return t.Version + "-" + t.Arch + "-" + layoutVersion }

// fixed are the variables that would make the go command build differently from one day to the next.
var fixed = map[string]bool{"GOFLAGS": true, "GOWORK": true, "GOOS": true, "GOARCH": true, "GOEXPERIMENT": true, "GODEBUG": true,
	"GO111MODULE": true, "GOTOOLCHAIN": true, "CGO_ENABLED": true, "GOROOT": true, "GOTOOLDIR": true, "GOMODCACHE": true}

// unfixed are the other ones.
func unfixed(env []string) (list []string) {
	for _, e := range env {
		if name, _, _ := strings.Cut(e, "="); !fixed[name] {
			list = append(list, e)
		}
	}
	return list
}

// environment is this process's, with the fixed variables as the kernel needs them.
func environment() []string {
	env := unfixed(os.Environ())
	if cache := os.Getenv("GOMODCACHE"); cache != "" {
		env = append(env, "GOMODCACHE="+cache)
	}
	return append(env, "GOTOOLCHAIN="+Release, "GOFLAGS=-mod=readonly -buildvcs=false", "GOWORK=off", "CGO_ENABLED=1")
}

// goCommand runs the go command in a folder and returns its standard output.
func (t *Toolchain) goCommand(ctx context.Context, dir string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir, command.Env = dir, t.env
	inGroup(command)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, &ToolError{Tool: "go " + args[0], Output: strings.TrimSpace(stderr.String()), Err: err}
	}
	return out, nil
}

// tool runs the compiler or the linker.
func (t *Toolchain) tool(ctx context.Context, dir string, env []string, name string, args ...string) error {
	command := exec.CommandContext(ctx, filepath.Join(t.tools, name), args...)
	command.Dir = dir
	// Compiling and linking a cell takes less memory than a collection is worth.
	command.Env = append(append(t.env[:len(t.env):len(t.env)], "GOGC=400"), env...)
	inGroup(command)
	out, err := command.CombinedOutput()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return &ToolError{Tool: name, Output: strings.TrimSpace(string(out)), Err: err}
	}
	return nil
}

// A ToolError tells of a tool that failed.
type ToolError struct {
	Tool   string
	Output string // what it wrote
	Err    error
}

func (e *ToolError) Error() string {
	if e.Output == "" {
		return e.Tool + ": " + e.Err.Error()
	}
	return e.Tool + ": " + e.Output
}

func (e *ToolError) Unwrap() error { return e.Err }
