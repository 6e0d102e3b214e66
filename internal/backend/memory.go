package backend

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// XLA:CPU takes the memory for a step when the step begins and frees it when the step ends. glibc gives everything beyond 32 MB
// back to the system then, which clears every page that it hands out again: up to a third of the time of training small
// networks. With these settings the C library keeps what was freed, up to 1 GB at the end of its one heap for all threads, so that
// most of it is used again, and asks for huge pages. glibc reads them when a program starts; a program that started without them has
// all but the huge pages from memory_linux.c.
const tunables = "GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1073741824:" +
	"glibc.malloc.top_pad=67108864:glibc.malloc.hugetlb=1"

// memoryIsTuned reports whether the user has set a variable of glibc's, if only to nothing: then that is all that counts.
func memoryIsTuned() bool {
	return slices.ContainsFunc(os.Environ(), tunesMemory)
}

// tunesMemory reports whether an entry of an environment is such a variable.
func tunesMemory(v string) bool {
	return strings.HasPrefix(v, "MALLOC_") || strings.HasPrefix(v, "GLIBC_TUNABLES=")
}

// Restart starts this program anew with settings of the C library that make training faster, and does not come back; or does
// nothing where there are none, or the environment has some already. It is for the beginning of long work, before anything was done.
func Restart() {
	if runtime.GOOS != "linux" || memoryIsTuned() {
		return
	}
	if self, err := os.Executable(); err == nil {
		_ = syscall.Exec(self, os.Args, append(os.Environ(), tunables)) // if it fails this process goes on, a little slower
	}
}
