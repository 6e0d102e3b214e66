package assist

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
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
	for name, text := range map[string]string{"go.mod": "module example.test/late\n\ngo 1.26\n", "late.go": "package late\n\nconst Lately = 1\n"} {
		if err := os.MkdirAll(filepath.Join(dir, "late"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "late", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
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
}
