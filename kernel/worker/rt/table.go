package rt

import (
	"reflect"
	"sync"
)

// What cells have declared at their top level can be reached by name: the keep function of each cell, which is there for
// the linker, lists it.

type table struct {
	keep      func()
	variables map[string]any // pointers; nil: not listed yet
	types     map[string]reflect.Type
}

var tables = struct {
	sync.Mutex
	byCell map[int]*table
	open   *table // the one that is being listed
}{byCell: map[int]*table{}}

// Sink makes the linker keep x.
//
//go:noinline
func Sink(x any) {}

// Variable lists a variable of a cell, by a pointer to it.
//
//go:noinline
func Variable(name string, pointer any) { tables.open.variables[name] = pointer }

// Type lists a type of a cell, by a pointer to it.
//
//go:noinline
func Type(pointer any) {
	t := reflect.TypeOf(pointer).Elem()
	tables.open.types[t.Name()] = t
}

// list returns what a cell has declared. The caller holds tables.
func list(cell int) *table {
	t := tables.byCell[cell]
	if t == nil {
		return &table{}
	}
	if t.variables == nil {
		t.variables, t.types = map[string]any{}, map[string]reflect.Type{}
		tables.open = t
		t.keep()
		tables.open = nil
	}
	return t
}

// FindVariable returns a pointer to the variable that a cell has declared under a name; nil: none.
func FindVariable(cell int, name string) any {
	tables.Lock()
	defer tables.Unlock()
	return list(cell).variables[name]
}

// FindType returns the type that a cell has declared under a name; nil: none.
func FindType(cell int, name string) reflect.Type {
	tables.Lock()
	defer tables.Unlock()
	return list(cell).types[name]
}
