package wire

import (
	"fmt"
	"sync"
	"time"
)

// A peer that is refused comes back at once, as ZeroMQ's sockets do, and each time costs a line of the log: more than
// logLines in logWindow are counted instead.
const (
	logLines  = 30
	logWindow = 10 * time.Second
)

type limitedLog struct {
	write func(string)

	mu     sync.Mutex
	begun  time.Time // of the window
	lines  int       // in it
	hidden int
}

func (l *limitedLog) line(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.begun) > logWindow {
		if l.hidden > 0 {
			l.write(fmt.Sprintf("(%d more lines like these)", l.hidden))
		}
		l.begun, l.lines, l.hidden = now, 0, 0
	}
	if l.lines++; l.lines > logLines {
		l.hidden++
		return
	}
	l.write(text)
}
