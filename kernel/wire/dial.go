package wire

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A Client is the other end of a socket: one connection, without the reconnecting that ZeroMQ does. The kernel uses it
// to register with who started it, and the tests to be the frontend.
type Client struct {
	conn *conn
	mu   sync.Mutex // writes
}

// Dial connects to an endpoint as a socket of the type. identity is what a router is to know the client by; it may be
// empty.
func Dial(ctx context.Context, e Endpoint, own SocketType, identity []byte) (*Client, error) {
	return dialWith(ctx, e, null{}, own, identity)
}

// DialCurve is Dial to an encrypting socket, whose public key is server. The client's own key is made for the occasion.
func DialCurve(ctx context.Context, e Endpoint, server Key, own SocketType, identity []byte) (*Client, error) {
	pair, err := NewKeyPair()
	if err != nil {
		return nil, err
	}
	return dialWith(ctx, e, &curve{long: pair, server: server}, own, identity)
}

func dialWith(ctx context.Context, e Endpoint, m mechanism, own SocketType, identity []byte) (*Client, error) {
	nc, err := e.dial(ctx)
	if err != nil {
		return nil, err
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(10 * time.Second)
	}
	_ = nc.SetDeadline(deadline) // fails on a closed connection only: shake says it too
	c, err := shake(nc, m, false, own, identity)
	if err != nil {
		_ = nc.Close() // the handshake's error is the one that counts
		return nil, fmt.Errorf("%s: %w", e, err)
	}
	_ = nc.SetDeadline(time.Time{})
	return &Client{conn: c}, nil
}

// Subscribe asks a publisher for all messages whose topic begins with the prefix.
func (c *Client) Subscribe(topic string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	if c.conn.minor >= 1 {
		err = c.conn.writeCommand("SUBSCRIBE", []byte(topic))
	} else {
		err = c.conn.write([][]byte{append([]byte{1}, topic...)})
	}
	if err != nil {
		return err
	}
	return c.conn.w.Flush()
}

// Send writes a message.
func (c *Client) Send(message [][]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.conn.write(message); err != nil {
		return err
	}
	return c.conn.w.Flush()
}

// Receive reads the next message. It waits until there is one or the client is closed.
func (c *Client) Receive() ([][]byte, error) {
	for {
		e, err := c.conn.next(1<<30, func(int) error { return nil })
		if err != nil {
			return nil, err
		}
		if e.message != nil {
			return e.message, nil
		}
	}
}

// SetDeadline ends reads and writes that last longer.
func (c *Client) SetDeadline(t time.Time) error { return c.conn.net.SetDeadline(t) }

// Close ends the connection.
func (c *Client) Close() error { return c.conn.net.Close() }
