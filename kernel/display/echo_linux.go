package display

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

// hideTyping makes a terminal not show what is typed, until show is called. It leaves anything else as it is.
func hideTyping(f *os.File) (show func(), err error) {
	var old syscall.Termios
	if control(f, syscall.TCGETS, &old) != nil {
		return func() {}, nil // no terminal: nothing shows
	}
	quiet := old
	quiet.Lflag &^= syscall.ECHO
	if err := control(f, syscall.TCSETS, &quiet); err != nil {
		return nil, fmt.Errorf("hiding what is typed: %w", err)
	}
	return func() {
		control(f, syscall.TCSETS, &old) // nothing is left to be done about a terminal that has gone
		fmt.Fprintln(os.Stderr)          // the user's own line break was hidden, too
	}, nil
}

func control(f *os.File, request uintptr, t *syscall.Termios) error {
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), request, uintptr(unsafe.Pointer(t))); e != 0 {
		return e
	}
	return nil
}
