package session

import (
	"context"
	"fmt"
	"io"
	"time"

	"fovea/kernel/display"
)

// Options say how a session is set up. The zero value of each field but ModuleDir is useful.
type Options struct {
	ModuleDir string    // the module whose go.mod governs the cells' imports; see Module. "": the session makes one, with Root
	Packages  []string  // import paths that the host library holds from the start; nil: StandardPackages
	Cache     string    // where host libraries are kept by content; "": home.Cache("host")
	Dir       string    // the worker's working folder; "": the current one
	Env       []string  // extra environment of the worker, KEY=value
	Log       io.Writer // progress of set-up, a line each; nil: none

	// Root is the folder of Fovea's source. With it the session makes a module for its cells, in which they can import Fovea,
	// all that it requires, the modules on this disk that Notebook lies in, and what is pinned for it or fetched.
	Root     string
	Notebook string // whose pins are kept beside it, see PinsOf; "": they last as long as the session, and Dir stands for its folder

	// Loader is how cells get into the worker: "fast", "plugin" (slower; the official way), or "" to choose: the fast
	// one where this release of Go is known and a self-check passes, else plugin.
	Loader string
	// Grace is how long an interrupted cell may take to stop before the worker is killed; 0: 10 s.
	Grace time.Duration
	// Background receives what goroutines print while no cell runs. nil: it is kept for the next cell.
	Background Output
}

// A Cell is one piece of source to execute.
type Cell struct {
	Number int // the number that errors and traces call it by, as in In[7]
	Source string
	Silent bool // the last expression is not shown
}

// Output receives what a cell puts out, in order, from one goroutine at a time. A method that blocks holds up the worker.
// Once Execute has returned, its Output is not called again.
type Output interface {
	Stream(name, text string)  // "stdout" or "stderr", valid UTF-8
	Display(m display.Message) // also what cells send through comms, see display.IsComm
	Result(b display.Bundle)   // the value of the cell's last expression
}

// An Inputter is what an Output may be besides: it asks the user for a line, which it returns without its break. It fails
// where nobody can be asked, and returns soon after ctx has ended. Without one, cells that read standard input see its end.
type Inputter interface {
	Input(ctx context.Context, prompt string, password bool) (string, error)
}

// Result says how a cell ended.
type Result struct {
	Err        *CellError // nil: well
	Notes      []string   // what else the user should know: functions compiled again, variables reset, packages loaded
	Timing     Timing
	WorkerDied bool     // the process that held the values ended; a new one takes the next cell
	Lost       []string // the variables that went with it, sorted; functions, types and constants come back when they are used
	Restorable []string // those among them of which there is a checkpoint; see Restore
}

// Timing says where a cell's time went.
type Timing struct {
	Check   time.Duration // splitting and type checking
	Compile time.Duration
	Link    time.Duration
	Load    time.Duration // into the worker
	Run     time.Duration
	Total   time.Duration
	Memory  int64 // resident bytes of the worker after the cell; 0: not known
}

// Names of cell errors.
const (
	CompileError = "CompileError" // the cell did not compile; nothing has changed
	Panic        = "Panic"        // it panicked; what it had done before stays
	Interrupted  = "Interrupted"  // the user stopped it
	Exit         = "Exit"         // it called os.Exit or log.Fatal
	WorkerDied   = "WorkerDied"   // the process that held the values ended
	LoadError    = "LoadError"    // the compiled cell could not be loaded; nothing has changed
	PackageError = "PackageError" // an imported package could not be built or found; nothing has changed
	SessionError = "SessionError" // the session itself failed: no compiler, a full disk
)

// A CellError is the one error of a cell.
type CellError struct {
	Name      string   // one of the constants above
	Message   string   // one line
	Traceback []string // lines to show: position, source line and caret; or the stack, cut to the user's frames
	// Line and Column are the place in the cell, from 1 (column in bytes); 0: none.
	Line, Column int
}

func (e *CellError) Error() string {
	switch {
	case e.Line > 0 && e.Column > 0:
		return fmt.Sprintf("%s: %d:%d: %s", e.Name, e.Line, e.Column, e.Message)
	case e.Line > 0:
		return fmt.Sprintf("%s: line %d: %s", e.Name, e.Line, e.Message)
	}
	return e.Name + ": " + e.Message
}

// A Name is a live name of the session.
type Name struct {
	Name string
	Kind string // "var", "func", "type" or "const"
	Type string // as Go source, packages by their names
	Cell int    // the number of the cell that declared it last
}
