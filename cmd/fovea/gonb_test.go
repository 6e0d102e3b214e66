package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"fovea/internal/home"
	"fovea/kernel/session"
)

// The go command before the real one makes modules that can import Fovea, and leaves all else to the real one.
func TestGoShim(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a shell script")
	}
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	share := filepath.Join(t.TempDir(), "a folder's name")
	module, path := filepath.Join(share, "module"), filepath.Join(share, "path")
	if err := session.Module(module, root); err != nil {
		t.Fatal(err)
	}
	for range 2 { // again, over the first
		if err := writeGoShim(path, module); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	run := func(args ...string) (string, error) {
		c := exec.Command(filepath.Join(path, "go"), args...)
		c.Dir, c.Env = dir, append(os.Environ(), "GOFLAGS=", "GOPROXY=off", "GOWORK=off")
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if out, err := run("mod", "init", "gonb_abc"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || !strings.Contains(string(mod), "module gonb_abc\n") || strings.Contains(string(mod), "module notebook") {
		t.Fatalf("%v\n%s", err, mod)
	}
	if out, err := run("list", "-f", "{{.Dir}}", "fovea/kernel/display"); err != nil || strings.TrimSpace(out) != filepath.Join(root, "kernel", "display") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := run("mod", "init", "again"); err == nil {
		t.Errorf("a second go mod init: %s", out)
	}
	if out, err := run("nosuchcommand"); err == nil || !strings.Contains(out, "unknown command") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestGoNBSpec(t *testing.T) {
	prefix := t.TempDir()
	dir := filepath.Join(prefix, "share", "jupyter", "kernels", "gonb")
	for range 2 {
		if err := writeSpec(dir, gonbSpec("/opt/gonb", "Go (GoNB)", []string{"GOMLX_BACKEND=xla:/opt/plugin.so"}), checkGoNBSpec); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "kernel.json"))
	if err != nil {
		t.Fatal(err)
	}
	var spec kernelSpec
	if err := json.Unmarshal(text, &spec); err != nil {
		t.Fatal(err)
	}
	if spec.Env["GOMLX_BACKEND"] != "xla:/opt/plugin.so" || spec.Env["PATH"] != "/opt/gonb/path:/opt/gonb/bin:${PATH}" || spec.Argv[0] != "/opt/gonb/bin/gonb" {
		t.Errorf("%s", text)
	}
	if out, err := kernelRun(t, "uninstall", "--prefix", prefix, "--name", "gonb"); err == nil {
		t.Errorf("it passes for Fovea's kernel: %s", out)
	}
	if out, err := kernelRun(t, "uninstall", "--gonb", "--prefix", prefix); err != nil || !strings.Contains(out, "Removed") {
		t.Errorf("%v %s", err, out)
	}
	if out, err := kernelRun(t, "uninstall", "--gonb", "--prefix", prefix); err == nil || !strings.Contains(err.Error(), "there is no kernel") {
		t.Errorf("a second time: %v %s", err, out)
	}
}

// A GoNB that somebody has installed by its own means is left alone.
func TestForeignGoNB(t *testing.T) {
	prefix := t.TempDir()
	dir := filepath.Join(prefix, "share", "jupyter", "kernels", "gonb")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "kernel.json")
	const theirs = `{"argv": ["gonb", "--kernel", "{connection_file}"], "display_name": "Go (gonb)", "language": "go"}`
	if err := os.WriteFile(path, []byte(theirs), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"install", "uninstall"} {
		if out, err := kernelRun(t, what, "--gonb", "--prefix", prefix); err == nil || !strings.Contains(err.Error(), "was not set up by fovea") {
			t.Errorf("%s: %v %s", what, err, out)
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != theirs {
		t.Errorf("%v %s", err, text)
	}
}

func TestServedFolder(t *testing.T) {
	root := t.TempDir()
	sub := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{root, sub} {
		if err := os.WriteFile(filepath.Join(dir, "n.ipynb"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ notebook, dir, want string }{
		{"n.ipynb", root, root},
		{"a/b/n.ipynb", sub, root},
		{"n.ipynb", sub, sub},
		{"x/b/n.ipynb", sub, ""},
		{"other.ipynb", root, ""},
		{filepath.Join(root, "n.ipynb"), root, ""},
		{"", root, ""},
	} {
		if got := servedFolder(c.notebook, c.dir); got != c.want {
			t.Errorf("%q in %s: %q, want %q", c.notebook, c.dir, got, c.want)
		}
	}
}
