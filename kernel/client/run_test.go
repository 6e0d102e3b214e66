package client

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fovea/kernel/display"
	"fovea/kernel/session"
)

type cellFunc = func(context.Context, session.Output) session.Result

// codeNotebook has a code cell of each source.
func codeNotebook(t *testing.T, sources ...string) *Notebook {
	t.Helper()
	nb, err := Parse([]byte(notebook()))
	if err != nil {
		t.Fatal(err)
	}
	nb.Path = "test.ipynb"
	for _, s := range sources {
		nb.Cells = append(nb.Cells, nb.newCell(s))
	}
	return nb
}

func outputTypes(c *Cell) string {
	var types []string
	for _, o := range c.output {
		types = append(types, o.doc["output_type"].(string))
	}
	return strings.Join(types, " ")
}

func TestTheFirstErrorStopsTheNotebook(t *testing.T) {
	for _, allow := range []bool{false, true} {
		nb := codeNotebook(t, "a", "bad", "c", "d")
		nb.Cells[3].output = []*output{{map[string]any{"output_type": "stream", "name": "stdout", "text": "of an earlier run"}}}
		engine := &fakeEngine{cells: map[string]cellFunc{"bad": fails(session.Panic, "index out of range", "bad.go:1")}}
		report, err := Run(context.Background(), nb, engine, Options{AllowErrors: allow})
		var failure *CellFailure
		if !errors.As(err, &failure) || failure.Cells[0].Number != 2 || !strings.Contains(err.Error(), "cell 2 (bad) failed: Panic") {
			t.Errorf("allow %v: got %v", allow, err)
		}
		ran, skipped := 2, 2
		if allow {
			ran, skipped = 4, 0
		}
		if len(engine.ran) != ran || report.Skipped != skipped || len(report.Errors()) != 1 {
			t.Errorf("allow %v: %d ran, %d skipped, %d errors", allow, len(engine.ran), report.Skipped, len(report.Errors()))
		}
		if got := outputTypes(nb.Cells[1]); got != "error" {
			t.Errorf("the cell's outputs are %s", got)
		}
		if nb.Cells[3].output != nil {
			t.Error("an output of an earlier run stays in a cell that was not reached")
		}
	}
}

func TestATimeoutStopsTheCell(t *testing.T) {
	nb := codeNotebook(t, "loop", "after")
	engine := &fakeEngine{cells: map[string]cellFunc{"loop": hangs}}
	_, err := Run(context.Background(), nb, engine, Options{Timeout: 20 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "Timeout: stopped after 20ms") || errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := outputTypes(nb.Cells[0]); got != "stream error" {
		t.Errorf("outputs are %s", got)
	}
}

func TestInterruptKeepsWhatWasDone(t *testing.T) {
	nb := codeNotebook(t, "one", "loop", "three")
	ctx, cancel := context.WithCancel(context.Background())
	engine := &fakeEngine{cells: map[string]cellFunc{
		"one": well(func(out session.Output) { out.Stream("stdout", "1\n") }),
		"loop": func(ctx context.Context, out session.Output) session.Result {
			cancel()
			return hangs(ctx, out)
		},
	}}
	report, err := Run(ctx, nb, engine, Options{AllowErrors: true})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "cell 2") || report.Skipped != 1 {
		t.Errorf("got %v, %d skipped", err, report.Skipped)
	}
	path := filepath.Join(t.TempDir(), "partial.ipynb")
	if err := nb.Write(path); err != nil {
		t.Fatal(err)
	}
	partial, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := outputTypes(partial.Cells[0]) + "|" + outputTypes(partial.Cells[1]) + "|" + outputTypes(partial.Cells[2]); got != "stream|stream error|" {
		t.Errorf("outputs are %s", got)
	}
}

func TestAnExpectedErrorIsNone(t *testing.T) {
	nb := codeNotebook(t, "bad")
	set(nb.Cells[0].doc, []any{TagMayFail}, "metadata", "tags")
	report, err := Run(context.Background(), nb, &fakeEngine{cells: map[string]cellFunc{"bad": fails("Panic", "x")}}, Options{})
	if report.Duration <= 0 {
		t.Error("the run took no time")
	}
	if err != nil || !report.Cells[0].Expected || report.Errors() != nil {
		t.Errorf("got %v, %+v", err, report.Cells)
	}
}

func TestClearOutput(t *testing.T) {
	show := func(out session.Output, id, s string) {
		out.Display(display.Message{Kind: display.KindDisplay, ID: id, Bundle: display.BundleOf(s)})
	}
	nb := codeNotebook(t, "now", "wait", "pending", "update")
	engine := &fakeEngine{cells: map[string]cellFunc{
		"now": well(func(out session.Output) {
			out.Stream("stdout", "a\n")
			show(out, "x", "gone")
			out.Display(display.Message{Kind: display.KindClear})
			out.Stream("stdout", "b\n")
		}),
		"wait": well(func(out session.Output) {
			show(out, "", "old")
			out.Display(display.Message{Kind: display.KindClear, Wait: true})
			show(out, "", "new")
			show(out, "", "newer")
		}),
		"pending": well(func(out session.Output) {
			show(out, "", "stays")
			out.Display(display.Message{Kind: display.KindClear, Wait: true})
		}),
		// What was cleared away must not come back by an update.
		"update": well(func(out session.Output) {
			out.Display(display.Message{Kind: display.KindUpdate, ID: "x", Bundle: display.BundleOf("again")})
		}),
	}}
	if _, err := Run(context.Background(), nb, engine, Options{}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"stream", "display_data display_data", "display_data", ""} {
		if got := outputTypes(nb.Cells[i]); got != want {
			t.Errorf("cell %d: outputs %q, want %q", i+1, got, want)
		}
	}
	if data, _ := nb.Bytes(); bytes.Contains(data, []byte("again")) || bytes.Contains(data, []byte("gone")) {
		t.Error("cleared output is in the file")
	}
}

func TestADeadWorkerIsTold(t *testing.T) {
	nb := codeNotebook(t, "exit")
	engine := &fakeEngine{cells: map[string]cellFunc{"exit": func(context.Context, session.Output) session.Result {
		return session.Result{WorkerDied: true, Lost: []string{"model", "x"}, Err: &session.CellError{Name: session.Exit, Message: "os.Exit(1)"}}
	}}}
	report, _ := Run(context.Background(), nb, engine, Options{})
	if notes := strings.Join(report.Cells[0].Notes, "\n"); !strings.Contains(notes, "lost: model, x") {
		t.Errorf("notes %q", notes)
	}
}

func TestAPageOfAnErrorEscapesIt(t *testing.T) {
	nb := codeNotebook(t, "bad")
	if _, err := Run(context.Background(), nb, &fakeEngine{cells: map[string]cellFunc{"bad": fails("Panic", "<script>alert(1)</script>")}}, Options{AllowErrors: true}); err == nil {
		t.Fatal("no error")
	}
	path := filepath.Join(t.TempDir(), "page.html")
	if err := nb.WriteHTML(path); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(page, []byte("<script")) || !bytes.Contains(page, []byte("Panic: &lt;script&gt;")) {
		t.Error("the message is in the page as it came")
	}
}

// syncBuffer is a writer that two goroutines may use.
type syncBuffer struct {
	mu  chan struct{}
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu <- struct{}{}
	defer func() { <-b.mu }()
	return b.buf.Write(p)
}

func TestWatcherOnAPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &syncBuffer{mu: make(chan struct{}, 1)}
		w := NewWatcher(out)
		nb := codeNotebook(t, "// Train it.\ntrain()", "bad")
		engine := &fakeEngine{cells: map[string]cellFunc{
			"// Train": func(_ context.Context, out session.Output) session.Result {
				out.Stream("stdout", "epoch 1\n")
				time.Sleep(25 * time.Second)
				return session.Result{Notes: []string{"x was set to zero"}}
			},
			"bad": fails("Panic", "no"),
		}}
		Run(context.Background(), nb, engine, Options{Watch: w})
		w.Close()
		want := `[1/2]     10.0 s  Train it.  · epoch 1 …
[1/2]     20.0 s  Train it.  · epoch 1 …
[1/2]     25.0 s  Train it.  → 1 line
         x was set to zero
[2/2]     0.0 ms  bad  → FAILED: Panic
`
		if got := out.buf.String(); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

func TestWatcherOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &syncBuffer{mu: make(chan struct{}, 1)}
		w := NewWatcher(out)
		w.live, w.every, w.width = true, 200*time.Millisecond, func() int { return 30 }
		nb := codeNotebook(t, "a long line of code that does not fit\tat all")
		engine := &fakeEngine{cells: map[string]cellFunc{"a long": func(context.Context, session.Output) session.Result {
			time.Sleep(500 * time.Millisecond)
			return session.Result{}
		}}}
		Run(context.Background(), nb, engine, Options{Watch: w})
		const erase = "\r\x1b[K"
		if got := strings.Count(out.buf.String(), erase); got != 4 { // at its start, twice alive, at its end
			t.Errorf("drawn %d times: %q", got, out.buf.String())
		}
		for _, line := range strings.Split(strings.TrimSuffix(out.buf.String(), "\n"), erase) {
			if n := len([]rune(line)); n > 30 {
				t.Errorf("%d columns: %q", n, line)
			}
		}
	})
}

func TestTimeTable(t *testing.T) {
	got := TimeTable(Report{Cells: []CellReport{
		{Number: 1, Title: "x := 1", Duration: 42 * time.Millisecond, Timing: session.Timing{Compile: 30 * time.Millisecond, Link: 10 * time.Millisecond, Run: time.Millisecond, Total: 42 * time.Millisecond}},
		{Number: 10, Title: "train()", Duration: 200 * time.Second},
	}})
	want := `cell        time     compile         run
   1       42 ms       40 ms        1 ms  x := 1
  10    3:20 min                          train()`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
