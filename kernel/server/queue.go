package server

import "sync"

// queueLimit bounds the bytes of requests that wait in one queue. They are signed: this is not against attackers, but
// keeps a frontend that floods the kernel waiting instead of filling its memory.
const queueLimit = 256 << 20

// A queue holds requests that wait their turn.
type queue struct {
	mu      sync.Mutex
	changed *sync.Cond
	waiting []*request
	bytes   int
	closed  bool
}

func newQueue() *queue {
	q := &queue{}
	q.changed = sync.NewCond(&q.mu)
	return q
}

func weight(r *request) int {
	n := len(r.Content) + len(r.Metadata) + 512
	for _, b := range r.Buffers {
		n += len(b)
	}
	return n
}

// push adds a request. It waits while the queue is full, which holds up the peer that sent it.
func (q *queue) push(r *request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.bytes > queueLimit && !q.closed {
		q.changed.Wait()
	}
	q.waiting = append(q.waiting, r)
	q.bytes += weight(r)
	q.changed.Broadcast()
}

// pop takes the oldest request, waiting for one; nil when the queue is closed.
func (q *queue) pop() *request {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 && !q.closed {
		q.changed.Wait()
	}
	if q.closed {
		return nil
	}
	r := q.waiting[0]
	q.waiting[0] = nil
	q.waiting = q.waiting[1:]
	q.bytes -= weight(r)
	q.changed.Broadcast()
	return r
}

// each handles requests until the queue is closed.
func (q *queue) each(handle func(*request)) {
	for r := q.pop(); r != nil; r = q.pop() {
		handle(r)
	}
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}
