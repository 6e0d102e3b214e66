package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Peer is one connection to a socket. It outlives its connection as a value, so that an answer to a peer that has
// gone is an error and nothing worse.
type Peer struct {
	socket   *socket
	net      net.Conn
	number   uint64
	identity []byte
	conn     *conn
	out      *outbox
	trusted  atomic.Bool
	pings    atomic.Int32
	closing  sync.Once
	sent     chan struct{} // closed when the writer has ended
}

// Identity is the routing identity: the one that the peer announced, or one made up for it.
func (p *Peer) Identity() []byte { return p.identity }

// Trust lifts the limits for untrusted peers. Call it when a message with a valid signature has come from the peer.
func (p *Peer) Trust() { p.trusted.Store(true) }

// Send queues a message towards the peer. It waits while the peer's queue is full, and gives the peer up when that
// lasts too long (see Limits).
func (p *Peer) Send(message [][]byte) error { return p.send(message, false) }

func (p *Peer) send(message [][]byte, urgent bool) error {
	err := p.out.put(parcel{frames: message}, urgent)
	if errors.Is(err, errStalled) {
		p.fail(err)
	}
	return err
}

// Close ends the connection at once.
func (p *Peer) Close() {
	p.closing.Do(func() {
		p.out.close()
		_ = p.net.Close() // the connection is given up, whatever it says
	})
}

func (p *Peer) fail(err error) {
	p.socket.host.log(fmt.Sprintf("%s: disconnected %s: %v", p.socket.role, p.net.RemoteAddr(), err))
	p.Close()
}

// run is the life of a connection: the handshake, then reading here and writing in a second goroutine.
func (p *Peer) run() {
	s := p.socket
	defer func() {
		p.Close()
		s.mu.Lock()
		delete(s.conns, p)
		s.mu.Unlock()
		s.gone(p)
	}()
	_ = p.net.SetDeadline(time.Now().Add(s.host.limits.Handshake)) // fails on a closed connection only: shake says it too
	c, err := shake(p.net, s.mechanism(), true, s.role, nil)
	if err != nil {
		s.host.log(fmt.Sprintf("%s: refused %s: %v", s.role, p.net.RemoteAddr(), err))
		close(p.sent)
		return
	}
	_ = p.net.SetDeadline(time.Time{})
	p.conn = c
	p.identity = c.identity
	if len(p.identity) == 0 {
		p.identity = binary.BigEndian.AppendUint64([]byte{0}, p.number) // a zero first: no peer may announce such a one
	}
	s.arrived(p)
	writer := make(chan struct{})
	go func() {
		defer close(writer)
		p.write()
	}()
	if err := p.read(); !isEnd(err) {
		p.fail(err)
	}
	p.Close()
	<-writer
}

// isEnd says whether the error is how connections normally end.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, errClosed) || isReset(err)
}

// read delivers messages until the connection ends, and returns why.
func (p *Peer) read() error {
	s := p.socket
	for {
		if err := p.out.waitRoom(); err != nil {
			return err
		}
		held, free := 0, firstPiece
		grow := func(n int) error {
			if p.trusted.Load() {
				return nil
			}
			used := min(n, free)
			free -= used
			if n -= used; n == 0 {
				return nil
			}
			if err := s.host.charge(n); err != nil {
				return err
			}
			held += n
			return nil
		}
		limit := s.host.limits.Untrusted
		if p.trusted.Load() {
			limit = s.host.limits.Message
		}
		e, err := p.conn.next(limit, grow)
		if err == nil {
			err = p.deliver(e)
		}
		s.host.untrusted.Add(int64(-held))
		if err != nil {
			return err
		}
	}
}

func (p *Peer) deliver(e event) error {
	s := p.socket
	if e.message != nil && s.changed != nil {
		if old, ok := subscription(e.message); ok {
			e = old
		}
	}
	switch {
	case e.pong != nil:
		return p.pong(e.pong)
	case e.subscribe || e.cancel:
		if s.changed == nil {
			return errors.New("subscription on a socket that publishes nothing")
		}
		s.changed(p, e)
	case s.received != nil:
		s.received(p, e.message)
	}
	return nil
}

// pong queues the answer to a PING. A peer that pings without reading is given up.
func (p *Peer) pong(context []byte) error {
	if p.pings.Add(1) > 64 {
		return errors.New("too many PINGs without an answer read")
	}
	return p.out.put(parcel{frames: [][]byte{context}, pong: true}, true)
}

// write sends what the outbox has, in batches, until the connection ends.
func (p *Peer) write() {
	defer close(p.sent)
	for {
		batch, err := p.out.take()
		if err != nil {
			return
		}
		for i, out := range batch {
			if out.pong {
				err = p.conn.writeCommand("PONG", out.frames[0])
				p.pings.Add(-1)
			} else {
				err = p.conn.write(out.frames)
			}
			if err == nil && i == len(batch)-1 {
				err = p.conn.w.Flush() // small messages of a batch go out together
			}
			p.out.done(out)
			if err != nil {
				p.Close() // the reader sees it and ends
				return
			}
		}
	}
}
