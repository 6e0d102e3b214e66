package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"fovea/internal/atomicfile"
	"fovea/internal/filelock"
	"fovea/internal/home"
)

// jupyterPins lists exact versions of JupyterLab and all that it needs.
//
//go:embed jupyter.txt
var jupyterPins string

// jupyterReady, in a virtual environment, says that it was completed.
const jupyterReady = "fovea-ready"

// python is an interpreter that can hold JupyterLab.
type python struct {
	path  string
	minor int // of 3.x
}

// pinned reports whether the pinned versions run on it; older ones get the newest that do.
func (p python) pinned() bool { return p.minor >= 11 }

// privateJupyter returns the folder of a virtual environment that holds JupyterLab, and makes it where it is missing or
// broken. Processes that want it at once wait for the one that came first.
func privateJupyter(ctx context.Context, log io.Writer) (string, error) {
	base, err := home.Share("jupyter")
	if err != nil {
		return "", err
	}
	// Another list of versions is another folder: a server that runs from the old one goes on.
	sum := sha256.Sum256([]byte(jupyterPins))
	venv := filepath.Join(base, "v-"+hex.EncodeToString(sum[:6]))

	unlock, err := lockShare(ctx, "jupyter.lock", func() {
		fmt.Fprintln(log, "waiting for another fovea, which is installing JupyterLab")
	})
	if err != nil {
		return "", err
	}
	defer unlock()

	switch err := checkJupyter(ctx, venv); {
	case err == nil:
		return venv, nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case !errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(log, "the JupyterLab in %s no longer works (%v): installing it again\n", venv, err)
	}
	py, err := findPython(ctx)
	if err != nil {
		return "", fmt.Errorf("JupyterLab is not installed, and Fovea cannot install it: %w. Notebooks run without it: fovea run NOTEBOOK", err)
	}
	if err := installJupyter(ctx, venv, py, log); err != nil {
		return "", errors.Join(err, os.RemoveAll(venv))
	}
	return venv, nil
}

// lockShare takes a lock in Fovea's data folder.
func lockShare(ctx context.Context, name string, waiting func()) (unlock func(), err error) {
	dir, err := home.Share()
	if err != nil {
		return nil, err
	}
	return filelock.Lock(ctx, filepath.Join(dir, name), waiting)
}

// checkJupyter finds out whether an environment was completed and still works: its Python may have been removed since.
func checkJupyter(ctx context.Context, venv string) error {
	if _, err := os.Stat(filepath.Join(venv, jupyterReady)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(venv, "bin", "python"), "-c", "import jupyterlab.labapp")
	command.Env = privateEnv(os.Environ())
	out, err := command.CombinedOutput()
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("its Python is gone") // not ErrNotExist, which stands for no environment at all
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, lastLine(out))
	}
	if _, err := os.Stat(filepath.Join(venv, "bin", "jupyter-lab")); err != nil {
		return errors.New("bin/jupyter-lab is gone")
	}
	return nil
}

// findPython looks for an interpreter that is new enough and can make virtual environments.
func findPython(ctx context.Context) (python, error) {
	// The answer also says whether the modules are there: Debian ships them in packages of their own.
	const ask = `import sys, importlib.util as u
print(sys.version_info[0], sys.version_info[1], int(u.find_spec("venv") is not None and u.find_spec("ensurepip") is not None))`
	found := errNoPython
	for _, name := range []string{"python3", "python", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		timeout, cancel := context.WithTimeout(ctx, 30*time.Second)
		command := exec.CommandContext(timeout, path, "-c", ask)
		command.Env = privateEnv(os.Environ())
		out, err := command.Output()
		cancel()
		if ctx.Err() != nil {
			return python{}, ctx.Err()
		}
		var major, minor, complete int
		if _, scanErr := fmt.Sscan(string(out), &major, &minor, &complete); err != nil || scanErr != nil {
			continue // such as the placeholder that some systems have under that name
		}
		switch {
		case major != 3 || minor < 10:
			found = fmt.Errorf("%s is Python %d.%d, and JupyterLab needs 3.10 or newer", path, major, minor)
		case complete == 0:
			found = fmt.Errorf("%s (Python %d.%d) lacks the modules venv and ensurepip: on Debian and Ubuntu run 'apt-get install python3-venv'", path, major, minor)
		default:
			return python{path: path, minor: minor}, nil
		}
	}
	if errors.Is(found, errNoPython) {
		found = fmt.Errorf("%w in PATH: install Python 3.10 or newer (on Debian and Ubuntu 'apt-get install python3 python3-venv', on macOS 'brew install python')", found)
	}
	return python{}, found
}

// installJupyter makes the environment from nothing. The caller removes what a failure leaves.
func installJupyter(ctx context.Context, venv string, py python, log io.Writer) error {
	start := time.Now()
	fmt.Fprintf(log, "installing JupyterLab in %s (250 MB, once)\n", venv)
	if err := os.RemoveAll(venv); err != nil {
		return err
	}
	create := exec.CommandContext(ctx, py.path, "-m", "venv", venv)
	create.Env = privateEnv(os.Environ())
	if out, err := create.CombinedOutput(); err != nil {
		return fmt.Errorf("make a virtual environment with %s: %w\n%s", py.path, explainExec(ctx, err), lastLines(out, 8))
	}
	constraints := filepath.Join(venv, "constraints.txt")
	content := jupyterPins
	if !py.pinned() {
		content = jupyterPin() + "\n"
	}
	if err := atomicfile.WriteBytes(constraints, []byte(content)); err != nil {
		return err
	}
	pip := exec.CommandContext(ctx, filepath.Join(venv, "bin", "python"), "-m", "pip", "install",
		"--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--constraint", constraints, "jupyterlab")
	pip.Env = privateEnv(os.Environ())
	pip.Cancel = func() error { return pip.Process.Signal(syscall.SIGTERM) } // it removes its temporary files
	pip.WaitDelay = 10 * time.Second
	if err := runPip(pip, strings.Count(jupyterPins, "=="), log); err != nil {
		return fmt.Errorf("install JupyterLab with pip: %w", explainExec(ctx, err))
	}
	if err := settle(venv); err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(filepath.Join(venv, jupyterReady), []byte(time.Now().UTC().Format(time.RFC3339)+"\n")); err != nil {
		return err
	}
	if err := checkJupyter(ctx, venv); err != nil {
		return fmt.Errorf("JupyterLab was installed and does not work: %w", err)
	}
	fmt.Fprintf(log, "JupyterLab is installed (%.0f s)\n", time.Since(start).Seconds())
	return nil
}

// jupyterSettings are the defaults of the private JupyterLab. It asks for no news and looks for no update, both over
// notebooks: its versions are Fovea's to choose. A user's own settings come first.
const jupyterSettings = `{
  "@jupyterlab/apputils-extension:notification": {
    "checkForUpdates": false,
    "fetchNews": "false"
  }
}
`

// settle writes the default settings where the JupyterLab of an environment looks for them.
func settle(venv string) error {
	dir := filepath.Join(venv, "share", "jupyter", "lab", "settings")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return atomicfile.WriteBytes(filepath.Join(dir, "overrides.json"), []byte(jupyterSettings))
}

// jupyterPin is the pinned version of JupyterLab alone.
func jupyterPin() string {
	for line := range strings.Lines(jupyterPins) {
		if strings.HasPrefix(line, "jupyterlab==") {
			return strings.TrimSpace(line)
		}
	}
	panic("jupyter.txt does not name jupyterlab")
}

var collecting = regexp.MustCompile(`^(Collecting|Installing collected packages)\s*:?\s*([^\s=<>!~\[(;,]*)`)

// runPip runs pip and shows how far it is: it names each package when it comes to it.
func runPip(pip *exec.Cmd, packages int, log io.Writer) error {
	out, in := io.Pipe()
	pip.Stdout, pip.Stderr = in, in
	done := make(chan error, 1)
	if err := pip.Start(); err != nil {
		return err
	}
	go func() {
		err := pip.Wait()
		in.Close()
		done <- err
	}()
	show := pipProgress(packages, log)
	var tail bytes.Buffer
	for scanner := bufio.NewScanner(out); scanner.Scan(); {
		line := scanner.Text()
		if match := collecting.FindStringSubmatch(strings.TrimSpace(line)); match != nil {
			show(match[1] == "Collecting", match[2])
		}
		tail.WriteString(line + "\n")
	}
	io.Copy(io.Discard, out) // a line too long for the scanner must not stop pip
	err := <-done
	show(false, "")
	if err != nil {
		return fmt.Errorf("%w\n%s", err, lastLines(tail.Bytes(), 12))
	}
	return nil
}

// pipProgress shows a bar on a terminal, and a line for every twenty packages elsewhere.
func pipProgress(packages int, log io.Writer) func(isNew bool, name string) {
	count := 0
	if file, ok := log.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		bar := progressbar.NewOptions(packages+1, progressbar.OptionSetWriter(log), progressbar.OptionSetDescription("packages"),
			progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
		return func(isNew bool, name string) {
			switch {
			case name == "":
				bar.Finish()
			case isNew && count < packages:
				count++
				bar.Describe(fmt.Sprintf("%-24s", name))
				bar.Add(1)
			case !isNew:
				bar.Describe(fmt.Sprintf("%-24s", "unpacking"))
			}
		}
	}
	return func(isNew bool, name string) {
		switch {
		case isNew:
			if count++; count%20 == 0 {
				fmt.Fprintf(log, "  %d of %d packages\n", count, packages)
			}
		case name != "":
			fmt.Fprintln(log, "  unpacking")
		}
	}
}

// explainExec prefers the reason for which a command was ended over the way in which it ended.
func explainExec(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func lastLine(out []byte) string { return lastLines(out, 1) }

func lastLines(out []byte, n int) string {
	list := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(list[max(0, len(list)-n):], "\n")
}
