package rt

import (
	"fmt"
	"log"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"

	"fovea/kernel/worker/message"
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
			b.WriteString(place(f))
		}
	}
	os.Stderr.WriteString(b.String()) // one write, so that two reports do not mix
}

// sources are the texts of cells, to show lines of them where nobody else does.
var sources = struct {
	sync.Mutex
	byCell map[string][]string // lines, by the name that frames have
}{byCell: map[string][]string{}}

// KeepSource remembers the text of a cell.
func KeepSource(cell int, text string) {
	sources.Lock()
	defer sources.Unlock()
	sources.byCell[fmt.Sprintf("In[%d]", cell)] = strings.Split(text, "\n")
}

// entryName is the function that holds a cell's statements, with the mark of generated names (session/front).
const entryName = "\U00010401Run"

// place writes a frame as the session does in its tracebacks: the place, the function, and below it the source line.
func place(f message.Frame) string {
	name := f.Function[strings.LastIndexByte(f.Function, '/')+1:]
	_, name, _ = strings.Cut(name, ".") // the cell's package
	if name = strings.TrimPrefix(strings.TrimPrefix(name, entryName), "."); name != "" {
		name = " in " + name
	}
	sources.Lock()
	lines := sources.byCell[f.File]
	sources.Unlock()
	text := fmt.Sprintf("%s:%d%s\n", f.File, f.Line, name)
	if f.Line >= 1 && f.Line <= len(lines) {
		text += "    " + strings.TrimSpace(lines[f.Line-1]) + "\n"
	}
	return text
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
