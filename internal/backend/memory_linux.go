//go:build linux && cgo

package backend

import "C" // for memory_linux.c
