package host

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
)

// symbols is the union of what the libraries in the worker define: the host library, later ones and cells.
type symbols struct {
	host    *library           // looked up by its own table
	all     map[string]*symbol // of the other ones
	abiHash []byte             // of the host library; the linker records it in what it links
	open    []*os.File
}

// find looks a symbol up; nil when no library defines it. The first definition of a name wins, as in ld.so.
func (t *symbols) find(name string) *symbol {
	if t.host != nil {
		if s := t.host.find(name); s != nil {
			return s
		}
	}
	return t.all[name]
}

func (t *symbols) close() {
	for _, f := range t.open {
		f.Close()
	}
}

type symbol struct {
	name    string
	info    byte // ELF binding and type
	value   uint64
	size    uint64
	library *library // nil: it does not define it
}

// A descriptor is what the linker reads of a type, to lay out the collector's masks of variables.
type descriptor struct {
	data []byte
	refs []typeRef // pointers in it
	mask []byte    // the collector's mask of the type
}

type typeRef struct {
	offset uint64
	target string // "" for a place without a symbol
}

// Offsets in a type descriptor (internal/abi.Type).
const (
	typeSize     = 48
	typePtrBytes = 8
	typeKind     = 23
	typeGCData   = 32
	kindMask     = 31
	kindArray    = 17
	kindStruct   = 25
)

func newSymbols() *symbols { return &symbols{all: map[string]*symbol{}} }

// add reads a library and adds the dynamic symbols that it defines.
func (t *symbols) add(path string) error {
	l, err := readLibrary(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if l.open != nil {
		t.open = append(t.open, l.open)
	}
	if t.abiHash == nil {
		t.abiHash = goNote(l.file, noteABIHash)
	}
	if t.host == nil && len(t.all) == 0 && l.hash.readable() {
		t.host = l // it has 200,000, of which cells use few
		return nil
	}
	for i := range l.count() {
		s, err := l.symbol(i)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if s.library == nil || t.find(s.name) != nil {
			continue
		}
		if strings.HasPrefix(s.name, "cell/") && strings.HasSuffix(s.name, ".abiinternal") {
			s.info = byte(elf.STB_GLOBAL)<<4 | byte(elf.STT_FUNC) // an alias that ld made has no type
		}
		t.all[s.name] = s
	}
	if l.open == nil {
		l.file = nil // with all its content
	}
	return nil
}

// descriptor reads a type; nil for a symbol that is none.
func (s *symbol) descriptor() *descriptor {
	if !strings.HasPrefix(s.name, "type:") || strings.HasPrefix(s.name, "type:.") || elf.ST_TYPE(s.info) != elf.STT_OBJECT {
		return nil
	}
	d := &descriptor{data: s.library.at(s.value, s.size)}
	if len(d.data) < typeSize {
		return d
	}
	for offset := uint64(0); offset+8 <= s.size; offset += 8 {
		r, ok := s.library.relocation(s.value + offset)
		if !ok {
			continue
		}
		target, err := s.library.symbol(r.symbol)
		if err != nil {
			continue
		}
		d.refs = append(d.refs, typeRef{offset, target.name})
		if offset == typeGCData {
			words := binary.LittleEndian.Uint64(d.data[typePtrBytes:]) / 8
			d.mask = s.library.at(target.value+r.addend, (words+7)/8)
		}
	}
	return d
}

// Types of the linker's notes.
const (
	noteABIHash = 2
	noteDeps    = 3
)

// goNote returns the content of a note that the Go linker wrote.
func goNote(f *elf.File, typ uint32) []byte {
	align := func(n uint32) uint32 { return (n + 3) &^ 3 }
	for _, s := range f.Sections {
		if s.Type != elf.SHT_NOTE {
			continue
		}
		b, _ := s.Data()
		for len(b) >= 12 {
			nameSize, size, t := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
			b = b[12:]
			if uint64(align(nameSize))+uint64(size) > uint64(len(b)) {
				break
			}
			name := strings.TrimRight(string(b[:nameSize]), "\x00")
			b = b[align(nameSize):]
			content := b[:size]
			b = b[min(align(size), uint32(len(b))):]
			if name == "Go" && t == typ {
				return content
			}
		}
	}
	return nil
}
