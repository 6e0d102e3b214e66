package front

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		source string
		want   []string // kind line:column text
		quiet  bool
	}{
		{"x := 1\n", []string{"stmt 1:1 x := 1"}, false},
		{"x := 1; y\n", []string{"stmt 1:1 x := 1", "stmt 1:9 y"}, false},
		{"y;\n", []string{"stmt 1:1 y"}, true},
		{"y; // why\n\n", []string{"stmt 1:1 y"}, true},
		{"package main\nimport \"fmt\"\n", []string{"import 2:1 import \"fmt\""}, false},
		{"for i := 0; i < 3; i++ {\n}\n", []string{"stmt 1:1 for i := 0; i < 3; i++ {\n}"}, false},
		{"if x := f(); x { a() } else {\nb()\n}\n", []string{"stmt 1:1 if x := f(); x { a() } else {\nb()\n}"}, false},
		{"func f() {}\nfunc (t T) m() int { return 1 }\nfunc (t *T[K, V]) n() {}\n", []string{"func 1:1 func f() {}", "method 2:1 func (t T) m() int { return 1 }", "method 3:1 func (t *T[K, V]) n() {}"}, false},
		{"func(a int) { print(a) }(1)\n", []string{"stmt 1:1 func(a int) { print(a) }(1)"}, false},
		{"func() int { return 1 }()\n", []string{"stmt 1:1 func() int { return 1 }()"}, false},
		{"type (\n\tA int\n\tB = A\n)\n\tvar x, y = 1, 2\nconst c = 1\n", []string{"type 1:1 type (\n\tA int\n\tB = A\n)", "var 5:2 var x, y = 1, 2", "const 6:1 const c = 1"}, false},
		{"// only\n/* comments */\n", nil, false},
		{"s := `raw\n; text`\n", []string{"stmt 1:1 s := `raw\n; text`"}, false},
		{"a.\n\tb().\n\tc()\n", []string{"stmt 1:1 a.\n\tb().\n\tc()"}, false},
	} {
		chunks, quiet, err := split(c.source, 1, 1)
		if err != nil {
			t.Errorf("%q: %v", c.source, err)
			continue
		}
		var got []string
		for _, k := range chunks {
			kind := []string{"stmt", "import", "func", "method", "type", "var", "const"}[k.kind]
			got = append(got, fmt.Sprintf("%s %d:%d %s", kind, k.line, k.column, k.text))
		}
		if !slices.Equal(got, c.want) || quiet != c.quiet {
			t.Errorf("%q:\ngot  %q quiet %v\nwant %q quiet %v", c.source, got, quiet, c.want, c.quiet)
		}
	}
}

func TestDeclares(t *testing.T) {
	for _, c := range []struct{ source, names, receiver, method string }{
		{"a, _, b := f()\n", "a b", "", ""},
		{"a = 1\n", "", "", ""},
		{"func F[T any](x T) {}\n", "F", "", ""},
		{"func (s *Stack[T]) Push(x T) {}\n", "", "Stack", "Push"},
		{"func (p Pair[K, V]) Key() (k K) { return }\n", "", "Pair", "Key"},
		{"func (point) String() string { return \"\" }\n", "", "point", "String"},
		{"var (\n\tx, y int\n\t_ = 1\n)\n", "x y", "", ""},
		{"const (\n\tred = iota\n\tgreen\n)\n", "red green", "", ""},
	} {
		chunks, _, err := split(c.source, 1, 1)
		if err != nil || len(chunks) != 1 {
			t.Fatalf("%q: %v", c.source, err)
		}
		k := chunks[0]
		if err := k.declares(); err != nil {
			t.Fatalf("%q: %v", c.source, err)
		}
		if strings.Join(k.names, " ") != c.names || k.receiver != c.receiver || k.method != c.method {
			t.Errorf("%q: names %v receiver %q method %q", c.source, k.names, k.receiver, k.method)
		}
	}
}

// noPackages is a worker that has nothing: cells can use the language alone.
type noPackages struct{}

func (noPackages) Name(string) (string, bool)           { return "", false }
func (noPackages) ByName(string) (string, bool, bool)   { return "", false, false }
func (noPackages) Export(string) (io.ReadCloser, error) { return nil, errors.New("none") }

// session lowers and commits cells without running them.
type session struct {
	*testing.T
	*State
	n int
}

func (s *session) lower(source string) (*Program, error) {
	s.n++
	p, err := s.Lower(Cell{ID: s.n, Number: s.n, Source: source})
	if err == nil {
		p.Commit()
	}
	return p, err
}

func TestProblemsHaveTheirPlace(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{"x := 1\n\n\ty := x + \"a\"", `In[2]:3:7: invalid operation: x + "a" (mismatched types`},
		{"x := nothing", "In[2]:1:6: undefined: nothing"},
		{"x, y := 1, 2; z := nothing", "In[2]:1:20: undefined: nothing"},
		{"if true { nothing() }", "In[2]:1:11: undefined: nothing"},
		{"x := old + nothing; old := old + nothing", "In[2]:1:12: undefined: nothing\nIn[2]:1:34: undefined: nothing"},
		{"old := old.missing", "In[2]:1:12: old.missing undefined"},
		{"func f() {\n\tvar unused int\n}", "In[2]:2:6: declared and not used: unused"},
		{"import \"fmt\"\nfmt.Println()", "packages to load: fmt"},
		{"var a int\nvar a string", "In[2]:2:5: a redeclared in this block"},
		{"\"ü\" + 1", "In[2]:1:1: invalid operation: \"ü\" + 1"},
		{"y := old\nx := 1 +", "In[2]:2:1: the cell ends within a statement"},
		{"}", "In[2]:1:1: unexpected }"},
		{"f(", "In[2]:1:2: this bracket is never closed"},
		{"func (p int) m() {}", "In[2]:1:9: cannot define new methods on non-local type int"},
	} {
		s := &session{T: t, State: New(noPackages{})}
		if _, err := s.lower("old := 1"); err != nil {
			t.Fatal(err)
		}
		_, err := s.lower(c.source)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.source, err, c.want)
		}
		if got := s.Names(); len(got) != 1 || got[0].Name != "old" {
			t.Errorf("%q: a cell that failed left names: %v", c.source, got)
		}
	}
}

// The same cell gives the same text, whatever the order of maps.
func TestDeterministic(t *testing.T) {
	lower := func() string {
		s := &session{T: t, State: New(noPackages{})}
		for _, source := range []string{"type a struct{ n int }; type b struct{ a; m map[string]a }", "x, y, z := a{1}, b{}, []a{{2}}", "func f(v a) b { return b{a: v} }\nfunc g() b { return f(x) }"} {
			if _, err := s.lower(source); err != nil {
				t.Fatal(err)
			}
		}
		p, err := s.lower("func (v a) String() string { return \"\" }\ny = g()")
		if err != nil {
			t.Fatal(err)
		}
		return p.Source + strings.Join(p.Notes, "\n")
	}
	first := lower()
	for range 20 {
		if got := lower(); got != first {
			t.Fatalf("two texts:\n%s\n%s", first, got)
		}
	}
}

func TestCompilerError(t *testing.T) {
	e := CompilerError("/tmp/x/In[7]:3:5: bad thing\nnoise\n/tmp/x/In[7]:4: " + userMark + "name again\n")
	if e == nil || e.Error() != "In[7]:3:5: bad thing\nIn[7]:4:1: name again" {
		t.Errorf("got %v", e)
	}
	if e := CompilerError("c7.go:1:1: internal compiler error"); e != nil {
		t.Errorf("a place outside cells gave %v", e)
	}
}
