//go:build linux && amd64 && go1.26 && !go1.27

package load

// #cgo LDFLAGS: -ldl
// #include <dlfcn.h>
// #include <stdio.h>
// #include <stdlib.h>
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

type initTask struct{}

//go:linkname doInit runtime.doInit
func doInit(t []*initTask)

//go:linkname lastmoduledatap runtime.lastmoduledatap
var lastmoduledatap *moduledata

//go:linkname firstmoduledata runtime.firstmoduledata
var firstmoduledata moduledata

//go:linkname modulesinit runtime.modulesinit
func modulesinit()

//go:linkname moduledataverify1 runtime.moduledataverify1
func moduledataverify1(md *moduledata)

//go:linkname itabAdd runtime.itabAdd
func itabAdd(itab unsafe.Pointer)

//go:linkname itabLock runtime.itabLock
var itabLock [8]uintptr

//go:linkname runtimeLock runtime.lock
func runtimeLock(l unsafe.Pointer)

//go:linkname runtimeUnlock runtime.unlock
func runtimeUnlock(l unsafe.Pointer)

type typePair struct{ a, b unsafe.Pointer }

//go:linkname typesEqual runtime.typesEqual
func typesEqual(t, v unsafe.Pointer, seen map[typePair]struct{}) bool

// Loader loads libraries that were linked against the host library. The zero value is ready.
type Loader struct {
	types   map[uint32][]unsafe.Pointer // by hash: one descriptor for each distinct type
	indexed map[*moduledata]bool
	names   []*C.char // plugin paths: the runtime refers to them for ever
}

// typemaps keeps the maps that the runtime refers to from memory that the collector does not scan.
var typemaps []map[int32]unsafe.Pointer

// index adds the types of a module.
func (l *Loader) index(md *moduledata) {
	if l.indexed[md] {
		return
	}
	l.indexed[md] = true
	for _, offset := range md.typelinks {
		t := unsafe.Add(md.types, offset)
		if md.typemap != nil {
			t = md.typemap[offset]
		}
		hash := *(*uint32)(unsafe.Add(t, typeHash))
		known := false
		for _, other := range l.types[hash] {
			known = known || other == t
		}
		if !known {
			l.types[hash] = append(l.types[hash], t)
		}
	}
}

// Prepare indexes the types of the modules that are there from the start. Load does it when it has not been done.
func (l *Loader) Prepare() {
	if l.types != nil {
		return
	}
	l.types, l.indexed = map[uint32][]unsafe.Pointer{}, map[*moduledata]bool{}
	for md := &firstmoduledata; md != nil; md = md.next {
		l.index(md)
	}
}

// Load maps the library and runs its initialisers. One call at a time.
func (l *Loader) Load(path, name string) error {
	l.Prepare()
	cpath := C.CString(path)
	defer C.free(unsafe.Pointer(cpath))
	before := lastmoduledatap
	if C.dlopen(cpath, C.RTLD_NOW|C.RTLD_GLOBAL) == nil {
		return errors.New(C.GoString(C.dlerror()))
	}
	md := lastmoduledatap
	if md == before {
		return fmt.Errorf("%s: no Go module was added", path)
	}
	if md.pluginpath == "" { // the runtime tells modules apart by it
		cname := C.CString(name)
		l.names = append(l.names, cname)
		md.pluginpath = unsafe.String((*byte)(unsafe.Pointer(cname)), len(name))
	}
	// Types that the process has already are replaced by the descriptors that it knows: the runtime compares addresses.
	typemap := make(map[int32]unsafe.Pointer, len(md.typelinks))
	typemaps = append(typemaps, typemap)
	for _, offset := range md.typelinks {
		t := unsafe.Add(md.types, offset)
		for _, other := range l.types[*(*uint32)(unsafe.Add(t, typeHash))] {
			if typesEqual(t, other, map[typePair]struct{}{}) {
				t = other
				break
			}
		}
		typemap[offset] = t
	}
	modulesinit()
	md.typemap = typemap
	l.index(md)
	moduledataverify1(md)
	runtimeLock(unsafe.Pointer(&itabLock))
	for _, itab := range md.itablinks {
		itabAdd(itab)
	}
	runtimeUnlock(unsafe.Pointer(&itabLock))
	doInit(md.inittasks)
	return nil
}

// Flush writes what C's buffered streams hold.
func (l *Loader) Flush() { C.fflush(nil) }
