package host

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"strings"
)

// The Go linker, told that a package lives in a shared library, reads all dynamic symbols and relocations of that
// library: 67,000 with GoMLX, which takes 190 ms. It is given a small library instead that has just the symbols which
// the cell's object names, at made-up addresses, and the descriptors of the types among them.

// linkerNeeds are symbols that cmd/link looks up itself.
var linkerNeeds = []string{"runtime.addmoduledata.abi0", "runtime.lastmoduledatap", "runtime.unreachableMethod.abiinternal",
	"type:runtime.moduledata", "go:link.abihash.libhost.so", addmdPath + ".addmd.abi0", addmdPath + ".addmd", "runtime.tlsg",
	"runtime.mapinitnoop.abiinternal", "runtime.firstmoduledata"}

// A picked symbol goes into the stub.
type picked struct {
	*symbol
	descriptor *descriptor // of a type
}

// pick lists the known symbols among names, and the element types that the linker reaches from them.
func (t *symbols) pick(names []string) []picked {
	seen := map[string]bool{}
	var list []picked
	var add func(name string)
	add = func(name string) {
		s := t.find(name)
		if seen[name] || s == nil {
			return
		}
		seen[name] = true
		d := s.descriptor()
		list = append(list, picked{s, d})
		if d == nil || len(d.data) < typeSize {
			return
		}
		if kind := d.data[typeKind] & kindMask; kind == kindArray || kind == kindStruct {
			for _, r := range d.refs {
				if strings.HasPrefix(r.target, "type:") {
					add(r.target)
				}
			}
		}
	}
	for _, n := range linkerNeeds {
		add(n)
	}
	for _, n := range names {
		n = mangle(n)
		add(n)
		add(n + ".abiinternal")
		add(n + ".abi0")
	}
	return list
}

const dataAddr = 0x10000 // of the stub's .data; only this section is looked up by address

// writeStub writes a library that has the named symbols.
func (t *symbols) writeStub(path string, names []string) error {
	le := binary.LittleEndian
	var strtab, dynsym, data, rela bytes.Buffer
	strtab.WriteByte(0)
	dynsym.Write(make([]byte, symbolEntry))
	list := t.pick(names)
	index := map[string]uint64{}
	type pointer struct {
		at     uint64
		target string
	}
	var pointers []pointer
	for i, s := range list {
		index[s.name] = uint64(i + 1)
		addr := uint64(dataAddr)
		if t := s.descriptor; t != nil && t.data != nil {
			for data.Len()%32 != 0 {
				data.WriteByte(0)
			}
			addr += uint64(data.Len())
			if t.mask != nil {
				le.PutUint64(t.data[typeGCData:], addr+uint64(len(t.data))) // right behind the descriptor
			}
			data.Write(t.data)
			data.Write(t.mask)
			for _, r := range t.refs {
				if r.target != "" && r.offset != typeGCData {
					pointers = append(pointers, pointer{addr + r.offset, r.target})
				}
			}
		}
		var entry [symbolEntry]byte
		le.PutUint32(entry[0:], uint32(strtab.Len()))
		entry[4] = s.info
		le.PutUint16(entry[6:], 2) // in section 2, .data
		le.PutUint64(entry[8:], addr)
		le.PutUint64(entry[16:], s.size)
		dynsym.Write(entry[:])
		strtab.WriteString(s.name)
		strtab.WriteByte(0)
	}
	if data.Len() == 0 {
		data.Write(make([]byte, 64))
	}
	for _, p := range pointers {
		if id, ok := index[p.target]; ok {
			var entry [relocationEntry]byte
			le.PutUint64(entry[0:], p.at)
			le.PutUint64(entry[8:], id<<32|uint64(elf.R_X86_64_64))
			rela.Write(entry[:])
		}
	}
	return writeELF(path, []section{
		{},
		{name: ".dynsym", typ: elf.SHT_DYNSYM, flags: elf.SHF_ALLOC, addr: 1 << 40, link: 3, info: 1, align: 8, entry: symbolEntry, data: dynsym.Bytes()},
		{name: ".data", typ: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC | elf.SHF_WRITE, addr: dataAddr, align: 32, data: data.Bytes()},
		{name: ".dynstr", typ: elf.SHT_STRTAB, flags: elf.SHF_ALLOC, addr: 2 << 40, align: 1, data: strtab.Bytes()},
		{name: ".rela.dyn", typ: elf.SHT_RELA, flags: elf.SHF_ALLOC, addr: 3 << 40, link: 1, align: 8, entry: relocationEntry, data: rela.Bytes()},
		{name: ".note.go.abihash", typ: elf.SHT_NOTE, flags: elf.SHF_ALLOC, addr: 4 << 40, align: 4, data: makeNote(noteABIHash, t.abiHash)},
		{name: ".note.go.deps", typ: elf.SHT_NOTE, flags: elf.SHF_ALLOC, addr: 5 << 40, align: 4, data: makeNote(noteDeps, nil)},
	})
}

func makeNote(typ uint32, content []byte) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 4)
	b = le.AppendUint32(b, uint32(len(content)))
	b = le.AppendUint32(b, typ)
	b = append(b, "Go\x00\x00"...)
	b = append(b, content...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

type section struct {
	name              string
	typ               elf.SectionType
	flags             elf.SectionFlag
	addr              uint64
	link, info        uint32
	align, entry      uint64
	data              []byte
	nameAt, dataAtPos int
}

// writeELF writes sections as a shared object for x86-64 without program headers: the linker reads no others.
func writeELF(path string, sections []section) error {
	const headerSize, sectionHeader = 64, 64
	le := binary.LittleEndian
	sections = append(sections, section{name: ".shstrtab", typ: elf.SHT_STRTAB, align: 1})
	names := []byte{0}
	for i := range sections {
		if s := &sections[i]; s.name != "" {
			s.nameAt = len(names)
			names = append(append(names, s.name...), 0)
		}
	}
	last := len(sections) - 1
	sections[last].data = names
	out := make([]byte, headerSize)
	pad := func(to int) {
		for len(out)%to != 0 {
			out = append(out, 0)
		}
	}
	for i := range sections {
		pad(32)
		sections[i].dataAtPos = len(out)
		out = append(out, sections[i].data...)
	}
	pad(8)
	table := len(out)
	for i, s := range sections {
		var h [sectionHeader]byte
		if i > 0 {
			le.PutUint32(h[0:], uint32(s.nameAt))
			le.PutUint32(h[4:], uint32(s.typ))
			le.PutUint64(h[8:], uint64(s.flags))
			le.PutUint64(h[16:], s.addr)
			le.PutUint64(h[24:], uint64(s.dataAtPos))
			le.PutUint64(h[32:], uint64(len(s.data)))
			le.PutUint32(h[40:], s.link)
			le.PutUint32(h[44:], s.info)
			le.PutUint64(h[48:], s.align)
			le.PutUint64(h[56:], s.entry)
		}
		out = append(out, h[:]...)
	}
	copy(out, "\x7fELF\x02\x01\x01")
	le.PutUint16(out[16:], uint16(elf.ET_DYN))
	le.PutUint16(out[18:], uint16(elf.EM_X86_64))
	le.PutUint32(out[20:], 1)
	le.PutUint64(out[40:], uint64(table))
	le.PutUint16(out[52:], headerSize)
	le.PutUint16(out[54:], 56)
	le.PutUint16(out[58:], sectionHeader)
	le.PutUint16(out[60:], uint16(len(sections)))
	le.PutUint16(out[62:], uint16(last))
	return os.WriteFile(path, out, 0o644)
}
