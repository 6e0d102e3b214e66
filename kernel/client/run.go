package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"fovea/kernel/session"
)

// An Engine executes cells one after the other; *session.Session is one.
type Engine interface {
	Execute(ctx context.Context, cell session.Cell, out session.Output) session.Result
}

var _ Engine = (*session.Session)(nil)

// Options of Run. The zero value runs every cell, without a limit, until the first error.
type Options struct {
	Timeout     time.Duration // of each cell; 0: none
	AllowErrors bool          // go on after a cell that failed
	Parameters  []Parameter   // see Notebook.Inject
	Check       *Check        // compares outputs with those that nb held; nil: they are only replaced
	Watch       Watcher       // told what happens; nil: nobody
}

// A Watcher is told how a run goes on.
type Watcher interface {
	// CellStarted says that a cell starts; saying may be asked, from any goroutine, for the line that it printed last.
	CellStarted(c CellReport, of int, saying func() string)
	CellEnded(c CellReport, of int)
}

// Tags that change how a cell is run.
const (
	TagParameters = "parameters"          // its variables may be set from outside
	TagInjected   = "injected-parameters" // made by Inject
	TagSkip       = "skip-execution"      // not run; its outputs stay
	TagMayFail    = "raises-exception"    // its error is part of the notebook and stops nothing
)

// CellTimeout is the name of the error of a cell that ran longer than Options.Timeout.
const CellTimeout = "Timeout"

// A Report says how a run went.
type Report struct {
	Cells    []CellReport // the code cells that were started, in order
	Duration time.Duration
	Skipped  int // code cells after the one at which the run stopped
}

// A CellReport says how one cell went.
type CellReport struct {
	Number   int // 1, 2, … as in In[1]
	Index    int // among all cells of the notebook, from 0
	Title    string
	Duration time.Duration
	Timing   session.Timing
	Notes    []string
	Err      *session.CellError // nil: well
	Expected bool               // the error is allowed by the cell's tag
	Outputs  string             // such as "3 lines, 2 pictures"
	Diff     string             // of a check: from the stored outputs to the new ones; "": they agree, or nobody asked
}

// Failed reports whether the cell went wrong: by an error that its tags do not allow, or by other outputs.
func (c CellReport) Failed() bool { return c.Err != nil && !c.Expected || c.Diff != "" }

// Errors are the reports of the cells that failed, without those that may.
func (r Report) Errors() []CellReport {
	var failed []CellReport
	for _, c := range r.Cells {
		if c.Err != nil && !c.Expected {
			failed = append(failed, c)
		}
	}
	return failed
}

// Failures are the reports of all cells that went wrong.
func (r Report) Failures() []CellReport {
	var failed []CellReport
	for _, c := range r.Cells {
		if c.Failed() {
			failed = append(failed, c)
		}
	}
	return failed
}

// A CellFailure is the error of a run that a cell's error stopped or marred, or whose outputs are not the stored ones.
type CellFailure struct {
	Notebook string
	Cells    []CellReport // at least one
}

func (f *CellFailure) Error() string {
	first := f.Cells[0]
	s := fmt.Sprintf("%s: cell %d (%s) ", f.Notebook, first.Number, first.Title)
	if first.Err != nil && !first.Expected {
		s += fmt.Sprintf("failed: %s", first.Err)
	} else {
		s += "puts out something else than the notebook holds"
	}
	if n := len(f.Cells) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// Run runs the code cells of nb in order and puts their outputs, numbers and times into it, in place of old ones.
// After an error it stops, and nb holds what was done till then; so it does when ctx ends, which interrupts the cell.
// The error is a *CellFailure, or wraps that of ctx.
func Run(ctx context.Context, nb *Notebook, engine Engine, o Options) (report Report, err error) {
	if err := nb.CheckGo(); err != nil {
		return report, err
	}
	if err := nb.Inject(o.Parameters); err != nil {
		return report, err
	}
	start := time.Now()
	defer func() { report.Duration = time.Since(start) }()

	// Outputs of an earlier run would pass for outputs of this one where it does not get to.
	var run []int
	stored := map[int][]*output{}
	for i, c := range nb.Cells {
		if c.Type != "code" || c.skipped() {
			continue
		}
		stored[i] = c.output
		c.reset()
		if strings.TrimSpace(c.Source) != "" {
			run = append(run, i)
		}
	}
	shown := displays{}
	for n, index := range run {
		if err := ctx.Err(); err != nil {
			report.Skipped = len(run) - n
			return report, fmt.Errorf("%s: interrupted: %w", nb.Path, err)
		}
		cell := runCell(ctx, nb.Cells[index], CellReport{Number: n + 1, Index: index, Title: nb.Title(index)}, len(run), engine, shown, o)
		report.Cells = append(report.Cells, cell)
		if cell.Err != nil && ctx.Err() != nil {
			report.Skipped = len(run) - n - 1
			return report, fmt.Errorf("%s: interrupted in cell %d: %w", nb.Path, n+1, ctx.Err())
		}
		if cell.Err != nil && !cell.Expected && !o.AllowErrors {
			report.Skipped = len(run) - n - 1
			break
		}
	}
	if o.Check != nil {
		// At the end, since a cell may have replaced what an earlier one shows: the file holds the last state.
		for i := range report.Cells {
			c := &report.Cells[i]
			if cell := nb.Cells[c.Index]; (c.Err == nil || c.Expected) && !cell.ignoresOutput() {
				c.Diff = o.Check.compare(stored[c.Index], cell.output)
			}
		}
	}
	if failed := report.Failures(); failed != nil {
		return report, &CellFailure{Notebook: nb.Path, Cells: failed}
	}
	return report, nil
}

func runCell(ctx context.Context, cell *Cell, c CellReport, of int, engine Engine, shown displays, o Options) CellReport {
	out := &collector{cell: cell, number: c.Number, displays: shown}
	if o.Watch != nil {
		o.Watch.CellStarted(c, of, out.saying)
	}
	run, cancel := ctx, context.CancelFunc(func() {})
	if o.Timeout > 0 {
		run, cancel = context.WithTimeout(ctx, o.Timeout)
	}
	defer cancel()

	start := time.Now()
	result := engine.Execute(run, session.Cell{Number: c.Number, Source: cell.Source}, out)
	c.Duration = time.Since(start)
	c.Timing, c.Notes, c.Err = result.Timing, result.Notes, result.Err
	timedOut := ctx.Err() == nil && errors.Is(run.Err(), context.DeadlineExceeded)
	if c.Err != nil && timedOut && (c.Err.Name == session.Interrupted || result.WorkerDied) {
		c.Err = &session.CellError{Name: CellTimeout, Message: fmt.Sprintf("stopped after %v, the time that a cell may take", o.Timeout), Traceback: c.Err.Traceback}
	}
	if result.WorkerDied {
		c.Notes = append(c.Notes, "the process that held the values ended; lost: "+orNothing(strings.Join(result.Lost, ", ")))
	}
	out.end()
	if c.Err != nil {
		c.Expected = cell.HasTag(TagMayFail) || cell.HasTag(TagNbvalMayFail)
		out.fail(c.Err)
	}
	c.Outputs = cell.summary()
	cell.doc["execution_count"] = c.Number
	cell.stamp(start, start.Add(c.Duration))
	if o.Watch != nil {
		o.Watch.CellEnded(c, of)
	}
	return c
}

// Title names the cell at an index in lists: by its section, when it is the first there, and by its own words.
func (nb *Notebook) Title(index int) string {
	title := nb.Cells[index].Title()
	if section := nb.section(index); section != "" {
		return section + " · " + title
	}
	return title
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// skipped reports whether the cell's tags say that it is not run.
func (c *Cell) skipped() bool { return c.HasTag(TagSkip) || c.HasTag(TagNbvalSkip) }

// ignoresOutput reports whether a check leaves the cell's outputs alone.
func (c *Cell) ignoresOutput() bool {
	if c.HasTag(TagIgnoreOutput) || c.HasTag(TagInjected) {
		return true
	}
	for line := range strings.Lines(c.Source) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "//"); ok && strings.TrimSpace(text) == commentIgnoreOut {
			return true
		}
	}
	return false
}

// HasOutputs reports whether some code cell was run before the notebook was saved.
func (nb *Notebook) HasOutputs() bool {
	for _, c := range nb.Cells {
		if c.Type == "code" && (len(c.output) > 0 || c.doc["execution_count"] != nil) {
			return true
		}
	}
	return false
}

// reset removes what an earlier run left.
func (c *Cell) reset() {
	c.output = nil
	c.doc["execution_count"] = nil
	if metadata := object(c.doc, "metadata"); metadata != nil {
		delete(metadata, "execution")
	}
}

// stamp records when the cell ran, where JupyterLab and nbclient keep it.
func (c *Cell) stamp(start, end time.Time) {
	const iso = "2006-01-02T15:04:05.000000Z"
	from, to := start.UTC().Format(iso), end.UTC().Format(iso)
	set(c.doc, map[string]any{
		"iopub.status.busy":   from,
		"iopub.execute_input": from,
		"shell.execute_reply": to,
		"iopub.status.idle":   to,
	}, "metadata", "execution")
}

// Duration is how long the cell ran when it was last run, as its metadata say.
func (c *Cell) Duration() (time.Duration, bool) {
	execution := object(object(c.doc, "metadata"), "execution")
	from, err := time.Parse(time.RFC3339Nano, firstText(execution, "iopub.execute_input", "iopub.status.busy"))
	if err != nil {
		return 0, false
	}
	to, err := time.Parse(time.RFC3339Nano, firstText(execution, "shell.execute_reply", "iopub.status.idle"))
	if err != nil || to.Before(from) {
		return 0, false
	}
	return to.Sub(from), true
}

// started is when the cell was last run.
func (c *Cell) started() (time.Time, bool) {
	execution := object(object(c.doc, "metadata"), "execution")
	at, err := time.Parse(time.RFC3339Nano, firstText(execution, "iopub.execute_input", "iopub.status.busy"))
	return at, err == nil
}

func firstText(doc map[string]any, keys ...string) string {
	for _, key := range keys {
		if s, ok := doc[key].(string); ok {
			return s
		}
	}
	return ""
}

// summary counts the outputs: "3 lines, 2 pictures".
func (c *Cell) summary() string {
	var textLines, pictures, others int
	for _, o := range c.output {
		if o.doc["output_type"] == "error" {
			continue
		}
		if s, ok := multiline(o.doc["text"]); ok {
			textLines += strings.Count(strings.TrimSuffix(s, "\n"), "\n") + 1
			continue
		}
		data := object(o.doc, "data")
		switch {
		case hasPrefix(data, "image/"):
			pictures++
		case data["text/html"] != nil || data["text/markdown"] != nil || data["text/latex"] != nil || hasPrefix(data, "application/"):
			others++
		default:
			s, _ := multiline(data["text/plain"])
			textLines += strings.Count(s, "\n") + 1
		}
	}
	var parts []string
	for _, p := range []struct {
		n         int
		one, many string
	}{{textLines, "line", "lines"}, {pictures, "picture", "pictures"}, {others, "rich output", "rich outputs"}} {
		if p.n == 1 {
			parts = append(parts, "1 "+p.one)
		} else if p.n > 1 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.many))
		}
	}
	return strings.Join(parts, ", ")
}

func hasPrefix(data map[string]any, prefix string) bool {
	for mime := range data {
		if strings.HasPrefix(mime, prefix) {
			return true
		}
	}
	return false
}
