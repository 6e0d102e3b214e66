package display

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"html"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// progressInterval is the least time between two drawings of a bar.
const progressInterval = 200 * time.Millisecond

// Progress is one bar under a cell, or on standard error outside a notebook. It is drawn at most five times a second,
// and always in its last state.
type Progress struct {
	mu          sync.Mutex
	label       string
	total, done int
	note        string
	started     time.Time
	drawn       time.Time
	pending     *time.Timer // draws what the interval held back
	ended       bool
	stopped     bool // its cell has ended without it
	draw        func(p *Progress)
	now         func() time.Time
}

// NewProgress shows a bar for work of so many steps; with total 0 or less, where the amount is not known, it counts.
//
//	bar := display.NewProgress("training", steps)
//	defer bar.Done()
//	for i := range steps {
//		loss := step()
//		bar.Set(i+1, fmt.Sprintf("loss %.3f", loss))
//	}
func NewProgress(label string, total int) *Progress {
	p := newProgress(label, total, drawing(), time.Now)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drawNow()
	return p
}

// bars are those that are drawn in the running cell.
var bars = struct {
	sync.Mutex
	open map[*Progress]bool
}{open: map[*Progress]bool{}}

// noteBar remembers a bar while it has not ended.
func noteBar(p *Progress) {
	bars.Lock()
	defer bars.Unlock()
	if p.ended || p.stopped {
		delete(bars.open, p)
	} else {
		bars.open[p] = true
	}
}

// EndCell says that the running cell has ended. When it was stopped, by an interrupt or a panic, the bars that it has shown and
// that have not ended say so; one that moves on, in a goroutine, goes on. The kernel calls it; other code has no need to.
func EndCell(stopped bool) {
	bars.Lock()
	open := bars.open
	bars.open = map[*Progress]bool{}
	bars.Unlock()
	if !stopped {
		return
	}
	for p := range open {
		// A bar can be locked for ever by a goroutine that was stopped within it.
		if !p.mu.TryLock() {
			continue
		}
		if !p.ended {
			p.stopped = true
			p.drawNow()
		}
		p.mu.Unlock()
	}
}

func newProgress(label string, total int, draw func(*Progress), now func() time.Time) *Progress {
	return &Progress{label: label, total: total, started: now(), draw: draw, now: now}
}

// Set says how much is done; note is a short text beside the bar, such as the loss.
func (p *Progress) Set(done int, note string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(done, p.total, note)
}

// Add says that n more steps are done, and keeps the note.
func (p *Progress) Add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(p.done+n, p.total, p.note)
}

// Done ends the bar where it stands. A bar that reached its total has ended by itself; Done then does nothing.
func (p *Progress) Done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.ended = true
		p.drawNow()
	}
}

// ProgressFunc returns a callback of the form that long-running functions take: each call says how much of how much is
// done. The bar appears with the first call and ends when done reaches total; a call with a smaller done starts a new
// bar, for the next phase or the next run.
func ProgressFunc(label string) func(done, total int, note string) {
	return progressFunc(func(total int) *Progress {
		return newProgress(label, total, drawing(), time.Now)
	})
}

func progressFunc(begin func(total int) *Progress) func(done, total int, note string) {
	var mu sync.Mutex
	var p *Progress
	return func(done, total int, note string) {
		mu.Lock()
		defer mu.Unlock()
		if p != nil {
			p.mu.Lock()
			over := done < p.done
			p.mu.Unlock()
			if over {
				p.Done()
				p = nil
			}
		}
		if p == nil {
			p = begin(total)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.set(done, total, note)
	}
}

func (p *Progress) set(done, total int, note string) {
	if p.ended && done == p.done && note == p.note {
		return
	}
	p.done, p.total, p.note, p.stopped = done, total, note, false
	if total > 0 && done >= total {
		p.ended = true
		p.drawNow()
		return
	}
	p.ended = false
	if wait := progressInterval - p.now().Sub(p.drawn); wait > 0 && !p.drawn.IsZero() {
		if p.pending == nil {
			p.pending = time.AfterFunc(wait, func() {
				p.mu.Lock()
				defer p.mu.Unlock()
				if p.pending != nil {
					p.drawNow()
				}
			})
		}
		return
	}
	p.drawNow()
}

func (p *Progress) drawNow() {
	if p.pending != nil {
		p.pending.Stop()
		p.pending = nil
	}
	if !p.stopped {
		p.drawn = p.now()
	}
	noteBar(p)
	p.draw(p)
}

// drawing chooses where a new bar is drawn.
func drawing() func(*Progress) {
	if _, ok := current().(*plain); !ok {
		return notebookBar()
	}
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		return terminalBar(os.Stderr)
	}
	return logBar(os.Stderr)
}

func notebookBar() func(*Progress) {
	var random [8]byte
	rand.Read(random[:]) // never fails
	id := "progress-" + hex.EncodeToString(random[:])
	kind := KindDisplay
	return func(p *Progress) {
		send(Message{Kind: kind, ID: id, Bundle: p.bundle()})
		kind = KindUpdate
	}
}

// terminalBar draws over one line of a terminal.
func terminalBar(out io.Writer) func(*Progress) {
	return func(p *Progress) {
		end := ""
		if p.ended {
			end = "\n"
		}
		fmt.Fprintf(out, "\r%s\x1b[K%s", p.line(), end)
	}
}

// logBar writes a line now and then, for files and pipes.
func logBar(out io.Writer) func(*Progress) {
	const every = 10 * time.Second
	var last time.Time
	return func(p *Progress) {
		now := p.now()
		if last.IsZero() {
			last = p.started
		}
		if p.ended || now.Sub(last) >= every {
			last = now
			fmt.Fprintln(out, p.line())
		}
	}
}

func (p *Progress) fraction() float64 {
	if p.total <= 0 {
		return 0
	}
	return min(1, max(0, float64(p.done)/float64(p.total)))
}

// count is such as "37/100", "37 %" or "37".
func (p *Progress) count() string {
	if p.total <= 0 {
		return fmt.Sprint(p.done)
	}
	return fmt.Sprintf("%d/%d", p.done, p.total)
}

// clock is the time passed, and before the end the time that is left at this pace.
func (p *Progress) clock() string {
	passed := p.drawn.Sub(p.started)
	if p.stopped {
		return shortTime(passed) + ", stopped"
	}
	if p.ended || p.done <= 0 || p.total <= 0 || p.done >= p.total {
		return shortTime(passed)
	}
	left := time.Duration(float64(passed) / float64(p.done) * float64(p.total-p.done))
	return shortTime(passed) + ", " + shortTime(left) + " left"
}

func shortTime(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d:%02d min", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%d:%02d h", int(d.Hours()), int(d.Minutes())%60)
	}
}

// line is the bar as text.
func (p *Progress) line() string {
	parts := []string{p.label}
	if p.total > 0 {
		const width = 24
		eighths := int(p.fraction() * width * 8)
		bar := strings.Repeat("█", eighths/8)
		if eighths%8 > 0 {
			bar += string([]rune(" ▏▎▍▌▋▊▉")[eighths%8])
		}
		parts = append(parts, "▕"+bar+strings.Repeat(" ", width-utf8.RuneCountInString(bar))+"▏")
	}
	parts = append(parts, p.count(), p.clock())
	if p.note != "" {
		parts = append(parts, p.note)
	}
	return strings.Join(parts, "  ")
}

func (p *Progress) bundle() Bundle {
	bar := "<progress></progress>" // moves by itself: the amount is not known
	if p.total > 0 || p.stopped {
		bar = fmt.Sprintf(`<progress value="%d" max="%d"></progress>`, max(0, min(p.done, p.total)), max(1, p.total))
	} else if p.ended {
		bar = `<progress value="1" max="1"></progress>`
	}
	rest := p.count() + " · " + p.clock()
	if p.note != "" {
		rest += " · " + noteHTML(p.note)
	}
	return Bundle{Data: map[string]any{
		"text/plain": p.line(),
		"text/html": fmt.Sprintf(`<div style="font-variant-numeric:tabular-nums">%s %s %s</div>`,
			html.EscapeString(p.label), bar, rest),
	}}
}

// noteHTML keeps the parts of a note, which two spaces set apart, in one piece each where the page is narrow.
func noteHTML(note string) string {
	var out strings.Builder
	for part := range strings.SplitSeq(note, "  ") {
		fmt.Fprintf(&out, `<span style="display:inline-block;margin-right:.6em">%s</span>`, html.EscapeString(part))
	}
	return out.String()
}
