package checkpoint

import (
	"encoding"
	"encoding/gob"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// cellPrefix begins the paths of cells' packages.
const cellPrefix = "cell/c"

func isCell(path string) bool { return strings.HasPrefix(path, cellPrefix) }

// A way is how values of a type are kept.
type way int

const (
	byKind way = iota
	byCodec
	byGob
	byBinary
	byAtomic // sync/atomic's numbers
	asZero   // locks: what comes back is open
)

var (
	gobEncoder    = reflect.TypeFor[gob.GobEncoder]()
	gobDecoder    = reflect.TypeFor[gob.GobDecoder]()
	marshaler     = reflect.TypeFor[encoding.BinaryMarshaler]()
	unmarshaler   = reflect.TypeFor[encoding.BinaryUnmarshaler]()
	emptyAny      = reflect.TypeFor[any]()
	errorType     = reflect.TypeFor[error]()
	atomicNumbers = map[reflect.Type]bool{reflect.TypeFor[atomic.Int32](): true, reflect.TypeFor[atomic.Int64](): true,
		reflect.TypeFor[atomic.Uint32](): true, reflect.TypeFor[atomic.Uint64](): true, reflect.TypeFor[atomic.Bool](): true}
	locks = map[reflect.Type]bool{reflect.TypeFor[sync.Mutex](): true, reflect.TypeFor[sync.RWMutex](): true}
)

// harmless packages have methods that may be called without anybody having asked for it.
var harmless = map[string]bool{"time": true, "math/big": true, "net/netip": true, "net/url": true, "math/rand/v2": true}

// wayOf says how values of t are kept.
func wayOf(t reflect.Type) way {
	if _, ok := codecOf(t); ok {
		return byCodec
	}
	if atomicNumbers[t] {
		return byAtomic
	}
	if locks[t] {
		return asZero
	}
	if t.Name() == "" || t.Kind() == reflect.Interface || t.PkgPath() == "" {
		return byKind
	}
	p := reflect.PointerTo(t)
	switch {
	case p.Implements(gobEncoder) && p.Implements(gobDecoder) && !promoted(t, gobEncoder):
		return byGob
	case p.Implements(marshaler) && p.Implements(unmarshaler) && !promoted(t, marshaler):
		return byBinary
	}
	return byKind
}

// promoted reports whether a struct may have a method only from a field that is embedded in it: such a method knows
// nothing of the other fields.
func promoted(t, method reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	for i := range t.NumField() {
		if f := t.Field(i); f.Anonymous && (f.Type.Implements(method) || reflect.PointerTo(f.Type).Implements(method)) {
			return true
		}
	}
	return false
}

// flat reports whether values of a kind can be kept as the bytes that they are in memory.
func flat(k reflect.Kind) bool { return k >= reflect.Bool && k <= reflect.Complex128 }

// signature describes a type with all that its values consist of. A checkpoint is read back into a type of the same
// signature only.
func signature(t reflect.Type) string {
	var b strings.Builder
	sign(&b, t, map[reflect.Type]bool{})
	return b.String()
}

func sign(b *strings.Builder, t reflect.Type, seen map[reflect.Type]bool) {
	named := t.Name() != "" && t.PkgPath() != ""
	if named {
		path := t.PkgPath()
		if isCell(path) {
			path = "cell" // a type that is declared again is in another package
		}
		b.WriteString(path + "." + bare(t.Name()))
		if seen[t] || t.Kind() == reflect.Interface {
			return
		}
		seen[t] = true
		b.WriteString(" ")
	}
	switch t.Kind() {
	case reflect.Pointer:
		b.WriteString("*")
		sign(b, t.Elem(), seen)
	case reflect.Slice:
		b.WriteString("[]")
		sign(b, t.Elem(), seen)
	case reflect.Array:
		fmt.Fprintf(b, "[%d]", t.Len())
		sign(b, t.Elem(), seen)
	case reflect.Map:
		b.WriteString("map[")
		sign(b, t.Key(), seen)
		b.WriteString("]")
		sign(b, t.Elem(), seen)
	case reflect.Struct:
		if named && !isCell(t.PkgPath()) && wayOf(t) != byKind {
			b.WriteString("struct")
			return
		}
		b.WriteString("struct{")
		for i := range t.NumField() {
			f := t.Field(i)
			b.WriteString(f.Name + " ")
			sign(b, f.Type, seen)
			b.WriteString(";")
		}
		b.WriteString("}")
	case reflect.Func, reflect.Chan, reflect.Interface, reflect.UnsafePointer:
		if named {
			b.WriteString(t.Kind().String())
		} else {
			b.WriteString(t.String())
		}
	default:
		b.WriteString(t.Kind().String())
	}
}

// bare is a type's name without the packages of cells in its type arguments.
func bare(name string) string {
	for {
		i := strings.Index(name, cellPrefix)
		if i < 0 {
			return name
		}
		j := i + len(cellPrefix)
		for j < len(name) && name[j] >= '0' && name[j] <= '9' {
			j++
		}
		name = name[:i] + "cell" + name[j:]
	}
}

// describe writes the type of what an interface holds, for findType to read.
func (e *encoder) describe(t reflect.Type) (string, error) {
	registry.RLock()
	registered := registry.named[typeName(t)] == t
	registry.RUnlock()
	switch {
	case registered:
		return "(" + typeName(t) + ")", nil
	case t == emptyAny:
		return "any", nil
	case t == errorType:
		return "error", nil
	case t.PkgPath() == "" && flat(t.Kind()), t == reflect.TypeFor[string]():
		return t.Kind().String(), nil
	case isCell(t.PkgPath()):
		if e.options.Types == nil || e.options.Types(t.Name()) != t {
			return "", refuse("holds a %s, an older version of that type or one that is declared in a function", t)
		}
		e.types[t.Name()] = true
		return "<" + t.Name() + ">", nil
	case t.Name() != "":
		return "", refuse("holds a %s, which is unknown to the kernel (checkpoint.Name makes it known)", t)
	}
	var prefix string
	switch t.Kind() {
	case reflect.Pointer:
		prefix = "*"
	case reflect.Slice:
		prefix = "[]"
	case reflect.Array:
		prefix = fmt.Sprintf("[%d]", t.Len())
	case reflect.Map:
		key, err := e.describe(t.Key())
		if err != nil {
			return "", err
		}
		prefix = "map{" + key + "}"
	default:
		return "", refuse("holds a %s", t)
	}
	rest, err := e.describe(t.Elem())
	return prefix + rest, err
}

var basicTypes = map[string]reflect.Type{"any": emptyAny, "error": errorType}

func init() {
	for _, v := range []any{false, 0, int8(0), int16(0), int32(0), int64(0), uint(0), uint8(0), uint16(0), uint32(0), uint64(0), uintptr(0),
		float32(0), 0.0, complex64(0), complex128(0), ""} {
		basicTypes[reflect.TypeOf(v).Name()] = reflect.TypeOf(v)
	}
}

// findType reads what describe has written, and returns the rest.
func (d *decoder) findType(s string) (t reflect.Type, rest string, err error) {
	bad := fmt.Errorf("the file names a type that nobody knows: %q", s)
	elem := func(s string, make func(reflect.Type) reflect.Type) (reflect.Type, string, error) {
		t, rest, err := d.findType(s)
		if err != nil {
			return nil, "", err
		}
		return make(t), rest, nil
	}
	switch {
	case strings.HasPrefix(s, "*"):
		return elem(s[1:], reflect.PointerTo)
	case strings.HasPrefix(s, "[]"):
		return elem(s[2:], reflect.SliceOf)
	case strings.HasPrefix(s, "["):
		length, rest, ok := strings.Cut(s[1:], "]")
		n, err := strconv.Atoi(length)
		if !ok || err != nil || n < 0 {
			return nil, "", bad
		}
		return elem(rest, func(t reflect.Type) reflect.Type { return reflect.ArrayOf(n, t) })
	case strings.HasPrefix(s, "map{"):
		key, rest, err := d.findType(s[4:])
		if err != nil || !strings.HasPrefix(rest, "}") || !key.Comparable() {
			return nil, "", bad
		}
		return elem(rest[1:], func(t reflect.Type) reflect.Type { return reflect.MapOf(key, t) })
	case strings.HasPrefix(s, "<"):
		name, rest, ok := strings.Cut(s[1:], ">")
		if !ok || d.types == nil {
			return nil, "", bad
		}
		if t := d.types(name); t != nil {
			return t, rest, nil
		}
		return nil, "", fmt.Errorf("type %s is not declared", name)
	case strings.HasPrefix(s, "("):
		name, rest, ok := strings.Cut(s[1:], ")")
		registry.RLock()
		t := registry.named[name]
		registry.RUnlock()
		if !ok || t == nil {
			return nil, "", bad
		}
		return t, rest, nil
	}
	end := strings.IndexByte(s, '}')
	if end < 0 {
		end = len(s)
	}
	if t := basicTypes[s[:end]]; t != nil {
		return t, s[end:], nil
	}
	return nil, "", bad
}
