package host

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strings"
)

// symbols is the union of what the libraries in the worker define: the host library, later ones and cells.
type symbols struct {
	all     map[string]*symbol
	abiHash []byte // of the host library; the linker records it in what it links
}

type symbol struct {
	name string
	info byte // ELF binding and type
	size uint64
	// The linker reads the descriptors of types that a cell's variables have, to lay out the collector's masks.
	data []byte    // the descriptor; nil for what is no type
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

// add reads a library and adds the dynamic symbols that it defines. The first definition of a name wins, as in ld.so.
func (t *symbols) add(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	dynamic, err := f.DynamicSymbols()
	if err != nil {
		return err
	}
	image := &image{file: f, data: map[*elf.Section][]byte{}}
	relocations, err := readRelocations(f, dynamic)
	if err != nil {
		return err
	}
	value := make(map[string]uint64, len(dynamic))
	for _, s := range dynamic {
		if s.Section != elf.SHN_UNDEF {
			value[s.Name] = s.Value
		}
	}
	for _, s := range dynamic {
		if s.Section == elf.SHN_UNDEF || s.Section == elf.SHN_ABS || t.all[s.Name] != nil {
			continue
		}
		info := s.Info
		if strings.HasPrefix(s.Name, "cell/") && strings.HasSuffix(s.Name, ".abiinternal") {
			info = byte(elf.STB_GLOBAL)<<4 | byte(elf.STT_FUNC) // an alias that ld made has no type
		}
		sym := &symbol{name: s.Name, info: info, size: s.Size}
		isType := strings.HasPrefix(s.Name, "type:") && !strings.HasPrefix(s.Name, "type:.")
		if isType && elf.ST_TYPE(s.Info) == elf.STT_OBJECT {
			sym.data = bytes.Clone(image.at(s.Value, s.Size))
			if len(sym.data) >= typeSize {
				sym.readPointers(s.Value, relocations, value, image)
			}
		}
		t.all[s.Name] = sym
	}
	if t.abiHash == nil {
		t.abiHash = goNote(f, noteABIHash)
	}
	return nil
}

// readPointers notes the symbols that a descriptor points to, and fetches its mask.
func (s *symbol) readPointers(addr uint64, relocations map[uint64]relocation, value map[string]uint64, image *image) {
	for offset := uint64(0); offset+8 <= s.size; offset += 8 {
		r, ok := relocations[addr+offset]
		if !ok {
			continue
		}
		s.refs = append(s.refs, typeRef{offset, r.symbol})
		if offset == typeGCData {
			at := r.addend
			if r.symbol != "" {
				at += value[r.symbol]
			}
			words := binary.LittleEndian.Uint64(s.data[typePtrBytes:]) / 8
			s.mask = bytes.Clone(image.at(at, (words+7)/8))
		}
	}
}

// image reads a library's memory as it is in the file.
type image struct {
	file *elf.File
	data map[*elf.Section][]byte
}

// at returns n bytes at an address; nil when they are not in the file.
func (m *image) at(addr, n uint64) []byte {
	for _, s := range m.file.Sections {
		if s.Flags&elf.SHF_ALLOC == 0 || s.Type == elf.SHT_NOBITS || s.Addr == 0 || addr < s.Addr || addr+n > s.Addr+s.Size {
			continue
		}
		d, ok := m.data[s]
		if !ok {
			d, _ = s.Data()
			m.data[s] = d
		}
		if addr-s.Addr+n > uint64(len(d)) {
			return nil
		}
		return d[addr-s.Addr : addr-s.Addr+n]
	}
	return nil
}

type relocation struct {
	symbol string
	addend uint64
}

func readRelocations(f *elf.File, dynamic []elf.Symbol) (map[uint64]relocation, error) {
	section := f.Section(".rela.dyn")
	if section == nil {
		return nil, nil
	}
	d, err := section.Data()
	if err != nil {
		return nil, err
	}
	const entry = 24
	out := make(map[uint64]relocation, len(d)/entry)
	for ; len(d) >= entry; d = d[entry:] {
		offset, info, addend := binary.LittleEndian.Uint64(d), binary.LittleEndian.Uint64(d[8:]), binary.LittleEndian.Uint64(d[16:])
		switch elf.R_X86_64(info & 0xffffffff) {
		case elf.R_X86_64_64:
			if i := int(info>>32) - 1; i >= 0 && i < len(dynamic) {
				out[offset] = relocation{dynamic[i].Name, addend}
			}
		case elf.R_X86_64_RELATIVE:
			out[offset] = relocation{"", addend}
		}
	}
	return out, nil
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
