package display

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// record collects what a bar draws. The bar calls it under its lock.
func record(lines *[]string) func(*Progress) {
	return func(p *Progress) { *lines = append(*lines, p.count()+" "+p.note) }
}

func TestProgressIsThrottledAndEndsInItsLastState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		p := newProgress("x", 1000, record(&lines), time.Now)
		for i := range 500 {
			p.Set(i+1, "n")
			time.Sleep(2 * time.Millisecond) // 1 s in all
		}
		p.mu.Lock()
		if n := len(lines); n < 4 || n > 6 {
			t.Errorf("%d drawings in a second, want about 5", n)
		}
		p.mu.Unlock()
		time.Sleep(time.Second) // nothing more is set: what the interval held back must still be drawn
		synctest.Wait()
		p.mu.Lock()
		if last := lines[len(lines)-1]; last != "500/1000 n" {
			t.Errorf("last drawn %q", last)
		}
		n := len(lines)
		p.mu.Unlock()
		p.Done()
		p.Done()
		if len(lines) != n+1 {
			t.Errorf("Done drew %d times", len(lines)-n)
		}
	})
}

func TestProgressFromManyGoroutines(t *testing.T) {
	var lines []string
	p := newProgress("x", 800, record(&lines), time.Now)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for range 100 {
				p.Add(1)
			}
		})
	}
	workers.Wait()
	if last := lines[len(lines)-1]; last != "800/800 " {
		t.Errorf("last drawn %q", last)
	}
}

func TestProgressLine(t *testing.T) {
	now := time.Unix(0, 0)
	var p *Progress
	var line, page string
	p = newProgress("train", 200, func(p *Progress) {
		line, page = p.line(), p.bundle().Data["text/html"].(string)
	}, func() time.Time { return now })
	now = now.Add(30 * time.Second)
	p.Set(50, "loss <1")
	for _, want := range []string{"train", "██████ ", "50/200", "30 s, 1:30 min left", "loss <1"} {
		if !strings.Contains(line, want) {
			t.Errorf("no %q in %q", want, line)
		}
	}
	for _, want := range []string{`value="50" max="200"`, "loss &lt;1"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in %q", want, page)
		}
	}
	now = now.Add(time.Hour)
	p.Set(200, "loss 0.1")
	if !strings.Contains(line, "200/200  1:00 h  loss 0.1") {
		t.Errorf("at the end: %q", line)
	}
}

func TestBars(t *testing.T) {
	now := time.Unix(0, 0)
	clock := func() time.Time { return now }
	var terminal, log bytes.Buffer
	p := newProgress("x", 0, terminalBar(&terminal), clock)
	p.Set(3, "")
	p.Done()
	if got, want := terminal.String(), "\rx  3  0.0 s\x1b[K\rx  3  0.0 s\x1b[K\n"; got != want {
		t.Errorf("terminal got %q, want %q", got, want)
	}
	p = newProgress("x", 100, logBar(&log), clock)
	for i := range 100 {
		now = now.Add(time.Second)
		p.Set(i+1, "")
	}
	if n := strings.Count(log.String(), "\n"); n != 10 {
		t.Errorf("%d log lines in 100 s, want 10:\n%s", n, log.String())
	}
}

func TestProgressFuncStartsANewBarForTheNextPhase(t *testing.T) {
	bars := 0
	var lines []string
	f := progressFunc(func(total int) *Progress {
		bars++
		return newProgress("phase", total, record(&lines), time.Now)
	})
	f(1, 2, "")
	f(2, 2, "")
	f(2, 2, "") // said again: nothing new
	f(1, 5, "")
	f(5, 5, "")
	f(3, 9, "") // interrupted here
	f(1, 9, "again")
	if want := []string{"1/2 ", "2/2 ", "1/5 ", "5/5 ", "3/9 ", "3/9 ", "1/9 again"}; bars != 4 || !slices.Equal(lines, want) {
		t.Errorf("%d bars drew %q, want 4 bars and %q", bars, lines, want)
	}
}

// A bar whose cell was stopped says so instead of the time that is left; one that moves on goes on.
func TestStoppedBars(t *testing.T) {
	EndCell(false)
	now := time.Unix(0, 0)
	clock := func() time.Time { return now }
	var lines []string
	draw := func(p *Progress) { lines = append(lines, p.line()+" "+p.bundle().Data["text/html"].(string)) }
	bar := newProgress("x", 10, draw, clock)
	ended := newProgress("y", 10, draw, clock)
	counting := newProgress("z", 0, draw, clock)
	now = now.Add(5 * time.Second)
	bar.Set(5, "")
	ended.Set(10, "")
	counting.Set(3, "")
	if !strings.Contains(lines[0], "5.0 s left") {
		t.Fatalf("%q", lines)
	}
	lines = nil
	EndCell(true)
	if len(lines) != 2 || strings.Contains(strings.Join(lines, ""), "left") || strings.Count(strings.Join(lines, ""), "stopped") != 4 || strings.Contains(strings.Join(lines, ""), "<progress>") {
		t.Errorf("%q", lines)
	}
	lines = nil
	EndCell(true) // of the next cell
	if len(lines) != 0 {
		t.Errorf("%q", lines)
	}
	now = now.Add(time.Second)
	bar.Set(6, "")
	if len(lines) != 1 || !strings.Contains(lines[0], "left") {
		t.Errorf("%q", lines)
	}
	EndCell(false)
}
