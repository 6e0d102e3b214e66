// Package message holds what a session and its worker say to each other: JSON values on two pipes.
package message

import (
	"time"

	"fovea/kernel/checkpoint"
	"fovea/kernel/worker/view"
)

// File descriptors of the worker, beside the standard ones.
const (
	RequestFD    = 3
	ResponseFD   = 4
	DisplayFD    = 5 // see kernel/display
	DisplayAckFD = 6
)

// Operations of a Request.
const (
	Load      = "load"      // map a library and run its initialisers
	Run       = "run"       // the same, then run the cell that it holds
	Interrupt = "interrupt" // stop the cell ID; has no response
	Reply     = "reply"     // answers an Ask; has no response
	Comm      = "comm"      // hands a message from the page to a comm; has no response
	Look      = "look"      // describe variables
	Save      = "save"      // write variables to the file Path
	Restore   = "restore"   // read them back
)

// A Request asks the worker for one thing.
type Request struct {
	Op   string
	ID   int    // of the cell
	Path string // of the library
	Name string // of its package
	Cell int    // the cell's number in the notebook, for messages

	Source string  `json:",omitempty"` // Run: the cell's text, to show lines of it
	Answer *Answer `json:",omitempty"` // Reply
	Frame  []byte  `json:",omitempty"` // Comm: a frame of kernel/display

	Values []Place        `json:",omitempty"` // Look, Save, Restore: the variables
	Types  map[string]int `json:",omitempty"` // Save, Restore: the cells of the live types, by their names in the worker
	Limits *Limits        `json:",omitempty"` // Save: nobody has asked for it
}

// A Place is where a variable lies: in the package of a cell.
type Place struct {
	Name string
	Cell int // ID
}

// Limits of a checkpoint that nobody has asked for.
type Limits struct {
	Value, Total int64 // bytes
	Time         time.Duration
}

// An Ask is a question to the user, an Answer what came of it.
type (
	Ask struct {
		ID       int
		Prompt   string
		Password bool
	}
	Answer struct {
		ID    int
		Text  string // without a line break
		Error string // why there is none
	}
)

// Ways in which a cell can end.
const (
	Done        = ""
	Panicked    = "panic"
	Interrupted = "interrupted"
	Exited      = "exit"
	Goexit      = "goexit"
)

// A Response tells how a Request went. The first one, with ID Ready, says that the worker has started.
type Response struct {
	ID       int
	Ask      *Ask   `json:",omitempty"` // not the response yet: a question that comes before it
	Error    string // the library could not be loaded
	Ended    string // Run: one of the constants above
	Text     string // the panic's value
	ExitCode int
	Frames   []Frame // where it panicked, innermost first
	Stopped  bool    // Run: an interrupt came while the cell ran
	Left     bool    // Run: the interrupted cell waits for something for ever; its goroutine was left behind
	Result   []byte  // Run: value of the last expression, a frame of kernel/display

	Views   []view.Value       `json:",omitempty"` // Look, in order
	Entries []checkpoint.Entry `json:",omitempty"` // Save and Restore, in order
	Busy    bool               `json:",omitempty"` // Look and Save: goroutines of cells are running

	LoadMicros, RunMicros int64
	Memory                int64 // resident bytes
	Goroutines            int
}

// Ready is the ID of a worker's first response.
const Ready = -1

// A Frame is one call of a stack.
type Frame struct {
	Function string // with its package path
	File     string // In[7] for cell code
	Line     int
}
