package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"fovea/kernel/display"
	"fovea/kernel/session"
	"fovea/kernel/wire"
)

// fake is an engine whose cells are programs of one word for each line, so that a test says what happens.
type fake struct {
	mu      sync.Mutex
	ran     []string
	running chan string // each cell that began; nil: not told
	closed  bool
	stop    chan struct{} // closed by Close
}

func newFake() *fake { return &fake{running: make(chan string, 1000), stop: make(chan struct{})} }

func (f *fake) Execute(ctx context.Context, cell session.Cell, out session.Output) session.Result {
	f.mu.Lock()
	f.ran = append(f.ran, cell.Source)
	f.mu.Unlock()
	f.running <- cell.Source
	failed := func(name, message string) session.Result {
		return session.Result{Err: &session.CellError{Name: name, Message: message, Traceback: []string{"at 1:1", message}, Line: 1, Column: 1}}
	}
	text := func(s string) display.Bundle { return display.Bundle{Data: map[string]any{"text/plain": s}} }
	switch cell.Source {
	case "print":
		out.Stream("stdout", "hello, ")
		out.Stream("stdout", "world\n")
	case "both":
		out.Stream("stdout", "one\n")
		out.Stream("stderr", "two\n")
		out.Display(display.Message{Kind: display.KindDisplay, Bundle: text("three"), ID: "d"})
		out.Stream("stdout", "four\n")
		out.Display(display.Message{Kind: display.KindUpdate, Bundle: text("five"), ID: "d"})
		out.Display(display.Message{Kind: display.KindClear, Wait: true})
		out.Result(text("six"))
	case "flood":
		for i := range 20000 {
			out.Stream("stdout", fmt.Sprintf("%06d\n", i))
		}
	case "big":
		out.Display(display.Message{Kind: display.KindDisplay, Bundle: display.Bundle{Data: map[string]any{"image/png": make([]byte, 1<<20)}}})
	case "nan":
		out.Result(display.Bundle{Data: map[string]any{"application/json": func() {}, "text/plain": "x"}})
	case "value":
		out.Result(text("42"))
	case "fail":
		return failed(session.Panic, "boom")
	case "panic":
		panic("a fault of the engine")
	case "page":
		out.(Pager).Page(text("help"))
	case "replace":
		out.(Replacer).ReplaceInput("größer")
	case "wait":
		select {
		case <-ctx.Done():
			return failed(session.Interrupted, "stopped")
		case <-f.stop:
			return failed(session.WorkerDied, "closed")
		}
	case "ask", "password":
		line, err := out.(Inputter).Input(ctx, "name? ", cell.Source == "password")
		if err != nil {
			return failed(session.Panic, err.Error())
		}
		out.Stream("stdout", "<"+line+">")
	case "note":
		return session.Result{Notes: []string{"x was reset"}}
	}
	return session.Result{}
}

func (f *fake) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		close(f.stop)
	}
	return nil
}

func (f *fake) Names() []session.Name {
	return []session.Name{
		{Name: "größe", Kind: "var", Type: "int", Cell: 1},
		{Name: "great", Kind: "func", Type: "func(x int) int", Cell: 2},
		{Name: "Matrix", Kind: "type", Type: "[][]float64", Cell: 3},
	}
}

func (f *fake) Evaluate(_ context.Context, expression string) (display.Bundle, error) {
	if expression == "bad" {
		return display.Bundle{}, fmt.Errorf("undefined: bad")
	}
	return display.Bundle{Data: map[string]any{"text/plain": "value of " + expression}}, nil
}

// kernel is a server under test with its engine.
type kernel struct {
	*Server
	engine *fake
	ended  chan error
	log    *testLog
}

type testLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *testLog) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

func start(t *testing.T, change ...func(*Options)) *kernel {
	t.Helper()
	k := &kernel{engine: newFake(), ended: make(chan error, 1), log: &testLog{}}
	o := Options{
		Connection: &wire.Connection{Transport: "tcp", IP: "127.0.0.1", Key: "secret", Scheme: "hmac-sha256"},
		Open:       func(context.Context, Setup) (Opened, error) { return Opened{Engine: k.engine}, nil },
		Version:    "0.1", GoVersion: "1.26.8",
		Log: k.log.add,
	}
	for _, f := range change {
		f(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	k.Server = s
	ctx, cancel := context.WithCancel(context.Background())
	go func() { k.ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-k.ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the server did not end")
		}
	})
	return k
}

// frontend is a client of all channels. It validates each message that it reads.
type frontend struct {
	t        *testing.T
	codec    *wire.Codec
	channels map[string]*wire.Client
	iopub    chan *wire.Message
	replies  map[string]chan *wire.Message
}

func connect(t *testing.T, k *kernel) *frontend {
	t.Helper()
	f := &frontend{t: t, channels: map[string]*wire.Client{}, iopub: make(chan *wire.Message, 100000), replies: map[string]chan *wire.Message{}}
	c := k.Connection()
	var err error
	if f.codec, err = wire.NewCodec(c.Scheme, []byte(c.Key)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	dial := func(name string, port int, own wire.SocketType) {
		client, err := wire.Dial(ctx, c.Endpoint(port), own, []byte(f.codec.Session()))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f.channels[name] = client
		t.Cleanup(func() { _ = client.Close() })
	}
	dial("iopub", c.IOPub, wire.TypeSub)
	if err := f.channels["iopub"].Subscribe(""); err != nil {
		t.Fatal(err)
	}
	go f.read("iopub", f.channels["iopub"], f.iopub)
	if m := f.next(f.iopub); m.Header.Type != "iopub_welcome" {
		t.Fatalf("%s came before the welcome", m.Header.Type)
	}
	for name, port := range map[string]int{"shell": c.Shell, "control": c.Control, "stdin": c.Stdin} {
		dial(name, port, wire.TypeDealer)
		f.replies[name] = make(chan *wire.Message, 10000)
		go f.read(name, f.channels[name], f.replies[name])
	}
	return f
}

func (f *frontend) read(name string, from *wire.Client, to chan<- *wire.Message) {
	defer close(to)
	for {
		frames, err := from.Receive()
		if err != nil {
			return
		}
		m, err := f.codec.Decode(frames)
		if err != nil {
			f.t.Errorf("%s: %v", name, err)
			return
		}
		if _, err := m.Body(); err != nil && !errors.Is(err, wire.ErrUnknownType) {
			f.t.Errorf("%s: invalid message: %v: %s", name, err, m.Content)
		}
		to <- m
	}
}

// next reads a message that must come.
func (f *frontend) next(from <-chan *wire.Message) *wire.Message {
	f.t.Helper()
	select {
	case m, ok := <-from:
		if !ok {
			f.t.Fatal("the connection ended")
		}
		return m
	case <-time.After(10 * time.Second):
		f.t.Fatal("no message came")
	}
	return nil
}

// send sends a request and returns its message id.
func (f *frontend) send(channel, msgType string, content any) *wire.Message {
	f.t.Helper()
	m, err := f.codec.New(msgType, nil, content)
	if err != nil {
		f.t.Fatal(err)
	}
	f.sendMessage(channel, m)
	return m
}

func (f *frontend) sendMessage(channel string, m *wire.Message) {
	f.t.Helper()
	if err := f.channels[channel].Send(f.codec.Encode(m)); err != nil {
		f.t.Fatal(err)
	}
}

func parentID(m *wire.Message) string {
	var h wire.Header
	if json.Unmarshal(m.Parent, &h) != nil {
		return ""
	}
	return h.ID
}

// until collects what iopub says about a request, up to its idle.
func (f *frontend) until(request *wire.Message) []*wire.Message {
	f.t.Helper()
	var got []*wire.Message
	for {
		m := f.next(f.iopub)
		if parentID(m) != request.Header.ID {
			continue
		}
		got = append(got, m)
		if state(m) == "idle" {
			return got
		}
	}
}

func state(m *wire.Message) string {
	if m.Header.Type != "status" {
		return ""
	}
	return field[string](m, "execution_state")
}

// field reads one field of the content.
func field[T any](m *wire.Message, name string) T {
	var all map[string]json.RawMessage
	var v T
	if json.Unmarshal(m.Content, &all) == nil {
		_ = json.Unmarshal(all[name], &v) // the zero value shows that it is missing
	}
	return v
}

// ask sends a request and returns its reply and what iopub said, busy and idle cut off.
func (f *frontend) ask(channel, msgType string, content any) (reply *wire.Message, published []*wire.Message) {
	f.t.Helper()
	request := f.send(channel, msgType, content)
	reply = f.next(f.replies[channel])
	if parentID(reply) != request.Header.ID {
		f.t.Fatalf("the reply %s %s belongs to another request", reply.Header.Type, reply.Content)
	}
	published = f.until(request)
	if len(published) < 2 || state(published[0]) != "busy" {
		f.t.Fatalf("%s: no busy and idle around the request", msgType)
	}
	return reply, published[1 : len(published)-1]
}

// run executes a cell.
func (f *frontend) run(code string) (reply *wire.Message, published []*wire.Message) {
	f.t.Helper()
	return f.ask("shell", "execute_request", map[string]any{"code": code})
}

func kinds(messages []*wire.Message) []string {
	names := make([]string, len(messages))
	for i, m := range messages {
		names[i] = m.Header.Type
	}
	return names
}
