package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Limits bound what peers can make the process hold. The zero value of a field means its default.
type Limits struct {
	// Untrusted is the size of a message, in bytes, from a peer that has not been trusted yet. Default 8 MiB.
	Untrusted int
	// UntrustedTotal bounds the memory for such messages over all peers of a host, not counting 64 KiB for each
	// connection. Default 64 MiB. A peer that would exceed it is disconnected.
	UntrustedTotal int
	// Message is the size of a message from a trusted peer. Default 1 GiB.
	Message int
	// Connections of one socket. Default 256; a newcomer is refused when it is reached.
	Connections int
	// Outbox is how many bytes may wait for one peer. Default 64 MiB.
	Outbox int
	// Stall is how long a peer may hold up senders before it is disconnected. Default 30 s.
	Stall time.Duration
	// Handshake is the time for a handshake. Default 10 s.
	Handshake time.Duration
}

func (l Limits) withDefaults() Limits {
	number := func(p *int, d int) {
		if *p <= 0 {
			*p = d
		}
	}
	number(&l.Untrusted, 8<<20)
	number(&l.UntrustedTotal, 64<<20)
	number(&l.Message, 1<<30)
	number(&l.Connections, 256)
	number(&l.Outbox, 64<<20)
	if l.Stall <= 0 {
		l.Stall = 30 * time.Second
	}
	if l.Handshake <= 0 {
		l.Handshake = 10 * time.Second
	}
	return l
}

// HostOptions are what the sockets of a [Host] share.
type HostOptions struct {
	Limits Limits
	// Curve, if not nil, encrypts all connections; peers must know its public key.
	Curve *KeyPair
	// Log receives a line for each refused connection or broken peer. Nil: none. It is called from many goroutines.
	Log func(line string)
}

// A Host holds the sockets of one kernel: their limits, their connections, their end.
type Host struct {
	limits    Limits
	log       func(string)
	curve     *KeyPair
	untrusted atomic.Int64 // bytes held for messages of untrusted peers

	mu     sync.Mutex
	socks  []*socket
	closed bool
	wait   sync.WaitGroup
}

// NewHost returns a host without sockets.
func NewHost(o HostOptions) *Host {
	h := &Host{limits: o.Limits.withDefaults(), log: func(string) {}, curve: o.Curve}
	if o.Log != nil {
		h.log = (&limitedLog{write: o.Log}).line
	}
	return h
}

// errFull is the error of a peer that would exceed Limits.UntrustedTotal.
var errFull = fmt.Errorf("untrusted peers together: %w", ErrTooLarge)

func (h *Host) charge(n int) error {
	if h.untrusted.Add(int64(n)) > int64(h.limits.UntrustedTotal) {
		h.untrusted.Add(int64(-n))
		return errFull
	}
	return nil
}

// Close sends what is queued, for as long as ctx lasts, then closes every socket and connection.
func (h *Host) Close(ctx context.Context) {
	h.mu.Lock()
	h.closed = true
	socks := h.socks
	h.mu.Unlock()
	for _, s := range socks {
		_ = s.listener.Close() // an already closed listener is as good
		for _, p := range s.peers() {
			p.out.finish()
		}
	}
	for _, s := range socks {
		for _, p := range s.peers() {
			select {
			case <-p.sent:
			case <-ctx.Done():
			}
			p.Close()
		}
	}
	h.wait.Wait()
}

// A socket listens and keeps the connections of one role.
type socket struct {
	host      *Host
	role      SocketType
	listener  net.Listener
	mechanism func() mechanism

	received func(*Peer, [][]byte) // called by the peer's reader
	changed  func(*Peer, event)    // subscriptions; nil: none expected
	arrived  func(*Peer)           // after the handshake
	gone     func(*Peer)           // at the end, also when the handshake failed

	mu    sync.Mutex
	conns map[*Peer]bool
	next  uint64
}

// listen opens the socket. It accepts connections after start, when the caller has set the callbacks.
func (h *Host) listen(role SocketType, e Endpoint) (*socket, error) {
	listener, err := e.listen()
	if err != nil {
		return nil, err
	}
	s := &socket{host: h, role: role, listener: listener, conns: map[*Peer]bool{}}
	s.mechanism = func() mechanism { return null{} }
	if h.curve != nil {
		s.mechanism = func() mechanism { return &curve{long: *h.curve} }
	}
	s.arrived, s.gone = func(*Peer) {}, func(*Peer) {}
	return s, nil
}

func (s *socket) start() error {
	h := s.host
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		_ = s.listener.Close()
		return net.ErrClosed
	}
	h.socks = append(h.socks, s)
	h.wait.Go(s.accept)
	return nil
}

func (s *socket) accept() {
	for pause := time.Duration(0); ; {
		nc, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of file descriptors, most likely: wait for some to come free instead of spinning.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.host.log(fmt.Sprintf("%s: accept: %v", s.role, err))
			time.Sleep(pause)
			continue
		}
		pause = 0
		if err := sameUser(nc); err != nil {
			s.refuse(nc, err)
			continue
		}
		p := &Peer{socket: s, net: nc, out: newOutbox(s.host.limits.Outbox, s.host.limits.Stall), sent: make(chan struct{})}
		if !s.add(p) {
			s.refuse(nc, fmt.Errorf("%d connections are open already", s.host.limits.Connections))
			continue
		}
		s.host.wait.Go(p.run)
	}
}

func (s *socket) refuse(nc net.Conn, why error) {
	s.host.log(fmt.Sprintf("%s: refused %s: %v", s.role, nc.RemoteAddr(), why))
	_ = nc.Close()
}

func (s *socket) add(p *Peer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) >= s.host.limits.Connections {
		return false
	}
	s.next++
	p.number = s.next
	s.conns[p] = true
	return true
}

func (s *socket) peers() []*Peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	peers := make([]*Peer, 0, len(s.conns))
	for p := range s.conns {
		peers = append(peers, p)
	}
	return peers
}
