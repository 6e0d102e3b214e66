package rt

import (
	"fmt"
	"log"
	"os"
	"reflect"
	"runtime"
	"strings"
)

// Cell code starts goroutines through Guard or with a deferred Recover, since a panic that nobody recovers would end the
// worker and with it all values. Goroutines that libraries start are not covered.

// Recover is deferred in the function literals that cell code starts as goroutines.
func Recover() {
	if e := recover(); e != nil {
		report(e)
	}
}

// Guard returns f, of any function type, with its panics reported instead of raised.
// The go statement evaluates Guard(f) and the arguments as it would evaluate f and the arguments.
func Guard[F any](f F) F {
	v := reflect.ValueOf(f)
	t := v.Type()
	if v.IsNil() {
		return f // calling it panics as it should, in the new goroutine
	}
	return reflect.MakeFunc(t, func(arguments []reflect.Value) (results []reflect.Value) {
		defer func() {
			if e := recover(); e != nil {
				report(e)
				results = make([]reflect.Value, t.NumOut())
				for i := range results {
					results[i] = reflect.Zero(t.Out(i))
				}
			}
		}()
		if t.IsVariadic() {
			return v.CallSlice(arguments)
		}
		return v.Call(arguments)
	}).Interface().(F)
}

func report(e any) {
	var b strings.Builder
	fmt.Fprintf(&b, "panic in a goroutine: %s\n", panicText(e))
	for _, f := range frames() {
		if IsCell(f) {
			fmt.Fprintf(&b, "\t%s:%d in %s\n", f.File, f.Line, f.Function[strings.LastIndexByte(f.Function, '/')+1:])
		}
	}
	os.Stderr.WriteString(b.String()) // one write, so that two reports do not mix
}

// Exit is os.Exit in cell code: it ends the cell, or the goroutine, not the process that holds the values. Unlike os.Exit
// it runs deferred calls on its way.
func Exit(code int) {
	if r := current.Load(); r != nil && r.goroutine == goroutineID() {
		r.exited, r.exitCode = true, code
	} else {
		fmt.Fprintf(os.Stderr, "os.Exit(%d) was called in a goroutine: the goroutine ends, the kernel goes on\n", code)
	}
	runtime.Goexit()
}

// Fatal, Fatalf and Fatalln are log's in cell code.
func Fatal(v ...any) {
	log.Output(2, fmt.Sprint(v...))
	Exit(1)
}

func Fatalf(format string, v ...any) {
	log.Output(2, fmt.Sprintf(format, v...))
	Exit(1)
}

func Fatalln(v ...any) {
	log.Output(2, fmt.Sprintln(v...))
	Exit(1)
}
