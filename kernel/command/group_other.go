//go:build !unix

package command

import (
	"os"
	"os/exec"
)

func group(*exec.Cmd) {}

func interruptGroup(c *exec.Cmd) { c.Process.Signal(os.Interrupt) }

func killGroup(c *exec.Cmd) { c.Process.Kill() }
