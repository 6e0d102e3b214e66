package kernels

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// freshModule holds packages that no cache has seen: copies of encoding/csv, each with a constant of its own.
const freshModule = "bench.test/fresh"

// A fresh is that module.
type fresh struct {
	dir    string
	source map[string]string // of encoding/csv, by file
}

func newFresh(ctx context.Context, dir string) (*fresh, error) {
	f := &fresh{dir: dir, source: map[string]string{}}
	command := exec.CommandContext(ctx, "go", "env", "GOROOT")
	command.Env = goEnvironment()
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "src", "encoding", "csv", "*.go"))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		f.source[filepath.Base(name)] = string(text)
	}
	if len(f.source) == 0 {
		return nil, fmt.Errorf("there is no source of encoding/csv in %s", strings.TrimSpace(string(out)))
	}
	mod := fmt.Sprintf("module %s\n\ngo 1.24\n", freshModule) // not newer than any module that requires it
	return f, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o644)
}

var packageClause = regexp.MustCompile(`(?m)^package csv$`)

// add makes a package of that name.
func (f *fresh) add(name string) error {
	dir := filepath.Join(f.dir, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for file, text := range f.source {
		text = packageClause.ReplaceAllString(text, "package "+name)
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			return err
		}
	}
	stamp := fmt.Sprintf("package %s\n\nconst stamp = %d\n", name, time.Now().UnixNano())
	return os.WriteFile(filepath.Join(dir, "stamp.go"), []byte(stamp), 0o644)
}

// require is a special line that makes the cells' module know the fresh one.
func (f *fresh) require() string {
	return fmt.Sprintf("!*go mod edit -require=%s@v0.0.0 -replace=%s=%s", freshModule, freshModule, f.dir)
}

// use is the cell that imports a package for the first time.
func (f *fresh) use(a arm, name string) request {
	code := fmt.Sprintf("fmt.Println(%s.NewReader(strings.NewReader(\"a,b\")).Read())\n", name)
	return cell(fmt.Sprintf("import %q\n", freshModule+"/"+name)+a.statements(code), "[a b] <nil>")
}

// build is how long 'go build' takes for a package, in milliseconds.
func (f *fresh) build(ctx context.Context, name string) (float64, error) {
	command := exec.CommandContext(ctx, "go", "build", "./"+name)
	command.Dir, command.Env = f.dir, goEnvironment()
	begun := time.Now()
	if out, err := command.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return time.Since(begun).Seconds() * 1e3, nil
}
