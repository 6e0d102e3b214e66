package download

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Bar returns a function for Options.Progress that shows label, bytes, speed and time left on w: as a bar that moves
// where w is a terminal, else as a line every five seconds, which is what a log wants. A nil w shows nothing.
func Bar(w io.Writer, label string) func(done, total int64) {
	if w == nil {
		return func(_, _ int64) {}
	}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return terminalBar(w, label)
	}
	return logLines(w, label, 5*time.Second)
}

func terminalBar(w io.Writer, label string) func(done, total int64) {
	var bar *progressbar.ProgressBar
	return func(done, total int64) {
		if bar == nil {
			size := total
			if size == 0 {
				size = -1 // a spinner
			}
			bar = progressbar.NewOptions64(size, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(label),
				progressbar.OptionShowBytes(true), progressbar.OptionFullWidth(), progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionSetPredictTime(true), progressbar.OptionOnCompletion(func() { fmt.Fprintln(w) }))
		}
		if total > 0 && bar.GetMax64() != total {
			bar.ChangeMax64(total)
		}
		_ = bar.Set64(done) // its errors are those of drawing
	}
}

func logLines(w io.Writer, label string, every time.Duration) func(done, total int64) {
	var mu sync.Mutex
	start := time.Now()
	var next time.Time
	var first int64 = -1
	finished := false
	return func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		if first < 0 {
			first = done
		}
		now := time.Now()
		end := total > 0 && done >= total
		if finished || (!end && now.Before(next)) {
			return
		}
		next, finished = now.Add(every), end
		line := fmt.Sprintf("%s: %s", label, Bytes(done))
		if total > 0 {
			line += fmt.Sprintf(" of %s (%d %%)", Bytes(total), 100*done/total)
		}
		if seconds := now.Sub(start).Seconds(); seconds > 0.5 && done > first {
			line += fmt.Sprintf(", %s/s", Bytes(int64(float64(done-first)/seconds)))
		}
		fmt.Fprintln(w, line)
	}
}

// Bytes writes a size as people read it: "170 MB".
func Bytes(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefixes := float64(n)/unit, "kMGTPE"
	for value >= unit && len(prefixes) > 1 {
		value, prefixes = value/unit, prefixes[1:]
	}
	if value < 10 {
		return fmt.Sprintf("%.1f %cB", value, prefixes[0])
	}
	return fmt.Sprintf("%.0f %cB", value, prefixes[0])
}
