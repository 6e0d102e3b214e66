//go:build linux

package command

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"fovea/internal/home"
	"fovea/kernel/session"
)

// hostPackages are those of the session's tests, which share the host library through the cache.
var hostPackages = []string{"bytes", "context", "encoding/json", "errors", "fmt", "io", "log", "maps", "math", "math/rand/v2", "net/netip", "net/url",
	"os", "os/exec", "os/signal", "reflect", "runtime", "runtime/debug", "slices", "sort", "strconv", "strings", "sync", "sync/atomic", "syscall", "time",
	"unique", "unsafe"}

// open returns a bench around a real session.
func open(t *testing.T) *bench {
	t.Helper()
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, err := session.Open(t.Context(), session.Options{ModuleDir: root, Packages: hostPackages, Loader: "fast", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(s, Options{Dir: dir, ModuleDir: root})
	if err != nil {
		s.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return &bench{T: t, engine: e, dir: dir}
}

// want executes a cell that must print this and end in an expression of this value.
func (b *bench) want(source, printed, value string) {
	b.Helper()
	out := b.ok(source)
	if got := strings.Join(out.shown, "|"); got != value || out.printed() != printed {
		b.Errorf("%q: printed %q, value %q, want %q, %q\nstderr: %s", source, out.printed(), got, printed, value, out.stderr.String())
	}
}

func TestWorkerFollowsFolderAndEnvironment(t *testing.T) {
	b := open(t)
	sub := b.dir + "/sub"
	b.ok("!mkdir sub")
	where := fmt.Sprintf("Changed directory to %q\nSet: TOLD=\"x y\"\n", sub)
	const look = "d, _ := os.Getwd()\nd + os.Getenv(\"TOLD\")"
	b.want("%cd sub\n%env TOLD=\"x y\"\n"+look, where, sub+"x y")
	b.want("%restart\n"+look, "All values are forgotten; imports and declarations stay.\n", sub+"x y")
	r, _ := b.run("syscall.Kill(os.Getpid(), syscall.SIGKILL); time.Sleep(time.Second)")
	if !r.WorkerDied {
		t.Errorf("the worker lives: %v", r.Err)
	}
	b.want(look, "", sub+"x y")
}

func TestMainSemantics(t *testing.T) {
	b := open(t)
	b.ok("total := 10\nfunc double(n int) int { return 2 * n }")
	b.want("var k = 3\n%%\nx := double(total) + k\ntotal++\nfmt.Println(x)", "23\n", "")
	b.want("total", "", "11")
	b.fails("x", "undefined: x")
	e := b.fails("fmt.Sprint(1)\n%%\n\n\nnothing(1)", "undefined: nothing")
	if e.Line != 5 {
		t.Errorf("the error is in line %d, want 5", e.Line)
	}
	if e := b.fails("%%\n\npanic(\"no\")", "no"); e.Name != session.Panic || !strings.Contains(strings.Join(e.Traceback, "\n"), ":3") {
		t.Errorf("panic: %+v", e)
	}
	b.want("func greet() { fmt.Println(\"hello\", os.Args[1:]) }\n%exec greet a \"b c\"", "hello [a b c]\n", "")
	b.want("%exec greet", "hello []\n", "")
	b.want("count := 0\nfunc init_count() { count = 7 }\nfunc main() { fmt.Println(count) }", "7\n", "")
	b.want("count = 1\nfunc main() { count++; fmt.Println(count) }", "2\n", "")
	b.want("%args one two\nlen(os.Args)", "", "3")
	b.want("len(os.Args)", "", "1")
}

func TestFlags(t *testing.T) {
	b := open(t)
	const define = "var n = flag.Int(\"n\", 1, \"how many\")\n"
	b.want(define+"%%\nfmt.Println(*n)", "1\n", "")
	b.want("%% --n=5 rest\nfmt.Println(*n, flag.Args())", "5 [rest]\n", "")
	b.want("%%\nfmt.Println(*n)", "1\n", "")
	b.want(define+"%% -n 2\nfmt.Println(*n)", "2\n", "")
	b.fails("%% --wrong\nfmt.Println(*n)", "not defined: -wrong")
	b.want("func show() { fmt.Println(*n) }\n%exec show -n=9", "9\n", "")
}

func TestForgetting(t *testing.T) {
	b := open(t)
	b.ok("import str \"strings\"\nx := []int{1, 2}\ny := 2\nfunc size() int { return len(x) }\ntype T struct{ a int }\nfunc (T) m() {}")
	out := b.ok("%rm x T str never")
	if got := out.printed(); got != "removed x\nremoved T\nremoved str\n" {
		t.Errorf("printed %q", got)
	}
	if got := out.stderr.String(); !strings.Contains(got, "never is not declared") || !strings.Contains(got, "still used by size") {
		t.Errorf("stderr %q", got)
	}
	b.fails("x", "undefined: x")
	b.fails("T{}", "undefined: T")
	b.fails("str.ToUpper(\"a\")", "undefined: str")
	b.want("size()", "", "0")
	b.want("y", "", "2")
	b.want("x := \"again\"\nx", "", "again")
	list := b.ok("import f \"fmt\"\n%list").shown[0]
	if !strings.Contains(list, "size") || strings.Contains(list, "fovea") {
		t.Errorf("%%list: %s", list)
	}
	b.ok("%reset")
	b.fails("y", "undefined: y")
	b.fails("f.Sprint(1)", "undefined: f")
	if shown := b.ok("%vars").shown; shown != nil {
		t.Errorf("%%vars after %%reset: %q", shown)
	}
}

// In a session tests see live values, and a panic in one of them leaves the values alone.
func TestTestsInASession(t *testing.T) {
	b := open(t)
	b.ok("counter := 1") // and fmt, testing by their names
	out := b.ok(`%test
func TestCounter(t *testing.T) {
	counter++
	for _, want := range []int{2} {
		t.Run("is", func(t *testing.T) {
			if counter != want { t.Errorf("%d", counter) }
		})
	}
}
func TestKept(t *testing.T) {}
func ExampleGreeting() {
	fmt.Println("hello")
	// Output: hello
}`)
	for _, want := range []string{"=== RUN   TestCounter/is\n", "--- PASS: TestCounter (", "--- PASS: ExampleGreeting (", "PASS\n"} {
		if !strings.Contains(out.printed(), want) {
			t.Errorf("no %q in\n%s", want, out.printed())
		}
	}
	if strings.Contains(out.printed(), "\n0") || out.shown != nil {
		t.Errorf("a value is shown: %q", out.printed())
	}
	r, out := b.run(`%test
func TestPanics(t *testing.T) {
	t.Run("inside", func(t *testing.T) { panic("boom") })
}`)
	if r.Err == nil || r.Err.Name != TestFailure || r.WorkerDied || !strings.Contains(out.printed(), "panic: boom") {
		t.Errorf("%v, died %v: %s", r.Err, r.WorkerDied, out.printed())
	}
	if out := b.ok("counter"); strings.Join(out.shown, "") != "2" {
		t.Errorf("counter is %s", out.shown)
	}
	// No tests in the cell: all that live; and flags.
	if out := b.ok("%test -v -run Kept$\n"); !strings.Contains(out.printed(), "PASS: TestKept") || strings.Contains(out.printed(), "Panics") {
		t.Error(out.printed())
	}
}

// An interrupted test ends, and the values stay.
func TestInterruptedTest(t *testing.T) {
	b := open(t)
	b.ok("kept := 7")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &recorder{}
	done := make(chan session.Result, 1)
	go func() {
		done <- b.engine.Execute(ctx, session.Cell{Number: 2, Source: `%test
func TestForever(t *testing.T) {
	t.Run("inner", func(t *testing.T) {
		fmt.Println("ready")
		for i := 0; ; i++ {
			kept = 7 + i%2
		}
	})
}`}, out)
	}()
	for end := time.Now().Add(time.Minute); !strings.Contains(out.printed(), "ready"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the test did not begin")
		}
	}
	cancel()
	r := <-done
	if r.Err == nil || r.Err.Name != session.Interrupted || r.WorkerDied {
		t.Errorf("%+v, died %v", r.Err, r.WorkerDied)
	}
	if got := strings.Join(b.ok("kept >= 7").shown, ""); got != "true" {
		t.Errorf("kept: %s", got)
	}
	// And package testing is ready for the next one.
	if out := b.ok("%test\nfunc TestNext(t *testing.T) {}"); !strings.Contains(out.printed(), "PASS: TestNext") {
		t.Error(out.printed())
	}
}
