//go:build linux && cgo

#include <stdlib.h>
#include <string.h>
#include <malloc.h>

#if defined(__GLIBC__)
extern char **environ;

// One heap for all threads is for threads that have none yet, so this runs before Go's runtime, which starts some. memory.go says
// why, and has the same numbers for programs that are started.
__attribute__((constructor)) static void keep_memory(void) {
	for (char **v = environ; *v; v++) {
		if (!strncmp(*v, "MALLOC_", 7) || !strncmp(*v, "GLIBC_TUNABLES=", 15)) return;
	}
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_MAX, 0);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	mallopt(M_TOP_PAD, 64 << 20);
}
#endif
