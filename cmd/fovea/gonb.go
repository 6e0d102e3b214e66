package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/janpfeifer/gonb/gonbui/protocol"

	"fovea/internal/atomicfile"
	"fovea/internal/backend"
	"fovea/internal/filelock"
	"fovea/internal/home"
	"fovea/kernel/assist"
	"fovea/kernel/command"
	"fovea/kernel/session"
)

// goimports is the release that goes with the pinned toolchain; GoNB calls it for each cell.
const goimportsVersion = "v0.39.0"

// gonbMark is in the metadata of a specification that is Fovea's to replace and remove.
const gonbMark = "fovea_gonb"

// installGoNB sets up GoNB as it is published, as a kernel of its own whose cells can import Fovea: it builds it and what it
// calls, writes the module that cells start from, and the kernel specification.
func installGoNB(ctx context.Context, dir, display string, log io.Writer) error {
	if runtime.GOOS == "windows" {
		return errors.New("--gonb: this set-up is for Linux and macOS; GoNB's own documentation says how it is installed on Windows")
	}
	if _, err := os.Stat(dir); err == nil {
		if err := checkGoNBSpec(dir); err != nil {
			return err
		}
	}
	root, err := home.Root()
	if err != nil {
		return err
	}
	share, err := home.Share("gonb", command.GoNB)
	if err != nil {
		return err
	}
	choice, err := backend.Resolve(ctx, backend.Options{})
	if err != nil {
		return err
	}
	if choice.Warning != "" {
		fmt.Fprintln(log, choice.Warning)
	}
	unlock, err := filelock.Lock(ctx, filepath.Join(share, "lock"), func() { fmt.Fprintln(log, "another set-up of GoNB is at work: waiting for it") })
	if err != nil {
		return err
	}
	defer unlock()
	if err := buildGoNB(ctx, share, log); err != nil {
		return err
	}
	module := filepath.Join(share, "module")
	if err := session.Module(module, root); err != nil {
		return fmt.Errorf("the module of GoNB's cells: %w", err)
	}
	if err := writeGoShim(filepath.Join(share, "path"), module); err != nil {
		return err
	}
	return writeSpec(dir, gonbSpec(share, display, choice.Env()), checkGoNBSpec)
}

// gonbSpec is the kernel specification of the GoNB in a folder.
func gonbSpec(share, display string, env []string) kernelSpec {
	spec := kernelSpec{
		Argv:          []string{filepath.Join(share, "bin", "gonb"), "--kernel", "{connection_file}"},
		DisplayName:   display,
		Language:      "go",
		InterruptMode: "message",
		Protocol:      "5.4", // what it announces
		// Jupyter puts in the value that the variable has when the kernel starts.
		Env:      map[string]string{"PATH": strings.Join([]string{filepath.Join(share, "path"), filepath.Join(share, "bin"), "${PATH}"}, string(filepath.ListSeparator))},
		Metadata: map[string]any{"debugger": false, gonbMark: command.GoNB},
	}
	for _, v := range env {
		if name, value, ok := strings.Cut(v, "="); ok {
			spec.Env[name] = value
		}
	}
	return spec
}

// buildGoNB builds GoNB, goimports and gopls into the folder's bin, unless they are there.
func buildGoNB(ctx context.Context, share string, log io.Writer) error {
	bin := filepath.Join(share, "bin")
	if whole(bin, "gonb", "goimports", "gopls") {
		return nil
	}
	fmt.Fprintf(log, "building GoNB %s and the programs that it calls (a minute or two, once) …\n", command.GoNB)
	begun := time.Now()
	fresh, err := os.MkdirTemp(share, ".new-")
	if err != nil {
		return atomicfile.Explain(err, share)
	}
	defer os.RemoveAll(fresh)
	// A module of its own, so that the versions are pinned and checked against the checksum database.
	if err := os.WriteFile(filepath.Join(fresh, "go.mod"), []byte("module gonb-tools\n\ngo 1.25\n"), 0o600); err != nil {
		return err
	}
	made := filepath.Join(fresh, "bin")
	for _, args := range [][]string{
		{"get", "-tool", "github.com/janpfeifer/gonb@" + command.GoNB, "golang.org/x/tools/cmd/goimports@" + goimportsVersion},
		{"install", "tool"},
	} {
		c := exec.CommandContext(ctx, "go", args...)
		c.Dir, c.Env = fresh, append(os.Environ(), "GOBIN="+made, "GOWORK=off", "GOFLAGS=-buildvcs=false", "GOOS=", "GOARCH=")
		if out, err := c.CombinedOutput(); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("go %s: %w\n%s\nGoNB comes from the Go module proxy: try again when it can be reached", args[0], err, strings.TrimSpace(string(out)))
		}
	}
	gopls, err := assist.Install(ctx)
	if err != nil {
		return fmt.Errorf("GoNB needs gopls: %w", err)
	}
	if gopls, err = exec.LookPath(gopls); err != nil {
		return err
	}
	if gopls, err = filepath.Abs(gopls); err != nil {
		return err
	}
	if err := os.Symlink(gopls, filepath.Join(made, "gopls")); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(bin), os.Rename(made, bin)); err != nil {
		return err
	}
	fmt.Fprintf(log, "GoNB is at %s (%.0f s)\n", filepath.Join(bin, "gonb"), time.Since(begun).Seconds())
	return nil
}

// whole says whether a folder holds these programs.
func whole(dir string, names ...string) bool {
	for _, name := range names {
		if _, err := exec.LookPath(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// writeGoShim writes a go command that stands before the real one in GoNB's PATH. GoNB makes a module for each notebook
// with `go mod init`; here it starts from one that requires Fovea, and what Fovea requires, at the same versions. All other
// commands go through as they are.
func writeGoShim(dir, module string) error {
	real, err := exec.LookPath("go")
	if err != nil {
		return err
	}
	if real, err = filepath.Abs(real); err != nil {
		return err
	}
	if filepath.Dir(real) == dir {
		return errors.New("PATH names GoNB's own folder first: run this where plain go is found")
	}
	script := fmt.Sprintf(`#!/bin/sh
# Written by 'fovea kernel install --gonb'.
go=%s
module=%s
if [ "$1 $2" = "mod init" ]; then
	"$go" "$@" || exit
	sed "s|^module .*|$(sed -n 's/^module /module /p' go.mod)|" "$module/go.mod" >go.mod.new &&
		cp "$module/go.sum" go.sum && mv go.mod.new go.mod
	exit
fi
exec "$go" "$@"
`, quoteShell(real), quoteShell(module))
	path := filepath.Join(dir, "go")
	if err := atomicfile.WriteBytes(path, []byte(script)); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// checkGoNBSpec refuses a folder that is not a specification which installGoNB wrote.
func checkGoNBSpec(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "kernel.json"))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no kernel in %s", dir)
	}
	if err != nil {
		return err
	}
	var spec kernelSpec
	if err := json.Unmarshal(text, &spec); err != nil || spec.Metadata[gonbMark] == nil {
		return fmt.Errorf("the kernel in %s was not set up by fovea: it stays as it is (--name gives the new one another name)", dir)
	}
	return nil
}

// gonbEnv are the variables by which GoNB's packages, and scripts on the page, find Jupyter's server: the kernel's name there, which is
// in that of the connection file, and the folder that it serves.
func gonbEnv(connectionFile, dir string) (env []string) {
	name, ok := strings.CutPrefix(strings.TrimSuffix(filepath.Base(connectionFile), ".json"), "kernel-")
	if ok && name != "" {
		env = append(env, protocol.GONB_JUPYTER_KERNEL_ID_ENV+"="+name)
	}
	if root := servedFolder(os.Getenv("JPY_SESSION_NAME"), dir); root != "" {
		env = append(env, protocol.GONB_JUPYTER_ROOT_ENV+"="+root)
	}
	return env
}

// servedFolder is the folder that Jupyter's server shows; "" where it cannot be told. The server names a notebook by its path
// below that folder, and starts the kernel in the notebook's. (GoNB takes the folder that the server was started in, which is another when
// it was given one.)
func servedFolder(notebook, dir string) string {
	if notebook == "" || filepath.IsAbs(notebook) {
		return "" // an editor's name for it
	}
	if _, err := os.Stat(filepath.Join(dir, filepath.Base(notebook))); err != nil {
		return ""
	}
	below := filepath.Dir(filepath.Clean(notebook))
	if below == "." {
		return dir
	}
	root, ok := strings.CutSuffix(filepath.Clean(dir), string(filepath.Separator)+below)
	if !ok || root == "" {
		return ""
	}
	return root
}
