package command

import (
	"strings"
	"testing"

	"fovea/kernel/session"
)

func TestGuardTests(t *testing.T) {
	for code, want := range map[string]string{
		`t.Run("a", func(t *testing.T) { x() })`:                           `t.Run("a", foveaTest.Guard(func(t *testing.T) { x() }))`,
		`f.Fuzz(func(t *testing.T, n int, s []byte) {})`:                   `f.Fuzz(foveaTest.Guard(func(t *testing.T, n int, s []byte) {}))`,
		`b.Run("a", func(b *testing.B) { for b.Loop() { x() } })`:          `b.Run("a", foveaTest.Guard(func(b *testing.B) { for b.Loop() { x() } }))`,
		`t.Run(n, func(t *testing.T) { t.Run(m, func(t *testing.T) {}) })`: `t.Run(n, foveaTest.Guard(func(t *testing.T) { t.Run(m, foveaTest.Guard(func(t *testing.T) {})) }))`,
		`func TestX(t *testing.T) { f := func(t *testing.T) {}; f(t) }`:    `func TestX(t *testing.T) { f := func(t *testing.T) {}; f(t) }`,
		`sort.Slice(x, func(i, j int) bool { return i < j })`:              `sort.Slice(x, func(i, j int) bool { return i < j })`,
	} {
		if got := guardTests(code); got != want {
			t.Errorf("%s\nbecame %s\nwant   %s", code, got, want)
		}
	}
}

func TestTestFunctions(t *testing.T) {
	found := testFunctions(`func TestA(t *testing.T) {}
func Testify() {}
func (x T) TestB(t *testing.T) {}
func BenchmarkC(b *testing.B) { func() { TestD() }() }
func ExampleE() {}
func FuzzF(f *testing.F) {}
func TestMain(m *testing.M) {}
x := TestG(nil)`)
	var names []string
	for _, f := range found {
		names = append(names, f.kind+" "+f.name)
	}
	if got := strings.Join(names, ", "); got != "Test TestA, Benchmark BenchmarkC, Example ExampleE, Fuzz FuzzF, TestMain TestMain" {
		t.Error(got)
	}
	if got := strings.Join(defaultTestArgs(found), " "); got != "-test.v -test.bench=. -test.run=^BenchmarkC$|^ExampleE$|^FuzzF$|^TestA$" {
		t.Error(got)
	}
	for typ, want := range map[string]bool{"func(t *testing.T)": true, "func(*testing.T)": true, "func(t *testing.B)": false, "func()": false} {
		if _, got := liveTest(session.Name{Name: "TestX", Kind: "func", Type: typ}); got != want {
			t.Errorf("%s: %v", typ, got)
		}
	}
}
