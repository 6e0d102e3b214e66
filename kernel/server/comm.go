package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"fovea/kernel/display"
	"fovea/kernel/wire"
)

// A Target is what a frontend can open a comm to. It sets the comm's callbacks and may send at once.
type Target func(c *Comm, data json.RawMessage, buffers [][]byte)

// A Comm is a channel between something in the kernel and something on the page.
type Comm struct {
	ID, Target string
	// Received is called for each message from the page, Closed when the page closes the comm. Nil: ignored.
	Received func(data json.RawMessage, buffers [][]byte)
	Closed   func(data json.RawMessage)

	server *Server
	inCell bool // its other end is a cell's: messages go to the engine
}

// comms holds the open ones.
type comms struct {
	server *Server
	mu     sync.Mutex
	byID   map[string]*Comm
	parent *request // of the messages that the kernel sends: the request that came last
}

// OpenComm opens a comm from the kernel's side. metadata of the protocol's widgets goes into data.
func (s *Server) OpenComm(target string, data any, buffers ...[]byte) (*Comm, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("comm_open: %w", err)
	}
	c := &Comm{ID: wire.NewID(), Target: target, server: s}
	s.comms.add(c, nil)
	s.publish("comm_open", s.comms.last(), wire.CommOpen{ID: c.ID, Target: target, Data: raw}, buffers...)
	return c, nil
}

// Send sends a message to the page.
func (c *Comm) Send(data any, buffers ...[]byte) error { return c.send("comm_msg", data, buffers) }

// Close closes the comm from the kernel's side.
func (c *Comm) Close(data any) error {
	c.server.comms.remove(c.ID)
	return c.send("comm_close", data, nil)
}

func (c *Comm) send(msgType string, data any, buffers [][]byte) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("%s: %w", msgType, err)
	}
	c.server.publish(msgType, c.server.comms.last(), wire.CommMessage{ID: c.ID, Data: raw}, buffers...)
	return nil
}

func (c *comms) last() *request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.parent
}

func (c *comms) add(comm *Comm, parent *request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil {
		c.byID = map[string]*Comm{}
	}
	c.byID[comm.ID] = comm
	if parent != nil {
		c.parent = parent
	}
}

func (c *comms) remove(id string) *Comm {
	c.mu.Lock()
	defer c.mu.Unlock()
	comm := c.byID[id]
	delete(c.byID, id)
	return comm
}

func (c *comms) get(id string, parent *request) *Comm {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parent = parent
	return c.byID[id]
}

// open answers comm_open. A target that the kernel doesn't have is answered by closing the comm, as the specification
// asks, so that the page does not wait.
func (c *comms) open(r *request, body *wire.CommOpen) {
	target := c.server.options.Targets[body.Target]
	if target == nil {
		target = c.server.ownTarget(body.Target)
	}
	comm := &Comm{ID: body.ID, Target: body.Target, server: c.server, inCell: target == nil}
	if target == nil {
		// A cell may know the target; the engine answers when none does.
		c.add(comm, r)
		if c.toCell(r, display.KindCommOpen, body.ID, display.CommMessage{Target: body.Target, Data: body.Data}) == nil {
			return
		}
		c.remove(body.ID)
		c.server.log(fmt.Sprintf("comm_open: there is no target %.100q", body.Target))
		c.server.publish("comm_close", r, wire.CommMessage{ID: body.ID, Data: json.RawMessage(`{}`)})
		return
	}
	c.add(comm, r)
	target(comm, body.Data, r.Buffers)
}

// message answers comm_msg and comm_close.
func (c *comms) message(r *request, body *wire.CommMessage) {
	comm := c.get(body.ID, r)
	switch {
	case comm == nil:
		c.server.log(fmt.Sprintf("%s: there is no comm %.100q", r.Header.Type, body.ID))
	case comm.inCell:
		if r.Header.Type == "comm_close" {
			c.remove(body.ID)
		}
		if err := c.toCell(r, r.Header.Type, body.ID, display.CommMessage{Data: body.Data}); err != nil {
			c.server.log(fmt.Sprintf("%s: %v", r.Header.Type, err))
		}
	case r.Header.Type == "comm_close":
		c.remove(body.ID)
		if comm.Closed != nil {
			comm.Closed(body.Data)
		}
	case comm.Received != nil:
		comm.Received(body.Data, r.Buffers)
	}
}

// A Commer is an engine whose cells can have comms. What they send arrives at the Output of a cell, or at the background.
type Commer interface{ Comm(m display.Message) error }

var errNoComms = errors.New("the cells have no comms")

// toCell hands a message from the page to the cells.
func (c *comms) toCell(r *request, kind, id string, m display.CommMessage) error {
	engine, ok := c.server.engine.now().(Commer)
	if !ok {
		return errNoComms
	}
	m.Buffers = r.Buffers
	return engine.Comm(display.Message{Kind: kind, ID: id, Comm: &m})
}

// fromCell publishes what a cell sends. parent is the request whose cell runs; nil: none does.
func (c *comms) fromCell(m display.Message, parent *request) {
	var content any = wire.CommMessage{ID: m.ID, Data: m.Comm.Data}
	switch m.Kind {
	case display.KindCommOpen:
		c.add(&Comm{ID: m.ID, Target: m.Comm.Target, server: c.server, inCell: true}, parent)
		content = wire.CommOpen{ID: m.ID, Target: m.Comm.Target, Data: m.Comm.Data}
	case display.KindCommClose:
		c.remove(m.ID)
	}
	if parent == nil {
		parent = c.last()
	}
	var metadata any
	if len(m.Comm.Metadata) > 0 {
		metadata = m.Comm.Metadata
	}
	c.server.publishWith(metadata, m.Kind, parent, content, m.Comm.Buffers)
}

// publishWith is publish for a message with metadata, which widgets read.
func (s *Server) publishWith(metadata any, msgType string, parent *request, content any, buffers [][]byte) {
	if metadata == nil {
		s.publish(msgType, parent, content, buffers...)
		return
	}
	var asked *wire.Message
	if parent != nil {
		asked = parent.Message
	}
	m, err := s.codec.New(msgType, asked, content)
	if err == nil {
		err = m.SetMetadata(metadata)
	}
	if err != nil {
		s.log(fmt.Sprintf("iopub: dropped %s: %v", msgType, err))
		return
	}
	m.Route = [][]byte{[]byte("kernel." + s.codec.Session() + "." + msgType)}
	m.Buffers = buffers
	s.iopub.Publish(s.codec.Encode(m))
}

// info lists the open comms of a target, or all.
func (c *comms) info(target string) map[string]wire.CommInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string]wire.CommInfo{}
	for id, comm := range c.byID {
		if target == "" || comm.Target == target {
			found[id] = wire.CommInfo{Target: comm.Target}
		}
	}
	return found
}
