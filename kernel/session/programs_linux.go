package session

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// killPrograms kills what cells have started, but not the worker: programs that ignore SIGINT keep a cell from stopping.
func (p *process) killPrograms() {
	worker := p.cmd.Process.Pid
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == worker {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		// After the program's name, which may hold anything: state, parent, group.
		var state string
		var parent, group int
		rest := stat[bytes.LastIndexByte(stat, ')')+1:]
		if _, err := fmt.Sscan(string(rest), &state, &parent, &group); err == nil && group == worker {
			syscall.Kill(pid, syscall.SIGKILL) // one that has ended meanwhile needs none
		}
	}
}
