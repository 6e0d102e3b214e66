//go:build unix

package assist

import (
	"os"
	"os/exec"
	"syscall"
)

// alone gives a process a group of its own, so that the interrupt of a cell does not reach it.
func alone(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends the process and all that it has started.
func killGroup(p *os.Process) { syscall.Kill(-p.Pid, syscall.SIGKILL) } // it may have ended
