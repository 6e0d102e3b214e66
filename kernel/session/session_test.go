//go:build linux

package session

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fovea/internal/home"
)

func TestNames(t *testing.T) {
	s := openTest(t, Options{})
	r := &runner{T: t, s: s}
	r.ok("type point struct { X int }\nconst limit = 3\npts := map[string]*point{}\nfunc area(p point, n ...float64) error { return nil }\nvar buf bytes.Buffer")
	want := []Name{
		{"area", "func", "func(p point, n ...float64) error", 1},
		{"buf", "var", "bytes.Buffer", 1},
		{"limit", "const", "untyped int", 1},
		{"point", "type", "struct{X int}", 1},
		{"pts", "var", "map[string]*point", 1},
	}
	if got := s.Names(); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	r.ok("func area() {}")
	if got := s.Names()[0]; got != (Name{"area", "func", "func()", 2}) {
		t.Errorf("after its redefinition: %v", got)
	}
	if err := s.Restart(t.Context()); err != nil || len(s.Names()) != 0 {
		t.Errorf("after a restart: %v, %v", err, s.Names())
	}
}

// Two sessions do not see each other, and one session takes one cell at a time.
func TestParallelSessions(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 2 {
		s := openTest(t, Options{})
		wg.Go(func() {
			for j := range 5 {
				var out recorder
				source := fmt.Sprintf("x%d := %d\nx%d", j, 100*i+j, j)
				if result := s.Execute(t.Context(), Cell{Number: j, Source: source}, &out); result.Err != nil || out.result != fmt.Sprint(100*i+j) {
					t.Errorf("session %d cell %d: %v, %q", i, j, result.Err, out.result)
				}
			}
			if names := s.Names(); len(names) != 5 {
				t.Errorf("session %d has %v", i, names)
			}
		})
	}
	wg.Wait()
	s := openTest(t, Options{})
	s.Execute(t.Context(), Cell{Number: 1, Source: "n := 0"}, &recorder{})
	for i := range 4 {
		wg.Go(func() {
			if result := s.Execute(t.Context(), Cell{Number: i + 2, Source: "n++"}, &recorder{}); result.Err != nil {
				t.Error(result.Err)
			}
		})
	}
	wg.Wait()
	(&runner{T: t, s: s}).want("n", "4")
}

// Cells cost about the same however many came before, and little memory.
func TestManyCells(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{})}
	r.ok("total := 0")
	median := func(d []time.Duration) time.Duration { slices.Sort(d); return d[len(d)/2] }
	var first, last []time.Duration
	var memory []int64
	for i := range 100 {
		source := fmt.Sprintf("v%d := []int{%d}\ntotal += v%d[0]\nfmt.Println(total)", i, i, i)
		result, _ := r.run(t.Context(), source)
		if result.Err != nil {
			t.Fatal(result.Err)
		}
		memory = append(memory, result.Timing.Memory)
		if i < 25 {
			first = append(first, result.Timing.Total)
		} else if i >= 75 {
			last = append(last, result.Timing.Total)
		}
	}
	r.want("total", "4950")
	t.Logf("first cells %v, last cells %v, memory %d to %d MB", median(first), median(last), memory[9]>>20, memory[99]>>20)
	// The machine may be busy at any moment; what grows with the number of cells would be more than this.
	if median(last) > 3*median(first)+50*time.Millisecond {
		t.Errorf("cells take %v at first, %v after a hundred", median(first), median(last))
	}
	if grown := memory[99] - memory[9]; grown > 30<<20 {
		t.Errorf("memory grew by %d MB in 90 cells", grown>>20)
	}
}

// The collector must see everything that cells' variables refer to.
func TestCollector(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{})}
	r.ok(`
debug.SetGCPercent(1)
type node struct { next *node; name string; kids []*node; m map[string]int; any any; f func() int; arr [5]*int }
var buf bytes.Buffer
var u url.URL
var arr [3]*int
var nd node
var nds [4]node
var mu struct { sync.Mutex; p *string; x [2]any }
var ifc fmt.Stringer
var big [100]struct{ a int; p *int; s string }`)
	r.ok(`
func mk(s string) string { return strings.Repeat(s, 50) }
func ip(i int) *int { p := new(int); *p = i; return p }
buf.WriteString(mk("b"))
u = url.URL{Scheme: mk("s"), User: url.UserPassword(mk("u"), mk("p"))}
for i := range arr { arr[i] = ip(i) }
nd = node{next: &node{name: mk("n")}, name: mk("m"), kids: []*node{{name: mk("k")}}, m: map[string]int{mk("q"): 3}, any: ip(9), f: func() int { return *arr[2] }}
for i := range nds { nds[i].name = mk("z"); nds[i].arr[4] = ip(i); nds[i].any = []string{mk("t")} }
sp := mk("r"); mu.p = &sp; mu.x[1] = []int{1,2,3}
ifc = &buf
for i := range big { big[i].p = ip(i); big[i].s = mk("g") }`)
	r.ok(`
func churn() { var keep [][]byte; for i := 0; i < 20000; i++ { keep = append(keep, make([]byte, i*7919%2000)); if len(keep) > 500 { keep = keep[:0] } } }
for range 20 { churn(); runtime.GC() }`)
	r.want(`
func check() string {
	if buf.String() != mk("b") { return "buf" }
	if u.Scheme != mk("s") || u.User.String() != mk("u")+":"+mk("p") { return "u" }
	for i := range arr { if *arr[i] != i { return "arr" } }
	if nd.next.name != mk("n") || nd.kids[0].name != mk("k") || nd.m[mk("q")] != 3 || *nd.any.(*int) != 9 || nd.f() != 2 { return "nd" }
	for i := range nds { if nds[i].name != mk("z") || *nds[i].arr[4] != i || nds[i].any.([]string)[0] != mk("t") { return "nds" } }
	if *mu.p != mk("r") || mu.x[1].([]int)[2] != 3 { return "mu" }
	if ifc.String() != mk("b") { return "ifc" }
	for i := range big { if *big[i].p != i || big[i].s != mk("g") { return "big" } }
	return "all there"
}
check()`, "all there")
}

// A host library is linked once for a set of packages, also by sessions that open at the same moment.
func TestCache(t *testing.T) {
	if testing.Short() {
		t.Skip("links a host library")
	}
	cache := t.TempDir()
	var log logLines
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			r := &runner{T: t, s: openTest(t, Options{Cache: cache, Packages: []string{"fmt"}, Log: &log})}
			if out := r.ok("fmt.Println(1)"); out.stdout.String() != "1\n" {
				t.Errorf("printed %q", out.stdout.String())
			}
		})
	}
	wg.Wait()
	if n := log.count("linking"); n != 1 {
		t.Errorf("the library was linked %d times:\n%s", n, log.text)
	}
	openTest(t, Options{Cache: cache, Packages: []string{"fmt"}, Log: &log})
	if n := log.count("linking"); n != 1 {
		t.Error("a later session linked it again")
	}
	openTest(t, Options{Cache: cache, Packages: []string{"fmt", "container/ring"}, Log: &log})
	if n := log.count("linking"); n != 2 {
		t.Error("another set of packages did not get a library of its own")
	}
}

type logLines struct {
	mu   sync.Mutex
	text string
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text += string(b)
	return len(b), nil
}

func (l *logLines) count(word string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text, word)
}

// The first time with a toolchain the loader is checked, and the result is remembered.
func TestSelfCheck(t *testing.T) {
	if testing.Short() {
		t.Skip("links a host library")
	}
	cache := t.TempDir()
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	open := func() (*Session, string) {
		var log logLines
		s, err := Open(t.Context(), Options{ModuleDir: root, Cache: cache, Packages: []string{"fmt"}, Log: &log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s, log.text
	}
	s, log := open()
	if s.Loader() != "fast" || !strings.Contains(log, "checking the loader") {
		t.Errorf("loader %s, log:\n%s", s.Loader(), log)
	}
	if len(s.Names()) != 0 {
		t.Errorf("the check left names: %v", s.Names())
	}
	if _, log := open(); strings.Contains(log, "checking") {
		t.Errorf("checked again:\n%s", log)
	}
	// A toolchain that has failed the check gets plugins.
	verdict, err := filepath.Glob(filepath.Join(cache, "check-*"))
	if err != nil || len(verdict) != 1 {
		t.Fatalf("verdicts: %v, %v", verdict, err)
	}
	if err := os.WriteFile(verdict[0], []byte("it failed\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, log = open()
	if s.Loader() != "plugin" || !strings.Contains(log, "it failed") {
		t.Errorf("loader %s, log:\n%s", s.Loader(), log)
	}
	(&runner{T: t, s: s}).want("1+1", "2")
}

func TestBadOptions(t *testing.T) {
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, "ModuleDir is empty"},
		{Options{ModuleDir: t.TempDir()}, "is no module"},
		{Options{ModuleDir: root, Loader: "magic"}, "magic"},
		{Options{ModuleDir: root, Packages: []string{"no/such/package"}}, "no/such/package is not in std"},
		{Options{ModuleDir: root, Packages: []string{"fmt"}, Dir: "/no/such/folder"}, "no such file or directory: /no/such/folder"},
	} {
		if s, err := Open(t.Context(), c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want %q", c.o, err, c.want)
			if s != nil {
				s.Close()
			}
		}
	}
	t.Run("no go command", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		if _, err := Open(t.Context(), Options{ModuleDir: root}); err == nil || !strings.Contains(err.Error(), "https://go.dev/dl") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("closed", func(t *testing.T) {
		s := openTest(t, Options{})
		s.Close()
		if result := s.Execute(context.Background(), Cell{Number: 1, Source: "1"}, &recorder{}); result.Err == nil || !strings.Contains(result.Err.Message, "closed") {
			t.Errorf("%v", result.Err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestModule(t *testing.T) {
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for range 2 {
		if err := Module(dir, root); err != nil {
			t.Fatal(err)
		}
	}
	s := openTest(t, Options{ModuleDir: dir, Env: []string{"FOVEA_TEST=here"}, Dir: dir})
	r := &runner{T: t, s: s}
	r.want("import \"fovea/internal/atomicfile\"\natomicfile.WriteBytes(\"f\", []byte(os.Getenv(\"FOVEA_TEST\")))", "")
	if b, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || string(b) != "here" {
		t.Errorf("the cell wrote %q, %v", b, err)
	}
	own := t.TempDir()
	if err := os.WriteFile(filepath.Join(own, "go.mod"), []byte("module mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Module(own, root); err == nil || !strings.Contains(err.Error(), "left as it is") {
		t.Errorf("a module of the user: %v", err)
	}
	if err := Module(t.TempDir(), own); err == nil {
		t.Error("a folder that is not fovea's was accepted")
	}
}
