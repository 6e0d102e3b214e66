package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
)

// framesLimit bounds the frames of a message, since each costs more memory than its bytes.
const framesLimit = 4096

// A conn is a connection after its handshake. Reading and writing may happen at the same time, each by one goroutine.
type conn struct {
	net       net.Conn
	r         *bufio.Reader
	w         *bufio.Writer
	mechanism mechanism
	minor     int    // of the peer's ZMTP 3.x
	identity  []byte // that the peer announced, may be empty
}

// An event is what a peer sent: a message, a change of its subscriptions, or a PING that wants an answer.
type event struct {
	message   [][]byte
	subscribe bool
	cancel    bool
	topic     []byte
	pong      []byte // the context to send back
}

// next reads the next event. limit bounds the bytes of a message, grow is asked before memory is used (see readFrame).
func (c *conn) next(limit int, grow func(int) error) (event, error) {
	var message [][]byte
	left := limit
	for {
		f, err := readFrame(c.r, left, grow)
		if err != nil {
			return event{}, err
		}
		if f, err = c.mechanism.open(f, grow); err != nil {
			return event{}, err
		}
		left -= len(f.body)
		if f.command {
			if message != nil {
				return event{}, errors.New("command within a message")
			}
			e, known, err := parseCommand(f.body)
			if err != nil || known {
				return e, err
			}
			left = limit // an unknown command is skipped: a later version may have sent it
			continue
		}
		if len(message) == framesLimit {
			return event{}, fmt.Errorf("message of more than %d frames: %w", framesLimit, ErrTooLarge)
		}
		message = append(message, f.body)
		if !f.more {
			return event{message: message}, nil
		}
	}
}

func parseCommand(body []byte) (e event, known bool, err error) {
	name, data, err := splitCommand(body)
	if err != nil {
		return event{}, false, err
	}
	switch name {
	case "SUBSCRIBE":
		return event{subscribe: true, topic: data}, true, nil
	case "CANCEL":
		return event{cancel: true, topic: data}, true, nil
	case "PING":
		// Two bytes of time to live, then a context of at most 16 bytes that the PONG repeats.
		if len(data) < 2 || len(data) > 18 {
			return event{}, false, errors.New("broken PING")
		}
		return event{pong: append([]byte{}, data[2:]...)}, true, nil
	case "ERROR":
		return event{}, false, fmt.Errorf("peer ended the connection: %.255q", data)
	}
	return event{}, false, nil // PONG and whatever else
}

// subscription reads the older way to subscribe, a message of one frame with 1 or 0 before the topic (ZMTP 3.0).
func subscription(message [][]byte) (event, bool) {
	if len(message) != 1 || len(message[0]) == 0 || message[0][0] > 1 {
		return event{}, false
	}
	on := message[0][0] == 1
	return event{subscribe: on, cancel: !on, topic: message[0][1:]}, true
}

// write writes a message; the caller flushes.
func (c *conn) write(message [][]byte) error {
	for i, body := range message {
		var flags byte
		if i < len(message)-1 {
			flags = flagMore
		}
		flags, body = c.mechanism.seal(flags, body)
		if err := writeFrame(c.w, flags, body); err != nil {
			return err
		}
	}
	return nil
}

// writeCommand writes a command after the handshake; the caller flushes.
func (c *conn) writeCommand(name string, data []byte) error {
	flags, body := c.mechanism.seal(flagCommand, command(name, data))
	return writeFrame(c.w, flags, body)
}

// size counts the bytes of a message, with something for each frame's bookkeeping.
func size(message [][]byte) int {
	n := 0
	for _, f := range message {
		n += len(f) + frameCost
	}
	return n
}

// matches says whether one of the subscriptions is a prefix of the topic.
func matches(subscriptions map[string]int, topic []byte) bool {
	for prefix := range subscriptions {
		if bytes.HasPrefix(topic, []byte(prefix)) {
			return true
		}
	}
	return false
}
