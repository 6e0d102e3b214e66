package display

import (
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/janpfeifer/gonb/gonbui"
	"github.com/janpfeifer/gonb/gonbui/protocol"
)

// Environment of a process that runs cells.
const (
	// EnvFD names the open file descriptor to which messages are written (see WriteMessage).
	EnvFD = "FOVEA_DISPLAY_FD"
	// EnvAckFD, optional, names a descriptor on which the kernel answers each message with one byte once it has
	// forwarded it. The sender waits for that byte, so that what it prints next comes after what it has shown: text and
	// displays travel through different pipes.
	EnvAckFD = "FOVEA_DISPLAY_ACK_FD"
	// envPID guards against child processes: they inherit the environment, but not the descriptor.
	envPID = "FOVEA_DISPLAY_PID"
)

// ackPatience bounds the wait for an answer: a kernel that is held up costs order, never the cell.
const ackPatience = time.Second

// A transport takes messages to where they are shown.
type transport interface {
	send(Message) error
	sync()
}

var (
	reportOnce sync.Once
	current    = sync.OnceValue(choose)
	shown      names
)

// The descriptors are claimed before user code runs, so that no child process of a cell can inherit them.
var claimed = claim(os.Getenv(EnvFD), os.Getenv(EnvAckFD))

type pipes struct {
	out, ack *os.File
}

func claim(fd, ack string) pipes {
	pid := strconv.Itoa(os.Getpid())
	if fd == "" || (os.Getenv(envPID) != "" && os.Getenv(envPID) != pid) {
		return pipes{}
	}
	os.Setenv(envPID, pid)
	return pipes{out: inherited(fd, "display"), ack: inherited(ack, "display answers")}
}

func inherited(number, name string) *os.File {
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 0 {
		return nil
	}
	file := os.NewFile(uintptr(fd), name)
	if file == nil {
		return nil
	}
	if _, err := file.Stat(); err != nil {
		return nil
	}
	closeOnExec(file)
	return file
}

func choose() transport {
	switch {
	case claimed.out != nil:
		return newFrames(claimed.out, claimed.ack)
	case os.Getenv(protocol.GONB_PIPE_ENV) != "":
		return gonb{}
	default:
		return &plain{last: map[string]string{}}
	}
}

// names remembers what has been shown under which name.
type names struct {
	mu     sync.Mutex
	inCell map[string]bool // by the running cell
	ever   map[string]bool // by this process
	cells  int             // how many have begun
}

// mark remembers that the running cell shows the name. It reports whether it had not before, and whether another cell had.
func (n *names) mark(id string) (first, elsewhere bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	first, elsewhere = !n.inCell[id], n.ever[id]
	if n.inCell == nil {
		n.inCell, n.ever = map[string]bool{}, map[string]bool{}
	}
	n.inCell[id], n.ever[id] = true, true
	return first, elsewhere
}

func (n *names) begin() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.inCell)
	n.cells++
}

// frames speaks to Fovea's kernel.
type frames struct {
	mu  sync.Mutex
	out io.Writer
	err error // the first failure: a frame cut short cannot be repaired

	acks      chan struct{} // nil: the kernel sends no answers
	sent, got int
}

func newFrames(out io.Writer, ack *os.File) *frames {
	f := &frames{out: out}
	if ack == nil {
		return f
	}
	acks := make(chan struct{}, 1)
	f.acks = acks
	go func() {
		defer close(acks)
		var one [1]byte
		for {
			if _, err := io.ReadFull(ack, one[:]); err != nil {
				return
			}
			acks <- struct{}{}
		}
	}()
	return f
}

func (f *frames) send(m Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil // reported when it happened
	}
	counted := &countWriter{w: f.out}
	if err := WriteMessage(counted, m); err != nil {
		if counted.n > 0 || counted.failed {
			f.err = err
		}
		return err
	}
	f.sent++
	f.wait()
	return nil
}

// wait waits until the kernel has answered every message, within ackPatience. Answers that come later are counted then.
func (f *frames) wait() {
	if f.acks == nil {
		return
	}
	patience := time.NewTimer(ackPatience)
	defer patience.Stop()
	for f.got < f.sent {
		select {
		case _, open := <-f.acks:
			if !open {
				f.acks = nil
				return
			}
			f.got++
		case <-patience.C:
			return
		}
	}
}

func (f *frames) sync() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wait()
}

// countWriter tells whether a failed message left bytes behind.
type countWriter struct {
	w      io.Writer
	n      int
	failed bool
}

func (c *countWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += n
	c.failed = c.failed || err != nil
	return n, err
}

func init() {
	// gob carries only types that both ends have registered. GoNB's kernel has registered these.
	gob.Register(map[string]any{})
	gob.Register([]any{})
}

// gobValue makes a value of JSON fit for GoNB's pipe, with null left out, which gob cannot carry. ok is false when nothing is left.
func gobValue(v any) (_ any, ok bool) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, false
	}
	var plain any
	if err := json.Unmarshal(raw, &plain); err != nil {
		return nil, false
	}
	return withoutNull(plain), plain != nil
}

func withoutNull(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			if e == nil {
				delete(v, key)
			} else {
				v[key] = withoutNull(e)
			}
		}
	case []any:
		for i, e := range v {
			if v[i] = withoutNull(e); e == nil {
				v[i] = "" // places count
			}
		}
	}
	return v
}

// gonb speaks to a stock GoNB kernel. It goes through gonbui, which owns the one encoder of GoNB's pipe: a cell may
// well use both packages.
type gonb struct{}

func (gonb) send(m Message) error {
	if m.Kind == KindClear || m.Comm != nil {
		return nil // GoNB has no such messages
	}
	// GoNB has one kind of message: what carries an ID is shown when new and replaced when not.
	data := &protocol.DisplayData{Data: map[protocol.MIMEType]any{}, Metadata: map[string]any{}, DisplayID: m.ID}
	for key, v := range m.Bundle.Metadata {
		if v, ok := gobValue(v); ok {
			data.Metadata[key] = v
		}
	}
	for mime, v := range m.Bundle.Data {
		switch v.(type) {
		case string, []byte:
			data.Data[protocol.MIMEType(mime)] = v
		default:
			if v, ok := gobValue(v); ok {
				data.Data[protocol.MIMEType(mime)] = v
			}
		}
	}
	gonbui.SendData(data)
	return gonbui.Error()
}

func (gonb) sync() {
	done := make(chan struct{})
	go func() {
		gonbui.Sync() // never returns when GoNB has gone
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
	}
}

// plain prints the text of what is shown, for programs outside a notebook.
type plain struct {
	mu   sync.Mutex
	out  io.Writer         // nil: whatever os.Stdout is at the time, as fmt.Println has it
	last map[string]string // by ID: an update that reads the same is not repeated
}

func (p *plain) send(m Message) error {
	if m.Kind == KindClear || m.Comm != nil {
		return nil
	}
	text, ok := m.Bundle.Data["text/plain"].(string)
	if !ok {
		text = fmt.Sprint(m.Bundle.types())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.ID != "" {
		if last, ok := p.last[m.ID]; ok && last == text && m.Kind == KindUpdate {
			return nil
		}
		p.last[m.ID] = text
	}
	out := p.out
	if out == nil {
		out = os.Stdout
	}
	_, err := fmt.Fprintln(out, text)
	return err
}

func (*plain) sync() {}

func closeOnExec(file *os.File) { syscall.CloseOnExec(int(file.Fd())) }
