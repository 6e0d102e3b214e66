package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"fovea/kernel/display"
	"fovea/kernel/session/front"
	"fovea/kernel/worker/message"
)

// A pump takes everything that a worker puts out to where it belongs, in order. One goroutine reads all pipes: when a
// display or a response comes, all text that was written before it is in the pipes of the streams already, and is taken
// first.
type pump struct {
	responses chan message.Response // closed when the worker has ended

	mu         sync.Mutex
	out        Output // of the running cell; nil: none runs
	background Output
	kept       []func(Output) // what came while no cell ran
	keptSize   int
	dropped    bool

	streams  [2]stream
	frames   source
	answers  source
	ack      int
	finished chan struct{}
	death    postmortem // of the text since the last cell began; guarded by mu

	comms map[string]bool // the open ones; guarded by mu
}

const (
	flushAfter = 20 * time.Millisecond // text is held so long, to send few large pieces
	flushSize  = 32 << 10
	keepSize   = 1 << 20 // of text while no cell runs
)

// A source is a pipe that is read without waiting.
type source struct {
	fd     int
	closed bool
	buffer []byte
}

// fill reads what is there, up to limit bytes; more reports whether there may be more.
func (s *source) fill(limit int) (more bool) {
	var chunk [64 << 10]byte
	for read := 0; !s.closed; {
		n, err := unix.Read(s.fd, chunk[:])
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return false
		case err != nil || n == 0:
			s.closed = true
		default:
			s.buffer = append(s.buffer, chunk[:n]...)
			if read += n; read >= limit {
				return true
			}
		}
	}
	return false
}

type stream struct {
	source
	name  string
	since time.Time // when the oldest byte of the buffer came
}

func newPump(fds [7]int) *pump {
	p := &pump{responses: make(chan message.Response, 4), finished: make(chan struct{}), ack: fds[message.DisplayAckFD]}
	p.streams = [2]stream{{source: source{fd: fds[1]}, name: "stdout"}, {source: source{fd: fds[2]}, name: "stderr"}}
	p.frames.fd, p.answers.fd = fds[message.DisplayFD], fds[message.ResponseFD]
	go p.run()
	return p
}

func (p *pump) wait() { <-p.finished }

func (p *pump) run() {
	defer close(p.finished)
	defer func() {
		for _, fd := range []int{p.streams[0].fd, p.streams[1].fd, p.frames.fd, p.answers.fd, p.ack} {
			unix.Close(fd)
		}
	}()
	defer close(p.responses)
	for {
		sources := []*source{&p.streams[0].source, &p.streams[1].source, &p.frames, &p.answers}
		polled := make([]unix.PollFd, len(sources))
		for i, s := range sources {
			polled[i] = unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN}
			if s.closed {
				polled[i].Fd = -1
			}
		}
		if _, err := unix.Poll(polled, p.timeout()); err != nil && err != unix.EINTR {
			return
		}
		p.drainStreams(keepSize)
		if ready := polled[2].Revents|polled[3].Revents != 0; ready {
			p.drainAll()
		}
		if polled[3].Revents != 0 {
			// The worker has written everything that belongs to this response, but maybe after the streams were read.
			p.answers.fill(keepSize)
			p.drainAll()
			if p.answers.closed || bytes.IndexByte(p.answers.buffer, '\n') >= 0 {
				p.flush(true)
			}
			p.respond()
		}
		if p.answers.closed {
			p.closeComms()
			return // the worker is gone; what it started may still hold the streams
		}
		p.flushOld()
	}
}

// timeout is how long poll may wait, in milliseconds.
func (p *pump) timeout() int {
	wait := -1
	for i := range p.streams {
		if s := &p.streams[i]; len(s.buffer) > 0 && !s.since.IsZero() {
			left := int(time.Until(s.since.Add(flushAfter)).Milliseconds()) + 1
			if left = max(left, 0); wait < 0 || left < wait {
				wait = left
			}
		}
	}
	return wait
}

// drainStreams reads text, and reports whether it may have left some.
func (p *pump) drainStreams(limit int) (more bool) {
	for i := range p.streams {
		s := &p.streams[i]
		before := len(s.buffer)
		more = s.fill(limit) || more
		if before == 0 && len(s.buffer) > 0 || s.since.IsZero() && len(s.buffer) > before {
			s.since = time.Now()
		}
	}
	return more
}

// drainAll takes all text and all displays that are there. Whoever shows something waits for the answer before it
// prints on, so text that is there when a display arrives was written before it.
func (p *pump) drainAll() {
	for {
		more := p.frames.fill(keepSize)
		for p.drainStreams(keepSize) {
			p.flush(false)
		}
		if !p.forwardFrames() && !more {
			return
		}
	}
}

// forwardFrames shows the complete frames in the buffer.
func (p *pump) forwardFrames() (any bool) {
	for len(p.frames.buffer) > 0 {
		r := bytes.NewReader(p.frames.buffer)
		m, err := display.ReadMessage(r)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return any
		}
		if err != nil {
			p.frames.buffer = nil
			p.emitText("stderr", fmt.Sprintf("display: %v\n", err))
			return any
		}
		p.frames.buffer = p.frames.buffer[len(p.frames.buffer)-r.Len():]
		any = true
		p.flush(false)
		unmarkBundle(m.Bundle)
		if m.Comm != nil {
			m.Comm.Data = json.RawMessage(front.Unmark(string(m.Comm.Data)))
			p.noteComm(m)
		}
		p.emit(func(o Output) { o.Display(m) }, 1<<10)
		unix.Write(p.ack, []byte{1}) // a worker that has gone needs no answer
	}
	p.frames.buffer = nil // frees what a large picture took
	return any
}

func (p *pump) respond() {
	for {
		line, rest, ok := bytes.Cut(p.answers.buffer, []byte("\n"))
		if !ok {
			return
		}
		var r message.Response
		err := json.Unmarshal(line, &r)
		p.answers.buffer = bytes.Clone(rest)
		if err != nil {
			p.emitText("stderr", fmt.Sprintf("the worker sent nonsense: %v\n", err))
			continue
		}
		p.responses <- r
	}
}

// flushOld forwards text that has waited long enough.
func (p *pump) flushOld() {
	for i := range p.streams {
		s := &p.streams[i]
		if len(s.buffer) >= flushSize || !s.since.IsZero() && time.Since(s.since) >= flushAfter {
			p.flushStream(s, false)
		}
	}
}

func (p *pump) flush(final bool) {
	for i := range p.streams {
		p.flushStream(&p.streams[i], final)
	}
}

// flushStream forwards a stream's text up to its last whole character; final: all of it.
func (p *pump) flushStream(s *stream, final bool) {
	cut := len(s.buffer)
	if !final {
		cut = wholeRunes(s.buffer)
	}
	s.since = time.Time{}
	if cut == 0 {
		return
	}
	text := front.Unmark(strings.ToValidUTF8(string(s.buffer[:cut]), "\uFFFD"))
	s.buffer = append(s.buffer[:0], s.buffer[cut:]...)
	if text != "" {
		if s.name == "stderr" {
			p.mu.Lock()
			p.death.read(text)
			p.mu.Unlock()
		}
		p.emitText(s.name, text)
	}
}

// wholeRunes is the length of b without a character at its end whose bytes are not all there.
func wholeRunes(b []byte) int {
	for back := 1; back < utf8.UTFMax && back <= len(b); back++ {
		if start := len(b) - back; utf8.RuneStart(b[start]) {
			if !utf8.FullRune(b[start:]) {
				return start
			}
			break
		}
	}
	return len(b)
}

func (p *pump) emitText(name, text string) {
	p.emit(func(o Output) { o.Stream(name, text) }, len(text))
}

// emit gives something to the running cell's output, or keeps it for the next cell.
func (p *pump) emit(f func(Output), size int) {
	p.mu.Lock()
	out := p.out
	if out == nil {
		out = p.background
	}
	if out == nil {
		if p.keptSize += size; p.keptSize <= keepSize {
			p.kept = append(p.kept, f)
		} else {
			p.dropped = true
		}
		p.mu.Unlock()
		return
	}
	// Held while the output works, so that attach waits for it.
	defer p.mu.Unlock()
	f(out)
}

// attach directs what comes from now on to out, after what was kept; nil: no cell runs.
func (p *pump) attach(out Output) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out = out
	if out == nil {
		return
	}
	p.death = postmortem{}
	for _, f := range p.kept {
		f(out)
	}
	if p.dropped {
		out.Stream("stderr", "(goroutines printed more than 1 MB while no cell ran; the rest is dropped)\n")
	}
	p.kept, p.keptSize, p.dropped = nil, 0, false
}

// keptText is the text that was kept.
func (p *pump) keptText() string {
	var c textCollector
	p.attach(&c)
	return c.String()
}

type textCollector struct{ strings.Builder }

func (c *textCollector) Stream(_, text string)   { c.WriteString(text) }
func (c *textCollector) Display(display.Message) {}
func (c *textCollector) Result(display.Bundle)   {}

// unmarkBundle removes the marks of lower-case names from all text of a bundle.
func unmarkBundle(b display.Bundle) {
	for mime, v := range b.Data {
		switch v := v.(type) {
		case string:
			b.Data[mime] = front.Unmark(v)
		case json.RawMessage:
			b.Data[mime] = json.RawMessage(front.Unmark(string(v)))
		}
	}
}
