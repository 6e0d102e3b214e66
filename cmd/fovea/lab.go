package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"fovea/kernel/client"
)

func init() { commands = append(commands, labCommand) }

func labCommand() *cobra.Command {
	var o labOptions
	cmd := &cobra.Command{
		Use:   "lab [NOTEBOOK|FOLDER] [-- JUPYTER-ARGUMENT…]",
		Short: "Open JupyterLab with the Fovea kernel",
		Long: `Lab opens a notebook or a folder in JupyterLab, where Fovea's kernel is one of the choices.

It uses the jupyter-lab in PATH. Where there is none, it installs JupyterLab into a private virtual environment below
Fovea's data folder, once, for which Python 3.10 or newer must be there. What follows -- goes to jupyter-lab as it is.`,
		Example: `  fovea lab notebooks/quickstart.ipynb
  fovea lab --no-browser --port 8899
  fovea lab . -- --ip 0.0.0.0`,
		RunE: func(cmd *cobra.Command, args []string) error {
			own := args
			if n := cmd.ArgsLenAtDash(); n >= 0 {
				own, o.extra = args[:n], args[n:]
			}
			if len(own) > 1 {
				return fmt.Errorf("lab: one notebook or folder, not %d (arguments for Jupyter follow --)", len(own))
			}
			var err error
			if o.program, err = installedProgram(); err != nil {
				return err
			}
			target := "."
			if len(own) == 1 {
				target = own[0]
			}
			return runLab(cmd.Context(), target, o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.noBrowser, "no-browser", false, "print the address and open no browser")
	flags.IntVar(&o.port, "port", 0, "port of the server (0: Jupyter's own choice)")
	flags.BoolVar(&o.print, "print", false, "set everything up, print the command that would start, and end")
	flags.BoolVar(&o.private, "private", false, "use the private installation even where there is a jupyter-lab in PATH")
	return cmd
}

type labOptions struct {
	program                   string // that serves the kernel
	noBrowser, print, private bool
	port                      int
	extra                     []string
}

func runLab(ctx context.Context, target string, o labOptions, stdout, stderr io.Writer) error {
	target, err := labTarget(target)
	if err != nil {
		return err
	}
	if o.port < 0 || o.port > 65535 {
		return fmt.Errorf("lab: --port %d: a port is a number up to 65535", o.port)
	}
	place := specPlace{name: "fovea"}
	env := os.Environ()
	lab, found := "", false
	if !o.private {
		lab, found = labInPath(ctx, stderr)
	}
	if !found {
		venv, err := privateJupyter(ctx, stderr)
		if err != nil {
			return err
		}
		lab, place.prefix = filepath.Join(venv, "bin", "jupyter-lab"), venv
		env = privateEnv(env)
	}
	dir, err := place.dir()
	if err != nil {
		return err
	}
	if err := registerKernel(ctx, dir, o.program); err != nil {
		return err
	}

	argv := labArguments(lab, target, o)
	if o.print {
		fmt.Fprintln(stdout, quoteCommand(argv))
		return nil
	}
	if err := setUpGopls(ctx, stderr); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "kernel   %s\nstarting %s\n", dir, quoteCommand(argv))
	// Jupyter takes this process over: it handles Ctrl-C itself, by asking.
	return fmt.Errorf("start %s: %w", lab, syscall.Exec(lab, argv, env))
}

// labTarget checks what is to be opened, and returns its absolute path.
func labTarget(target string) (string, error) {
	info, err := os.Stat(target)
	if err != nil {
		return "", fmt.Errorf("lab: %w", err)
	}
	if !info.IsDir() {
		if filepath.Ext(target) != ".ipynb" {
			return "", fmt.Errorf("lab: %s is neither a notebook (.ipynb) nor a folder", target)
		}
		if _, err := client.Read(target); err != nil {
			return "", fmt.Errorf("lab: %w", err)
		}
	}
	return filepath.Abs(target)
}

// labInPath finds a jupyter-lab that works.
func labInPath(ctx context.Context, log io.Writer) (path string, ok bool) {
	path, err := exec.LookPath("jupyter-lab")
	if err != nil {
		return "", false
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	version := strings.TrimSpace(string(out))
	if major, _, _ := strings.Cut(version, "."); err != nil {
		fmt.Fprintf(log, "%s does not start (%v): using a private JupyterLab\n", path, err)
		return "", false
	} else if n, err := strconv.Atoi(major); err != nil || n < 3 {
		fmt.Fprintf(log, "%s is version %q, older than 3: using a private JupyterLab\n", path, version)
		return "", false
	}
	return path, true
}

func labArguments(lab, target string, o labOptions) []string {
	argv := []string{lab}
	if filepath.Ext(target) == ".ipynb" {
		// By its address, so that the one which Jupyter prints leads to the notebook too.
		argv = append(argv, filepath.Dir(target), "--LabApp.default_url=/lab/tree/"+url.PathEscape(filepath.Base(target)))
	} else {
		argv = append(argv, target)
	}
	if o.noBrowser {
		argv = append(argv, "--no-browser")
	}
	if o.port != 0 {
		argv = append(argv, "--port", strconv.Itoa(o.port))
	}
	if os.Geteuid() == 0 {
		argv = append(argv, "--allow-root") // in containers there often is nobody else
	}
	return append(argv, o.extra...)
}

// privateEnv is the environment in which the private installation runs: the user's own Python settings would make it
// load other packages, and its kernels come before those of the user.
func privateEnv(env []string) []string {
	var kept []string
	for _, variable := range env {
		switch name, _, _ := strings.Cut(variable, "="); name {
		case "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "JUPYTER_PREFER_ENV_PATH":
		default:
			kept = append(kept, variable)
		}
	}
	return append(kept, "JUPYTER_PREFER_ENV_PATH=1")
}

// registerKernel writes the kernel's specification; two that do so at once wait for each other.
func registerKernel(ctx context.Context, dir, program string) error {
	unlock, err := lockShare(ctx, "kernelspec.lock", nil)
	if err != nil {
		return err
	}
	defer unlock()
	if err := installSpec(dir, program, "Go (Fovea)"); err != nil {
		return fmt.Errorf("make the kernel known to Jupyter: %w", err)
	}
	return nil
}

// quoteCommand writes a command as a shell would read it.
func quoteCommand(argv []string) string {
	var words []string
	for _, word := range argv {
		if word == "" || strings.ContainsAny(word, " \t\n'\"\\$&;|<>()*?[]{}~#`!") {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

var errNoPython = errors.New("no Python was found")
