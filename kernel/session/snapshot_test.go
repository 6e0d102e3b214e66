//go:build linux

package session

import (
	"context"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"
	"time"
)

// The live names as a file: it type-checks, and says of each name what the session says.
func TestSnapshot(t *testing.T) {
	s := openTest(t, Options{})
	for i, source := range []string{
		"import str \"strings\"\nimport \"bytes\"\nvar buffer bytes.Buffer\nreplacer := str.NewReplacer(\"a\", \"b\")",
		"type point struct{ x, y int }\nfunc (p point) sum() int { return p.x + p.y }\nconst ( one = iota + 1; two )",
		"p := &point{1, 2}\nall := map[string][]*point{\"p\": {p}}\nch := make(chan (<-chan int))",
		"func double(x int) int { return 2 * x }\nfunc join[T any](s []T) string { return fmt.Sprint(s) }\nbytes := 3",
		"func (p *point) grow(by time.Duration) { p.x += int(by) }\nconfig := struct{ name string }{\"n\"}\nfn := func(...int) (int, error) { return 0, nil }",
	} {
		if r := s.Execute(t.Context(), Cell{Number: i + 1, Source: source}, &recorder{}); r.Err != nil {
			t.Fatalf("cell %d: %v", i+1, r.Err)
		}
	}
	shot, ok := s.Snapshot()
	if !ok {
		t.Fatal("no snapshot, and no cell runs")
	}
	if !slices.Contains(shot.Imports, Import{Name: "str", Path: "strings"}) || slices.ContainsFunc(shot.Imports, func(i Import) bool { return i.Name == "bytes" }) {
		t.Errorf("imports: %v", shot.Imports)
	}
	if !slices.Contains(shot.Packages, Import{Name: "fmt", Path: "fmt"}) || slices.Contains(shot.Packages, Import{Name: "bytes", Path: "bytes"}) {
		t.Errorf("packages: %v", shot.Packages)
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "live.go", shot.Live, parser.SkipObjectResolution)
	if err != nil {
		t.Fatalf("%v\n%s", err, shot.Live)
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "source", nil), Error: func(err error) {
		if !strings.Contains(err.Error(), "imported and not used") {
			t.Errorf("%v", err)
		}
	}}
	pkg, _ := config.Check("cell", fset, []*ast.File{file}, nil) // its errors have been reported
	for _, n := range s.Names() {
		o := pkg.Scope().Lookup(n.Name)
		if o == nil {
			t.Errorf("%s is not declared in\n%s", n.Name, shot.Live)
			continue
		}
		typ := o.Type()
		if n.Kind == "type" {
			typ = typ.Underlying()
		}
		if got := types.TypeString(typ, func(p *types.Package) string {
			if p == pkg {
				return ""
			}
			return p.Name()
		}); got != n.Type {
			t.Errorf("%s is %s, in the session %s", n.Name, got, n.Type)
		}
	}
	if m, _, _ := types.LookupFieldOrMethod(types.NewPointer(pkg.Scope().Lookup("point").Type()), false, pkg, "grow"); m == nil {
		t.Errorf("a method of a later cell is missing in\n%s", shot.Live)
	}
}

func TestSnapshotWhileACellRuns(t *testing.T) {
	s := openTest(t, Options{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	out := &recorder{}
	go func() {
		defer close(done)
		s.Execute(ctx, Cell{Number: 1, Source: "fmt.Println(\"runs\")\nfor {\n}"}, out)
	}()
	for end := time.Now().Add(20 * time.Second); !out.has("runs"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the cell does not run")
		}
	}
	if _, ok := s.Snapshot(); ok {
		t.Error("a snapshot while a cell runs")
	}
	stop()
	<-done
	if _, ok := s.Snapshot(); !ok {
		t.Error("no snapshot after the cell")
	}
}

// After the death of the worker, what comes back when a cell uses it can be completed.
func TestSnapshotOfDormantNames(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{})}
	r.ok("import \"bytes\"\ntype point struct{ x int }\nfunc (p point) sum(b *bytes.Buffer) int { return p.x }\nfunc add(a, b int) int { return a + b }\nn := 1\nfunc useless() int { return n }\nconst one, two = 1, 2")
	check := func(want ...string) {
		t.Helper()
		shot, ok := r.s.Snapshot()
		if !ok {
			t.Fatal("no snapshot")
		}
		for _, part := range want {
			if !strings.Contains(shot.Live, part) {
				t.Errorf("no %q in\n%s", part, shot.Live)
			}
		}
		if strings.Count(shot.Live, "type point") != 1 || strings.Contains(shot.Live, "var n ") || strings.Contains(shot.Live, "useless") {
			t.Errorf("what is there:\n%s", shot.Live)
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "live.go", shot.Live, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		config := types.Config{Importer: importer.ForCompiler(fset, "source", nil), Error: func(err error) {
			if !strings.Contains(err.Error(), "imported and not used") {
				t.Errorf("%v", err)
			}
		}}
		_, _ = config.Check("cell", fset, []*ast.File{file}, nil) // its errors have been reported
	}
	if err := r.s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"type point struct", "func (p point) sum(b *bytes.Buffer) int", "func add(a, b int) int", "const one, two = 1, 2"}
	check(want...)
	r.want("point{3}.sum(nil)", "3") // live again
	check(want...)
	r.ok("const two = 3")
	check(append(want[:3], "const two = 3", "const one, _   = 1, 2")...)
}
