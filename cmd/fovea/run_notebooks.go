package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"fovea/internal/atomicfile"
	"fovea/internal/backend"
	"fovea/kernel/client"
)

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
