package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

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
