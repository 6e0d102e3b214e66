//go:build !linux

package host

import "os/exec"

func inGroup(*exec.Cmd) {}
