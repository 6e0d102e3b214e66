package session

import (
	"context"
	"fmt"
	"strings"

	"fovea/kernel/display"
)

// checkCells touch what the loader must get right: storage shared between cells, types that are one type in all of them,
// new generations, generic code, interfaces made in several cells, the collector's view of cells' variables, recovery.
var checkCells = []struct{ source, want string }{
	{"import \"fmt\"\ntype check struct{ a int; p *string }\nfunc (c check) String() string { return fmt.Sprint(c.a, *c.p) }\ntext := fmt.Sprint(\"tex\", \"t\")\nv := check{1, &text}", ""},
	{"v.a++\nvar s fmt.Stringer = v\ns", "2text"},
	{"func twice[T any](f func(T) T, x T) T { return f(f(x)) }\nfunc next(c check) check { c.a++; return c }\ntwice(next, v).a", "4"},
	{"_, same := s.(check)\nsame", "true"},
	{"func next(c check) check { c.a += 10; return c }", ""},
	{"func (c check) Double() int { return 2 * next(c).a }\nv.Double()", "24"},
	{"keep := map[string]*int{}\nfor i := range 100 { keep[fmt.Sprint(i)] = &i }", ""},
	{"import \"runtime\"\nfor range 3 { runtime.GC() }\nsum := 0\nfor _, p := range keep { sum += *p }\nfmt.Sprint(sum, *v.p, s)", "4950text2text"},
	{"func fails() (err error) { defer func() { err = fmt.Errorf(\"got %v\", recover()) }(); var m map[string]int; m[\"x\"] = 1; return }\nfails()", "got assignment to entry in nil map"},
	{"done := make(chan int)\ngo func() { done <- sum }()\n<-done", "4950"},
}

// A wrongError says that a cell of the self-check failed or came out wrong.
type wrongError struct{ error }

// selfCheck runs a few cells and restarts the worker. It is done once for each toolchain and version of the loader.
func (s *Session) selfCheck(ctx context.Context) error {
	s.logf("first use of %s: checking the loader", s.tools.Version)
	for i, c := range checkCells {
		var out resultCollector
		r := s.Execute(ctx, Cell{Number: i + 1, Source: c.source}, &out)
		if r.Err != nil {
			return &wrongError{fmt.Errorf("self-check %d: %w", i+1, r.Err)}
		}
		if out.text != c.want {
			return &wrongError{fmt.Errorf("self-check %d: got %q, want %q", i+1, out.text, c.want)}
		}
	}
	if err := s.Restart(ctx); err != nil {
		return err
	}
	s.front.Forget()
	return nil
}

type resultCollector struct{ text string }

func (c *resultCollector) Stream(_, text string)   {}
func (c *resultCollector) Display(display.Message) {}
func (c *resultCollector) Result(b display.Bundle) {
	text, _ := b.Data["text/plain"].(string)
	c.text = strings.TrimSpace(text)
}
