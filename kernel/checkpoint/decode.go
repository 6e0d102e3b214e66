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
	"os"
	"reflect"
	"sync/atomic"
	"unsafe"
)

type decoder struct {
	in        *bufio.Reader
	types     func(string) reflect.Type
	objects   map[uint64]reflect.Value
	variables map[uint64]reflect.Value // pointers to those that are read, by index
}

// readIndex reads what a file holds.
func readIndex(file *os.File) ([]indexEntry, error) {
	damaged := errors.New("the checkpoint is damaged")
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	head, tail := make([]byte, len(magic)), make([]byte, 12)
	if info.Size() < int64(len(head)+len(tail)) {
		return nil, damaged
	}
	if _, err := file.ReadAt(head, 0); err != nil {
		return nil, err
	}
	if _, err := file.ReadAt(tail, info.Size()-int64(len(tail))); err != nil {
		return nil, err
	}
	length := int64(binary.LittleEndian.Uint64(tail))
	begin := info.Size() - int64(len(tail)) - length
	if string(head) != magic || length < 0 || begin < int64(len(head)) {
		return nil, damaged
	}
	text := make([]byte, length)
	if _, err := file.ReadAt(text, begin); err != nil {
		return nil, err
	}
	var index []indexEntry
	if crc32.ChecksumIEEE(text) != binary.LittleEndian.Uint32(tail[8:]) || json.Unmarshal(text, &index) != nil {
		return nil, damaged
	}
	return index, nil
}

// Read sets variables to what a file holds of them, and what they need must be among them. A variable whose type is not
// what it was, and what shares something with it, stays as it is: the entries say, in the order of the variables, what
// became of each.
func Read(file *os.File, variables []Variable, types func(name string) reflect.Type) ([]Entry, error) {
	index, err := readIndex(file)
	if err != nil {
		return nil, err
	}
	at := map[string]int{}
	entries := make([]Entry, len(variables))
	for i, v := range variables {
		at[v.Name] = i
		entries[i] = Entry{Name: v.Name, Reason: "is not in this checkpoint"}
	}
	d := &decoder{types: types, objects: map[uint64]reflect.Value{}, variables: map[uint64]reflect.Value{}}
	fresh := map[int]reflect.Value{} // what is read, until all is well
	for _, n := range index {
		i, ok := at[n.Name]
		if !ok {
			continue
		}
		t := reflect.TypeOf(variables[i].Pointer).Elem()
		if now := signature(t); now != n.Signature {
			entries[i].Reason = "has another type than in the checkpoint"
			continue
		}
		entries[i] = n.Entry
		// Pointers to a variable must be right, so it is read in place when all of them are known.
		d.variables[uint64(n.Index)] = reflect.ValueOf(variables[i].Pointer)
		fresh[i] = reflect.New(t).Elem()
	}
	for again := true; again; {
		again = false
		for i := range entries {
			for _, need := range entries[i].Needs {
				if j, ok := at[need]; entries[i].Reason == "" && (!ok || entries[j].Reason != "") {
					entries[i].Reason, again = fmt.Sprintf("shares something with %s, which cannot be restored", need), true
				}
			}
		}
	}
	for _, n := range index {
		i, ok := at[n.Name]
		if !ok || entries[i].Reason != "" {
			continue
		}
		d.in = bufio.NewReaderSize(io.NewSectionReader(file, n.Offset, n.Bytes), 1<<16)
		if err := d.safely(fresh[i]); err != nil {
			entries[i].Reason = "cannot be read back: " + err.Error()
		}
	}
	for i, v := range variables {
		if entries[i].Reason == "" {
			reflect.ValueOf(v.Pointer).Elem().Set(fresh[i])
		}
	}
	return entries, nil
}

func (d *decoder) safely(v reflect.Value) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("%v", fault)
		}
	}()
	return d.value(v)
}

func (d *decoder) number() (uint64, error) { return binary.ReadUvarint(d.in) }

// maxPiece bounds what is allocated before it has been read.
const maxPiece = 1 << 40

func (d *decoder) bytes() ([]byte, error) {
	n, err := d.number()
	if err != nil || n == 0 {
		return nil, err
	}
	if n > maxPiece {
		return nil, errors.New("the checkpoint is damaged")
	}
	b := make([]byte, n)
	_, err = io.ReadFull(d.in, b)
	return b, err
}

func (d *decoder) memory(p unsafe.Pointer, n int) error {
	if n == 0 {
		return nil
	}
	_, err := io.ReadFull(d.in, unsafe.Slice((*byte)(p), n))
	return err
}

func (d *decoder) value(v reflect.Value) error {
	t := v.Type()
	switch w := wayOf(t); w {
	case byKind:
	case asZero:
		return nil
	case byAtomic:
		return d.atomic(v)
	case byCodec:
		return d.byCodec(v)
	default:
		b, err := d.bytes()
		if err != nil {
			return err
		}
		if m, ok := v.Addr().Interface().(gob.GobDecoder); ok && w == byGob {
			return m.GobDecode(b)
		}
		return v.Addr().Interface().(encoding.BinaryUnmarshaler).UnmarshalBinary(b)
	}
	switch k := t.Kind(); {
	case flat(k):
		return d.memory(v.Addr().UnsafePointer(), int(t.Size()))
	case k == reflect.String:
		b, err := d.bytes()
		v.SetString(string(b))
		return err
	case k == reflect.Pointer:
		return d.pointer(v)
	case k == reflect.Slice:
		return d.slice(v)
	case k == reflect.Array:
		return d.elements(v)
	case k == reflect.Map:
		return d.mapping(v)
	case k == reflect.Struct:
		for i := range t.NumField() {
			field, err := reach(v, i)
			if err != nil {
				return err
			}
			if field.IsValid() {
				if err := d.value(field); err != nil {
					return err
				}
			}
		}
	case k == reflect.Interface:
		return d.iface(v)
	}
	return nil // functions and channels are kept when they are nil only
}

// shared reads what stands for something that may be shared: known is set to it, or fresh says that its content follows.
func (d *decoder) shared(v reflect.Value) (number uint64, fresh bool, err error) {
	tag, err := d.number()
	if err != nil || tag == tagNil {
		return 0, false, err
	}
	n, err := d.number()
	if err != nil {
		return 0, false, err
	}
	known := d.objects[n]
	switch tag {
	case tagNew:
		return n, true, nil
	case tagVariable:
		known = d.variables[n]
	}
	if !known.IsValid() || !known.Type().AssignableTo(v.Type()) && !known.Type().ConvertibleTo(v.Type()) {
		return 0, false, errors.New("the checkpoint is damaged")
	}
	v.Set(known.Convert(v.Type()))
	return 0, false, nil
}

func (d *decoder) pointer(v reflect.Value) error {
	n, fresh, err := d.shared(v)
	if !fresh {
		return err
	}
	p := reflect.New(v.Type().Elem())
	d.objects[n] = p
	v.Set(p.Convert(v.Type()))
	return d.value(p.Elem())
}

func (d *decoder) slice(v reflect.Value) error {
	n, fresh, err := d.shared(v)
	if !fresh {
		return err
	}
	length, err := d.number()
	if err != nil {
		return err
	}
	if length > maxPiece {
		return errors.New("the checkpoint is damaged")
	}
	v.Set(reflect.MakeSlice(v.Type(), int(length), int(length)))
	if length > 0 {
		d.objects[n] = reflect.ValueOf(v.Interface())
	}
	return d.elements(v)
}

func (d *decoder) elements(v reflect.Value) error {
	t := v.Type().Elem()
	if v.Len() == 0 {
		return nil
	}
	if flat(t.Kind()) && wayOf(t) == byKind {
		return d.memory(v.Index(0).Addr().UnsafePointer(), v.Len()*int(t.Size()))
	}
	for i := range v.Len() {
		if err := d.value(v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) mapping(v reflect.Value) error {
	n, fresh, err := d.shared(v)
	if !fresh {
		return err
	}
	length, err := d.number()
	if err != nil {
		return err
	}
	v.Set(reflect.MakeMap(v.Type()))
	d.objects[n] = reflect.ValueOf(v.Interface())
	for range length {
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		if err := d.value(key); err != nil {
			return err
		}
		if err := d.value(elem); err != nil {
			return err
		}
		v.SetMapIndex(key, elem)
	}
	return nil
}

func (d *decoder) iface(v reflect.Value) error {
	name, err := d.bytes()
	if err != nil || len(name) == 0 {
		return err
	}
	t, rest, err := d.findType(string(name))
	if err != nil {
		return err
	}
	if rest != "" || !t.AssignableTo(v.Type()) {
		return fmt.Errorf("the checkpoint holds a %s where a %s should be", name, v.Type())
	}
	held := reflect.New(t).Elem()
	if err := d.value(held); err != nil {
		return err
	}
	v.Set(held)
	return nil
}

func (d *decoder) atomic(v reflect.Value) error {
	n, err := d.number()
	if err != nil {
		return err
	}
	switch p := v.Addr().Interface().(type) {
	case *atomic.Int32:
		p.Store(int32(n))
	case *atomic.Int64:
		p.Store(int64(n))
	case *atomic.Uint32:
		p.Store(uint32(n))
	case *atomic.Uint64:
		p.Store(n)
	case *atomic.Bool:
		p.Store(n == 1)
	}
	return nil
}

func (d *decoder) byCodec(v reflect.Value) error {
	t := v.Type()
	number, fresh := uint64(0), true
	if t.Kind() == reflect.Pointer {
		var err error
		if number, fresh, err = d.shared(v); !fresh {
			return err
		}
	}
	c, _ := codecOf(t)
	pieces := &pieces{d: d}
	loaded, err := c.load(pieces)
	if err != nil {
		return fmt.Errorf("%s: %w", t, err)
	}
	if _, err := io.Copy(io.Discard, pieces); err != nil {
		return err
	}
	if t.Kind() == reflect.Pointer {
		d.objects[number] = loaded
	}
	v.Set(loaded)
	return nil
}

// pieces reads what a codec has written.
type pieces struct {
	d    *decoder
	left uint64
	end  bool
}

func (p *pieces) Read(b []byte) (int, error) {
	for p.left == 0 && !p.end {
		n, err := p.d.number()
		if err != nil {
			return 0, err
		}
		p.left, p.end = n, n == 0
	}
	if p.end {
		return 0, io.EOF
	}
	n, err := p.d.in.Read(b[:min(uint64(len(b)), p.left)])
	p.left -= uint64(n)
	return n, err
}
