package session

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// A postmortem gathers, from what a worker writes on standard error, why it ended: the runtime and C libraries say so before
// they end the process.
type postmortem struct {
	partial []byte
	panic   string // the last panic's first line
	fatal   string // the runtime's fatal error
	memory  bool   // there was none left
	c       bool   // a signal came while C code ran
	stack   bool   // it was too deep
}

// maxLine bounds what is kept of a line whose end has not come.
const maxLine = 4 << 10

func (m *postmortem) read(text string) {
	m.partial = append(m.partial, text...)
	for {
		line, rest, ok := bytes.Cut(m.partial, []byte("\n"))
		if !ok {
			break
		}
		m.line(string(line))
		m.partial = rest
	}
	if len(m.partial) > maxLine {
		m.partial = m.partial[:0]
	}
	m.partial = bytes.Clone(m.partial)
}

func (m *postmortem) line(line string) {
	switch {
	case strings.HasPrefix(line, "panic: "):
		m.panic = strings.TrimPrefix(line, "panic: ")
	case strings.HasPrefix(line, "fatal error: "):
		m.fatal = strings.TrimPrefix(line, "fatal error: ")
	case strings.HasPrefix(line, "SIG") && strings.Contains(line, ": "): // SIGSEGV: segmentation violation
		m.fatal = line
	case strings.HasPrefix(line, "signal arrived during cgo execution"):
		m.c = true
	case strings.HasPrefix(line, "runtime: goroutine stack exceeds"):
		m.stack = true
	}
	for _, sign := range []string{"runtime: out of memory", "cannot allocate memory", "std::bad_alloc", "RESOURCE_EXHAUSTED: Out of memory", "Out of memory"} {
		m.memory = m.memory || strings.Contains(line, sign)
	}
}

// cause is what the worker has said of its end; "" when it said nothing.
func (m *postmortem) cause() string {
	switch {
	case m.stack:
		return "stack overflow: a function calls itself without end"
	case m.memory:
		return "out of memory"
	case m.c && m.fatal != "":
		return "a fault in C code: " + m.fatal
	case m.fatal != "":
		return m.fatal
	case m.panic != "":
		return "a panic in a goroutine that a library has started: " + m.panic
	}
	return ""
}

// oomKills counts the processes that the system has ended for want of memory, in this process's control group or on the
// machine, where the files of either say so.
func oomKills() (n int) {
	files := []string{"/proc/vmstat", "/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"}
	if groups, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		for line := range strings.Lines(string(groups)) {
			parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
			switch {
			case len(parts) != 3 || parts[2] == "/":
			case parts[1] == "":
				files = append(files, filepath.Join("/sys/fs/cgroup", parts[2], "memory.events"))
			case parts[1] == "memory":
				files = append(files, filepath.Join("/sys/fs/cgroup/memory", parts[2], "memory.oom_control"))
			}
		}
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		n += countKills(string(text))
	}
	return n
}

func countKills(text string) (n int) {
	for line := range strings.Lines(text) {
		var count int
		if _, err := fmt.Sscanf(line, "oom_kill %d", &count); err == nil {
			n += count
		}
	}
	return n
}

// epitaph says how the worker ended. It has been waited for, and all that it wrote has been read.
func (p *process) epitaph() string {
	how := "exit status 0"
	killed := false
	var exit *exec.ExitError
	if errors.As(p.status, &exit) {
		how = p.status.Error()
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			how = "killed by signal: " + ws.Signal().String()
			killed = ws.Signal() == syscall.SIGKILL
		}
	} else if p.status != nil {
		how = p.status.Error()
	}
	if killed && oomKills() > p.oomKills {
		return "out of memory: the system has killed it"
	}
	p.pump.wait()
	p.pump.mu.Lock()
	defer p.pump.mu.Unlock()
	if cause := p.pump.death.cause(); cause != "" && !killed {
		return how + ", " + cause
	}
	return how
}
