//go:build linux

package session

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEvaluate(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{Grace: time.Second})}
	r.ok("x := 41\ntype point struct{ a int }\np := point{3}\nvar err error\nfunc bump() int { x++; fmt.Print(\"bumped\"); return x }")
	names := r.s.Names()
	for _, c := range []struct{ expression, value, err string }{
		{"x + 1", "42", ""},
		{"p", "cell.point{a: 3}", ""},
		{"err", "<nil>", ""},
		{"strings.ToUpper(\"ü\")", "Ü", ""},
		{"bump()", "42", ""},
		{"x", "42", ""},
		{"nothing", "", "undefined: nothing"},
		{"x := 1", "", "not a Go expression"},
		{"", "", "not a Go expression"},
		{"[]int{}[x]", "", "Panic: runtime error: index out of range"},
	} {
		b, err := r.s.Evaluate(t.Context(), c.expression)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: error %v, want %q", c.expression, err, c.err)
			}
			continue
		}
		if got := b.Data["text/plain"]; err != nil || got != c.value {
			t.Errorf("%q: %v, %v, want %q", c.expression, got, err, c.value)
		}
	}
	if got := r.s.Names(); !slices.Equal(got, names) {
		t.Errorf("names were %v, are %v", names, got)
	}
	if out := r.ok("x;"); out.stdout.String() != "bumped" {
		t.Errorf("the next cell printed %q", out.stdout.String())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := r.s.Evaluate(ctx, "func() int { for {} }()"); err == nil || !strings.Contains(err.Error(), Interrupted) {
		t.Errorf("interrupted: %v", err)
	}
	// The loss of a worker is told with the expression, and by the next cell.
	if _, err := r.s.Evaluate(t.Context(), "syscall.Kill(os.Getpid(), syscall.SIGKILL)"); err == nil || !strings.Contains(err.Error(), WorkerDied) {
		t.Errorf("killed: %v", err)
	}
	if result, _ := r.run(t.Context(), "1"); result.Err != nil || !result.WorkerDied || !slices.Contains(result.Lost, "x") {
		t.Errorf("the cell after: %+v", result)
	}
}
