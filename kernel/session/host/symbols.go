package host

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"
)

// symbols is the union of what the libraries in the worker define: the host library, later ones and cells.
type symbols struct {
	all     map[string]*symbol
	abiHash []byte // of the host library; the linker records it in what it links
	open    []*os.File
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
	library *library
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

// add reads a library and adds the dynamic symbols that it defines. The first definition of a name wins, as in ld.so.
// A host library has 200,000, of which cells use few: their content is looked up when it is needed.
func (t *symbols) add(path string) error {
	l, err := readLibrary(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if l.open != nil {
		t.open = append(t.open, l.open)
	}
	if len(t.all) == 0 {
		t.all = make(map[string]*symbol, len(l.symbols))
	}
	for i := range l.symbols {
		s := &l.symbols[i]
		if s.library == nil || t.all[s.name] != nil {
			continue
		}
		if strings.HasPrefix(s.name, "cell/") && strings.HasSuffix(s.name, ".abiinternal") {
			s.info = byte(elf.STB_GLOBAL)<<4 | byte(elf.STT_FUNC) // an alias that ld made has no type
		}
		t.all[s.name] = s
	}
	if t.abiHash == nil {
		t.abiHash = goNote(l.file, noteABIHash)
	}
	if l.open == nil {
		l.file = nil // with all its content
	}
	return nil
}

// A library is a shared object on disk.
type library struct {
	path    string
	file    *elf.File // of a large one; that of a small one is opened again when something is looked up
	open    *os.File  // a large one, of which parts are read on demand
	symbols []symbol  // by index; library is nil for those that it does not define

	// Relocations, sorted by offset. Those with a symbol are sorted when the first type is looked up.
	relative []byte
	symbolic []relocation
	sorted   bool
}

type relocation struct {
	offset uint64
	symbol int
	addend uint64
}

const (
	symbolEntry     = 24
	relocationEntry = 24
)

// inMemory is the size up to which a library is read whole: there are many of cells, and files to keep open are few.
const inMemory = 4 << 20

func readLibrary(path string) (l *library, err error) {
	l = &library{path: path}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	var content io.ReaderAt
	if info.Size() <= inMemory {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(b)
	} else {
		if l.open, err = os.Open(path); err != nil {
			return nil, err
		}
		content = l.open
	}
	defer func() {
		if err != nil && l != nil && l.open != nil {
			l.open.Close()
		}
	}()
	if l.file, err = elf.NewFile(content); err != nil {
		return l, err
	}
	return l, l.read()
}

// read reads the tables of symbols and relocations.
func (l *library) read() (err error) {
	content := map[string][]byte{}
	for _, name := range []string{".dynsym", ".dynstr", ".rela.dyn"} {
		if s := l.file.Section(name); s != nil {
			if content[name], err = s.Data(); err != nil {
				return err
			}
		}
	}
	names, table := string(content[".dynstr"]), content[".dynsym"]
	le := binary.LittleEndian
	l.symbols = make([]symbol, len(table)/symbolEntry)
	for i := range l.symbols {
		e := table[i*symbolEntry:]
		at := int(le.Uint32(e))
		if at >= len(names) {
			return fmt.Errorf("symbol %d has no name", i)
		}
		end := strings.IndexByte(names[at:], 0)
		if end < 0 {
			return fmt.Errorf("symbol %d has no end of its name", i)
		}
		l.symbols[i] = symbol{name: names[at : at+end], info: e[4], value: le.Uint64(e[8:]), size: le.Uint64(e[16:])}
		if section := elf.SectionIndex(le.Uint16(e[6:])); i > 0 && section != elf.SHN_UNDEF && section != elf.SHN_ABS {
			l.symbols[i].library = l
		}
	}
	// ld puts the relative ones first, sorted.
	rela := content[".rela.dyn"]
	n := 0
	for ; (n+1)*relocationEntry <= len(rela) && elf.R_X86_64(le.Uint32(rela[n*relocationEntry+8:])) == elf.R_X86_64_RELATIVE; n++ {
	}
	l.relative = rela[:n*relocationEntry]
	for rest := rela[n*relocationEntry:]; len(rest) >= relocationEntry; rest = rest[relocationEntry:] {
		r := relocation{offset: le.Uint64(rest), symbol: int(le.Uint32(rest[12:])), addend: le.Uint64(rest[16:])}
		switch elf.R_X86_64(le.Uint32(rest[8:])) {
		case elf.R_X86_64_RELATIVE: // not first after all
			r.symbol = 0
			l.symbolic = append(l.symbolic, r)
		case elf.R_X86_64_64:
			l.symbolic = append(l.symbolic, r)
		}
	}
	return nil
}

// relocation returns what the pointer at an address points to; symbol 0 means the address addend.
func (l *library) relocation(addr uint64) (relocation, bool) {
	if !l.sorted {
		slices.SortFunc(l.symbolic, func(a, b relocation) int {
			switch {
			case a.offset < b.offset:
				return -1
			case a.offset > b.offset:
				return 1
			}
			return 0
		})
		l.sorted = true
	}
	i, ok := slices.BinarySearchFunc(l.symbolic, addr, func(r relocation, addr uint64) int {
		switch {
		case r.offset < addr:
			return -1
		case r.offset > addr:
			return 1
		}
		return 0
	})
	if ok {
		return l.symbolic[i], true
	}
	le := binary.LittleEndian
	n := len(l.relative) / relocationEntry
	i = sort.Search(n, func(i int) bool { return le.Uint64(l.relative[i*relocationEntry:]) >= addr })
	if i == n || le.Uint64(l.relative[i*relocationEntry:]) != addr {
		return relocation{}, false
	}
	return relocation{offset: addr, addend: le.Uint64(l.relative[i*relocationEntry+16:])}, true
}

// at returns n bytes at an address; nil when they are not in the file.
func (l *library) at(addr, n uint64) []byte {
	file := l.file
	if file == nil {
		var err error
		if file, err = elf.Open(l.path); err != nil {
			return nil
		}
		defer file.Close()
	}
	for _, s := range file.Sections {
		if s.Flags&elf.SHF_ALLOC == 0 || s.Type == elf.SHT_NOBITS || s.Addr == 0 || addr < s.Addr || addr+n > s.Addr+s.Size {
			continue
		}
		b := make([]byte, n)
		if _, err := s.ReadAt(b, int64(addr-s.Addr)); err != nil {
			return nil
		}
		return b
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
		target := s.library.symbols[r.symbol]
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
