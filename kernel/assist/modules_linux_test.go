package assist

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fovea/internal/home"
	"fovea/kernel/session"
)

// Members of a module that has come after gopls was started are completed.
func TestNewModuleWithGopls(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	if _, err := Find(); err != nil {
		if errors.Is(err, ErrNotInstalled) {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for copy, name := range map[string]string{"late": "Lately", "latest": "Lastly"} {
		write(filepath.Join(dir, copy, "go.mod"), "module example.test/late\n\ngo 1.26\n")
		write(filepath.Join(dir, copy, "late.go"), "package late\n\nconst "+name+" = 1\n")
	}
	s, err := session.Open(t.Context(), session.Options{Root: root, Notebook: filepath.Join(dir, "n.ipynb"), Dir: dir, Packages: testPackages, Loader: "fast"})
	if err != nil {
		t.Fatal(err)
	}
	e := Assist(s, Options{Deadline: 20 * time.Second})
	defer e.Close()
	if c, err := e.Complete(t.Context(), "fmt.Printl", 10); err != nil || !slices.Contains(names(c), "Println") {
		t.Fatalf("%v %v", c, err)
	}
	if used, err := s.Track(t.Context(), filepath.Join(dir, "late")); err != nil || used != "example.test/late" {
		t.Fatalf("%q %v", used, err)
	}
	if r := e.Execute(t.Context(), session.Cell{Number: 1, Source: "import \"example.test/late\""}, &discard{}); r.Err != nil {
		t.Fatal(r.Err)
	}
	if c, err := e.Complete(t.Context(), "late.La", 7); err != nil || !slices.Contains(names(c), "Lately") {
		t.Errorf("%v %v", c, err)
	}
	mod := filepath.Join(s.ModuleDir(), "go.mod")
	text, err := os.ReadFile(mod)
	if err != nil {
		t.Fatal(err)
	}
	write(mod, strings.Replace(string(text), filepath.Join(dir, "late"), filepath.Join(dir, "latest"), 1))
	if changed, err := s.AdoptModule(t.Context()); err != nil || len(changed) != 1 {
		t.Fatalf("%v %v", changed, err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c, err := e.Complete(t.Context(), "late.La", 7); err != nil || !slices.Contains(names(c), "Lastly") {
		t.Errorf("%v %v", c, err)
	}
}
