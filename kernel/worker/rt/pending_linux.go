package rt

import (
	"syscall"
	"unsafe"
)

// pending is how many bytes of a pipe wait to be read.
func pending(fd int) int {
	const fionread = 0x541b
	var n int32
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), fionread, uintptr(unsafe.Pointer(&n))); e != 0 {
		return -1 // neither empty nor full
	}
	return int(n)
}
