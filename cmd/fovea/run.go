package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
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
	var numbers, pictures float64
	var sanitize string
	cmd := &cobra.Command{
		Use:   "run NOTEBOOK…",
		Short: "Run notebooks without Jupyter and write what came out",
		Long: `Run executes the code cells of each notebook in order, in the notebook's folder, with every value alive in between.
It shows how each cell goes, and writes the executed notebook, with --html also a page that holds all its pictures.

A cell that fails, or takes longer than --timeout, ends its notebook; the notebooks after it are run all the same. What
was done until then is written. Ctrl-C stops the running cell, and then everything. XLA is installed first where it is
missing. Nobody can be asked here: a cell that reads standard input sees its end.

Parameters. -p sets variables that the cell tagged 'parameters' declares: a cell of assignments is put behind it. The
values are Go, typed by the declaration; text needs no quotes:

  epochs := 8                 -p epochs=2
  rate := 0.1                 -p rate=1e-3
  name, plan := "a", []int{}  -p name=wide -p 'plan=[]int{64, 128}'

Cells with these tags are treated apart (the names of pytest's nbval hold as well):
  parameters            its variables are what -p sets
  raises-exception      may fail without stopping the notebook
  skip-execution        is not run and keeps its outputs
  nbval-ignore-output   is run, and --check does not compare what it puts out

Check. --check compares what comes out with what the notebook holds, and shows the differences of each cell. Texts are
compared after addresses, times, durations and temporary files have been replaced, and what the rules of --sanitize
name: a file of lines 'regex: …' and 'replace: …'. Pictures must look the same; standard error is not compared.

Exit codes: 0 all went well; 1 a cell failed, an output differs, or something could not be written; 2 the command is
wrong, or a file is no notebook that can be run: nothing was started; 130 interrupted.`,
		Example: `  fovea run notebooks/quickstart.ipynb --html
  fovea run train.ipynb -p epochs=5 -p name=wide --timeout 10m -o results
  fovea run a.ipynb b.ipynb --inplace
  fovea run docs/*.ipynb --check --junit build/notebooks.xml
  fovea run report.ipynb --check --numbers 0.01 --pictures 1`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("run: which notebook? Write its path, as in 'fovea run notebooks/quickstart.ipynb'")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, s := range parameters {
				p, err := client.ParseParameter(s)
				if err != nil {
					return usageError{err}
				}
				r.parameters = append(r.parameters, p)
			}
			if err := r.readFlags(cmd.Flags().Changed, numbers, pictures, sanitize); err != nil {
				return usageError{err}
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
	flags.StringVar(&r.junit, "junit", "", "write a JUnit report to this `file`")
	flags.Bool("check", false, "compare the outputs with those that the notebook holds")
	flags.Float64Var(&numbers, "numbers", 0, "with --check: how far numbers may differ, as a share (0: not at all)")
	flags.Float64Var(&pictures, "pictures", 0.01, "with --check: share of a picture that may look different (1: only its size counts; 0: every pixel)")
	flags.StringVar(&sanitize, "sanitize", "", "with --check: a `file` of rules for texts, as nbval has them")
	flags.StringArrayVarP(&parameters, "param", "p", nil, "set a `name=value` of the cell tagged parameters; may be repeated")
	return cmd
}

// readFlags completes the runner by flags that depend on each other.
func (r *runner) readFlags(changed func(string) bool, numbers, pictures float64, sanitize string) error {
	if r.inPlace && changed("output") {
		return errors.New("run: --inplace and --output exclude each other")
	}
	if r.timeout < 0 {
		return fmt.Errorf("run: --timeout %v: a time is not negative", r.timeout)
	}
	if !changed("check") {
		for _, name := range []string{"numbers", "pictures", "sanitize"} {
			if changed(name) {
				return fmt.Errorf("run: --%s says how --check compares, and --check is not there", name)
			}
		}
		return nil
	}
	if r.inPlace {
		return errors.New("run: --check compares with the notebook's outputs, and --inplace would replace them: one of the two")
	}
	if numbers < 0 || pictures < 0 {
		return errors.New("run: --numbers and --pictures are shares: 0.01 is one per cent")
	}
	r.check = &client.Check{Numbers: numbers, Pictures: pictures}
	if pictures == 0 {
		r.check.Pictures = -1 // every pixel
	}
	if sanitize != "" {
		rules, err := client.ReadSanitizer(sanitize)
		if err != nil {
			return err
		}
		r.check.Sanitize = rules
	}
	return nil
}

// An engine is a session, or what a test puts in its place.
type engine interface {
	client.Engine
	Close() error
}

func openEngine(ctx context.Context, notebook string, log io.Writer) (engine, error) {
	return openSession(ctx, notebook, log)
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
	junit       string        // the report's path, "" for none
	check       *client.Check // nil: outputs are not compared
	parameters  []client.Parameter

	stdout, stderr io.Writer
	open           func(ctx context.Context, notebook string, log io.Writer) (engine, error)
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
		return usageError{err}
	}
	choice, err := r.resolve(ctx, r.stderr)
	if err != nil {
		return err
	}
	if choice.Warning != "" {
		fmt.Fprintln(r.stderr, choice.Warning)
	}
	var failures []error
	suites := make([]client.Suite, len(jobs))
	for i, j := range jobs {
		suites[i].Notebook = j.nb
	}
	for i, j := range jobs {
		if ctx.Err() != nil {
			fmt.Fprintf(r.stderr, "%d more notebooks were not started\n", len(jobs)-i)
			if !errors.Is(errors.Join(failures...), ctx.Err()) { // it came between two notebooks
				failures = append(failures, ctx.Err())
			}
			break
		}
		if err := r.runOne(ctx, j, choice, &suites[i]); err != nil {
			failures = append(failures, err)
		}
	}
	if len(jobs) > 1 || r.check != nil {
		fmt.Fprint(r.stdout, summary(suites))
	}
	if r.junit != "" {
		if err := client.WriteJUnit(r.junit, suites); err != nil {
			failures = append(failures, fmt.Errorf("JUnit report: %w", err))
		} else {
			fmt.Fprintf(r.stdout, "JUnit     %s\n", r.junit)
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
		if r.check != nil && !nb.HasOutputs() {
			return nil, fmt.Errorf("%s holds no outputs to compare with: run it once with --inplace, look at it, and keep it", path)
		}
		jobs = append(jobs, j)
	}
	if r.junit != "" {
		if err := writable(filepath.Dir(r.junit)); err != nil {
			return nil, err
		}
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

func (r *runner) runOne(ctx context.Context, j job, choice backend.Choice, suite *client.Suite) (err error) {
	fmt.Fprintf(r.stderr, "%s\n", j.nb.Path)
	suite.Started, suite.Facts = time.Now(), map[string]string{"backend": choice.Name, "version": version()}
	defer func() {
		var failure *client.CellFailure
		if err != nil && !errors.As(err, &failure) { // those of cells stand at the cells
			suite.Err = err
		}
	}()
	setUp := time.Now()
	e, err := r.open(ctx, filepath.Join(j.dir, filepath.Base(j.nb.Path)), r.stderr)
	if err != nil {
		return fmt.Errorf("%s: %w", j.nb.Path, err)
	}
	opened := time.Since(setUp)
	j.nb.Set(choice.Name, "fovea", "backend")

	watcher := client.NewWatcher(r.stderr)
	report, runErr := client.Run(ctx, j.nb, e, client.Options{Timeout: r.timeout, AllowErrors: r.allowErrors, Check: r.check, Watch: watcher})
	suite.Report = report
	watcher.Close()
	closeErr := e.Close()

	for _, c := range report.Errors() {
		fmt.Fprintf(r.stderr, "\ncell %d failed: %s\n", c.Number, c.Title)
		fmt.Fprintln(r.stderr, indent(c.ErrorText()))
	}
	for _, c := range report.Cells {
		if c.Diff != "" {
			fmt.Fprintf(r.stdout, "\ncell %d puts out something else: %s\n%s\n\n", c.Number, c.Title, indent(c.Diff))
		}
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

// summary is a table of the notebooks: what became of their cells.
func summary(suites []client.Suite) string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nnotebook\tcells\tfailed\tdiffer\tnot run\ttime\t")
	wrong := 0
	for _, s := range suites {
		failed, differ := 0, 0
		for _, c := range s.Report.Cells {
			switch {
			case c.Err != nil && !c.Expected:
				failed++
			case c.Diff != "":
				differ++
			}
		}
		verdict := "ok"
		switch {
		case s.Started.IsZero():
			verdict = "not started"
		case s.Err != nil:
			verdict = "stopped"
		case failed+differ > 0:
			verdict = "failed"
		}
		if verdict != "ok" {
			wrong++
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%s\t%s\n", s.Notebook.Path, len(s.Report.Cells), failed, differ, s.Report.Skipped, client.Seconds(s.Report.Duration), verdict)
	}
	table.Flush() // into memory: it cannot fail
	fmt.Fprintf(&out, "%d notebooks: %d well, %d not\n", len(suites), len(suites)-wrong, wrong)
	return out.String()
}

func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }
