package wire

import (
	"errors"
	"slices"
	"sync"
)

// subscriptionsLimit bounds what a peer may subscribe to, in number and in bytes of a topic.
const subscriptionsLimit = 256

// A Publisher is the kernel's end of iopub, an XPUB socket: what is published goes to every peer with a matching
// subscription.
type Publisher struct {
	socket  *socket
	port    int
	welcome func(topic []byte) [][]byte

	mu          sync.Mutex
	subscribers []*subscriber
}

type subscriber struct {
	peer   *Peer
	topics map[string]int // how often each is subscribed to: ZeroMQ counts them
}

// Publisher opens a publishing socket. welcome, if not nil, makes the message that greets a new subscription: it is the
// first that comes to the peer because of it.
func (h *Host) Publisher(e Endpoint, welcome func(topic []byte) [][]byte) (*Publisher, error) {
	s, err := h.listen(TypeXPub, e)
	if err != nil {
		return nil, err
	}
	p := &Publisher{socket: s, port: port(s.listener, e), welcome: welcome}
	s.changed = p.subscribe
	s.gone = func(peer *Peer) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.subscribers = slices.DeleteFunc(p.subscribers, func(s *subscriber) bool { return s.peer == peer })
	}
	return p, s.start()
}

// Port is the port that the socket listens on.
func (p *Publisher) Port() int { return p.port }

func (p *Publisher) subscribe(peer *Peer, e event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.subscribers, func(s *subscriber) bool { return s.peer == peer })
	if e.cancel {
		if i >= 0 {
			topics := p.subscribers[i].topics
			if topics[string(e.topic)]--; topics[string(e.topic)] <= 0 {
				delete(topics, string(e.topic))
			}
		}
		return
	}
	if i < 0 {
		p.subscribers = append(p.subscribers, &subscriber{peer: peer, topics: map[string]int{}})
		i = len(p.subscribers) - 1
	}
	topics := p.subscribers[i].topics
	if len(e.topic) > subscriptionsLimit || len(topics) >= subscriptionsLimit {
		peer.fail(errors.New("too many subscriptions"))
		return
	}
	topics[string(e.topic)]++
	if p.welcome != nil {
		// Urgent: it must not wait, because publishers wait for this lock. A peer that subscribes without reading is
		// held by its own reader (outbox.waitRoom). It fails on a closed connection only.
		_ = peer.send(p.welcome(e.topic), true)
	}
}

// Publish queues a message, whose first frame is its topic, to every subscriber, and waits where a queue is full.
// The order of messages from one goroutine is kept for each subscriber.
func (p *Publisher) Publish(message [][]byte) { p.publish(message, false) }

// PublishUrgent is Publish for small messages that must never wait for a slow subscriber: the status of the kernel.
func (p *Publisher) PublishUrgent(message [][]byte) { p.publish(message, true) }

func (p *Publisher) publish(message [][]byte, urgent bool) {
	p.mu.Lock()
	var peers []*Peer
	for _, s := range p.subscribers {
		if matches(s.topics, message[0]) {
			peers = append(peers, s.peer)
		}
	}
	p.mu.Unlock()
	// First those that have room, so that none waits for another.
	var full []*Peer
	for _, peer := range peers {
		if !urgent && !peer.out.hasRoom(size(message)) {
			full = append(full, peer)
			continue
		}
		_ = peer.send(message, urgent) // an error means that the peer has gone, or is gone now
	}
	for _, peer := range full {
		_ = peer.send(message, urgent)
	}
}

// An Echo is the kernel's end of the heartbeat, a REP socket: it sends back what comes.
type Echo struct{ port int }

// Echo opens an echoing socket.
func (h *Host) Echo(e Endpoint) (*Echo, error) {
	s, err := h.listen(TypeRep, e)
	if err != nil {
		return nil, err
	}
	s.received = func(p *Peer, message [][]byte) {
		if size(message) > echoLimit {
			p.fail(ErrTooLarge)
			return
		}
		_ = p.Send(message) // an error means that the peer has gone
	}
	return &Echo{port: port(s.listener, e)}, s.start()
}

// echoLimit is far above what a heartbeat sends ("ping").
const echoLimit = 64 << 10

// Port is the port that the socket listens on.
func (e *Echo) Port() int { return e.port }
