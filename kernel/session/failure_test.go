//go:build linux

package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// A cell may fail in any way: the values stay, and the error says where.
func TestPanics(t *testing.T) {
	for _, loader := range loaders {
		t.Run(loader, func(t *testing.T) {
			if loader == "plugin" && testing.Short() {
				t.Skip("plugins take half a second a cell")
			}
			r := &runner{T: t, s: openTest(t, Options{Loader: loader})}
			r.ok("keep := 42\nfunc at(s []int, i int) int {\n\treturn s[i]\n}")
			result, _ := r.fails("n := 0\n\nfor i := range 3 {\n\tn += at([]int{1}, i)\n}", Panic, "index out of range [1] with length 1")
			trace := strings.Join(result.Err.Traceback, "\n")
			for _, part := range []string{"panic: runtime error: index out of range", "In[1]:3 in at", "    return s[i]", "In[2]:4\n", "    n += at"} {
				if !strings.Contains(trace+"\n", part) {
					t.Errorf("traceback lacks %q:\n%s", part, trace)
				}
			}
			if strings.Contains(trace, "runtime/") || strings.Contains(trace, "worker") {
				t.Errorf("traceback shows the kernel's own frames:\n%s", trace)
			}
			r.want("fmt.Sprint(keep, n)", "42 1") // what the cell had done before stays

			r.fails("var m map[string]int\nm[\"a\"] = 1", Panic, "assignment to entry in nil map")
			r.fails("var p *struct{ x int }\np.x = 1", Panic, "nil pointer dereference")
			r.fails("panic(fmt.Errorf(\"first\\nsecond\"))", Panic, "first")
			result, _ = r.fails("strings.Repeat(\"x\", -1)", Panic, "negative Repeat count")
			if trace := strings.Join(result.Err.Traceback, "\n"); !strings.Contains(trace, "in strings.Repeat") {
				t.Errorf("traceback does not name the library function:\n%s", trace)
			}
			r.fails("type hidden struct { field int }\npanic(hidden{3})", Panic, "{3}")
			r.fails("p := (*int)(unsafe.Pointer(uintptr(0xdead0000)))\n*p = 1", Panic, "invalid memory address")
			r.fails("runtime.Goexit()", Exit, "Goexit")
			result, _ = r.fails("fmt.Println(1)\nos.Exit(3)", Exit, "os.Exit(3)")
			if result.Err.Line != 2 {
				t.Errorf("os.Exit was at line %d, want 2", result.Err.Line)
			}
			_, out := r.fails("log.SetFlags(0)\nlog.Fatalf(\"fatal %d\", 1)", Exit, "os.Exit(1)")
			if out.stderr.String() != "fatal 1\n" {
				t.Errorf("log.Fatalf printed %q", out.stderr.String())
			}
			r.ok("func rec(i int) int { if i == 0 { return 0 }; return rec(i-1) + 1 }\nrec(100000)")
			r.want("keep", "42")
		})
	}
}

func TestGoroutinePanics(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{})}
	r.ok("keep := 42\ndone := make(chan bool)")
	out := r.ok("go func() {\n\tdefer close(done)\n\tpanic(\"in goroutine\")\n}()\n<-done\ntime.Sleep(20*time.Millisecond)")
	if got := out.stderr.String(); !strings.Contains(got, "panic in a goroutine: in goroutine") || !strings.Contains(got, "In[2]:3 in func1\n    panic(\"in goroutine\")\n") {
		t.Errorf("stderr %q", got)
	}
	out = r.ok("type worker struct { n int }\nfunc (w *worker) run(names ...string) (int, error) { var m map[string]int; m[names[0]] = w.n; return 0, nil }\ngo (&worker{1}).run(\"a\", \"b\")\ntime.Sleep(50*time.Millisecond)")
	if got := out.stderr.String(); !strings.Contains(got, "panic in a goroutine: assignment to entry in nil map") || !strings.Contains(got, "In[3]:2 in (*worker).run\n    func (w *worker) run(") {
		t.Errorf("stderr %q", got)
	}
	out = r.ok("go os.Exit(3)\ntime.Sleep(50*time.Millisecond)")
	if got := out.stderr.String(); !strings.Contains(got, "os.Exit(3) was called in a goroutine") {
		t.Errorf("stderr %q", got)
	}
	// The arguments are evaluated by the go statement, not by the goroutine.
	r.want("ch := make(chan int, 1)\nx := 1\nsend := func(v int) { time.Sleep(time.Millisecond); ch <- v }\ngo send(x)\nx = 2\n<-ch", "1")
	r.want("keep", "42")
}

// What ends the worker is told, with the names that are lost, and the next cell works.
func TestWorkerDeath(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{})}
	r.ok("import \"os/exec\"\nkeep, more := 42, 1\nfunc f() {}")
	result, out := r.fails("fmt.Println(\"before\")\nsyscall.Kill(os.Getpid(), syscall.SIGKILL)\nselect {}", WorkerDied, "killed")
	if want := []string{"keep", "more"}; !result.WorkerDied || !slices.Equal(result.Lost, want) {
		t.Errorf("died %v, lost %v, want %v", result.WorkerDied, result.Lost, want)
	}
	if out.stdout.String() != "before\n" {
		t.Errorf("output before the end: %q", out.stdout.String())
	}
	if names := r.s.Names(); len(names) != 0 {
		t.Errorf("names are left: %v", names)
	}
	r.fails("keep", CompileError, "undefined: keep")
	r.want("keep := 1\nexec.Command(\"true\").Run()\nkeep", "1") // imports stay

	// A library's goroutine that panics is not covered by the guard.
	result, out = r.fails("time.AfterFunc(0, func() { panic(\"boom\") })\ntime.Sleep(time.Second)", WorkerDied, "exit status 2")
	if !strings.Contains(out.stderr.String(), "panic: boom") {
		t.Errorf("stderr %q", out.stderr.String())
	}
	result, _ = r.fails("var f func(int) int\nf = func(i int) int { return f(i+1) + 1 }\nf(0)", WorkerDied, "exit status 2")
	r.want("1", "1")

	// Death while no cell runs is told by the next one.
	r.ok("lost := 1\ntime.AfterFunc(20*time.Millisecond, func() { syscall.Kill(os.Getpid(), syscall.SIGKILL) })")
	for range 200 {
		if r.s.Pid() == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	result, _ = r.run(t.Context(), "2")
	if result.Err != nil || !result.WorkerDied || !slices.Equal(result.Lost, []string{"lost"}) {
		t.Errorf("after the death: %+v", result)
	}
}

func TestInterrupt(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{Grace: 3 * time.Second})}
	r.ok("keep := 0\nready := func() { fmt.Println(\"ready\") }")
	for _, c := range []struct{ name, source string }{
		{"empty loop", "ready()\nfor {}"},
		{"counting loop", "ready()\nfor { keep++ }"},
		{"sleep", "ready()\ntime.Sleep(time.Hour)"},
		{"loop in a function", "func spin() { for range 1<<62 {} }\nready()\nspin()"},
		{"channel", "ready()\n<-make(chan int)"},
		{"select", "ready()\nselect {}"},
		{"waits for a goroutine that sleeps", "var wg sync.WaitGroup\nwg.Go(func() { time.Sleep(time.Hour) })\nready()\nwg.Wait()"},
		{"recovers", "func() { defer func() { recover() }(); ready(); for {} }()\nfor {}"},
	} {
		begun := time.Now()
		result, _ := r.interrupted(c.source)
		if result.Err == nil || result.Err.Name != Interrupted || result.WorkerDied {
			t.Errorf("%s: %v, died %v", c.name, result.Err, result.WorkerDied)
		}
		t.Logf("%s: %v", c.name, time.Since(begun).Round(time.Millisecond))
	}
	r.want("keep > 0", "true")

	// A library that listens for the signal itself ends well, and the cell is called interrupted.
	result, out := r.interrupted("ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)\nready()\n<-ctx.Done()\nstop()\nfmt.Println(\"stopped well\")")
	if result.Err == nil || result.Err.Name != Interrupted || !out.has("stopped well") {
		t.Errorf("signal.NotifyContext: %v, printed %q", result.Err, out.stdout.String())
	}
	// So is one that passes on what a stopped library says; its words are kept.
	result, _ = r.interrupted("ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)\nready()\n<-ctx.Done()\nstop()\npanic(fmt.Errorf(\"stopped at step 7: %w\", ctx.Err()))")
	if trace := strings.Join(result.Err.Traceback, "\n"); !strings.Contains(trace, "stopped at step 7") {
		t.Errorf("the library's words are lost:\n%s", trace)
	}
	// So do programs that the cell has started.
	result, _ = r.interrupted("ready()\nexec.Command(\"sleep\", \"100\").Run()")
	if result.Err == nil || result.Err.Name != Interrupted || result.WorkerDied {
		t.Errorf("exec: %v", result.Err)
	}
	// Goroutines of earlier cells go on.
	r.ok("beats := make(chan int, 1)\nvar beat atomic.Int64\ngo func() { for { beat.Add(1); time.Sleep(time.Millisecond) } }()")
	r.interrupted("ready()\nfor {}")
	r.want("before := beat.Load()\ntime.Sleep(50*time.Millisecond)\nbeat.Load() > before", "true")
	r.want("keep > 0", "true")
}

// A cell that does not stop in time takes the worker with it, and the user is told.
func TestInterruptByForce(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{Grace: 300 * time.Millisecond})}
	r.ok("keep := 1")
	// sort.Slice with a comparison that never settles would do, too: the loop is in the library.
	result, _ := r.interrupted("fmt.Println(\"ready\")\nslices.IndexFunc(make([]struct{}, 1<<62), func(struct{}) bool { return false })")
	if result.Err == nil || result.Err.Name != WorkerDied || !slices.Equal(result.Lost, []string{"keep"}) || !strings.Contains(result.Err.Message, "300ms") {
		t.Errorf("%+v, lost %v", result.Err, result.Lost)
	}
	r.want("2", "2")
}

// An interrupt before or while the cell compiles changes nothing.
func TestInterruptCompile(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{})}
	r.ok("a := 1")
	for delay := time.Duration(0); delay < 40*time.Millisecond; delay += 5 * time.Millisecond {
		ctx, cancel := context.WithTimeout(t.Context(), delay)
		result, _ := r.run(ctx, fmt.Sprintf("b%d := a", r.n))
		cancel()
		if result.Err != nil && result.Err.Name != Interrupted {
			t.Errorf("after %v: %v", delay, result.Err)
		}
		if result.WorkerDied {
			t.Errorf("after %v: the worker died", delay)
		}
	}
	r.want("a", "1")
}

// Close is what a kernel does last: it waits for nobody, and leaves nothing running.
func TestCloseWhileACellRuns(t *testing.T) {
	s := openTest(t, Options{})
	ended := make(chan Result, 1)
	started := make(chan struct{})
	go func() {
		out := &startSignal{started: started}
		ended <- s.Execute(context.Background(), Cell{Number: 1, Source: "import (\"os/exec\"; \"fmt\")\nc := exec.Command(\"sleep\", \"600\")\nc.Start()\nfmt.Println(c.Process.Pid)\nc.Wait()"}, out)
	}()
	select {
	case <-started:
	case <-time.After(time.Minute):
		t.Fatal("the cell did not start")
	}
	begun := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > defaultGrace/2 {
		t.Errorf("Close took %v", took)
	}
	if result := <-ended; !result.WorkerDied {
		t.Errorf("the cell ended as %+v", result)
	}
}

type startSignal struct {
	recorder
	started chan struct{}
}

func (s *startSignal) Stream(name, text string) {
	s.recorder.Stream(name, text)
	if name == "stdout" {
		close(s.started)
	}
}
