package main

import (
	"bytes"
	"encoding/json"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func kernelRun(t *testing.T, args ...string) (string, error) {
	t.Helper()
	command := kernelCommand()
	var out bytes.Buffer
	command.SetOut(&out)
	command.SetErr(&out)
	command.SetArgs(args)
	err := command.Execute()
	return out.String(), err
}

func TestKernelInstall(t *testing.T) {
	prefix := t.TempDir()
	dir := filepath.Join(prefix, "share", "jupyter", "kernels", "go1")
	if err := installSpec(dir, "/opt/fovea", "Go"); err != nil {
		t.Fatal(err)
	}
	if err := installSpec(dir, "/opt/new/fovea", "Go two"); err != nil { // again, over the first
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "kernel.json"))
	if err != nil {
		t.Fatal(err)
	}
	var spec kernelSpec
	if err := json.Unmarshal(text, &spec); err != nil {
		t.Fatal(err)
	}
	if strings.Join(spec.Argv, " ") != "/opt/new/fovea kernel serve {connection_file}" || spec.DisplayName != "Go two" || spec.InterruptMode != "message" {
		t.Errorf("%s", text)
	}
	if !strings.Contains(string(text), "supported_encryption") { // by which clients decide to encrypt (JEP 145)
		t.Errorf("%s", text)
	}
	for _, name := range []string{"logo-32x32.png", "logo-64x64.png"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := png.Decode(bytes.NewReader(data)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 1 {
		t.Errorf("left beside the kernel: %v, %v", left, err)
	}
	if out, err := kernelRun(t, "uninstall", "--prefix", prefix, "--name", "go1"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the kernel is still there: %v", err)
	}
}

func TestKernelLeavesOthersAlone(t *testing.T) {
	prefix := t.TempDir()
	dir := filepath.Join(prefix, "share", "jupyter", "kernels", "python3")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	spec := filepath.Join(dir, "kernel.json")
	if err := os.WriteFile(spec, []byte(`{"argv":["python","-m","ipykernel"]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := kernelRun(t, "uninstall", "--prefix", prefix, "--name", "python3"); err == nil || !strings.Contains(err.Error(), "not Fovea's") {
		t.Errorf("uninstall: %v", err)
	}
	if err := installSpec(dir, "/opt/fovea", "Go"); err == nil {
		t.Error("another kernel was overwritten")
	}
	if _, err := os.Stat(spec); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"..", "a/b", ""} {
		if _, err := kernelRun(t, "uninstall", "--prefix", prefix, "--name", name); err == nil || !strings.Contains(err.Error(), "cannot be a kernel's") {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

// The program of a test lies where go run puts its own: it must not be installed.
func TestKernelInstallRefusesTemporaryPrograms(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(program, "go-build") {
		t.Skip("this test's program was built to stay")
	}
	if _, err := kernelRun(t, "install", "--prefix", t.TempDir()); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("install: %v", err)
	}
}

func TestKernelServeRefusesOpenConnectionFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.json")
	if err := os.WriteFile(path, []byte(`{"key":"k"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := kernelRun(t, "serve", path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("serve: %v", err)
	}
}

func TestJupyterNotebook(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	notebook := filepath.Join(dir, "sub", "n.ipynb")
	if err := os.WriteFile(notebook, []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, dir, want string }{
		{notebook, "/", notebook},
		{"sub/n.ipynb", dir, notebook},
		{"RTC:sub/n.ipynb", dir, notebook},
		{"elsewhere/sub/n.ipynb", filepath.Join(dir, "sub"), notebook}, // relative to the server's folder
		{"gone.ipynb", dir, ""},
		{"sub", dir, ""},
		{"", dir, ""},
	} {
		if got := jupyterNotebook(c.name, c.dir); got != c.want {
			t.Errorf("%s in %s: %q, want %q", c.name, c.dir, got, c.want)
		}
	}
}
