//go:build linux

package session

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"fovea/internal/home"
	"fovea/kernel/display"
)

// testPackages is a small host library, which most tests share through the cache.
var testPackages = []string{"bytes", "context", "encoding/json", "errors", "fmt", "io", "log", "maps", "math", "math/rand/v2", "net/netip", "net/url",
	"os", "os/exec", "os/signal", "reflect", "runtime", "runtime/debug", "slices", "sort", "strconv", "strings", "sync", "sync/atomic", "syscall", "time",
	"unique", "unsafe"}

var loaders = []string{"fast", "plugin"}

func openTest(t testing.TB, o Options) *Session {
	t.Helper()
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	if o.ModuleDir == "" {
		o.ModuleDir = root
	}
	if o.Packages == nil {
		o.Packages = testPackages
	}
	if o.Loader == "" {
		o.Loader = "fast"
	}
	if o.Log == nil {
		o.Log = testLog{t}
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

type testLog struct{ t testing.TB }

func (l testLog) Write(b []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// recorder keeps what a cell puts out.
type recorder struct {
	mu             sync.Mutex
	stdout, stderr strings.Builder
	result         string
	events         []string // all of it, in order
}

func (r *recorder) Stream(name, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name == "stdout" {
		r.stdout.WriteString(text)
	} else {
		r.stderr.WriteString(text)
	}
	r.events = append(r.events, name+": "+text)
}

func (r *recorder) Display(m display.Message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, fmt.Sprintf("%s %s: %v", m.Kind, m.ID, m.Bundle.Data["text/plain"]))
}

func (r *recorder) Result(b display.Bundle) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result, _ = b.Data["text/plain"].(string)
	r.events = append(r.events, "result: "+r.result)
}

func (r *recorder) has(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(r.stdout.String(), text)
}

// runner executes cells and counts them.
type runner struct {
	*testing.T
	s *Session
	n int
}

func (r *runner) run(ctx context.Context, source string) (Result, *recorder) {
	r.Helper()
	r.n++
	out := &recorder{}
	result := r.s.Execute(ctx, Cell{Number: r.n, Source: source}, out)
	return result, out
}

// ok executes a cell that must end well.
func (r *runner) ok(source string) *recorder {
	r.Helper()
	result, out := r.run(r.Context(), source)
	if result.Err != nil {
		r.Fatalf("In[%d] %q: %v\n%s\nstderr: %s", r.n, source, result.Err, strings.Join(result.Err.Traceback, "\n"), out.stderr.String())
	}
	return out
}

// want executes a cell whose last expression must have this value.
func (r *runner) want(source, value string) {
	r.Helper()
	if out := r.ok(source); out.result != value {
		r.Errorf("In[%d] %q: value %q, want %q", r.n, source, out.result, value)
	}
}

// fails executes a cell that must end in an error, and returns it.
func (r *runner) fails(source, name, message string) (Result, *recorder) {
	r.Helper()
	result, out := r.run(r.Context(), source)
	if result.Err == nil {
		r.Fatalf("In[%d] %q: ended well, want %s %q", r.n, source, name, message)
	}
	if result.Err.Name != name || !strings.Contains(result.Err.Message, message) {
		r.Fatalf("In[%d] %q: %s: %s\n%s\nwant %s: %s", r.n, source, result.Err.Name, result.Err.Message, strings.Join(result.Err.Traceback, "\n"), name, message)
	}
	return result, out
}

// interrupted executes a cell and interrupts it once it has printed "ready".
func (r *runner) interrupted(source string) (Result, *recorder) {
	r.Helper()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	r.n++
	out := &recorder{}
	done := make(chan Result, 1)
	go func() { done <- r.s.Execute(ctx, Cell{Number: r.n, Source: source}, out) }()
	for !out.has("ready") {
		select {
		case result := <-done:
			r.Fatalf("In[%d] ended before it was ready: %v", r.n, result.Err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	select {
	case result := <-done:
		return result, out
	case <-time.After(30 * time.Second):
		r.Fatalf("In[%d] did not stop", r.n)
		panic("unreachable")
	}
}
