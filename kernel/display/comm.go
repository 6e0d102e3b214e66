package display

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
)

// Kinds of Message that belong to a comm.
const (
	KindCommOpen    = "comm_open"
	KindCommMessage = "comm_msg"
	KindCommClose   = "comm_close"
)

// IsComm says whether a Message of this kind belongs to a comm.
func IsComm(kind string) bool {
	return kind == KindCommOpen || kind == KindCommMessage || kind == KindCommClose
}

// A CommMessage is what a Message of a comm carries, in either direction.
type CommMessage struct {
	Target   string // KindCommOpen
	Data     json.RawMessage
	Metadata json.RawMessage // an object, or nil
	Buffers  [][]byte
}

// A Comm is a channel between values of cells and something on the page, such as a widget (see Jupyter's messaging
// protocol, "Custom Messages"). Both sides can send JSON with raw buffers at any time, also while no cell runs.
//
// Handlers run in one goroutine for the whole process: one after the other, in the order in which the messages came, beside a
// cell that may run. So a handler that takes long holds up all later messages, and must not wait for one (give such work
// to a goroutine); what it shares with cells needs a lock or a channel. What it prints goes to the last cell that ran, or
// the next. A panic in it is reported on stderr, and the next message is handled. An interrupt does not stop it.
type Comm struct {
	id, target string

	mu       sync.Mutex
	closed   bool
	received func(data json.RawMessage, buffers [][]byte)
	ended    func(data json.RawMessage)
}

// ErrComm is wrapped by the errors of comms.
var ErrComm = errors.New("comm")

var comms = struct {
	sync.Mutex
	open    map[string]*Comm
	targets map[string]func(c *Comm, data json.RawMessage, buffers [][]byte)

	waiting     []Message // in order
	waitingSize int       // bytes
	handling    bool      // a goroutine works on them
}{open: map[string]*Comm{}, targets: map[string]func(*Comm, json.RawMessage, [][]byte){}}

// CommOptions say how a comm is opened; the zero value is fine.
type CommOptions struct {
	ID       string // "": a new one
	Metadata any    // of the opening message: widgets put the version of their protocol there
	Buffers  [][]byte
	// Received is called for each message from the page, Closed when the page closes the comm. Nil: ignored.
	Received func(data json.RawMessage, buffers [][]byte)
	Closed   func(data json.RawMessage)
}

// OpenComm opens a comm to a target that the page knows. Where there is no page, as in a program of its own or under a
// stock GoNB kernel, messages go nowhere and no handler is called.
func OpenComm(target string, data any, o CommOptions) (*Comm, error) {
	m := CommMessage{Target: target, Buffers: o.Buffers}
	var err error
	if m.Data, err = json.Marshal(data); err != nil {
		return nil, fmt.Errorf("%w: opening %s: %w", ErrComm, target, err)
	}
	if o.Metadata != nil {
		if m.Metadata, err = json.Marshal(o.Metadata); err != nil {
			return nil, fmt.Errorf("%w: opening %s: %w", ErrComm, target, err)
		}
	}
	if o.ID == "" {
		o.ID = rand.Text()
	}
	c := &Comm{id: o.ID, target: target, received: o.Received, ended: o.Closed}
	comms.Lock()
	if comms.open[c.id] != nil {
		comms.Unlock()
		return nil, fmt.Errorf("%w: %s is open already", ErrComm, c.id)
	}
	comms.open[c.id] = c // before the page can answer
	comms.Unlock()
	if err := current().send(Message{Kind: KindCommOpen, ID: c.id, Comm: &m}); err != nil {
		c.forget()
		return nil, fmt.Errorf("%w: opening %s: %w", ErrComm, target, err)
	}
	return c, nil
}

// HandleComm makes f answer comms that the page opens to a target. It sets what the comm calls with Handle, and may send
// at once. A nil f: the target is known no more. It runs as handlers do.
func HandleComm(target string, f func(c *Comm, data json.RawMessage, buffers [][]byte)) {
	comms.Lock()
	defer comms.Unlock()
	if f == nil {
		delete(comms.targets, target)
		return
	}
	comms.targets[target] = f
}

// ID is the comm's name on both sides, Target what it was opened to.
func (c *Comm) ID() string     { return c.id }
func (c *Comm) Target() string { return c.target }

// Handle sets what is called for messages and at the end; nil: ignored.
func (c *Comm) Handle(received func(data json.RawMessage, buffers [][]byte), closed func(data json.RawMessage)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.received, c.ended = received, closed
}

// Send sends a message to the page. data is encoded as JSON.
func (c *Comm) Send(data any, buffers ...[]byte) error {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return fmt.Errorf("%w: %s is closed", ErrComm, c.id)
	}
	return c.send(KindCommMessage, data, buffers)
}

// Close closes the comm; its handlers are not called any more. Closing it again does nothing.
func (c *Comm) Close() error {
	if !c.forget() {
		return nil
	}
	return c.send(KindCommClose, struct{}{}, nil)
}

func (c *Comm) send(kind string, data any, buffers [][]byte) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrComm, err)
	}
	return current().send(Message{Kind: kind, ID: c.id, Comm: &CommMessage{Data: raw, Buffers: buffers}})
}

// forget takes the comm from the open ones, and reports whether it was one.
func (c *Comm) forget() bool {
	c.mu.Lock()
	was := !c.closed
	c.closed = true
	c.mu.Unlock()
	comms.Lock()
	defer comms.Unlock()
	if comms.open[c.id] == c {
		delete(comms.open, c.id)
	}
	return was
}

// commsWaiting bounds the bytes of messages that wait for a handler that takes long.
const commsWaiting = 64 << 20

// DeliverComm hands a message from the page to its comm. The kernel calls it; other code has no need to. It never waits: an
// interrupt may be what comes behind the message.
func DeliverComm(m Message) {
	size := len(m.Comm.Data) + 512
	for _, b := range m.Comm.Buffers {
		size += len(b)
	}
	comms.Lock()
	defer comms.Unlock()
	if comms.waitingSize+size > commsWaiting {
		fmt.Fprintln(os.Stderr, "a message from the page was dropped: a comm's handler takes too long")
		return
	}
	comms.waiting, comms.waitingSize = append(comms.waiting, m), comms.waitingSize+size
	if !comms.handling {
		comms.handling = true
		go handleComms()
	}
}

// handleComms handles what waits, then ends.
func handleComms() {
	for {
		comms.Lock()
		if len(comms.waiting) == 0 {
			comms.handling = false
			comms.Unlock()
			return
		}
		waiting := comms.waiting
		comms.waiting, comms.waitingSize = nil, 0
		comms.Unlock()
		for _, m := range waiting {
			handleComm(m)
		}
	}
}

// handleComm calls the handler of a message. Handlers are code of cells: their panics are told, and no more.
func handleComm(m Message) {
	defer func() {
		if e := recover(); e != nil {
			fmt.Fprintf(os.Stderr, "panic in a handler of comm %s: %v\n", m.ID, e)
		}
	}()
	comms.Lock()
	c, target := comms.open[m.ID], comms.targets[m.Comm.Target]
	comms.Unlock()
	switch {
	case m.Kind == KindCommOpen && c == nil:
		c = &Comm{id: m.ID, target: m.Comm.Target}
		if target == nil {
			// As the protocol asks, so that the page does not wait.
			send(Message{Kind: KindCommClose, ID: m.ID, Comm: &CommMessage{Data: json.RawMessage("{}")}})
			return
		}
		comms.Lock()
		comms.open[m.ID] = c
		comms.Unlock()
		target(c, m.Comm.Data, m.Comm.Buffers)
	case c == nil || m.Kind == KindCommOpen:
	case m.Kind == KindCommClose:
		c.forget()
		c.mu.Lock()
		ended := c.ended
		c.mu.Unlock()
		if ended != nil {
			ended(m.Comm.Data)
		}
	default:
		c.mu.Lock()
		received := c.received
		c.mu.Unlock()
		if received != nil {
			received(m.Comm.Data, m.Comm.Buffers)
		}
	}
}
