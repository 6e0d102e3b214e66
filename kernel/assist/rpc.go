package assist

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
)

// Bounds on what the server sends: one that goes beyond is broken.
const (
	maxHeader = 4 << 10
	maxFrame  = 32 << 20
)

// A message of JSON-RPC 2.0: a request has an ID and a method, a notification a method, a response an ID.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *rpcError       `json:"error,omitempty"`
}

type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *rpcError) Error() string { return fmt.Sprintf("gopls: %s (%d)", e.Message, e.Code) }

// readFrame reads one message as the language server protocol frames it: a header with its length, then JSON.
func readFrame(r *bufio.Reader) ([]byte, error) {
	length, size := -1, 0
	for {
		line, err := r.ReadSlice('\n') // bounded by the buffer
		if err != nil {
			return nil, err
		}
		if size += len(line); size > maxHeader {
			return nil, errors.New("header too long")
		}
		text := strings.TrimSpace(string(line))
		if text == "" {
			break
		}
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			return nil, fmt.Errorf("header %q", text)
		}
		if textproto.CanonicalMIMEHeaderKey(name) == "Content-Length" {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return nil, err
			}
		}
	}
	if length < 0 || length > maxFrame {
		return nil, fmt.Errorf("frame of %d bytes", length)
	}
	// The buffer grows with what arrives, not with what is announced.
	var b bytes.Buffer
	if n, err := io.CopyN(&b, r, int64(length)); err != nil {
		return nil, fmt.Errorf("frame ends after %d of %d bytes: %w", n, length, err)
	}
	return b.Bytes(), nil
}

func frame(m *message) ([]byte, error) {
	m.Version = "2.0"
	body, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return append(fmt.Appendf(nil, "Content-Length: %d\r\n\r\n", len(body)), body...), nil
}

// A conn is a connection to a server. Nothing but Call waits, and that no longer than its context.
type conn struct {
	answer func(method string, params json.RawMessage) any // to the server's own requests
	outbox chan []byte
	closed chan struct{} // when the connection is no more
	once   sync.Once

	mu      sync.Mutex
	next    int64
	pending map[string]chan *message
	err     error
}

// errClosed says that the connection to the server is no more.
var errClosed = errors.New("gopls has ended")

func newConn(in io.Reader, out io.Writer, answer func(string, json.RawMessage) any) *conn {
	c := &conn{answer: answer, outbox: make(chan []byte, 64), closed: make(chan struct{}), pending: map[string]chan *message{}}
	go c.write(out)
	go c.read(bufio.NewReaderSize(in, maxHeader))
	return c
}

func (c *conn) write(out io.Writer) {
	for {
		select {
		case f := <-c.outbox:
			if _, err := out.Write(f); err != nil {
				c.close(err)
				return
			}
		case <-c.closed:
			return
		}
	}
}

func (c *conn) read(in *bufio.Reader) {
	for {
		f, err := readFrame(in)
		if err != nil {
			c.close(err)
			return
		}
		var m message
		if err := json.Unmarshal(f, &m); err != nil {
			c.close(err)
			return
		}
		switch {
		case m.Method != "" && m.ID != nil:
			result, err := json.Marshal(c.answer(m.Method, m.Params))
			if err != nil {
				c.close(err)
				return
			}
			c.send(&message{ID: m.ID, Result: result})
		case m.Method == "":
			c.mu.Lock()
			waiting := c.pending[string(m.ID)]
			delete(c.pending, string(m.ID))
			c.mu.Unlock()
			if waiting != nil {
				waiting <- &m
			}
		}
	}
}

func (c *conn) close(err error) {
	c.once.Do(func() {
		c.mu.Lock()
		c.err = err
		c.mu.Unlock()
		close(c.closed)
	})
}

// send queues a message. A server that does not read what it is sent is as good as dead.
func (c *conn) send(m *message) error {
	f, err := frame(m)
	if err != nil {
		return err
	}
	select {
	case <-c.closed:
		return errClosed
	default:
	}
	select {
	case c.outbox <- f:
		return nil
	default:
		c.close(errors.New("gopls does not read"))
		return errClosed
	}
}

func (c *conn) notify(method string, params any) error {
	p, err := json.Marshal(params)
	if err != nil {
		return err
	}
	return c.send(&message{Method: method, Params: p})
}

// A call is a request on its way.
type call struct {
	conn  *conn
	id    string
	reply chan *message
}

// start sends a request. Requests and notifications arrive in the order in which they are sent.
func (c *conn) start(method string, params any) (*call, error) {
	p, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	k := &call{conn: c, reply: make(chan *message, 1)}
	c.mu.Lock()
	c.next++
	k.id = strconv.FormatInt(c.next, 10)
	c.pending[k.id] = k.reply
	c.mu.Unlock()
	if err := c.send(&message{ID: json.RawMessage(k.id), Method: method, Params: p}); err != nil {
		k.drop()
		return nil, err
	}
	return k, nil
}

func (k *call) drop() {
	k.conn.mu.Lock()
	delete(k.conn.pending, k.id)
	k.conn.mu.Unlock()
}

// wait waits for the answer. When ctx ends, the server is told to stop its work.
func (k *call) wait(ctx context.Context, result any) error {
	select {
	case m := <-k.reply:
		if m.Error != nil {
			return m.Error
		}
		if result == nil || len(m.Result) == 0 {
			return nil
		}
		return json.Unmarshal(m.Result, result)
	case <-k.conn.closed:
		return errClosed
	case <-ctx.Done():
		k.drop()
		k.conn.notify("$/cancelRequest", map[string]any{"id": json.RawMessage(k.id)}) // it may be gone
		return ctx.Err()
	}
}
