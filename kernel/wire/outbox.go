package wire

import (
	"errors"
	"sync"
	"time"
)

var (
	errClosed  = errors.New("connection closed")
	errStalled = errors.New("peer does not read what it is sent")
)

// A parcel is what goes to a peer: a message, or the context of a PONG.
type parcel struct {
	frames [][]byte
	pong   bool
}

// An outbox is the bounded queue of messages towards one peer: any number of goroutines put, one takes.
//
// A sender waits when the queue is full. The time that senders have waited adds up and fades at half the speed of the
// clock, so a peer that is slow now and then costs waiting, while one that is stuck, or that always holds the others up
// for more than half of the time, is given up after stall.
type outbox struct {
	limit int
	stall time.Duration

	mu      sync.Mutex
	queue   []parcel
	bytes   int
	closed  bool
	closing bool          // no more may be put; what is queued still goes out
	wake    chan struct{} // something for the taker; capacity 1
	room    chan struct{} // closed and replaced when something has been taken
	waiters int           // senders that wait now,
	since   time.Time     // and since when the first of them does
	waited  time.Duration // what senders have waited before, faded
	fadedAt time.Time
}

func newOutbox(limit int, stall time.Duration) *outbox {
	return &outbox{limit: limit, stall: stall, wake: make(chan struct{}, 1), room: make(chan struct{})}
}

// put queues a parcel. Unless urgent it waits while the queue is full; one larger than the limit is let in when the
// queue is empty. After errStalled the caller must close the connection.
func (o *outbox) put(p parcel, urgent bool) error {
	for {
		room, patience, err := o.tryPut(p, urgent)
		if room == nil || err != nil {
			return err
		}
		timer := time.NewTimer(patience)
		select {
		case <-room:
			timer.Stop()
		case <-timer.C:
			err = errStalled
		}
		o.waitEnds()
		if err != nil {
			return err
		}
	}
}

// tryPut queues the parcel if there is room. If not, it counts the caller as waiting and returns what to wait for and
// how long at most.
func (o *outbox) tryPut(p parcel, urgent bool) (room <-chan struct{}, patience time.Duration, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := size(p.frames)
	if o.closed || o.closing {
		return nil, 0, errClosed
	}
	if !urgent && o.bytes > 0 && o.bytes+n > o.limit {
		o.fade()
		if o.waiters == 0 {
			o.since = o.fadedAt
		}
		o.waiters++
		return o.room, max(o.stall-o.waited-o.fadedAt.Sub(o.since), 0), nil
	}
	o.queue = append(o.queue, p)
	o.bytes += n
	o.signal()
	return nil, 0, nil
}

func (o *outbox) waitEnds() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fade()
	if o.waiters--; o.waiters == 0 {
		o.waited += o.fadedAt.Sub(o.since)
	}
}

// signal wakes the taker. The caller holds mu.
func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// fade lets half of the time since the last call count against what senders waited. The caller holds mu.
func (o *outbox) fade() {
	now := time.Now()
	if !o.fadedAt.IsZero() {
		o.waited = max(o.waited-now.Sub(o.fadedAt)/2, 0)
	}
	o.fadedAt = now
}

// waitRoom returns when the queue is below its limit. The reader of a connection calls it before it takes the next
// request, so that a peer which asks and never reads the answers stops being read.
func (o *outbox) waitRoom() error {
	for {
		o.mu.Lock()
		full, room, closed := o.bytes > o.limit, o.room, o.closed
		o.mu.Unlock()
		switch {
		case closed:
			return errClosed
		case !full:
			return nil
		}
		<-room
	}
}

// take returns everything that is queued, waiting for at least one message. The bytes count as queued until done.
func (o *outbox) take() ([]parcel, error) {
	for {
		o.mu.Lock()
		batch := o.queue
		o.queue = nil
		closed, closing := o.closed, o.closing
		o.mu.Unlock()
		switch {
		case closed:
			return nil, errClosed
		case len(batch) > 0:
			return batch, nil
		case closing:
			return nil, errClosed
		}
		<-o.wake
	}
}

// done says that a parcel of take has been written.
func (o *outbox) done(p parcel) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes -= size(p.frames)
	if !o.closed {
		close(o.room)
		o.room = make(chan struct{})
	}
}

// finish lets the taker end once the queue is empty.
func (o *outbox) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closing = true
	o.signal()
}

// close ends all waiting at once; what is queued is lost.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.closed = true
	close(o.room)
	o.signal()
}

// hasRoom says whether a put of n bytes would not wait now.
func (o *outbox) hasRoom(n int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes == 0 || o.bytes+n <= o.limit
}
