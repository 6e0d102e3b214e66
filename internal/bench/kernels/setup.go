package kernels

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"

	"fovea/internal/home"
	"fovea/kernel/assist"
	"fovea/kernel/session/host"
)

// What is measured beside Fovea, and what it needs in PATH.
const (
	gonbModule  = "github.com/janpfeifer/gonb"
	gonbVersion = "v0.11.5"
	toolsModule = "golang.org/x/tools"
	toolVersion = "v0.52.0" // goimports
)

// A program to build: a package of a module at a version.
type program struct{ name, path, module, version string }

var programs = []program{
	{"gonb", gonbModule, gonbModule, gonbVersion},
	{"goimports", toolsModule + "/cmd/goimports", toolsModule, toolVersion},
	{"gopls", toolsModule + "/gopls", toolsModule + "/gopls", assist.Version},
}

// A place holds what the kernels need, apart from the user's own set-up.
type place struct {
	dir   string   // kept from run to run
	env   []string // of the kernels, and of the client that starts them
	gomlx string   // a folder with a go.mod and a go.sum that resolve what cells with GoMLX import
}

// prepare builds GoNB and its tools where they are missing, and installs both kernels for this benchmark alone.
func prepare(ctx context.Context, fovea string, log io.Writer) (*place, error) {
	dir, err := home.Cache("bench")
	if err != nil {
		return nil, err
	}
	if fovea, err = filepath.Abs(fovea); err != nil {
		return nil, err
	}
	if _, err := os.Stat(fovea); err != nil {
		return nil, fmt.Errorf("the command to measure is missing, build it with 'make build': %w", err)
	}
	p := &place{dir: dir, gomlx: filepath.Join(dir, "gomlx-module")}
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return nil, err
	}
	for _, program := range programs {
		if err := p.build(ctx, program, bin, log); err != nil {
			return nil, fmt.Errorf("building %s %s: %w", program.name, program.version, err)
		}
	}
	p.env = append(clean(os.Environ()),
		"PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"),
		"JUPYTER_DATA_DIR="+filepath.Join(dir, "jupyter"),
		"JUPYTER_CONFIG_DIR="+filepath.Join(dir, "jupyter", "config"),
		"JUPYTER_RUNTIME_DIR="+filepath.Join(dir, "jupyter", "runtime"),
		"FOVEA_CACHE="+filepath.Join(dir, "fovea"), // its history is not the user's
		"FOVEA_GOPLS="+filepath.Join(bin, "gopls"),
		"GOTOOLCHAIN="+host.Release,
		"GOPROXY=off",
		"GOMLX_BACKEND=go",
		"GOMLX_NO_AUTO_INSTALL=1",
	)
	if err := p.resolveGoMLX(ctx, log); err != nil {
		return nil, fmt.Errorf("the module of GoNB's cells with GoMLX: %w", err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "jupyter")); err != nil {
		return nil, err
	}
	for _, install := range [][]string{{fovea, "kernel", "install", "--no-gopls"}, {filepath.Join(bin, "gonb"), "--install"}} {
		if err := p.run(ctx, dir, nil, install...); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// clean leaves out what would make one kernel build in another way than the other, or than on another day.
func clean(all []string) []string {
	var env []string
	for _, e := range all {
		switch name, _, _ := strings.Cut(e, "="); name {
		case "GOFLAGS", "GOWORK", "GOEXPERIMENT", "GODEBUG", "GOBIN", "GOTOOLCHAIN", "GOPROXY", "PATH", "FOVEA_CACHE", "FOVEA_GOPLS",
			"JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JPY_PARENT_PID", "GOMLX_BACKEND":
		default:
			env = append(env, e)
		}
	}
	return env
}

// build makes one program in a module of its own, so that it gets just the requirements that its authors chose.
func (p *place) build(ctx context.Context, want program, bin string, log io.Writer) error {
	target, stamp := filepath.Join(bin, want.name), filepath.Join(bin, "."+want.name+".version")
	key := want.version + " " + host.Release
	if built, err := os.ReadFile(stamp); err == nil && string(built) == key {
		if _, err := os.Stat(target); err == nil {
			return nil
		}
	}
	fmt.Fprintf(log, "building %s %s (once) …\n", want.name, want.version)
	work, err := os.MkdirTemp(p.dir, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	mod := fmt.Sprintf("module bench\n\ngo %s\n\nrequire %s %s\n", strings.TrimPrefix(host.Release, "go"), want.module, want.version)
	if err := os.WriteFile(filepath.Join(work, "go.mod"), []byte(mod), 0o644); err != nil {
		return err
	}
	if err := p.run(ctx, work, goEnvironment(), "go", "build", "-mod=mod", "-o", target, want.path); err != nil {
		return err
	}
	return os.WriteFile(stamp, []byte(key), 0o644)
}

// goEnvironment is that of go commands that may fetch modules.
func goEnvironment() []string {
	return append(clean(os.Environ()), "PATH="+os.Getenv("PATH"), "GOTOOLCHAIN="+host.Release, "GOFLAGS=-buildvcs=false", "GOWORK=off")
}

// resolveGoMLX makes a module that requires GoMLX at the versions of this project. GoNB's cells take its go.mod and
// go.sum over: they would not find them with the network switched off. Building it warms the cache for them.
func (p *place) resolveGoMLX(ctx context.Context, log io.Writer) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("this program does not know its modules: build it with the go command")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "module gonb\n\ngo %s\n\n", strings.TrimPrefix(host.Release, "go"))
	for _, d := range info.Deps {
		if d.Path == "github.com/gomlx/gomlx" || d.Path == "github.com/gomlx/compute" {
			fmt.Fprintf(&b, "require %s %s\n", d.Path, d.Version)
		}
	}
	if err := os.MkdirAll(p.gomlx, 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{"go.mod": b.String(), "main.go": "package main\n" + gomlxImports + gomlxNetwork(10) +
		"\nfunc main() {\n" + gomlxBackend + gomlxCall(1) + "}\n"} {
		if err := os.WriteFile(filepath.Join(p.gomlx, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintln(log, "compiling GoMLX for GoNB's cells …")
	return p.run(ctx, p.gomlx, goEnvironment(), "go", "build", "-mod=mod", "-o", os.DevNull, ".")
}

// run runs a command to its end; env nil: that of the kernels.
func (p *place) run(ctx context.Context, dir string, env []string, args ...string) error {
	command := exec.CommandContext(ctx, args[0], args[1:]...)
	command.Dir, command.Env = dir, env
	if env == nil {
		command.Env = p.env
	}
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// requirements are what 'go mod edit' needs to know of the go.mod that resolves GoMLX, for cells of GoNB.
func (p *place) requirements() ([]string, error) {
	command := exec.Command("go", "mod", "edit", "-json")
	command.Dir, command.Env = p.gomlx, p.env
	out, err := command.Output()
	if err != nil {
		return nil, err
	}
	var mod struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		return nil, err
	}
	var all []string
	for _, r := range mod.Require {
		all = append(all, "-require="+r.Path+"@"+r.Version)
	}
	return all, nil
}
