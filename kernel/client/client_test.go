package client

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"regexp"

	"strings"
	"testing"
	"time"

	"fovea/kernel/display"
	"fovea/kernel/session"
)

var update = flag.Bool("update", false, "write the golden files again")

// A fakeEngine runs cells by their source; a cell that it doesn't know runs well and says nothing.
type fakeEngine struct {
	cells map[string]func(context.Context, session.Output) session.Result
	ran   []session.Cell
}

func (f *fakeEngine) Execute(ctx context.Context, cell session.Cell, out session.Output) session.Result {
	f.ran = append(f.ran, cell)
	for start, run := range f.cells {
		if strings.HasPrefix(cell.Source, start) {
			return run(ctx, out)
		}
	}
	return session.Result{}
}

func well(f func(out session.Output)) func(context.Context, session.Output) session.Result {
	return func(_ context.Context, out session.Output) session.Result {
		f(out)
		return session.Result{}
	}
}

func fails(name, message string, traceback ...string) func(context.Context, session.Output) session.Result {
	return func(context.Context, session.Output) session.Result {
		return session.Result{Err: &session.CellError{Name: name, Message: message, Traceback: traceback, Line: 1, Column: 18}}
	}
}

// hangs runs until it is interrupted, like a loop in a cell.
func hangs(ctx context.Context, out session.Output) session.Result {
	out.Stream("stdout", "started\n")
	<-ctx.Done()
	return session.Result{Err: &session.CellError{Name: session.Interrupted, Message: "stopped"}}
}

func gradient(w, h int) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, color.NRGBA{uint8(255 * x / w), uint8(255 * y / h), 128, 255})
		}
	}
	return img
}

func tourEngine() *fakeEngine {
	return &fakeEngine{cells: map[string]func(context.Context, session.Output) session.Result{
		"%%": well(func(out session.Output) {
			out.Stream("stdout", "epoch 1 < 3")
			out.Stream("stdout", "\repoch 2 < 3\repoch 3 < 3\n")
			out.Stream("stderr", "\x1b[1;31mwarning:\x1b[0m one \x1b[38;5;208mthing\x1b[0m\n")
			out.Stream("stdout", "done\n")
		}),
		"display.Show": well(func(out session.Output) {
			out.Display(display.Message{Kind: display.KindDisplay, Bundle: display.BundleOf(gradient(300, 120))})
			out.Display(display.Message{Kind: display.KindDisplay, ID: "curve", Bundle: display.BundleOf("old")})
			out.Display(display.Message{Kind: display.KindDisplay, Bundle: display.BundleOf([][]string{{"class", "accuracy"}, {"cat", "61.5 %"}})})
			out.Display(display.Message{Kind: display.KindDisplay, Bundle: display.Bundle{Data: display.SVG(`<svg xmlns="http://www.w3.org/2000/svg" width="120" height="40"><rect width="120" height="40" fill="teal"/></svg>`).MIMEBundle()}})
			out.Display(display.Message{Kind: display.KindDisplay, Bundle: display.Bundle{Data: display.Markdown("**bold** and $x_1$").MIMEBundle()}})
			out.Result(display.Bundle{Data: display.JSON(map[string]int{"a": 1}).MIMEBundle()})
		}),
		"var broken": fails(session.CompileError, "cannot use \"text\" as int", "Cell 5, line 1:", "    var broken int = \"text\"", "                     ^", "cannot use \"text\" as int"),
		"display.Update": well(func(out session.Output) {
			out.Display(display.Message{Kind: display.KindUpdate, ID: "curve", Bundle: display.BundleOf("new")})
			out.Display(display.Message{Kind: display.KindUpdate, ID: "unknown", Bundle: display.BundleOf("lost")})
		}),
	}}
}

func readTour(t *testing.T) *Notebook {
	t.Helper()
	nb, err := Read(filepath.Join("testdata", "tour.ipynb"))
	if err != nil {
		t.Fatal(err)
	}
	return nb
}

func TestAFileComesBackByteForByte(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("testdata", "tour.ipynb"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := readTour(t).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the file changed:\n%s", firstDifference(got, want))
	}
}

var times = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`)

func TestRunWritesTheExpectedNotebook(t *testing.T) {
	nb := readTour(t)
	engine := tourEngine()
	report, err := Run(context.Background(), nb, engine, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(engine.ran); n != 5 || len(report.Cells) != 5 {
		t.Errorf("%d cells ran, %d reported, want 5", n, len(report.Cells))
	}
	if last := engine.ran[len(engine.ran)-1]; last.Number != 5 {
		t.Errorf("the last cell has number %d, want 5", last.Number)
	}
	nb.Set("xla:cpu (test)", "fovea", "backend")
	got, err := nb.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "tour.executed.ipynb", times.ReplaceAll(got, []byte("2026-01-02T03:04:05.000000Z")))

	again, err := Parse(got)
	if err != nil {
		t.Fatalf("what was written cannot be read: %v", err)
	}
	if out, _ := again.Bytes(); !bytes.Equal(out, got) {
		t.Error("the executed notebook changes when it is read and written")
	}
}

func TestPage(t *testing.T) {
	nb := readTour(t)
	if _, err := Run(context.Background(), nb, tourEngine(), Options{}); err != nil {
		t.Fatal(err)
	}
	nb.Set("xla:cpu (test)", "fovea", "backend")
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range nb.Cells {
		if c.doc["execution_count"] != nil {
			c.stamp(at, at.Add(1234*time.Millisecond))
		}
	}
	page, err := HTML(nb)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "tour.html", page)
	for _, fetched := range []string{` src="http`, `<script`, `<link`, `@import`, `url(`} {
		if bytes.Contains(page, []byte(fetched)) {
			t.Errorf("the page contains %s: it must need nothing else", fetched)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it again; then look at it):\n%s", name, firstDifference(got, want))
	}
}

func firstDifference(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			return fmt.Sprintf("line %d\n got %.300s\nwant %.300s", i+1, a, b)
		}
	}
	return "nothing"
}
