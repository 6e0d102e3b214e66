//go:build linux

package command

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fovea/internal/home"
	"fovea/kernel/session"
)

// openModule returns a bench around the session of a notebook n.ipynb, which lies beside the modules of these names. Each
// has one package, whose Name is a constant.
func openModule(t *testing.T, modules ...string) *bench {
	t.Helper()
	// The go.mod of every module that Fovea requires must be in the go command's cache before the network is away.
	if out, err := exec.Command("go", "list", "-m", "all").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv("GOPROXY", "off")
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range modules {
		writeModule(t, filepath.Join(dir, name), name, name)
	}
	s, err := session.Open(t.Context(), session.Options{Root: root, Notebook: filepath.Join(dir, "n.ipynb"), Packages: hostPackages, Loader: "fast", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(s, Options{Dir: dir, ModuleDir: s.ModuleDir()})
	if err != nil {
		s.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return &bench{T: t, engine: e, dir: dir}
}

func writeModule(t *testing.T, dir, name, value string) {
	t.Helper()
	for file, text := range map[string]string{
		"go.mod":     "module example.test/" + name + "\n\ngo 1.26\n",
		name + ".go": fmt.Sprintf("package %s\n\nconst Name = %q\n", name, value),
		"wide.go":    fmt.Sprintf("//go:build wide\n\npackage %s\n\nconst Wide = true\n", name),
	} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestModuleCommands(t *testing.T) {
	b := openModule(t, "left", "right", "late")
	r, _ := b.run("!*go mod edit -replace example.test/left=./left\nimport \"example.test/left\"\nleft.Name")
	if notes := strings.Join(r.Notes, "\n"); r.Err != nil || !strings.Contains(notes, "example.test/left => "+b.dir+"/left") {
		t.Fatalf("%v %s", r.Err, notes)
	}
	b.want("%goflags -tags=wide", "%goflags=[\"-tags=wide\"]\n", "")
	b.want("%track right\nimport \"example.test/right\"\nright.Wide", "tracked: "+b.dir+"/right\ncells can import module example.test/right from there\n", "true")
	b.want("%track", "tracked: "+b.dir+"/left\n         "+b.dir+"/right\n", "")
	if out := b.ok("%goflags -race"); !strings.Contains(out.stderr.String(), "race detector") || !strings.Contains(out.printed(), "wide") {
		t.Errorf("%q %q", out.printed(), out.stderr.String())
	}
	b.ok("kept := 1")
	writeModule(t, filepath.Join(b.dir, "left"), "left", "changed")
	b.fails("left.Name", "example.test/left changed after it was loaded")
	b.want("%untrack left\nleft.Name", "", "left")
	b.want("%track left\n%restart\nleft.Name", "tracked: "+b.dir+"/left\nAll values are forgotten; imports and declarations stay.\n", "changed")

	b.fails("%noautoget\nimport \"example.test/absent\"", "providing package example.test/absent")
	e := b.fails("%autoget\nimport \"example.test/absent\"", "the network is away")
	if text := strings.Join(e.Traceback, "\n"); !strings.Contains(text, "GOPROXY=off") {
		t.Errorf("%s", text)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "go.work"), []byte("go 1.26\n\nuse ./late\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out := b.ok("%goworkfix\nimport \"example.test/late\"\nlate.Name"); out.shown[0] != "late" || !strings.Contains(out.printed(), "example.test/late => ") {
		t.Errorf("%q %q", out.shown, out.printed())
	}
	if pins, err := os.ReadFile(filepath.Join(b.dir, "n.mod")); err != nil || !strings.Contains(string(pins), "./right") || strings.Contains(string(pins), "late") {
		t.Errorf("%v\n%s", err, pins)
	}
	b.ok("%reset go.mod")
	if left, err := filepath.Glob(filepath.Join(b.dir, "n.*")); err != nil || left != nil {
		t.Errorf("pins: %v %v", left, err)
	}
	b.fails("%track nowhere", "no such file")
	b.fails("%untrack nowhere", "is not tracked")
}

// A session without a module of its own says so.
func TestModuleCommandsWithout(t *testing.T) {
	b := newBench(t)
	for _, line := range []string{"%autoget", "%noautoget", "%track", "%untrack x", "%goworkfix", "%goflags -tags=x", "%reset go.mod"} {
		b.fails(line, "no module of their own")
	}
}
