//go:build linux

package session

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fovea/internal/home"
)

// A shelf is a module proxy in a folder. Its modules have names that no other test run uses, since what the go command has
// fetched once it does not ask for again.
type shelf struct {
	t    *testing.T
	dir  string
	name string // the start of all paths
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	// The go command reads the go.mod of every module that Fovea requires, also of those that it never builds: they must be
	// in its cache before the proxy is another one.
	if out, err := exec.Command("go", "list", "-m", "all").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := &shelf{t, t.TempDir(), fmt.Sprintf("example.test/t%d", time.Now().UnixNano())}
	t.Setenv("GOPROXY", "file://"+s.dir)
	t.Setenv("GONOSUMDB", "example.test/*")
	t.Setenv("GONOPROXY", "")
	t.Setenv("GOPRIVATE", "")
	t.Cleanup(func() { // leave nothing in the go command's cache
		out, err := exec.Command("go", "env", "GOMODCACHE").Output()
		if err != nil {
			t.Error(err)
			return
		}
		for _, dir := range []string{"", "cache/download"} {
			kept := filepath.Join(strings.TrimSpace(string(out)), dir, s.name)
			filepath.WalkDir(kept, func(path string, _ os.DirEntry, _ error) error { os.Chmod(path, 0o755); return nil })
			os.RemoveAll(kept)
		}
	})
	return s
}

// put publishes a version of a module with one package.
func (s *shelf) put(module, version, source string, requires ...string) {
	s.t.Helper()
	path := s.name + "/" + module
	mod := "module " + path + "\n\ngo 1.26\n"
	for _, r := range requires {
		mod += "\nrequire " + s.name + "/" + r + "\n"
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, text := range map[string]string{"go.mod": mod, module + ".go": strings.ReplaceAll(source, "SHELF", s.name)} {
		f, err := w.Create(path + "@" + version + "/" + name)
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		s.t.Fatal(err)
	}
	dir := filepath.Join(s.dir, path, "@v")
	old, _ := os.ReadFile(filepath.Join(dir, "list"))
	writeFiles(s.t, dir, map[string]string{"list": string(old) + version + "\n", version + ".mod": mod, version + ".zip": b.String(),
		version + ".info": fmt.Sprintf(`{"Version":%q,"Time":"2024-01-01T00:00:00Z"}`, version)})
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readFile(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// openNotebook opens the session of a notebook, whose file need not be there.
func openNotebook(t *testing.T, notebook string) *runner {
	t.Helper()
	t.Setenv("GOWORK", "")
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{Root: root, Notebook: notebook, Dir: filepath.Dir(notebook), Packages: testPackages, Loader: "fast", Log: testLog{t}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &runner{T: t, s: s}
}
