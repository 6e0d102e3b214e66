package wire

import (
	"fmt"
	"slices"
	"sync"
)

// A Router is the kernel's end of shell, control and stdin: it receives from many peers and answers each.
//
// It differs from ZeroMQ's in one point. There, a second peer with an identity that is taken is ignored for ever, and a
// notebook that reconnects too early hangs. Here an answer goes to the connection that asked, and what goes to an
// identity goes to the newest connection that has it.
type Router struct {
	socket *socket
	port   int

	mu    sync.Mutex
	named map[string][]*Peer // by identity, newest last
}

// Router opens a router socket. receive is called for each message, by the goroutine of its peer: one call at a time
// for a peer, many for different peers. While it runs the peer is not read, so it may wait to slow a peer down.
func (h *Host) Router(e Endpoint, receive func(p *Peer, message [][]byte)) (*Router, error) {
	s, err := h.listen(TypeRouter, e)
	if err != nil {
		return nil, err
	}
	r := &Router{socket: s, port: port(s.listener, e), named: map[string][]*Peer{}}
	s.received = receive
	s.arrived = func(p *Peer) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.named[string(p.identity)] = append(r.named[string(p.identity)], p)
	}
	s.gone = func(p *Peer) {
		r.mu.Lock()
		defer r.mu.Unlock()
		id := string(p.identity)
		r.named[id] = slices.DeleteFunc(r.named[id], func(q *Peer) bool { return p == q })
		if len(r.named[id]) == 0 {
			delete(r.named, id)
		}
	}
	return r, s.start()
}

// Port is the port that the socket listens on.
func (r *Router) Port() int { return r.port }

// SendTo sends a message to the newest peer with the identity, as [Peer.Send] does.
func (r *Router) SendTo(identity []byte, message [][]byte) error {
	r.mu.Lock()
	peers := r.named[string(identity)]
	var p *Peer
	if len(peers) > 0 {
		p = peers[len(peers)-1]
	}
	r.mu.Unlock()
	if p == nil {
		return fmt.Errorf("no peer %q is connected", identity)
	}
	return p.Send(message)
}

// Reply answers the peer, or, if its connection has gone, the one that came after it with the same identity.
func (r *Router) Reply(p *Peer, message [][]byte) error {
	if err := p.Send(message); err == nil {
		return nil
	}
	return r.SendTo(p.identity, message)
}
