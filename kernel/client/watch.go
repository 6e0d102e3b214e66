package client

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// NewWatcher returns a Watcher that writes a line for each cell to out. On a terminal the line of the running cell is
// alive, with its time and what it says; elsewhere a cell that takes long gets a line now and then.
// Call Close when the run has ended.
func NewWatcher(out io.Writer) *LineWatcher {
	w := &LineWatcher{out: out, every: 10 * time.Second, width: func() int { return 1 << 16 }, now: time.Now}
	if file, ok := out.(*os.File); ok && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb" {
		w.live, w.every = true, 200*time.Millisecond
		w.width = func() int {
			columns, _, err := term.GetSize(int(file.Fd()))
			if err != nil || columns < 20 {
				return 80
			}
			return columns
		}
	}
	return w
}

// A LineWatcher is made by NewWatcher.
type LineWatcher struct {
	out   io.Writer
	live  bool // draw over the line of the running cell
	every time.Duration
	width func() int
	now   func() time.Time

	mu   sync.Mutex
	stop chan struct{} // ends the running cell's updates
	gone chan struct{} // closed when they have ended
}

// CellStarted implements Watcher.
func (w *LineWatcher) CellStarted(c CellReport, of int, saying func() string) {
	w.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	stop, gone := make(chan struct{}), make(chan struct{})
	w.stop, w.gone = stop, gone
	start := w.now()
	if w.live {
		w.draw(c, of, 0, "")
	}
	go func() {
		defer close(gone)
		tick := time.NewTicker(w.every)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				w.draw(c, of, w.now().Sub(start), saying())
			}
		}
	}()
}

// CellEnded implements Watcher.
func (w *LineWatcher) CellEnded(c CellReport, of int) {
	w.Close()
	parts := []string{label(c, of), fmt.Sprintf("%9s", Seconds(c.Duration)), c.Title}
	line := strings.Join(parts, "  ")
	var ends []string
	if c.Outputs != "" {
		ends = append(ends, c.Outputs)
	}
	if c.Err != nil {
		word := "FAILED: "
		if c.Expected {
			word = "failed as it may: "
		}
		ends = append(ends, word+c.Err.Name)
	}
	if ends != nil {
		line += "  → " + strings.Join(ends, "; ")
	}
	start := ""
	if w.live {
		start = "\r\x1b[K"
	}
	fmt.Fprintln(w.out, start+oneLine(line, w.width()))
	for _, note := range c.Notes {
		fmt.Fprintln(w.out, "         "+oneLine(note, w.width()-9))
	}
}

// Close ends the line of a cell that is still running.
func (w *LineWatcher) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop != nil {
		close(w.stop)
		<-w.gone
		w.stop = nil
	}
}

func (w *LineWatcher) draw(c CellReport, of int, passed time.Duration, saying string) {
	line := fmt.Sprintf("%s  %9s  %s", label(c, of), Seconds(passed), c.Title)
	if saying != "" {
		line += "  · " + saying
	}
	if w.live {
		fmt.Fprint(w.out, "\r\x1b[K"+oneLine(line, w.width()-1))
	} else {
		fmt.Fprintln(w.out, oneLine(line+" …", 200))
	}
}

func label(c CellReport, of int) string {
	width := len(fmt.Sprint(of))
	return fmt.Sprintf("[%*d/%d]", width, c.Number, of)
}

// Seconds writes a duration for people: 4 ms, 1.25 s, 75.3 s, 4:05 min.
func Seconds(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
	case d < 10*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	seconds := int(d.Seconds() + 0.5)
	return fmt.Sprintf("%d:%02d min", seconds/60, seconds%60)
}

// oneLine makes text fit a line: no control characters, at most width columns.
func oneLine(s string, width int) string {
	s = strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, stripANSI(s))
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:max(0, width-1)]) + "…"
}

// TimeTable is a table of where each cell's time went.
func TimeTable(r Report) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%4s  %10s  %10s  %10s\n", "cell", "time", "compile", "run")
	for _, c := range r.Cells {
		compile, run := "", ""
		if c.Timing.Total > 0 {
			compile = Seconds(c.Timing.Check + c.Timing.Compile + c.Timing.Link + c.Timing.Load)
			run = Seconds(c.Timing.Run)
		}
		fmt.Fprintf(&out, "%4d  %10s  %10s  %10s  %s\n", c.Number, Seconds(c.Duration), compile, run, oneLine(c.Title, 60))
	}
	return strings.TrimRight(out.String(), "\n")
}

// ErrorText is the cell's error as text for a terminal: name, message, traceback.
func (c CellReport) ErrorText() string {
	if c.Err == nil {
		return ""
	}
	trace := []any{}
	for _, line := range c.Err.Traceback {
		trace = append(trace, line)
	}
	return errorText(map[string]any{"ename": c.Err.Name, "evalue": c.Err.Message, "traceback": trace})
}
