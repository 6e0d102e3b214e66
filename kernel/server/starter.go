package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html"
	"io"
	"strings"
	"sync"
	"time"

	"fovea/kernel/display"
	"fovea/kernel/session"
)

// patience is how long a cell waits for the engine before it shows why it waits. A warm start is over by then, and its
// notebook stays free of lines about it.
const patience = 2 * time.Second

// A starter opens the engine in the background and lets cells wait for it.
type starter struct {
	open       func(context.Context, Setup) (Opened, error)
	background session.Output

	busy chan struct{} // holds one token while a cell runs

	mu  sync.Mutex
	ctx context.Context
	try *attempt
}

func newStarter(open func(context.Context, Setup) (Opened, error), background session.Output) *starter {
	return &starter{open: open, background: background, busy: make(chan struct{}, 1)}
}

// An attempt to open the engine.
type attempt struct {
	done   chan struct{}
	opened Opened // valid after done, like err
	err    error

	mu      sync.Mutex
	line    []byte // the last one, not yet complete
	lines   []string
	shown   int           // lines that a cell has taken
	changed chan struct{} // closed and replaced when there is a new line
	warned  bool
}

// start begins to open the engine. The attempt ends with ctx.
func (e *starter) start(ctx context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ctx = ctx
	e.begin()
}

// begin is for those that hold mu.
func (e *starter) begin() {
	t := &attempt{done: make(chan struct{}), changed: make(chan struct{})}
	e.try = t
	ctx := e.ctx
	go func() {
		defer close(t.done)
		defer func() {
			if fault := recover(); fault != nil {
				t.err = fmt.Errorf("opening the session: %v", fault)
			}
		}()
		t.opened, t.err = e.open(ctx, Setup{Progress: t, Background: e.background})
	}()
}

// Write gathers the progress of the set-up, line by line.
func (t *attempt) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line = append(t.line, p...)
	for {
		end := bytes.IndexByte(t.line, '\n')
		if end < 0 {
			return len(p), nil
		}
		t.lines = append(t.lines, strings.ToValidUTF8(string(t.line[:end+1]), "\uFFFD"))
		t.line = t.line[end+1:]
		close(t.changed)
		t.changed = make(chan struct{})
	}
}

var _ io.Writer = (*attempt)(nil)

// take returns the lines that no cell has shown, and a channel that tells of more.
func (t *attempt) take() ([]string, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fresh := t.lines[t.shown:]
	t.shown = len(t.lines)
	return fresh, t.changed
}

// wait returns the engine when it is open. Meanwhile it shows the progress of the set-up on out. When the last attempt
// has failed, it is made again: the user may have mended what was missing.
func (e *starter) wait(ctx context.Context, out session.Output) (Engine, error) {
	e.mu.Lock()
	t := e.try
	select {
	case <-t.done:
		if t.err != nil && e.ctx.Err() == nil && t.warned {
			e.begin()
			t = e.try
		}
	default:
	}
	e.mu.Unlock()
	t.follow(ctx, out)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	first := !t.warned
	t.warned = true
	if t.err != nil {
		return nil, fmt.Errorf("the session did not open: %w", t.err)
	}
	if first && t.opened.Warning != "" {
		out.Stream("stderr", t.opened.Warning+"\n")
	}
	return t.opened.Engine, nil
}

// follow shows the attempt's progress until it is done.
func (t *attempt) follow(ctx context.Context, out session.Output) {
	select {
	case <-t.done:
		return
	case <-ctx.Done():
		return
	case <-time.After(patience):
	}
	shown := setupBar{out: out}
	for {
		lines, changed := t.take()
		shown.add(lines)
		select {
		case <-changed:
		case <-t.done:
			lines, _ := t.take()
			shown.add(lines)
			shown.end(t.err == nil)
			return
		case <-ctx.Done():
			shown.end(false)
			return
		}
	}
}

// setupBar shows how far the set-up is, as one display under the cell that waits for it. It vanishes when all went well:
// a notebook does not keep how long its kernel took to start. When something went wrong, what was done until then stays.
type setupBar struct {
	out   session.Output
	id    string
	lines []string
}

func (b *setupBar) add(lines []string) {
	if len(lines) == 0 {
		return
	}
	for _, line := range lines {
		b.lines = append(b.lines, strings.TrimRight(line, "\r\n"))
	}
	now := html.EscapeString(b.lines[len(b.lines)-1])
	m := display.Message{Kind: display.KindUpdate, Bundle: display.Bundle{Data: map[string]any{
		"text/html":  `<div style="opacity:.75">starting <progress></progress> ` + now + `</div>`, // without a value it moves by itself
		"text/plain": strings.Join(b.lines, "\n"),
	}}}
	if b.id == "" {
		b.id, m.Kind = "setup-"+rand.Text(), display.KindDisplay
	}
	m.ID = b.id
	b.out.Display(m)
}

func (b *setupBar) end(well bool) {
	switch {
	case b.id == "":
	case well:
		b.out.Display(display.Message{Kind: display.KindClear})
	default:
		b.out.Display(display.Message{Kind: display.KindUpdate, ID: b.id,
			Bundle: display.Bundle{Data: map[string]any{"text/plain": strings.Join(b.lines, "\n")}}})
	}
}

// now returns the engine if it is open.
func (e *starter) now() Engine {
	e.mu.Lock()
	t := e.try
	e.mu.Unlock()
	if t == nil {
		return nil
	}
	select {
	case <-t.done:
		return t.opened.Engine
	default:
		return nil
	}
}

// turn waits until no other shell runs a cell: an engine runs one at a time.
func (e *starter) turn(ctx context.Context) (release func(), err error) {
	select {
	case e.busy <- struct{}{}:
		return func() { <-e.busy }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// close closes the engine, giving it so much time. The context of start has ended, so an attempt ends soon too.
func (e *starter) close(limit time.Duration) error {
	e.mu.Lock()
	t := e.try
	e.mu.Unlock()
	ended := make(chan error, 1)
	go func() {
		<-t.done
		if t.opened.Engine == nil {
			ended <- nil
			return
		}
		ended <- t.opened.Engine.Close()
	}()
	select {
	case err := <-ended:
		return err
	case <-time.After(limit):
		return errors.New("the session did not end in time")
	}
}
