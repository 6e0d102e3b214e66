//go:build linux

package session

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// After a restart or the death of the worker, cells can go on with what earlier ones have declared.
func TestDeclarationsComeBack(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{})}
	declare := func() {
		r.Helper()
		r.ok(`import str "strings"
const ( red = iota; green; blue )
const limit = 3
type point struct { x, y int }
func (p point) sum() int { return add(p.x, p.y) }
func (p point) String() string { return str.Repeat("*", p.sum()) }
func add(a, b int) int { return min(a+b, limit*10) }
func even(n int) bool { return n == 0 || odd(n-1) }
func odd(n int) bool { return n != 0 && even(n-1) }
count := 5
func counted() int { count++; return add(count, green) }
type tally map[int]string
pts := []point{{1, 2}}`)
		r.ok("const green = 10\nfunc add(a, b int) int { return a + b }")
		r.want("counted()", "16")
	}
	steps := []step{
		{source: "fmt.Sprint(point{2, 3}, even(4))", result: "***** true", note: "point of In["},
		{source: "pts := []point{{1, 2}}\npts[0].sum()", result: "3"},
		{source: "tally{green: \"g\", blue: \"b\"}", result: "cell.tally{2: \"b\", 10: \"g\"}"}, // green was declared anew
		{source: "counted()", err: "CompileError: undefined: counted (In["},
		{source: "count + 1", err: "CompileError: undefined: count (its value was lost"},
		{source: "count := 100\ncounted()", result: "111"},
		{source: "func (p point) sum() int { return -p.x }\nfunc add(a, b int) int { return 7 }"},
		{source: "fmt.Sprint(point{2, 3}.sum(), counted(), pts[0].sum())", result: "-2 7 -1"},
		{source: "func odd(n int) bool { return true }\neven(1)", result: "true"},
		{source: "limit := 1.5\nlimit", result: "1.5"},
		{source: "blue", result: "2"},
	}
	t.Run("restart", func(t *testing.T) {
		r.T = t
		declare()
		if err := r.s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, step := range steps {
			r.step(step)
		}
	})
	t.Run("death", func(t *testing.T) {
		r.T = t
		r.s.front.Forget()
		declare()
		pid := r.s.Pid()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for r.s.Pid() != 0 {
			time.Sleep(time.Millisecond)
		}
		result, out := r.run(t.Context(), "even(3)")
		if result.Err != nil || out.result != "false" || !slices.Equal(result.Lost, []string{"count", "pts"}) {
			t.Errorf("the cell after: %v, %q, lost %v", result.Err, out.result, result.Lost)
		}
		if !strings.Contains(strings.Join(result.Notes, "\n"), "even of In[") {
			t.Errorf("notes: %q", result.Notes)
		}
		for _, step := range steps {
			r.step(step)
		}
	})
	// A second death, with some names live and some still dormant.
	t.Run("again", func(t *testing.T) {
		r.T = t
		if err := r.s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.want("fmt.Sprint(point{2, 3}.sum(), add(1, 1), odd(2), red)", "-2 7 true 0")
		r.fails("limit", CompileError, "its value was lost")
	})
}

// A name that was declared with others and then anew keeps its new meaning when the others are compiled again.
func TestGroupsDeclaredAgain(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{})}
	r.ok("const base = 1\nconst (\n\tone = base + iota\n\ttwo\n\tthree\n)")
	r.ok("const two = \"two\"")
	r.ok("const base = 11")
	r.want("fmt.Sprint(one, two, three)", "11two13")
}
