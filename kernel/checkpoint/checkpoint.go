// Package checkpoint writes variables to a file, and reads them back into variables of the same types, maybe in another
// process. Fovea's kernel keeps the values of cells with it, so that they survive the end of the process that held them.
//
// It walks values by reflection: numbers, text, slices, maps, structs, pointers and interfaces. What is shared stays
// shared, also in cycles and between variables. A type can say itself how it is kept, by [Register], by GobEncode and
// GobDecode, or by MarshalBinary and UnmarshalBinary; a struct of another package that has unexported fields and none of
// these cannot be kept, nor can functions and channels. A pointer into the middle of a slice or a struct comes back as a
// pointer to a copy.
package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"sync"
	"time"
)

// A codec is how values of one type are kept.
type codec struct {
	save func(io.Writer, reflect.Value) error
	load func(io.Reader) (reflect.Value, error)
}

var registry = struct {
	sync.RWMutex
	codecs map[reflect.Type]codec
	named  map[string]reflect.Type // what may stand in an interface
}{codecs: map[reflect.Type]codec{}, named: map[string]reflect.Type{}}

// Register says how values of type T are kept, T a pointer for types that are used by pointer. save must not change the
// value; load gets a reader that ends where save ended. Package initialisation is the time to call it.
func Register[T any](save func(io.Writer, T) error, load func(io.Reader) (T, error)) {
	t := reflect.TypeFor[T]()
	registry.Lock()
	defer registry.Unlock()
	registry.named[typeName(t)] = t
	registry.codecs[t] = codec{
		save: func(w io.Writer, v reflect.Value) error { return save(w, v.Interface().(T)) },
		load: func(r io.Reader) (reflect.Value, error) {
			v, err := load(r)
			return reflect.ValueOf(&v).Elem(), err
		},
	}
}

// Name lets values of type T be kept in interface variables. Predeclared types, the types of cells and those with a codec
// need no name.
func Name[T any]() {
	t := reflect.TypeFor[T]()
	registry.Lock()
	defer registry.Unlock()
	registry.named[typeName(t)] = t
}

func init() {
	Name[time.Time]()
	Name[time.Duration]()
	Name[time.Month]()
	Name[time.Weekday]()
	Name[*big.Int]()
	Name[*big.Float]()
	Name[*big.Rat]()
	Name[netip.Addr]()
	Name[*url.URL]()
}

// typeName tells types apart that are declared in packages.
func typeName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer && t.Name() == "" {
		return "*" + typeName(t.Elem())
	}
	return t.PkgPath() + "." + t.Name()
}

func codecOf(t reflect.Type) (codec, bool) {
	registry.RLock()
	defer registry.RUnlock()
	c, ok := registry.codecs[t]
	return c, ok
}

// A Variable is one to keep or to bring back.
type Variable struct {
	Name    string
	Pointer any // to the variable
}

// Options bound the work. The zero value bounds nothing.
type Options struct {
	// Automatic is set when nobody has asked for these variables: then no code of theirs is called, so codecs and methods
	// of packages that are not known to be harmless are an error.
	Automatic bool
	Limit     int64       // bytes of one variable; 0: any
	Total     int64       // bytes of all
	Stop      func() bool // asked now and then; when true, Write ends with ErrStopped
	Deadline  time.Time   // what is not written by then is left out; zero: any time
	// NoMaps, when not empty, is why maps cannot be read now: a map that is written meanwhile would end the process.
	NoMaps string
	// Types finds a type of a cell by its name. Only those that it knows can stand in interfaces.
	Types func(name string) reflect.Type
}

// An Entry says what became of one variable.
type Entry struct {
	Name      string
	Bytes     int64
	Signature string   `json:",omitempty"` // of its type
	Types     []string `json:",omitempty"` // types of cells that its interfaces hold, which must be there to read it back
	Needs     []string `json:",omitempty"` // variables that share something with it, and are read back with it
	Reason    string   `json:",omitempty"` // why it could not be kept; "": it was

	offset int64
}

// Errors of Write and Read.
var (
	ErrStopped = errors.New("stopped")
	errLarge   = errors.New("it is too large")
	errLate    = errors.New("it would take too long")
)

// A refusal is the reason why a value cannot be kept, with the way to where it lies in its variable.
type refusal struct{ path, reason string }

func (r *refusal) Error() string {
	if r.path == "" {
		return r.reason
	}
	return r.path + " " + r.reason
}

// refuse makes a refusal of something that is called "is a channel", "holds a function".
func refuse(format string, args ...any) error { return &refusal{reason: fmt.Sprintf(format, args...)} }

// at adds a step to the way.
func at(err error, step string) error {
	var r *refusal
	if errors.As(err, &r) {
		r.path = step + r.path
	}
	return err
}
