//go:build unix

package server

import (
	"errors"
	"syscall"
)

// alive says whether the process exists, also when it is another user's.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
