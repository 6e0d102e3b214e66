package host

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
)

// Of a Go object file: see cmd/internal/goobj. The magic says which format it is; a release that changes the format
// changes the magic, and the fast way declines.
const (
	objectMagic  = "\x00go120ld"
	objectBlocks = 19 // offsets in the header
	offsetsAt    = 20 // of the offsets in the header
	symbolSize   = 21
	relocSize    = 23
)

// The blocks of an object that are read here.
const (
	blockSymbols      = 3 // symbols defined here
	blockHashed64     = 4
	blockHashed       = 5
	blockNonPackage   = 6
	blockNonPackageRf = 7 // symbols that are referred to by name
	blockRelocIndex   = 11
	blockReloc        = 14
)

// noPackage is the package index of symbols that are referred to by name.
const noPackage = 1<<31 - 1

// methodOffset is objabi.R_METHODOFF of Go 1.26: a method in a type descriptor.
const methodOffset = 26

// An object is a Go object file in memory.
type object struct {
	path    string
	archive []byte // the file
	data    []byte // the object in it
}

func readObject(path string) (*object, error) {
	archive, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	start := bytes.Index(archive, []byte(objectMagic))
	if start < 0 {
		return nil, fmt.Errorf("%s: no Go object of a known format", path)
	}
	o := &object{path: path, archive: archive, data: archive[start:]}
	return o, o.check()
}

// check makes sure that the blocks lie in the object.
func (o *object) check() error {
	if len(o.data) < offsetsAt+4*objectBlocks {
		return fmt.Errorf("%s: truncated", o.path)
	}
	for block := range objectBlocks - 1 {
		if o.offset(block) > o.offset(block+1) || o.offset(block+1) > len(o.data) {
			return fmt.Errorf("%s: damaged", o.path)
		}
	}
	return nil
}

func (o *object) uint32(at int) int { return int(binary.LittleEndian.Uint32(o.data[at:])) }

func (o *object) offset(block int) int { return o.uint32(offsetsAt + 4*block) }

// count is the number of symbols in a block.
func (o *object) count(block int) int { return (o.offset(block+1) - o.offset(block)) / symbolSize }

// names lists the symbols of some blocks, in order.
func (o *object) names(first, last int) []string {
	var names []string
	for block := first; block <= last; block++ {
		for i := range o.count(block) {
			at := o.offset(block) + i*symbolSize
			length, text := o.uint32(at), o.uint32(at+4)
			if text+length > len(o.data) {
				continue
			}
			names = append(names, string(o.data[text:text+length]))
		}
	}
	return names
}

// dropMethods removes methods from the descriptors of types that the worker has already, where the methods' code is
// not in this object. The linker cannot put the offset of a symbol of another library into a descriptor; and it need
// not, since the worker's own descriptor is used, not this one. Such descriptors are of instances of generic types which
// an imported package has made as well: for these the compiler leaves out the methods, counting on that package.
func (o *object) dropMethods(known func(name string) bool) error {
	defined := o.names(blockSymbols, blockNonPackage)
	referred := o.names(blockNonPackageRf, blockNonPackageRf)
	byName := o.count(blockNonPackage)
	changed := false
	for i, name := range defined {
		if !strings.HasPrefix(name, "type:") || strings.HasPrefix(name, "type:.") || !known(mangle(name)) {
			continue
		}
		index := o.offset(blockRelocIndex) + 4*i
		if index+8 > o.offset(blockRelocIndex+1) {
			break
		}
		for r := o.uint32(index); r < o.uint32(index+4); r++ {
			at := o.offset(blockReloc) + r*relocSize
			if at+relocSize > o.offset(blockReloc+1) {
				return fmt.Errorf("%s: relocations out of bounds", o.path)
			}
			if int(binary.LittleEndian.Uint16(o.data[at+5:])) != methodOffset || o.uint32(at+15) != noPackage {
				continue
			}
			if target := o.uint32(at+19) - byName; target >= 0 && target < len(referred) && known(referred[target]+".abiinternal") {
				o.data[at+4] = 0 // a relocation of size 0 is left alone
				changed = true
			}
		}
	}
	if !changed {
		return nil
	}
	return os.WriteFile(o.path, o.archive, 0o644)
}

// mangle shortens the name of a type symbol as cmd/link does for shared libraries (ld.typeSymbolMangle).
func mangle(name string) string {
	isType := strings.HasPrefix(name, "type:")
	if !isType && !strings.Contains(name, "@") {
		return name
	}
	if strings.HasPrefix(name, "type:runtime.") || strings.HasPrefix(name, "go:string.") {
		return name
	}
	if len(name) <= 14 && !strings.Contains(name, "@") {
		return name
	}
	short := func(s string) string {
		h := sha256.Sum256([]byte(s))
		h[0] ^= 0xff // cmd/internal/hash.Sum32 is this: not to be taken for a use of SHA-256
		return base64.StdEncoding.EncodeToString(h[:6])
	}
	if isType {
		prefix := "type:"
		if name[5] == '.' {
			prefix = "type:."
		}
		return prefix + short(name[5:])
	}
	open, end := strings.IndexByte(name, '['), strings.LastIndexByte(name, ']')
	if end == -1 || end <= open {
		end = len(name)
	}
	return name[:open+1] + short(name[open+1:end]) + name[end:]
}
