package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fakePython stands for an interpreter: it makes an environment that holds itself, and its pip installs an empty file.
// VERSION and FAIL are set in its first lines; each installation leaves a line in $FAKE_LOG.
const fakePython = `
case "$1 $2" in
"-c import jupyterlab.labapp") exit 0 ;;
"-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip")
	echo install >> "$FAKE_LOG"
	echo "Collecting jupyterlab==4.6.4"
	if [ -n "$FAIL" ]; then echo "ERROR: no route to the index" >&2; exit 1; fi
	echo "Installing collected packages: jupyterlab"
	sleep 0.2
	touch "$(dirname "$0")/jupyter-lab" ;;
-c*) echo "$VERSION" ;;
esac
`

// labMachine is a machine with the given programs in PATH and nothing of Fovea's.
func labMachine(t *testing.T, programs map[string]string) (log string) {
	t.Helper()
	bin := t.TempDir()
	for name, script := range programs {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	log = filepath.Join(t.TempDir(), "log")
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	if len(programs) == 0 || programs["python3"] == "" {
		t.Setenv("PATH", bin)
	}
	t.Setenv("FAKE_LOG", log)
	t.Setenv("FOVEA_SHARE", t.TempDir())
	t.Setenv("JUPYTER_DATA_DIR", t.TempDir())
	return log
}

func goodPython(head string) string {
	return "VERSION='3 12 1'\nFAIL=\n" + head + "\n" + fakePython
}

func installs(t *testing.T, log string) int {
	t.Helper()
	content, err := os.ReadFile(log)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Count(string(content), "install\n")
}

func TestJupyterIsInstalledOnce(t *testing.T) {
	log := labMachine(t, map[string]string{"python3": goodPython("")})
	var group sync.WaitGroup
	venvs := make([]string, 3)
	for i := range venvs {
		group.Go(func() {
			venv, err := privateJupyter(context.Background(), io.Discard)
			if err != nil {
				t.Error(err)
			}
			venvs[i] = venv
		})
	}
	group.Wait()
	if n := installs(t, log); n != 1 || slices.Compact(slices.Clone(venvs))[0] != venvs[2] {
		t.Errorf("%d installations, in %v", n, venvs)
	}

	// Its Python was removed with the system's upgrade: the environment is made again.
	if err := os.Remove(filepath.Join(venvs[0], "bin", "python")); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, err := privateJupyter(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	if n := installs(t, log); n != 2 || !strings.Contains(out.String(), "no longer works (its Python is gone)") {
		t.Errorf("%d installations; log:\n%s", n, out.String())
	}
}

func TestAnInstallationThatWasCutShortIsMadeAgain(t *testing.T) {
	log := labMachine(t, map[string]string{"python3": goodPython("")})
	venv, err := privateJupyter(context.Background(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(venv, jupyterReady)); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(venv, "stale")
	if err := os.WriteFile(stale, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := privateJupyter(context.Background(), io.Discard); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); !os.IsNotExist(err) || installs(t, log) != 2 {
		t.Errorf("%d installations, stale file: %v", installs(t, log), err)
	}
}

func TestWhatJupyterNeeds(t *testing.T) {
	for _, c := range []struct {
		name     string
		programs map[string]string
		want     []string
	}{
		{"no Python", nil, []string{"no Python was found in PATH", "apt-get install python3 python3-venv", "fovea run"}},
		{"a placeholder", map[string]string{"python3": "exit 9"}, []string{"no Python was found"}},
		{"old", map[string]string{"python3": "echo 3 8 1"}, []string{"is Python 3.8", "3.10 or newer"}},
		{"no venv", map[string]string{"python3": "echo 3 11 0"}, []string{"lacks the modules venv and ensurepip", "python3-venv"}},
		{"no network", map[string]string{"python3": goodPython("FAIL=1")}, []string{"with pip", "no route to the index"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			labMachine(t, c.programs)
			if c.programs["python3"] != "" && !strings.Contains(c.programs["python3"], "FAIL") {
				// Only the program under test, not those of this machine.
				t.Setenv("PATH", strings.TrimSuffix(os.Getenv("PATH"), ":/usr/bin:/bin"))
			}
			_, err := privateJupyter(context.Background(), io.Discard)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in: %v", want, err)
				}
			}
			left, _ := filepath.Glob(filepath.Join(os.Getenv("FOVEA_SHARE"), "jupyter", "*"))
			if len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestFindPythonGoesOnToTheNext(t *testing.T) {
	labMachine(t, map[string]string{"python3": "echo 3 8 1", "python3.12": "echo 3 12 1"})
	py, err := findPython(context.Background())
	if err != nil || filepath.Base(py.path) != "python3.12" || !py.pinned() {
		t.Errorf("got %+v, %v", py, err)
	}
}

func TestLabInPath(t *testing.T) {
	for script, want := range map[string]bool{"echo 4.2.1": true, "echo 2.3.1": false, "exit 1": false, "echo what": false} {
		labMachine(t, map[string]string{"jupyter-lab": script})
		if _, ok := labInPath(context.Background(), io.Discard); ok != want {
			t.Errorf("%s: %v, want %v", script, ok, want)
		}
	}
}

func TestLabRegistersTheKernelAndPrintsItsCommand(t *testing.T) {
	labMachine(t, map[string]string{"jupyter-lab": "echo 4.6.4"})
	path := writeNotebook(t, "a b.ipynb", "x := 1")
	var out bytes.Buffer
	o := labOptions{program: "/opt/fovea", print: true, noBrowser: true, port: 8899, extra: []string{"--ip", "0.0.0.0"}}
	if err := runLab(context.Background(), path, o, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"jupyter-lab", filepath.Dir(path), "/lab/tree/a%20b.ipynb", "--no-browser --port 8899", "--ip 0.0.0.0"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out.String())
		}
	}
	if _, err := os.Stat(filepath.Join(os.Getenv("JUPYTER_DATA_DIR"), "kernels", "fovea", "kernel.json")); err != nil {
		t.Error(err)
	}
}

func TestLabTargets(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"a.txt": "x", "bad.ipynb": "{"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"none.ipynb": "no such file", "a.txt": "neither a notebook", "bad.ipynb": "cut off", ".": ""} {
		_, err := labTarget(filepath.Join(dir, name))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
}

func TestJupyterPinsAreExact(t *testing.T) {
	for line := range strings.Lines(jupyterPins) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") && !strings.Contains(line, "==") {
			t.Errorf("%q is no exact version", line)
		}
	}
	if !strings.HasPrefix(jupyterPin(), "jupyterlab==") {
		t.Error(jupyterPin())
	}
}
