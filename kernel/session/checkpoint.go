package session

import "time"

// A Checkpoint is the value of a variable in a file, from which it can be had again when the worker has ended.
type Checkpoint struct {
	Name, Type string
	Bytes      int64
	Saved      time.Time
	Automatic  bool   // nobody asked for it
	Live       bool   // there is a variable of that name now
	Reason     string // why there is none of this variable; "": there is one
}

// Restored says what Restore has brought back.
type Restored struct {
	Names  []string          // of the variables, sorted
	Failed map[string]string // why others could not be brought back
	Notes  []string
}
