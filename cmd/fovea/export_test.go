package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fovea/kernel/export"
	"fovea/kernel/session/host"
)

func exportRun(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, log bytes.Buffer
	cmd := exportCommand()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&log)
	cmd.SilenceUsage = true
	err = cmd.ExecuteContext(t.Context())
	return out.String(), log.String(), err
}

func TestExportRefuses(t *testing.T) {
	notebook := writeNotebook(t, "a.ipynb", "epochs := 1")
	foreign, own := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		filepath.Join(foreign, "go.mod"): "module mine\n",
		filepath.Join(own, "go.mod"):     export.Mark + " from a.ipynb.\nmodule a\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "one notebook"},
		{[]string{notebook, notebook}, "one notebook, not 2"},
		{[]string{"missing.ipynb"}, "does not exist"},
		{[]string{notebook, "-p", "epochs"}, "name=value"},
		{[]string{notebook, "-p", "other=1"}, "no parameter other"},
		{[]string{notebook, "-o", foreign, "--force"}, "no exported program"},
		{[]string{notebook, "-o", own}, "--force"},
	} {
		if _, _, err := exportRun(t, c.args...); err == nil || !strings.Contains(err.Error(), c.want) || exitCode(err) != 2 {
			t.Errorf("%v: got %v, want %q and exit code 2", c.args, err, c.want)
		}
	}
	if text, err := os.ReadFile(filepath.Join(foreign, "go.mod")); err != nil || string(text) != "module mine\n" {
		t.Errorf("the other program has changed: %q, %v", text, err)
	}
}

func TestWriteFolderReplacesAll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sub", "program")
	for _, files := range []map[string]string{{"a": "1", "b": "2"}, {"b": "3"}} {
		if err := writeFolder(dir, files); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != len(files) {
			t.Errorf("%v holds %v, %v", dir, entries, err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestModuleName(t *testing.T) {
	for name, want := range map[string]string{"quickstart": "quickstart", "my notes (2)": "my-notes--2", "über": "ber", "…": "notebook"} {
		if got := moduleName(name); got != "notebook.local/"+want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// The quick start's program is one that go vet and gofmt have nothing to say about.
func TestExportOfTheQuickStart(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the quick start")
	}
	dir := filepath.Join(t.TempDir(), "quickstart")
	out, log, err := exportRun(t, filepath.Join("..", "..", "notebooks", "quickstart.ipynb"), "-o", dir, "-p", "epochs=1")
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if !strings.Contains(out, "go run .") || strings.Contains(log, "not carried over") {
		t.Errorf("stdout %s\nstderr %s", out, log)
	}
	for _, args := range [][]string{{"go", "vet", "./..."}, {"gofmt", "-l", "."}} {
		command := exec.CommandContext(t.Context(), args[0], args[1:]...)
		command.Dir = dir
		command.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN="+host.Release)
		if out, err := command.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}
