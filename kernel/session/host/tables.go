package host

import (
	"debug/elf"
	"encoding/binary"
	"iter"
	"math"
)

// A hashTable finds symbols by name in the table that ld writes for the dynamic linker (.gnu.hash): a Bloom filter, and
// chains of hashes in the order of the symbols. The zero value is of a library without one.
type hashTable struct {
	first   int // symbol with a hash; those before it are not defined
	shift   uint
	bloom   []byte // words of 64 bits
	buckets []byte // words of 32 bits: the first symbol of a chain
	chains  []byte // words of 32 bits, by symbol; the lowest bit ends a chain
}

// newHashTable reads the table of a library with so many symbols. One that is damaged counts as none.
func newHashTable(b []byte, symbols int) hashTable {
	const header = 16
	if len(b) < header {
		return hashTable{}
	}
	le := binary.LittleEndian
	buckets, first, bloom, shift := int(le.Uint32(b)), int(le.Uint32(b[4:])), int(le.Uint32(b[8:])), le.Uint32(b[12:])
	chainsAt := header + 8*bloom + 4*buckets
	if buckets == 0 || bloom == 0 || bloom&(bloom-1) != 0 || first > symbols || len(b) < chainsAt+4*(symbols-first) {
		return hashTable{}
	}
	return hashTable{first, uint(shift), b[header : header+8*bloom], b[header+8*bloom : chainsAt], b[chainsAt:]}
}

func (t hashTable) readable() bool { return t.buckets != nil }

// candidates are the symbols whose hash is that of a name.
func (t hashTable) candidates(name string) iter.Seq[int] {
	return func(yield func(int) bool) {
		if !t.readable() {
			return
		}
		hash := uint32(5381)
		for i := range len(name) {
			hash = hash*33 + uint32(name[i])
		}
		le := binary.LittleEndian
		word := le.Uint64(t.bloom[8*(int(hash/64)&(len(t.bloom)/8-1)):])
		if word>>(hash%64)&(word>>((hash>>t.shift)%64))&1 == 0 {
			return
		}
		i := int(le.Uint32(t.buckets[4*(int(hash)%(len(t.buckets)/4)):])) - t.first
		for ; i >= 0 && 4*i < len(t.chains); i++ {
			link := le.Uint32(t.chains[4*i:])
			if link|1 == hash|1 && !yield(t.first+i) || link&1 != 0 {
				return
			}
		}
	}
}

// pages finds relocations by the address that they are for. ld groups them by symbol; sorting 200,000 of them takes a
// cell's time, dealing them out to small pages of addresses a fraction of it.
type pages struct {
	entries []byte
	lowest  uint64
	start   []uint32 // by page: where in order its entries begin
	order   []uint32 // indices of entries, page by page
}

const pageBits = 8

func newPages(entries []byte) pages {
	le := binary.LittleEndian
	p := pages{entries: entries, lowest: math.MaxUint64}
	var highest uint64
	wanted := func(yield func(i uint32, offset uint64) bool) {
		for i := range len(entries) / relocationEntry {
			e := entries[i*relocationEntry:]
			offset, kind := le.Uint64(e), relocationType(e)
			if offset <= math.MaxUint32 && (kind == elf.R_X86_64_64 || kind == elf.R_X86_64_RELATIVE) && !yield(uint32(i), offset) {
				return
			}
		}
	}
	n := 0
	for _, offset := range wanted {
		p.lowest, highest = min(p.lowest, offset), max(highest, offset)
		n++
	}
	if n == 0 {
		return pages{}
	}
	p.start, p.order = make([]uint32, (highest-p.lowest)>>pageBits+2), make([]uint32, n)
	for _, offset := range wanted {
		p.start[(offset-p.lowest)>>pageBits]++
	}
	// Ends of pages, which filling them from behind turns into starts.
	for i := 1; i < len(p.start); i++ {
		p.start[i] += p.start[i-1]
	}
	for i, offset := range wanted {
		at := &p.start[(offset-p.lowest)>>pageBits]
		*at--
		p.order[*at] = i
	}
	return p
}

// find returns the entry for an address; nil: there is none.
func (p pages) find(addr uint64) []byte {
	if addr < p.lowest || (addr-p.lowest)>>pageBits+1 >= uint64(len(p.start)) {
		return nil
	}
	page := (addr - p.lowest) >> pageBits
	for _, i := range p.order[p.start[page]:p.start[page+1]] {
		if e := p.entries[int(i)*relocationEntry:]; binary.LittleEndian.Uint64(e) == addr {
			return e[:relocationEntry]
		}
	}
	return nil
}
