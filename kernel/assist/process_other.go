//go:build !unix

package assist

import (
	"os"
	"os/exec"
)

func alone(*exec.Cmd) {}

func killGroup(p *os.Process) { p.Kill() } // it may have ended
