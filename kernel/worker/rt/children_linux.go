package rt

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// A program that a cell starts with os.Stdin reads the same pipe. That it waits there is seen in /proc, as far as this
// process may look at its own children.

// childLooks is how many looks at the pipe pass between two at the children, which cost more.
const childLooks = 10

// hasChildren asks the system in one call.
func hasChildren() bool {
	const all, exited, noHang, noWait = 0, 4, 1, 0x1000000
	var info [128]byte // siginfo_t
	_, _, e := syscall.Syscall6(syscall.SYS_WAITID, all, 0, uintptr(unsafe.Pointer(&info)), exited|noHang|noWait, 0, 0)
	return e == 0
}

// childStarving reports whether a program of a cell reads the pipe and there is nothing to read.
func (p *stdinPipe) childStarving() bool {
	if pending(p.fd) != 0 || !hasChildren() {
		return false
	}
	own, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", p.fd))
	if err != nil {
		return false
	}
	for _, pid := range descendants(os.Getpid(), nil) {
		if waitsFor(pid, own) {
			return true
		}
	}
	return false
}

// descendants lists the children of a process, and theirs.
func descendants(pid int, list []int) []int {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return list
	}
	for _, task := range tasks {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		if err != nil {
			continue
		}
		for _, field := range bytes.Fields(text) {
			if child, err := strconv.Atoi(string(field)); err == nil {
				list = descendants(child, append(list, child))
			}
		}
	}
	return list
}

// waitsFor reports whether a thread of a process is within a read of a pipe.
func waitsFor(pid int, pipe string) bool {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return false
	}
	for _, task := range tasks {
		// The number of the system call and its arguments; "running" when it is in none.
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/syscall", pid, task.Name()))
		if err != nil {
			return false
		}
		fields := strings.Fields(string(text))
		if len(fields) < 2 {
			continue
		}
		number, err := strconv.Atoi(fields[0])
		if err != nil || number != syscall.SYS_READ && number != syscall.SYS_READV {
			continue
		}
		fd, err := strconv.ParseUint(strings.TrimPrefix(fields[1], "0x"), 16, 64)
		if err != nil {
			continue
		}
		if file, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd)); err == nil && file == pipe {
			return true
		}
	}
	return false
}
