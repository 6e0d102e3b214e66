//go:build linux

package session

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dies ends the worker from outside and waits for it.
func (r *runner) dies(signal syscall.Signal) {
	r.Helper()
	if err := syscall.Kill(r.s.Pid(), signal); err != nil {
		r.Fatal(err)
	}
	for r.s.Pid() != 0 {
		time.Sleep(time.Millisecond)
	}
}

const valuesToKeep = `import ("net/url"; "encoding/json")
type point struct { x, y int; next *point }
func (p *point) sum() int { return p.x + p.y }
type shape interface { sum() int }
ring := &point{1, 2, nil}
ring.next = ring
same := ring
count := 41
pc := &count
text := "größe"
table := map[string][]*point{"a": {ring, nil}}
weights := make([]float32, 1000)
for i := range weights { weights[i] = float32(i) / 3 }
var first shape = &point{3, 4, nil}
list := []any{1, "b", 2.5, first, []string{"c"}, time.Second}
when := time.Unix(1e9, 0).UTC()
config := struct { name string; Rate float64 }{"n", 0.1}
where, _ := url.Parse("http://a/b")
ch := make(chan int)
var raw json.RawMessage = []byte("{}")
func counted() int { count++; return *pc }`

func (r *runner) checkKept() {
	r.Helper()
	r.want("fmt.Sprint(ring.next == ring, same == ring, table[\"a\"][0] == ring, ring.sum())", "true true true 3")
	r.want("fmt.Sprint(counted(), count, pc == &count)", "42 42 true")
	r.want("fmt.Sprint(text, len(weights), weights[999] == float32(999)/3, first.sum(), list[3].(shape).sum(), len(list), list[5])", "größe1000 true 7 7 6 1s")
	r.want("fmt.Sprint(when.Year(), config.name, config.Rate, where.Host, string(raw))", "2001n0.1a{}")
}

func TestRestore(t *testing.T) {
	for _, loader := range loaders {
		t.Run(loader, func(t *testing.T) {
			if loader == "plugin" && testing.Short() {
				t.Skip("plugins take half a second a cell")
			}
			r := &runner{T: t, s: openTest(t, Options{Loader: loader})}
			if err := r.s.SetAutomaticCheckpoints(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			r.ok(valuesToKeep)
			made, err := r.s.Checkpoint(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range made {
				if (c.Reason == "") != (c.Name != "ch") {
					t.Errorf("%+v", c)
				}
			}
			r.dies(syscall.SIGSEGV)
			result, _ := r.run(t.Context(), "1")
			if notes := strings.Join(result.Notes, "\n"); !result.WorkerDied || !slices.Contains(result.Restorable, "ring") || slices.Contains(result.Restorable, "ch") ||
				!strings.Contains(notes, "lost: ch, config, count") || !strings.Contains(notes, "%restore brings back: config, count") {
				t.Errorf("the cell after: %+v", result)
			}
			r.fails("count + 1", CompileError, "%restore brings it back")
			r.fails("counted()", CompileError, "%restore brings it back")
			back, err := r.s.Restore(t.Context())
			if err != nil || len(back.Failed) > 0 || len(back.Names) != len(made)-1 {
				t.Fatalf("%v %+v", err, back)
			}
			r.checkKept()
			if imports, err := r.s.Imports(t.Context()); err != nil || len(imports) != 2 {
				t.Errorf("imports %v, %v", imports, err)
			}
			// Once more: what was brought back is as good as it was before.
			if _, err := r.s.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.ok("count = 41") // after the checkpoint, so that the restored one is 42
			if err := r.s.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			if back, err = r.s.Restore(t.Context(), "same", "pc"); err != nil || !slices.Equal(back.Names, []string{"count", "list", "pc", "ring", "same", "table"}) && !slices.Equal(back.Names, []string{"count", "pc", "ring", "same"}) {
				t.Fatalf("%v %+v", err, back)
			}
			r.want("fmt.Sprint(same == ring, *pc, count)", "true 42 42")
			if _, err := r.s.Restore(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), "no checkpoint of nobody") {
				t.Error(err)
			}
		})
	}
}

// While no cell runs, small values are saved by themselves, and large ones are not.
func TestAutomaticCheckpoints(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{})}
	r.ok("n := 7\nlarge := make([]byte, 8<<20)\ngone := 1")
	wait := func(name string, want int64) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			list, err := r.s.Checkpoints(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(list, func(c Checkpoint) bool { return c.Name == name })
			if i >= 0 && list[i].Reason == "" && list[i].Bytes == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%+v", list)
			}
		}
	}
	wait("n", 8)
	files, err := filepath.Glob(filepath.Join(r.s.work, "checkpoints", "*"))
	if err != nil || len(files) != 1 {
		t.Errorf("files %v", files)
	}
	for _, f := range append(files, filepath.Join(r.s.work, "checkpoints")) {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", f, info.Mode(), err)
		}
	}
	r.ok("text := \"0123456789\"\nn = 8")
	if _, _, err := r.s.Remove(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	wait("text", 11)
	list, err := r.s.Checkpoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.Name == "large" && !strings.Contains(c.Reason, "too large") || c.Name == "gone" {
			t.Errorf("%+v", c)
		}
	}
	// One that was asked for is what a live variable goes back to.
	if _, err := r.s.Checkpoint(t.Context(), "n", "large"); err != nil {
		t.Fatal(err)
	}
	r.ok("n = 9\nlarge[5] = 5")
	wait("text", 11)
	if back, err := r.s.Restore(t.Context(), "n"); err != nil || !slices.Equal(back.Names, []string{"n"}) {
		t.Fatalf("%v %+v", err, back)
	}
	r.want("n", "8")
	result, _ := r.fails("n = 10\nvar p *int = (*int)(unsafe.Pointer(uintptr(8)))\nsyscall.Kill(os.Getpid(), syscall.SIGKILL)\nselect {}\n*p = 1", WorkerDied, "killed")
	if !slices.Contains(result.Restorable, "large") || !strings.Contains(strings.Join(result.Err.Traceback, "\n"), "%restore brings back: large, n") {
		t.Errorf("%+v", result.Err)
	}
	if back, err := r.s.Restore(t.Context()); err != nil || !slices.Contains(back.Names, "large") {
		t.Fatalf("%v %+v", err, back)
	}
	r.want("fmt.Sprint(len(large), large[5], text)", "8388608 00123456789")

	// Goroutines that may write hold it up; a cell never waits for long.
	if err := r.s.SetAutomaticCheckpoints(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	r.ok("m := map[int]int{}\nstop := make(chan bool)\ngo func() { for i := 0; ; i++ { select { case <-stop: return; default: m[i%100] = i } } }()")
	time.Sleep(automaticIdle + 200*time.Millisecond)
	if c, err := r.s.Checkpoint(t.Context(), "m"); err != nil || !strings.Contains(c[0].Reason, "goroutine") {
		t.Errorf("%v %+v", err, c)
	}
	if v, err := r.s.Variables(t.Context()); err != nil || len(v) == 0 {
		t.Error(err)
	}
	r.ok("close(stop)")
}

// A cell that begins while a checkpoint is made does not wait for it.
func TestCheckpointMakesWay(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{})}
	r.ok("lists := make([][]string, 50)\nfor i := range lists { lists[i] = make([]string, 100000); for j := range lists[i] { lists[i][j] = \"x\" } }")
	var longest time.Duration
	for range 12 {
		time.Sleep(automaticIdle - 20*time.Millisecond)
		begun := time.Now()
		r.ok("1")
		longest = max(longest, time.Since(begun))
	}
	t.Logf("the longest cell took %v", longest)
	if longest > 2*time.Second {
		t.Errorf("a cell took %v", longest)
	}
}
