//go:build linux

package session

import (
	"context"
	"strings"
	"testing"
	"time"
)

// What else a cell may wait for: programs that do not listen, their children, the network, a user, a package that is built.
// The values stay.
func TestInterruptStates(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{Grace: 2 * time.Second})}
	r.ok("import (\"net\"; \"os/exec\")\nkeep := 42\nready := func() { fmt.Println(\"ready\") }")
	for _, c := range []struct{ name, source string }{
		{"a program that ignores signals", "ready()\nexec.Command(\"sh\", \"-c\", \"trap '' INT TERM; while true; do sleep 0.1; done\").Run()"},
		{"children of a program", "ready()\nout, _ := exec.Command(\"sh\", \"-c\", \"trap '' INT; sleep 100 & (trap '' INT; sleep 100); wait\").CombinedOutput()\n_ = out"},
		{"the network", "l, err := net.Listen(\"tcp\", \"127.0.0.1:0\")\nif err != nil { panic(err) }\nready()\nl.Accept()"},
		{"a pipe", "reader, _, _ := os.Pipe()\nready()\nreader.Read(make([]byte, 1))"},
		{"a lock", "var mu sync.Mutex\nmu.Lock()\nready()\nmu.Lock()"},
	} {
		begun := time.Now()
		result, _ := r.interrupted(c.source)
		if result.Err == nil || result.Err.Name != Interrupted || result.WorkerDied {
			t.Errorf("%s: %v, died %v", c.name, result.Err, result.WorkerDied)
		}
		t.Logf("%s: %v", c.name, time.Since(begun).Round(time.Millisecond))
		r.want("keep", "42")
	}
	// A program that asks its user.
	ctx, cancel := context.WithCancel(t.Context())
	out := &asker{wait: make(chan struct{})}
	done := make(chan Result, 1)
	go func() {
		done <- r.s.Execute(ctx, Cell{Number: 90, Source: "c := exec.Command(\"cat\")\nc.Stdin = os.Stdin\nc.Run()"}, out)
	}()
	select {
	case <-out.wait:
	case <-time.After(20 * time.Second):
		t.Fatal("the program's wait for input was not seen")
	}
	cancel()
	if result := <-done; result.Err == nil || result.Err.Name != Interrupted || result.WorkerDied {
		t.Errorf("a program that asks: %+v", result)
	}
	r.want("keep", "42")
	// A package that comes late is built by the go command.
	for _, after := range []time.Duration{time.Millisecond, 100 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		result, _ := r.run(ctx, "import \"go/build/constraint\"\nimport \"text/template\"\ntemplate.New(constraint.GoVersion(nil))")
		cancel()
		if result.Err == nil || result.Err.Name != Interrupted || result.WorkerDied {
			t.Errorf("a package that is built: %+v", result)
		}
		r.want("keep", "42")
	}
	r.want("import \"text/tabwriter\"\ntabwriter.Debug > 0", "true")
	// No program is left.
	out2 := r.ok("left, _ := exec.Command(\"sh\", \"-c\", \"ps -o args= -g $(ps -o pgid= $$) 2>/dev/null | grep -c 'sleep 100'\").Output()\nfmt.Print(strings.TrimSpace(string(left)))")
	if got := strings.TrimSpace(out2.stdout.String()); got != "0" && got != "" {
		t.Errorf("%s programs are left", got)
	}
}

// An interrupt stops a checkpoint, and leaves those that were there.
func TestInterruptCheckpoint(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{})}
	r.ok("words := make([]string, 5_000_000)\nfor i := range words { words[i] = \"word\" }\nsmall := 1")
	if _, err := r.s.Checkpoint(t.Context(), "small"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.s.Checkpoint(ctx); err == nil {
		t.Skip("the checkpoint was faster than the interrupt")
	}
	list, err := r.s.Checkpoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.Name == "small" && c.Reason != "" {
			t.Errorf("%+v", c)
		}
	}
	r.want("len(words) + small", "5000001")
}
