package host

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
)

// A library is a shared object on disk. Its tables are kept as they are in the file: the host library has 200,000 symbols
// and 400,000 relocations, of which cells use few.
type library struct {
	path string
	file *elf.File // of a large one; that of a small one is opened again when something is looked up
	open *os.File  // a large one, of which parts are read on demand

	table    []byte // .dynsym
	names    string // .dynstr
	hash     hashTable
	relative []byte // relocations without a symbol, sorted by offset
	symbolic pages  // the others
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
func (l *library) read() error {
	var names, hash, rela []byte
	for name, content := range map[string]*[]byte{".dynsym": &l.table, ".dynstr": &names, ".gnu.hash": &hash, ".rela.dyn": &rela} {
		if s := l.file.Section(name); s != nil {
			var err error
			if *content, err = s.Data(); err != nil {
				return err
			}
		}
	}
	l.names, l.hash = string(names), newHashTable(hash, l.count())
	// ld puts the relative ones first, sorted.
	n := 0
	for ; (n+1)*relocationEntry <= len(rela) && relocationType(rela[n*relocationEntry:]) == elf.R_X86_64_RELATIVE; n++ {
	}
	l.relative = rela[:n*relocationEntry]
	l.symbolic = newPages(rela[n*relocationEntry:])
	return nil
}

// count is the number of symbols in the table, also of those that are not defined here.
func (l *library) count() int { return len(l.table) / symbolEntry }

// symbol reads one of them.
func (l *library) symbol(i int) (*symbol, error) {
	if i < 0 || i >= l.count() {
		return nil, fmt.Errorf("there is no symbol %d", i)
	}
	le, e := binary.LittleEndian, l.table[i*symbolEntry:]
	at := int(le.Uint32(e))
	if at >= len(l.names) {
		return nil, fmt.Errorf("symbol %d has no name", i)
	}
	end := strings.IndexByte(l.names[at:], 0)
	if end < 0 {
		return nil, fmt.Errorf("symbol %d has no end of its name", i)
	}
	s := &symbol{name: l.names[at : at+end], info: e[4], value: le.Uint64(e[8:]), size: le.Uint64(e[16:])}
	if section := elf.SectionIndex(le.Uint16(e[6:])); i > 0 && section != elf.SHN_UNDEF && section != elf.SHN_ABS {
		s.library = l
	}
	return s, nil
}

// find looks up a symbol that the library defines; nil: it does not.
func (l *library) find(name string) *symbol {
	for i := range l.hash.candidates(name) {
		if s, err := l.symbol(i); err == nil && s.library != nil && s.name == name {
			return s
		}
	}
	return nil
}

// A relocation is a pointer in the library's data; symbol 0 means the address addend.
type relocation struct {
	symbol int
	addend uint64
}

func relocationType(entry []byte) elf.R_X86_64 {
	return elf.R_X86_64(binary.LittleEndian.Uint32(entry[8:]))
}

// relocation returns what the pointer at an address points to.
func (l *library) relocation(addr uint64) (relocation, bool) {
	le := binary.LittleEndian
	if e := l.symbolic.find(addr); e != nil {
		r := relocation{int(le.Uint32(e[12:])), le.Uint64(e[16:])}
		if relocationType(e) == elf.R_X86_64_RELATIVE {
			r.symbol = 0
		}
		return r, true
	}
	n := len(l.relative) / relocationEntry
	i := sort.Search(n, func(i int) bool { return le.Uint64(l.relative[i*relocationEntry:]) >= addr })
	if i == n || le.Uint64(l.relative[i*relocationEntry:]) != addr {
		return relocation{}, false
	}
	return relocation{addend: le.Uint64(l.relative[i*relocationEntry+16:])}, true
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
