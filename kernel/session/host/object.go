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
)

// The blocks of an object that hold symbols.
const (
	blockSymbols      = 3 // defined here
	blockHashed64     = 4
	blockHashed       = 5
	blockNonPackage   = 6
	blockNonPackageRf = 7 // referred to by name
)

// objectNames lists the names of all symbols that the object in a Go archive defines or refers to by name.
func objectNames(path string) ([]string, error) {
	archive, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	start := bytes.Index(archive, []byte(objectMagic))
	if start < 0 {
		return nil, fmt.Errorf("%s: no Go object of a known format", path)
	}
	object := archive[start:]
	le := binary.LittleEndian
	if len(object) < offsetsAt+4*objectBlocks {
		return nil, fmt.Errorf("%s: truncated", path)
	}
	offset := func(block int) int { return int(le.Uint32(object[offsetsAt+4*block:])) }
	var names []string
	for block := blockSymbols; block <= blockNonPackageRf; block++ {
		end := offset(block + 1)
		if end > len(object) {
			return nil, fmt.Errorf("%s: truncated", path)
		}
		for at := offset(block); at+symbolSize <= end; at += symbolSize {
			length, text := int(le.Uint32(object[at:])), int(le.Uint32(object[at+4:]))
			if text+length > len(object) {
				return nil, fmt.Errorf("%s: symbol name out of bounds", path)
			}
			names = append(names, string(object[text:text+length]))
		}
	}
	return names, nil
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
