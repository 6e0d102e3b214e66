package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fovea/internal/home"
)

// verdict is a line of suite/run.py: how one test ended.
type verdict struct {
	Test    string
	Outcome string // ok, skipped or failed
	Text    string // the reason, the traceback
	Seconds float64
}

// TestKernel runs the suites against a kernel that is installed for this test alone. Each test in Python is a subtest.
func TestKernel(t *testing.T) {
	p := setUp(t)
	for _, suite := range []string{"published", "protocol", "secure", "notebooks", "parameters"} {
		t.Run(suite, func(t *testing.T) { p.run(t, suite) })
	}
}

// TestSoak runs a session of $FOVEA_SOAK cells, and reports how time and memory grow with them.
func TestSoak(t *testing.T) {
	if os.Getenv("FOVEA_SOAK") == "" {
		t.Skip("$FOVEA_SOAK says no number of cells: 'make soak' runs 1000")
	}
	setUp(t).run(t, "soak")
}

// TestBrowser clicks through notebooks in JupyterLab. $FOVEA_BROWSER names a Chromium; $FOVEA_SCREENSHOTS, if set, a
// folder for pictures of how each test ended.
func TestBrowser(t *testing.T) {
	browser := os.Getenv("FOVEA_BROWSER")
	if browser == "" {
		t.Skip("$FOVEA_BROWSER names no Chromium")
	}
	if _, err := exec.LookPath(browser); err != nil {
		t.Fatalf("$FOVEA_BROWSER: %v", err)
	}
	p := setUp(t)
	if out, err := p.command(t.Context(), p.path, "-c", "import jupyterlab, playwright").CombinedOutput(); err != nil {
		t.Skipf("%s lacks what requirements-browser.txt lists: %s", p.path, out)
	}
	p.run(t, "browser")
}

// TestGoNB runs notebooks in stock GoNB too, which it builds and sets up when $FOVEA_GONB is set. $FOVEA_SHARE, if set, keeps
// it for the next time.
func TestGoNB(t *testing.T) {
	if os.Getenv("FOVEA_GONB") == "" {
		t.Skip("$FOVEA_GONB is not set: this test fetches and builds GoNB")
	}
	p := setUp(t)
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "FOVEA_NOTEBOOKS="+filepath.Join(root, "notebooks"), "FOVEA_SCRATCH="+t.TempDir())
	if os.Getenv("FOVEA_SHARE") == "" {
		p.env = append(p.env, "FOVEA_SHARE="+t.TempDir())
	}
	if out, err := p.command(t.Context(), p.program, "kernel", "install", "--gonb").CombinedOutput(); err != nil {
		t.Fatalf("kernel install --gonb: %v\n%s", err, out)
	}
	p.run(t, "gonb")
}

// python is an interpreter with Jupyter's client, in an environment where the kernel is installed.
type python struct {
	path    string
	program string // the fovea command
	env     []string
}

func setUp(t *testing.T) python {
	t.Helper()
	path := os.Getenv("FOVEA_JUPYTER_PYTHON")
	if path == "" {
		t.Skip("$FOVEA_JUPYTER_PYTHON names no Python with Jupyter's client: run 'make jupyter-env' and set it to build/jupyter/bin/python")
	}
	if testing.Short() {
		t.Skip("takes a minute")
	}
	path, err := exec.LookPath(path)
	if err != nil {
		t.Fatalf("$FOVEA_JUPYTER_PYTHON: %v", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		t.Fatal(err)
	}
	program, data := fovea(t), t.TempDir()
	// A cache of its own: the user's history stays free of the tests' cells.
	p := python{path, program, append(os.Environ(), "JUPYTER_DATA_DIR="+data, "JUPYTER_RUNTIME_DIR="+filepath.Join(data, "runtime"),
		"JUPYTER_CONFIG_DIR="+filepath.Join(data, "config"), "FOVEA_CACHE="+filepath.Join(data, "cache"), "GOMLX_BACKEND=go",
		"FOVEA_COMMAND="+program, "PYTHONWARNINGS=ignore",
		"PATH="+filepath.Dir(path)+string(filepath.ListSeparator)+os.Getenv("PATH"))}
	if out, err := p.command(t.Context(), program, "kernel", "install", "--no-gopls").CombinedOutput(); err != nil {
		t.Fatalf("kernel install: %v\n%s", err, out)
	}
	return p
}

func (p python) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, name, args...)
	command.Env = p.env
	return command
}

// run runs one suite.
func (p python) run(t *testing.T, suite string) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	command := p.command(ctx, p.path, filepath.Join("suite", "run.py"), suite)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) } // it ends what it has started
	command.WaitDelay = 10 * time.Second
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	command.Stderr = &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	tests := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var v verdict
		if json.Unmarshal(lines.Bytes(), &v) != nil || v.Test == "" {
			t.Log(lines.Text())
			continue
		}
		tests++
		t.Run(v.Test, func(t *testing.T) {
			switch v.Outcome {
			case "ok":
				t.Logf("%.2f s", v.Seconds)
			case "skipped":
				t.Skip(v.Text)
			default:
				t.Error(v.Text)
			}
		})
	}
	var exit *exec.ExitError
	if err := command.Wait(); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		t.Errorf("the suite ended with %v", err)
	}
	if tests == 0 {
		t.Error("the suite ran no test")
	}
	if t.Failed() {
		t.Logf("the kernel's log:\n%s", log.String())
	}
}

// fovea is the command to test: $FOVEA_COMMAND, or one that is built now.
func fovea(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("FOVEA_COMMAND"); path != "" {
		return path
	}
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "fovea")
	build := exec.Command("go", "build", "-o", path, "./cmd/fovea")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}
