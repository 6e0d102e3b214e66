package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fovea/internal/backend"
	"fovea/kernel/client"
	"fovea/kernel/session"
)

// fakeEngine prints each cell's source, fails where it says panic, and waits to be interrupted where it says loop.
type fakeEngine struct {
	dir    string
	onLoop func()
	closed bool
}

func (f *fakeEngine) Execute(ctx context.Context, cell session.Cell, out session.Output) session.Result {
	out.Stream("stdout", cell.Source+"\n")
	switch {
	case strings.Contains(cell.Source, "panic"):
		return session.Result{Err: &session.CellError{Name: session.Panic, Message: "it panicked", Traceback: []string{"cell 2, line 1"}}}
	case strings.Contains(cell.Source, "loop"):
		f.onLoop()
		<-ctx.Done()
		return session.Result{Err: &session.CellError{Name: session.Interrupted, Message: "stopped"}}
	}
	return session.Result{}
}

func (f *fakeEngine) Close() error { f.closed = true; return nil }

type runTest struct {
	runner
	engines        []*fakeEngine
	stdout, stderr bytes.Buffer
	onLoop         func()
}

func newRunTest(t *testing.T) *runTest {
	rt := &runTest{onLoop: func() {}}
	rt.runner = runner{
		output: filepath.Join(t.TempDir(), "out"), html: true, stdout: &rt.stdout, stderr: &rt.stderr,
		open: func(_ context.Context, notebook string, _ io.Writer) (engine, error) {
			e := &fakeEngine{dir: filepath.Dir(notebook), onLoop: rt.onLoop}
			rt.engines = append(rt.engines, e)
			return e, nil
		},
		resolve: func(context.Context, io.Writer) (backend.Choice, error) {
			return backend.Choice{Name: "go", Warning: "slow"}, nil
		},
	}
	return rt
}

func writeNotebook(t *testing.T, name string, sources ...string) string {
	t.Helper()
	var cells []string
	for _, s := range sources {
		cells = append(cells, `{"cell_type":"code","execution_count":null,"id":"x","metadata":{"tags":["parameters"]},"outputs":[],"source":"`+s+`"}`)
	}
	path := filepath.Join(t.TempDir(), name)
	content := `{"cells":[` + strings.Join(cells, ",") + `],"metadata":{},"nbformat":4,"nbformat_minor":5}`
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunWritesNotebookAndPage(t *testing.T) {
	rt := newRunTest(t)
	path := writeNotebook(t, "a.ipynb", "epochs := 1", "train()")
	rt.parameters = []client.Parameter{{Name: "epochs", Value: "2"}}
	if err := rt.run(context.Background(), []string{path}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.ipynb", "a.html"} {
		content, err := os.ReadFile(filepath.Join(rt.output, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"epochs = 2", "train()"} {
			if !bytes.Contains(content, []byte(want)) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
		if !strings.Contains(rt.stdout.String(), filepath.Join(rt.output, name)) {
			t.Errorf("%s is not named in\n%s", name, rt.stdout.String())
		}
	}
	nb, err := client.Read(filepath.Join(rt.output, "a.ipynb"))
	if err != nil {
		t.Fatal(err)
	}
	if got := nb.Get("fovea", "backend"); got != "go" {
		t.Errorf("backend %q", got)
	}
	if e := rt.engines[0]; !e.closed || e.dir != filepath.Dir(path) {
		t.Errorf("closed %v, ran in %s", e.closed, e.dir)
	}
	if !strings.Contains(rt.stderr.String(), "slow") {
		t.Error("the backend's warning was not shown")
	}
}

func TestRunOfAFailingNotebook(t *testing.T) {
	rt := newRunTest(t)
	bad := writeNotebook(t, "bad.ipynb", "x := 1", "panic(x)", "after()")
	good := writeNotebook(t, "good.ipynb", "fine()")
	err := rt.run(context.Background(), []string{bad, good})
	var failure *client.CellFailure
	if !errors.As(err, &failure) || exitCode(err) != 1 {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"cell 2 failed: panic(x)", "it panicked", "cell 2, line 1"} {
		if !strings.Contains(rt.stderr.String(), want) {
			t.Errorf("no %q in\n%s", want, rt.stderr.String())
		}
	}
	if !strings.Contains(rt.stdout.String(), "1 not run") {
		t.Errorf("stdout:\n%s", rt.stdout.String())
	}
	for _, name := range []string{"bad.ipynb", "good.ipynb"} { // one failure does not keep the next from its run
		if _, err := client.Read(filepath.Join(rt.output, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestRunInterrupted(t *testing.T) {
	rt := newRunTest(t)
	ctx, cancel := context.WithCancel(context.Background())
	rt.onLoop = cancel
	first := writeNotebook(t, "first.ipynb", "loop()", "after()")
	second := writeNotebook(t, "second.ipynb", "never()")
	err := rt.run(ctx, []string{first, second})
	if exitCode(err) != 130 {
		t.Errorf("exit code %d for %v, want 130", exitCode(err), err)
	}
	content, err := os.ReadFile(filepath.Join(rt.output, "first.ipynb"))
	if err != nil || !bytes.Contains(content, []byte("Interrupted")) {
		t.Errorf("the partial notebook: %v", err)
	}
	if len(rt.engines) != 1 || !rt.engines[0].closed {
		t.Errorf("%d sessions opened", len(rt.engines))
	}
}

// What can be known before the run is said before the run.
func TestRunRefusesEarly(t *testing.T) {
	good := func(t *testing.T) []string { return []string{writeNotebook(t, "a.ipynb", "x := 1")} }
	for _, c := range []struct {
		name  string
		setUp func(t *testing.T, rt *runTest) []string
		want  string
	}{
		{"no JSON beside a good one", func(t *testing.T, _ *runTest) []string {
			bad := filepath.Join(t.TempDir(), "bad.ipynb")
			if err := os.WriteFile(bad, []byte("{"), 0o644); err != nil {
				t.Fatal(err)
			}
			return append(good(t), bad)
		}, "cut off"},
		{"missing", func(t *testing.T, _ *runTest) []string { return []string{filepath.Join(t.TempDir(), "none.ipynb")} }, "does not exist"},
		{"same names", func(t *testing.T, _ *runTest) []string { return append(good(t), good(t)...) }, "both be written to"},
		{"over itself", func(t *testing.T, rt *runTest) []string {
			paths := good(t)
			rt.output = filepath.Dir(paths[0])
			return paths
		}, "--inplace"},
		{"output is a file", func(t *testing.T, rt *runTest) []string {
			paths := good(t)
			rt.output = paths[0]
			return paths
		}, "output folder"},
		{"nothing to compare with", func(t *testing.T, rt *runTest) []string {
			rt.check = &client.Check{}
			return good(t)
		}, "no outputs to compare"},
		{"unknown parameter", func(t *testing.T, rt *runTest) []string {
			rt.parameters = []client.Parameter{{Name: "y", Value: "1"}}
			return good(t)
		}, "no parameter y"},
		{"output cannot be written", func(t *testing.T, rt *runTest) []string {
			if os.Geteuid() == 0 {
				t.Skip("root may write everywhere")
			}
			rt.output = t.TempDir()
			if err := os.Chmod(rt.output, 0o555); err != nil {
				t.Fatal(err)
			}
			return good(t)
		}, "output folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rt := newRunTest(t)
			paths := c.setUp(t, rt)
			err := rt.run(context.Background(), paths)
			if err == nil || !strings.Contains(err.Error(), c.want) || exitCode(err) != 2 {
				t.Errorf("got %v, want %q and exit code 2", err, c.want)
			}
			if len(rt.engines) != 0 {
				t.Error("a session was opened")
			}
			if entries, _ := os.ReadDir(rt.output); len(entries) > 1 {
				t.Errorf("left behind: %v", entries)
			}
		})
	}
}

func TestRunChecksAndReports(t *testing.T) {
	rt := newRunTest(t)
	rt.inPlace = true
	same, other := writeNotebook(t, "same.ipynb", "x := 1"), writeNotebook(t, "other.ipynb", "y := 1")
	if err := rt.run(context.Background(), []string{same, other}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, bytes.Replace(content, []byte(`"y := 1\n"`), []byte(`"y := 2\n"`), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	rt = newRunTest(t)
	rt.check, rt.junit = &client.Check{}, filepath.Join(t.TempDir(), "reports", "junit.xml")
	err = rt.run(context.Background(), []string{other, same})
	var failure *client.CellFailure
	if !errors.As(err, &failure) || exitCode(err) != 1 {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{"  -y := 2\n  +y := 1", "2 notebooks: 1 well, 1 not"} {
		if !strings.Contains(rt.stdout.String(), want) {
			t.Errorf("no %q in\n%s", want, rt.stdout.String())
		}
	}
	report, err := os.ReadFile(rt.junit)
	if err != nil || !bytes.Contains(report, []byte(`<testsuites name="fovea" tests="2" failures="1" errors="0" skipped="0"`)) {
		t.Errorf("%v\n%s", err, report)
	}
}

func TestRunInPlace(t *testing.T) {
	rt := newRunTest(t)
	rt.inPlace = true
	path := writeNotebook(t, "a.ipynb", "x := 1")
	if err := rt.run(context.Background(), []string{path}); err != nil {
		t.Fatal(err)
	}
	nb, err := client.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := nb.Cells[0].Duration(); !ok {
		t.Error("the notebook was not executed in place")
	}
	if _, err := os.Stat(strings.TrimSuffix(path, ".ipynb") + ".html"); err != nil {
		t.Error(err)
	}
}

func TestRunArguments(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "which notebook"},
		{[]string{"a.ipynb", "-p", "x"}, "name=value"},
		{[]string{"a.ipynb", "--inplace", "-o", "x"}, "exclude each other"},
		{[]string{"a.ipynb", "--inplace", "--check"}, "one of the two"},
		{[]string{"a.ipynb", "--numbers", "0.1"}, "--check is not there"},
		{[]string{"a.ipynb", "--check", "--pictures", "-1"}, "shares"},
		{[]string{"a.ipynb", "--check", "--sanitize", "/does/not/exist"}, "rules"},
		{[]string{"a.ipynb", "--timeout", "-1s"}, "not negative"},
		{[]string{"a.ipynb", "--timeout", "soon"}, "invalid"},
	} {
		cmd := runCommand()
		cmd.SetArgs(c.args)
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %q", c.args, err, c.want)
		}
	}
}
