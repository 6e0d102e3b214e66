//go:build linux

package session

import (
	"strings"
	"testing"
)

// Why the worker has ended is told in the cell, where it can be known.
func TestCauseOfDeath(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{})}
	for _, c := range []struct{ name, source, want string }{
		{"no memory", "var limit syscall.Rlimit\nif err := syscall.Getrlimit(9, &limit); err != nil { panic(err) }\nlimit.Cur = 64 << 20\nif err := syscall.Setrlimit(9, &limit); err != nil { panic(err) }\nvar all [][]byte\nfor { b := make([]byte, 64<<20); for i := range b { b[i] = 1 }; all = append(all, b) }", "out of memory"},
		{"stack", "var f func(int) int\nf = func(i int) int { return f(i+1) + 1 }\nf(0)", "stack overflow: a function calls itself"},
		{"signal", "syscall.Kill(os.Getpid(), syscall.SIGSEGV)\nselect {}", "SIGSEGV: segmentation violation"},
		{"library", "time.AfterFunc(0, func() { panic(\"boom\") })\ntime.Sleep(time.Minute)", "a panic in a goroutine that a library has started: boom"},
		{"maps", "m := map[int]int{}\nfor range 8 { go func() { for i := 0; ; i++ { m[i%7]++ } }() }\ntime.Sleep(time.Minute)", "concurrent map"},
		{"killed", "os.Stderr.WriteString(\"panic: not this\\n\")\nsyscall.Kill(os.Getpid(), syscall.SIGKILL)\nselect {}", "(killed by signal: killed)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.T = t
			r.ok("before := 1")
			result, _ := r.fails(c.source, WorkerDied, c.want)
			if !result.WorkerDied || len(result.Lost) == 0 {
				t.Errorf("%+v", result)
			}
		})
	}
}

func TestPostmortem(t *testing.T) {
	for text, want := range map[string]string{
		"SIGSEGV: segmentation violation\nPC=0x0 m=0 sigcode=1\nsignal arrived during cgo execution\n": "a fault in C code: SIGSEGV: segmentation violation",
		"terminate called after throwing an instance of 'std::bad_alloc'\nSIGABRT: abort\n":            "out of memory",
		"panic: first\n\npanic: second\nno end":                                                        "a panic in a goroutine that a library has started: second",
		"fatal error: all goroutines are asleep":                                                       "",
		"nothing\n":                                                                                    "",
	} {
		for _, piece := range []int{1, 7, len(text)} {
			var m postmortem
			for rest := text; rest != ""; {
				n := min(piece, len(rest))
				m.read(rest[:n])
				rest = rest[n:]
			}
			if got := m.cause(); got != want {
				t.Errorf("%q in pieces of %d: %q, want %q", text, piece, got, want)
			}
		}
	}
	var m postmortem
	m.read(strings.Repeat("x", 10*maxLine))
	if len(m.partial) > maxLine {
		t.Errorf("%d bytes are kept", len(m.partial))
	}
	if n := countKills("low 0\noom 3\noom_kill 2\noom_group_kill 0\n"); n != 2 {
		t.Errorf("%d kills, want 2", n)
	}
}
