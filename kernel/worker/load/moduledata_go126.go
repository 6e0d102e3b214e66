//go:build linux && amd64 && go1.26 && !go1.27

package load

//lint:file-ignore U1000 the layout counts, whether a field is read or not

import "unsafe"

// moduledata is runtime.moduledata of Go 1.26. Slices and addresses that are not read here are only counted.
type moduledata struct {
	pcHeader                                       uintptr
	funcnametab, cutab, filetab, pctab, pcln, ftab [3]uintptr
	findfunctab                                    uintptr
	minpc, maxpc                                   uintptr
	text, etext                                    uintptr
	noptrdata, enoptrdata                          uintptr
	data, edata                                    uintptr
	bss, ebss                                      uintptr
	noptrbss, enoptrbss                            uintptr
	covctrs, ecovctrs                              uintptr
	end, gcdata, gcbss                             uintptr
	types                                          unsafe.Pointer
	etypes                                         uintptr
	rodata, gofunc, epclntab                       uintptr
	textsectmap                                    [3]uintptr
	typelinks                                      []int32
	itablinks                                      []unsafe.Pointer
	ptab                                           [3]uintptr
	pluginpath                                     string
	pkghashes                                      [3]uintptr
	inittasks                                      []*initTask
	modulename                                     string
	modulehashes                                   [3]uintptr
	hasmain                                        uint8
	bad                                            bool
	gcdatamask, gcbssmask                          bitvector
	typemap                                        map[int32]unsafe.Pointer
	next                                           *moduledata
}

type bitvector struct {
	n int32
	b *uint8
}

// typeHash is the offset of abi.Type.Hash.
const typeHash = 16
