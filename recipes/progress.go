package recipes

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress hears how far some work has come: done of total, and what goes on. It is called often and from one
// goroutine; done equal to total is the last call.
type Progress func(done, total int, note string)

// NoProgress hears nothing.
func NoProgress(done, total int, note string) {}

// TerminalProgress draws a bar on w where that is a terminal or a notebook's output, and elsewhere, in a log, writes a
// line every few seconds.
func TerminalProgress(w io.Writer) Progress {
	file, isFile := w.(*os.File)
	if (isFile && term.IsTerminal(int(file.Fd()))) || os.Getenv("FOVEA_KERNEL") != "" {
		return barProgress(w)
	}
	return lineProgress(w, 5*time.Second, time.Now)
}

func barProgress(w io.Writer) Progress {
	var lock sync.Mutex
	var bar *progressbar.ProgressBar
	var total int
	var described string
	return func(done, of int, note string) {
		lock.Lock()
		defer lock.Unlock()
		if bar == nil || of != total {
			total = of
			bar = progressbar.NewOptions(of, progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(24),
				progressbar.OptionThrottle(150*time.Millisecond), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
				progressbar.OptionShowIts(), progressbar.OptionSetItsString("step"), progressbar.OptionSetElapsedTime(true))
		}
		if note != described { // a new description is drawn at once, however often it comes
			bar.Describe(note)
			described = note
		}
		_ = bar.Set(done)
		if done >= of {
			fmt.Fprintln(w)
			bar, described = nil, ""
		}
	}
}

// lineProgress writes a line when one is due: at once at the end, and otherwise at most once in every interval.
func lineProgress(w io.Writer, every time.Duration, now func() time.Time) Progress {
	var lock sync.Mutex
	var last time.Time
	return func(done, total int, note string) {
		lock.Lock()
		defer lock.Unlock()
		if t := now(); done >= total || t.Sub(last) >= every {
			last = t
			fmt.Fprintln(w, strings.TrimSpace(fmt.Sprintf("%d/%d %s", done, total, note)))
		}
	}
}
