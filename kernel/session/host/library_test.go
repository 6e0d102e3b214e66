//go:build linux && amd64

package host

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// buildLibrary compiles a library with many symbols, and pointers to them and to what has no name.
func buildLibrary(t *testing.T, options ...string) string {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("gcc is not in PATH")
	}
	var source strings.Builder
	source.WriteString("extern int missing(void);\nint (*to_missing)(void) = missing;\nstatic int hidden[9];\n")
	for i := range 500 {
		fmt.Fprintf(&source, "int f%d(void) { return %d; }\n", i, i)
	}
	for i := range 500 {
		fmt.Fprintf(&source, "void *table%d[3] = { f%d, &hidden[%d], (void *)%d };\n", i, i*7%500, i%9, i)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "l.c"), source.String(), hourAgo())
	library := filepath.Join(dir, "l.so")
	args := append([]string{"-shared", "-fPIC", "-w", "-o", library, filepath.Join(dir, "l.c")}, options...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return library
}

// Each symbol and each pointer is found, with the linker's hash table and without.
func TestLibraryTables(t *testing.T) {
	for _, style := range []string{"gnu", "sysv"} {
		t.Run(style, func(t *testing.T) {
			path := buildLibrary(t, "-Wl,--hash-style="+style)
			table := newSymbols()
			if err := table.add(path); err != nil {
				t.Fatal(err)
			}
			defer table.close()
			if found := table.host != nil; found != (style == "gnu") {
				t.Fatalf("there is a hash table: %t", found)
			}
			file, err := elf.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			dynamic, err := file.DynamicSymbols()
			if err != nil {
				t.Fatal(err)
			}
			defined := 0
			for _, want := range dynamic {
				s := table.find(want.Name)
				if want.Section == elf.SHN_UNDEF {
					if s != nil {
						t.Errorf("%s is not defined, and found", want.Name)
					}
					continue
				}
				defined++
				if s == nil || s.name != want.Name || s.value != want.Value || s.size != want.Size || s.info != want.Info {
					t.Fatalf("%s: found %+v, want %+v", want.Name, s, want)
				}
			}
			if defined < 1000 {
				t.Errorf("%d symbols, want 1000", defined)
			}
			for _, name := range []string{"", "f", "f500", "hidden", "table0 "} {
				if s := table.find(name); s != nil {
					t.Errorf("%q is found: %+v", name, s)
				}
			}

			l, err := readLibrary(path)
			if err != nil {
				t.Fatal(err)
			}
			section := file.Section(".rela.dyn")
			rela, err := section.Data()
			if err != nil {
				t.Fatal(err)
			}
			le, pointers := binary.LittleEndian, 0
			for ; len(rela) >= relocationEntry; rela = rela[relocationEntry:] {
				kind, offset, addend := relocationType(rela), le.Uint64(rela), le.Uint64(rela[16:])
				r, ok := l.relocation(offset)
				switch kind {
				case elf.R_X86_64_64:
					pointers++
					if s, err := l.symbol(r.symbol); !ok || err != nil || r.symbol != int(le.Uint32(rela[12:])) || r.addend != addend || s.name == "" {
						t.Fatalf("at %#x: %+v %t %v", offset, r, ok, err)
					}
				case elf.R_X86_64_RELATIVE:
					if !ok || r.symbol != 0 || r.addend != addend {
						t.Fatalf("at %#x: %+v %t, want %#x", offset, r, ok, addend)
					}
				}
				if _, ok := l.relocation(offset + 1); ok {
					t.Fatalf("there is one at %#x", offset+1)
				}
			}
			if pointers < 500 {
				t.Errorf("%d pointers, want 500", pointers)
			}
			if _, ok := l.relocation(0); ok {
				t.Error("there is one at 0")
			}
		})
	}
}

// A damaged table is as good as none, and nothing is read beyond a table's end.
func TestDamagedTables(t *testing.T) {
	path := buildLibrary(t, "-Wl,--hash-style=gnu")
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	hash, err := file.Section(".gnu.hash").Data()
	if err != nil {
		t.Fatal(err)
	}
	l, err := readLibrary(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(hash) {
		if newHashTable(hash[:n], l.count()).readable() {
			t.Fatalf("%d bytes of %d are taken for a table", n, len(hash))
		}
	}
	for i := range min(len(hash), 4096) {
		broken := append([]byte{}, hash...)
		broken[i] ^= 0xff
		h := newHashTable(broken, l.count())
		for _, name := range []string{"f1", "table77", "nothing"} {
			for s := range h.candidates(name) {
				l.symbol(s) // it may not be there
			}
		}
	}
	if err := os.WriteFile(path, []byte("\x7fELF no"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := newSymbols().add(path); err == nil {
		t.Error("a damaged library is read")
	}
}
