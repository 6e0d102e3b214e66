// Package celltest runs tests, benchmarks, fuzz tests' seeds and examples in the process that holds the cells' values. What
// `go test` generates as a main function, %test writes behind the cell as a call of Run.
package celltest

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
)

// A Suite is what there is to run.
type Suite struct {
	Tests      []testing.InternalTest
	Benchmarks []testing.InternalBenchmark
	Fuzz       []testing.InternalFuzzTarget
	Examples   []testing.InternalExample
	Main       func(*testing.M) // TestMain; nil: none
}

// running allows one run at a time: package testing keeps state for the process.
var running sync.Mutex

// testFlags are package testing's, apart from those of cells.
var testFlags = sync.OnceValue(func() *flag.FlagSet {
	own := flag.CommandLine
	defer func() { flag.CommandLine = own }()
	flag.CommandLine = flag.NewFlagSet("", flag.ContinueOnError)
	testing.Init()
	own.VisitAll(func(f *flag.Flag) { // where the process had called Init before
		if strings.HasPrefix(f.Name, "test.") {
			flag.CommandLine.Var(f.Value, f.Name, f.Usage)
		}
	})
	return flag.CommandLine
})

// Run runs a suite with flags such as -test.v and -test.run=Name, and returns the status that a test program would end with.
// "-v" and "-run" are taken for "-test.v" and "-test.run", as by go test. Flags of package flag that cells have defined can be
// given as well.
func Run(args []string, s Suite) int {
	running.Lock()
	defer running.Unlock()
	tests := testFlags()
	own, ownArgs := flag.CommandLine, os.Args
	defer func() { flag.CommandLine, os.Args = own, ownArgs }()
	all := flag.NewFlagSet("%test", flag.ContinueOnError)
	all.SetOutput(os.Stderr)
	all.Usage = func() {} // forty flags hide what was wrong
	tests.VisitAll(func(f *flag.Flag) {
		f.Value.Set(f.DefValue) // a fresh program has the defaults
		all.Var(f.Value, f.Name, f.Usage)
	})
	own.VisitAll(func(f *flag.Flag) {
		if all.Lookup(f.Name) == nil {
			all.Var(f.Value, f.Name, f.Usage)
		}
	})
	args = long(args, tests)
	if err := all.Parse(args); err != nil {
		return 2
	}
	if f := all.Lookup("test.fuzz"); f != nil && f.Value.String() != "" {
		fmt.Fprintln(os.Stderr, "-fuzz needs a program of its own: a cell runs the seeds of fuzz tests. Keep the test in a module and use !go test")
		return 2
	}
	flag.CommandLine, os.Args = all, append([]string{ownArgs[0]}, args...)
	for i, t := range s.Tests {
		s.Tests[i].F = func(tb *testing.T) { guard(tb, func() { t.F(tb) }) }
	}
	for i, b := range s.Benchmarks {
		s.Benchmarks[i].F = func(tb *testing.B) { guard(tb, func() { b.F(tb) }) }
	}
	for i, f := range s.Fuzz {
		s.Fuzz[i].Fn = func(tb *testing.F) { guard(tb, func() { f.Fn(tb) }) }
	}
	m := testing.MainStart(deps{}, s.Tests, s.Benchmarks, s.Fuzz, s.Examples)
	if s.Main == nil {
		return m.Run()
	}
	s.Main(m)
	// What go test's main function does when TestMain returns.
	if code := reflect.ValueOf(m).Elem().FieldByName("exitCode"); code.IsValid() {
		return int(code.Int())
	}
	return 0
}

// long writes go test's short names of flags as the test program wants them.
func long(args []string, tests *flag.FlagSet) (out []string) {
	for _, a := range args {
		if name := strings.TrimLeft(a, "-"); name != a {
			word, _, _ := strings.Cut(name, "=")
			if tests.Lookup("test."+word) != nil {
				a = "-test." + name
			}
		}
		out = append(out, a)
	}
	return out
}

// Guard wraps a function that cell code gives to Run of a testing.T or B, or to Fuzz: a panic there would end the process,
// and all values with it. Here it fails the test. The function's first parameter is the T or B.
func Guard[F any](f F) F {
	v := reflect.ValueOf(f)
	return reflect.MakeFunc(v.Type(), func(in []reflect.Value) (out []reflect.Value) {
		t, ok := in[0].Interface().(testing.TB)
		if !ok {
			return v.Call(in)
		}
		guard(t, func() { out = v.Call(in) })
		return out
	}).Interface().(F)
}

// guard calls f, and ends the test when f does not return: by a panic, or because the cell was interrupted.
func guard(t testing.TB, f func()) {
	t.Helper()
	returned := false
	defer func() {
		e := recover()
		switch {
		case returned:
			return
		case e != nil:
			t.Errorf("panic: %v\n%s", e, stack())
		case t.Failed() || t.Skipped():
			return // FailNow and its like
		default:
			t.Error("the test has ended its goroutine")
		}
		t.FailNow() // package testing takes a goroutine that ends otherwise for a fault of the program
	}()
	f()
	returned = true
}

// stack is where a panic came from, without what lies between it and the test.
func stack() string {
	_, after, found := strings.Cut(string(debug.Stack()), "\npanic(")
	if !found {
		return ""
	}
	if _, after, found = strings.Cut(after, "\n\t"); found {
		_, after, _ = strings.Cut(after, "\n")
	}
	before, _, _ := strings.Cut(after, "\nfovea/kernel/celltest.")
	return before
}

// deps are what package testing needs of its surroundings.
type deps struct{}

func (deps) MatchString(pattern, s string) (bool, error) { return regexp.MatchString(pattern, s) }
func (deps) ImportPath() string                          { return "cell" }
func (deps) ModulePath() string                          { return "" }
func (deps) SetPanicOnExit0(bool)                        {}
