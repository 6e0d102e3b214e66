package checkpoint

import (
	"bufio"
	"encoding"
	"encoding/binary"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"
)

// The file: magic, one section for each variable, then the entries as JSON, their length and checksum. Within a section,
// what can be shared has a number when it first comes up. Values of one length are written as they lie in memory.
const magic = "foveaCP1"

const (
	tagNil      = 0
	tagNew      = 1 // number, content
	tagKnown    = 2 // number
	tagVariable = 3 // index of a variable
)

// maxDepth bounds the recursion, which a long linked list would take to the end of the stack.
const maxDepth = 20000

// An object is something that can be shared.
type object struct {
	pointer unsafe.Pointer
	length  int // of a slice
	typ     reflect.Type
}

type known struct {
	number uint64
	entry  int // the section that holds it
}

type encoder struct {
	options   Options
	out       *bufio.Writer
	written   int64 // to the file so far
	limit     int64 // of written, for this variable
	steps     int
	depth     int
	entry     int
	objects   map[object]known
	added     []object        // in this section
	variables map[object]int  // by the address
	types     map[string]bool // of cells, in this section
	needs     map[int]bool    // entries that this section refers to
	sections  []map[int]bool  // needs, by entry
	scratch   [binary.MaxVarintLen64]byte
}

// Write keeps variables in a file, which is empty. The entries say, in their order, what became of each. The error is
// one of the file, or ErrStopped.
func Write(file *os.File, variables []Variable, o Options) ([]Entry, error) {
	e := &encoder{options: o, out: bufio.NewWriterSize(file, 1<<16), objects: map[object]known{}, variables: map[object]int{}}
	for i, v := range variables {
		p := reflect.ValueOf(v.Pointer)
		e.variables[object{p.UnsafePointer(), 0, p.Type().Elem()}] = i
	}
	if err := e.write([]byte(magic)); err != nil {
		return nil, err
	}
	entries := make([]Entry, len(variables))
	for i, v := range variables {
		if err := e.section(file, i, v, &entries[i]); err != nil {
			return nil, err
		}
	}
	e.dropDependents(variables, entries)
	e.limit = 0
	index, err := json.Marshal(indexOf(entries))
	if err != nil {
		return nil, err
	}
	tail := binary.LittleEndian.AppendUint64(index, uint64(len(index)))
	tail = binary.LittleEndian.AppendUint32(tail, crc32.ChecksumIEEE(index))
	if err := e.write(tail); err != nil {
		return nil, err
	}
	return entries, e.out.Flush()
}

type indexEntry struct {
	Entry
	Index, Offset int64
}

func indexOf(entries []Entry) (index []indexEntry) {
	for i, n := range entries {
		if n.Reason == "" {
			index = append(index, indexEntry{n, int64(i), n.offset})
		}
	}
	return index
}

// section writes one variable, or leaves the file as it was.
func (e *encoder) section(file *os.File, i int, v Variable, entry *Entry) error {
	if e.options.Stop != nil && e.options.Stop() {
		return ErrStopped
	}
	begin := e.written
	*entry = Entry{Name: v.Name, offset: begin}
	e.entry, e.added, e.types, e.needs, e.depth, e.limit = i, nil, map[string]bool{}, map[int]bool{}, 0, 0
	if e.options.Limit > 0 {
		e.limit = begin + e.options.Limit
	}
	if e.options.Total > 0 && (e.limit == 0 || e.options.Total < e.limit) {
		e.limit = e.options.Total
	}
	target := reflect.ValueOf(v.Pointer).Elem()
	err := errLate
	if d := e.options.Deadline; d.IsZero() || time.Now().Before(d) {
		err = e.safely(target)
	}
	e.sections = append(e.sections, e.needs)
	if err == nil {
		entry.Bytes, entry.Signature, entry.Types = e.written-begin, signature(target.Type()), slices.Sorted(maps.Keys(e.types))
		return nil
	}
	var failed *os.PathError
	if errors.Is(err, ErrStopped) || errors.As(err, &failed) {
		return err
	}
	entry.Reason = err.Error()
	if (err == errLarge || err == errLate) && e.options.Automatic {
		entry.Reason = "is too large to be kept without being asked"
	}
	for _, o := range e.added {
		delete(e.objects, o)
	}
	if err := e.out.Flush(); err != nil {
		return err
	}
	if err := file.Truncate(begin); err != nil {
		return err
	}
	_, err = file.Seek(begin, io.SeekStart)
	e.written = begin
	return err
}

// safely turns a panic of the value's own methods, or of a value that is torn, into an error.
func (e *encoder) safely(v reflect.Value) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = refuse("cannot be read: %v", fault)
		}
	}()
	return e.value(v)
}

// dropDependents finds out what each variable shares, and leaves out those that share something with one that failed.
func (e *encoder) dropDependents(variables []Variable, entries []Entry) {
	for again := true; again; {
		again = false
		for i := range entries {
			for need := range e.sections[i] {
				if entries[i].Reason == "" && entries[need].Reason != "" {
					entries[i].Reason, again = fmt.Sprintf("points to %s, which cannot be kept", variables[need].Name), true
				}
			}
		}
	}
	for i := range entries {
		for need := range e.sections[i] {
			if need != i {
				entries[i].Needs = append(entries[i].Needs, variables[need].Name)
			}
		}
		slices.Sort(entries[i].Needs)
	}
}

func (e *encoder) write(b []byte) error {
	if e.limit > 0 && e.written+int64(len(b)) > e.limit {
		return errLarge
	}
	n, err := e.out.Write(b)
	e.written += int64(n)
	return err
}

// Write lets codecs write into the section, in pieces that say their length.
func (e *encoder) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	return len(b), e.bytes(b)
}

func (e *encoder) number(n uint64) error {
	return e.write(e.scratch[:binary.PutUvarint(e.scratch[:], n)])
}

func (e *encoder) bytes(b []byte) error {
	if err := e.number(uint64(len(b))); err != nil {
		return err
	}
	return e.write(b)
}

func (e *encoder) text(s string) error { return e.bytes(unsafe.Slice(unsafe.StringData(s), len(s))) }

// value writes a value that can be addressed.
func (e *encoder) value(v reflect.Value) error {
	if e.steps++; e.steps%1024 == 0 {
		if e.options.Stop != nil && e.options.Stop() {
			return ErrStopped
		}
		if d := e.options.Deadline; !d.IsZero() && time.Now().After(d) {
			return errLate
		}
	}
	e.depth++
	defer func() { e.depth-- }()
	if e.depth > maxDepth {
		return refuse("is nested too deeply")
	}
	t := v.Type()
	switch w := wayOf(t); w {
	case byKind:
	case asZero:
		return nil
	case byAtomic:
		return e.atomic(v)
	default:
		return e.byMethod(v, w)
	}
	switch k := t.Kind(); {
	case flat(k):
		return e.memory(v.Addr().UnsafePointer(), int(t.Size()))
	case k == reflect.String:
		return e.text(v.String())
	case k == reflect.Pointer:
		return e.pointer(v)
	case k == reflect.Slice:
		return e.slice(v)
	case k == reflect.Array:
		return e.elements(v)
	case k == reflect.Map:
		return e.mapping(v)
	case k == reflect.Struct:
		return e.structure(v)
	case k == reflect.Interface:
		return e.iface(v)
	case k == reflect.Func || k == reflect.Chan:
		if v.IsNil() {
			return nil
		}
		return refuse("is a %s", map[reflect.Kind]string{reflect.Func: "function", reflect.Chan: "channel"}[k])
	}
	return refuse("is a %s", t)
}

func (e *encoder) memory(p unsafe.Pointer, n int) error {
	if n == 0 {
		return nil
	}
	return e.write(unsafe.Slice((*byte)(p), n))
}

// share writes what stands for something that may be shared. again says that its content is known.
func (e *encoder) share(o object) (again bool, err error) {
	if i, ok := e.variables[o]; ok {
		if i != e.entry {
			e.needs[i] = true
		}
		return true, errors.Join(e.number(tagVariable), e.number(uint64(i)))
	}
	if k, ok := e.objects[o]; ok {
		if k.entry != e.entry {
			e.needs[k.entry] = true
		}
		return true, errors.Join(e.number(tagKnown), e.number(k.number))
	}
	n := uint64(len(e.objects))
	e.objects[o] = known{n, e.entry}
	e.added = append(e.added, o)
	return false, errors.Join(e.number(tagNew), e.number(n))
}

func (e *encoder) pointer(v reflect.Value) error {
	if v.IsNil() {
		return e.number(tagNil)
	}
	if again, err := e.share(object{v.UnsafePointer(), 0, v.Type().Elem()}); again || err != nil {
		return err
	}
	return e.value(v.Elem())
}

func (e *encoder) slice(v reflect.Value) error {
	if v.IsNil() {
		return e.number(tagNil)
	}
	o := object{v.UnsafePointer(), v.Len(), v.Type()}
	if v.Len() == 0 { // all empty slices lie at one place
		return errors.Join(e.number(tagNew), e.number(0), e.number(0))
	}
	if again, err := e.share(o); again || err != nil {
		return err
	}
	if err := e.number(uint64(v.Len())); err != nil {
		return err
	}
	return e.elements(v)
}

func (e *encoder) elements(v reflect.Value) error {
	t := v.Type().Elem()
	if v.Len() == 0 {
		return nil
	}
	if flat(t.Kind()) && wayOf(t) == byKind {
		return e.memory(v.Index(0).Addr().UnsafePointer(), v.Len()*int(t.Size()))
	}
	for i := range v.Len() {
		if err := e.value(v.Index(i)); err != nil {
			return at(err, fmt.Sprintf("[%d]", i))
		}
	}
	return nil
}

func (e *encoder) mapping(v reflect.Value) error {
	if v.IsNil() {
		return e.number(tagNil)
	}
	if e.options.NoMaps != "" {
		return refuse("is a map, which cannot be read now: %s", e.options.NoMaps)
	}
	if again, err := e.share(object{v.UnsafePointer(), 0, v.Type()}); again || err != nil {
		return err
	}
	if err := e.number(uint64(v.Len())); err != nil {
		return err
	}
	key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
	for i := v.MapRange(); i.Next(); {
		// In variables, since what is kept must have an address.
		key.Set(i.Key())
		elem.Set(i.Value())
		if err := e.value(key); err != nil {
			return at(err, "{key}")
		}
		if err := e.value(elem); err != nil {
			return at(err, fmt.Sprintf("[%.40v]", i.Key()))
		}
	}
	return nil
}

func (e *encoder) structure(v reflect.Value) error {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		field, err := reach(v, i)
		if err != nil {
			return err
		}
		if !field.IsValid() {
			continue
		}
		if err := e.value(field); err != nil {
			return at(err, "."+f.Name)
		}
	}
	return nil
}

// reach returns a field of a struct to read or set; none for one that is blank.
func reach(v reflect.Value, i int) (reflect.Value, error) {
	f := v.Type().Field(i)
	switch {
	case f.Name == "_":
		return reflect.Value{}, nil
	case f.IsExported():
		return v.Field(i), nil
	case isCell(f.PkgPath): // an embedded int, or such
		return reflect.NewAt(f.Type, v.Field(i).Addr().UnsafePointer()).Elem(), nil
	}
	return reflect.Value{}, refuse("is a %s, which has unexported fields and no codec", v.Type())
}

func (e *encoder) iface(v reflect.Value) error {
	if v.IsNil() {
		return e.text("")
	}
	held := v.Elem()
	name, err := e.describe(held.Type())
	if err != nil {
		return err
	}
	if err := e.text(name); err != nil {
		return err
	}
	copied := reflect.New(held.Type()).Elem()
	copied.Set(held)
	return e.value(copied)
}

func (e *encoder) atomic(v reflect.Value) error {
	var n uint64
	switch p := v.Addr().Interface().(type) {
	case *atomic.Int32:
		n = uint64(p.Load())
	case *atomic.Int64:
		n = uint64(p.Load())
	case *atomic.Uint32:
		n = uint64(p.Load())
	case *atomic.Uint64:
		n = p.Load()
	case *atomic.Bool:
		if p.Load() {
			n = 1
		}
	}
	return e.number(n)
}

// byMethod writes what the value says of itself.
func (e *encoder) byMethod(v reflect.Value, w way) error {
	t := v.Type()
	path := t.PkgPath()
	if t.Kind() == reflect.Pointer {
		path = t.Elem().PkgPath()
	}
	if e.options.Automatic && !harmless[path] {
		return refuse("is a %s, which is kept when it is asked for", t)
	}
	if w == byCodec {
		return e.byCodec(v)
	}
	var b []byte
	var err error
	switch m := v.Addr().Interface().(type) {
	case gob.GobEncoder:
		b, err = m.GobEncode()
	case encoding.BinaryMarshaler:
		b, err = m.MarshalBinary()
	}
	if err != nil {
		return refuse("is a %s, which says: %v", t, err)
	}
	return e.bytes(b)
}

func (e *encoder) byCodec(v reflect.Value) error {
	t := v.Type()
	if t.Kind() == reflect.Pointer {
		if v.IsNil() {
			return e.number(tagNil)
		}
		if again, err := e.share(object{v.UnsafePointer(), 0, t.Elem()}); again || err != nil {
			return err
		}
	}
	c, _ := codecOf(t)
	w := bufio.NewWriterSize(e, 1<<16) // large pieces
	err := c.save(w, v)
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		if errors.Is(err, errLarge) || errors.Is(err, ErrStopped) {
			return err
		}
		return refuse("is a %s, which says: %v", t, err)
	}
	return e.number(0) // the end
}

var _ io.Writer = (*encoder)(nil)
