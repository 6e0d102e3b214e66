package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fovea/internal/atomicfile"
	"fovea/internal/backend"
	"fovea/kernel/client"
)

func init() { commands = append(commands, runCommand) }

func runCommand() *cobra.Command {
	r := runner{open: openEngine, resolve: resolveForRun}
	var parameters []string
	cmd := &cobra.Command{
		Use:   "run NOTEBOOK…",
		Short: "Run notebooks without Jupyter and write what came out",
		Long: `Run executes the code cells of each notebook in order, in the notebook's folder, with every value alive in between.
It shows how each cell goes, and writes the executed notebook, with --html also a page that holds all its pictures.

A cell that fails ends the notebook, and the exit code tells; what was done until then is written all the same.
Ctrl-C stops the running cell and then the notebook. XLA is installed first where it is missing.

Cells with these tags are treated apart:
  parameters         its variables are what -p sets
  raises-exception   may fail without stopping the notebook
  skip-execution     is not run and keeps its outputs`,
		Example: `  fovea run notebooks/quickstart.ipynb --html
  fovea run train.ipynb -p epochs=5 -p name=wide --timeout 10m -o results
  fovea run a.ipynb b.ipynb --inplace`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("run: which notebook? Write its path, as in 'fovea run notebooks/quickstart.ipynb'")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, s := range parameters {
				p, err := client.ParseParameter(s)
				if err != nil {
					return err
				}
				r.parameters = append(r.parameters, p)
			}
			if r.inPlace && cmd.Flags().Changed("output") {
				return errors.New("run: --inplace and --output exclude each other")
			}
			r.stdout, r.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return r.run(cmd.Context(), args)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&r.output, "output", "o", "build", "folder for the executed notebooks and pages")
	flags.BoolVar(&r.inPlace, "inplace", false, "write each executed notebook over its source")
	flags.BoolVar(&r.html, "html", false, "write a page too, with all pictures inside it")
	flags.DurationVar(&r.timeout, "timeout", 0, "the longest that one cell may take, such as 90s or 10m (0: any time)")
	flags.BoolVar(&r.allowErrors, "allow-errors", false, "go on after a cell that fails; the exit code still tells")
	flags.StringArrayVarP(&parameters, "param", "p", nil, "set a `name=value` of the cell tagged parameters; may be repeated")
	return cmd
}

// An engine is a session, or what a test puts in its place.
type engine interface {
	client.Engine
	Close() error
}

func openEngine(ctx context.Context, dir string, log io.Writer) (engine, error) {
	return openSession(ctx, dir, log)
}

// resolveForRun finds the backend and installs XLA where there is none. Sessions that are opened later use the choice:
// it is put into the environment, which is also where a user would have set it.
func resolveForRun(ctx context.Context, progress io.Writer) (backend.Choice, error) {
	choice, err := backend.Resolve(ctx, backend.Options{Install: true, Progress: progress})
	if err != nil {
		return choice, err
	}
	for _, variable := range choice.Env() {
		name, value, _ := strings.Cut(variable, "=")
		if err := os.Setenv(name, value); err != nil {
			return choice, err
		}
	}
	return choice, nil
}

type runner struct {
	output      string
	inPlace     bool
	html        bool
	timeout     time.Duration
	allowErrors bool
	parameters  []client.Parameter

	stdout, stderr io.Writer
	open           func(ctx context.Context, dir string, log io.Writer) (engine, error)
	resolve        func(ctx context.Context, progress io.Writer) (backend.Choice, error)
}

// A job is one notebook and where its results go.
type job struct {
	nb             *client.Notebook
	dir            string // the folder that it runs in
	notebook, page string // absolute; page is "" for none
}

// run does everything that can fail early before it starts what takes long.
func (r *runner) run(ctx context.Context, paths []string) error {
	jobs, err := r.plan(paths)
	if err != nil {
		return err
	}
	choice, err := r.resolve(ctx, r.stderr)
	if err != nil {
		return err
	}
	if choice.Warning != "" {
		fmt.Fprintln(r.stderr, choice.Warning)
	}
	var failures []error
	for i, j := range jobs {
		if err := r.runOne(ctx, j, choice); err != nil {
			failures = append(failures, err)
		}
		if ctx.Err() != nil {
			if left := len(jobs) - i - 1; left > 0 {
				fmt.Fprintf(r.stderr, "%d more notebooks were not started\n", left)
			}
			break
		}
	}
	return errors.Join(failures...)
}

// plan reads all notebooks and makes sure that their results can be written.
func (r *runner) plan(paths []string) ([]job, error) {
	var jobs []job
	taken := map[string]string{}
	for _, path := range paths {
		nb, err := client.Read(path)
		if err != nil {
			return nil, err
		}
		if err := nb.CheckGo(); err != nil {
			return nil, err
		}
		if err := nb.Inject(r.parameters); err != nil {
			return nil, err
		}
		source, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		dir := filepath.Dir(source)
		if !r.inPlace {
			if dir, err = filepath.Abs(r.output); err != nil {
				return nil, err
			}
		}
		j := job{nb: nb, dir: filepath.Dir(source), notebook: filepath.Join(dir, nb.Name()+".ipynb")}
		if r.inPlace {
			j.notebook = source
		} else if sameFile(j.notebook, source) {
			return nil, fmt.Errorf("the executed notebook would replace %s: choose another folder with -o, or say --inplace", path)
		}
		if other, ok := taken[j.notebook]; ok {
			return nil, fmt.Errorf("%s and %s would both be written to %s: run them one by one with different -o", other, path, j.notebook)
		}
		taken[j.notebook] = path
		if r.html {
			j.page = filepath.Join(dir, nb.Name()+".html")
		}
		if err := writable(dir); err != nil {
			return nil, err
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// writable makes the folder and tries to write there: a run of an hour should not find that out at its end.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("output folder: %w", atomicfile.Explain(err, dir))
	}
	probe, err := os.CreateTemp(dir, ".fovea-*")
	if err != nil {
		return fmt.Errorf("output folder: %w", atomicfile.Explain(err, dir))
	}
	probe.Close()
	return os.Remove(probe.Name())
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

func (r *runner) runOne(ctx context.Context, j job, choice backend.Choice) error {
	fmt.Fprintf(r.stderr, "%s\n", j.nb.Path)
	setUp := time.Now()
	e, err := r.open(ctx, j.dir, r.stderr)
	if err != nil {
		return fmt.Errorf("%s: %w", j.nb.Path, err)
	}
	opened := time.Since(setUp)
	j.nb.Set(choice.Name, "fovea", "backend")

	watcher := client.NewWatcher(r.stderr)
	report, runErr := client.Run(ctx, j.nb, e, client.Options{Timeout: r.timeout, AllowErrors: r.allowErrors, Watch: watcher})
	watcher.Close()
	closeErr := e.Close()

	for _, c := range report.Errors() {
		fmt.Fprintf(r.stderr, "\ncell %d failed: %s\n", c.Number, c.Title)
		fmt.Fprintln(r.stderr, indent(c.ErrorText()))
	}
	fmt.Fprintln(r.stdout, client.TimeTable(report))
	fmt.Fprintf(r.stdout, "%d cells in %s, set-up %s", len(report.Cells), client.Seconds(report.Duration), client.Seconds(opened))
	if report.Skipped > 0 {
		fmt.Fprintf(r.stdout, "; %d not run", report.Skipped)
	}
	fmt.Fprintln(r.stdout)

	// What was done is written whatever happened: it is what the user will look at to see why.
	writeErr := j.nb.Write(j.notebook)
	if writeErr == nil {
		fmt.Fprintf(r.stdout, "notebook  %s\n", j.notebook)
	}
	if j.page != "" {
		if err := j.nb.WriteHTML(j.page); err != nil {
			writeErr = errors.Join(writeErr, err)
		} else {
			fmt.Fprintf(r.stdout, "page      %s\n", j.page)
		}
	}
	return errors.Join(runErr, writeErr, closeErr)
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }
