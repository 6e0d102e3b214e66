package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The flag bits of a frame (ZMTP 3.1, section 2.3).
const (
	flagMore    = 1 << 0
	flagLong    = 1 << 1
	flagCommand = 1 << 2
	flagUnknown = ^byte(flagMore | flagLong | flagCommand)
)

// firstPiece is how much of a frame is allocated on the word of the peer. What comes after it is allocated as the bytes
// arrive, so that a peer which announces a gigabyte and sends nothing costs nothing.
const firstPiece = 64 << 10

// ErrTooLarge is the error of a peer that sent, or announced, more than it may.
var ErrTooLarge = errors.New("larger than the limit")

// A frame is one unit of the stream: a part of a message, or a command.
type frame struct {
	command bool
	more    bool
	body    []byte
}

// frameCost is what a frame costs besides its bytes.
const frameCost = 32

// readFrame reads a frame of at most limit bytes. Before it allocates memory it calls grow with the number of bytes;
// grow's error ends the reading.
func readFrame(r *bufio.Reader, limit int, grow func(int) error) (frame, error) {
	flags, err := r.ReadByte()
	if err != nil {
		return frame{}, err
	}
	if flags&flagUnknown != 0 || flags&flagCommand != 0 && flags&flagMore != 0 {
		return frame{}, fmt.Errorf("frame with unknown flags %#02x", flags)
	}
	size, err := readSize(r, flags&flagLong != 0)
	if err != nil {
		return frame{}, unexpected(err)
	}
	if size > uint64(limit) {
		return frame{}, fmt.Errorf("frame of %d bytes, at most %d allowed: %w", size, limit, ErrTooLarge)
	}
	body, err := readBody(r, int(size), grow)
	if err != nil {
		return frame{}, unexpected(err)
	}
	return frame{command: flags&flagCommand != 0, more: flags&flagMore != 0, body: body}, nil
}

func readSize(r *bufio.Reader, long bool) (uint64, error) {
	if !long {
		size, err := r.ReadByte()
		return uint64(size), err
	}
	var b [8]byte
	_, err := io.ReadFull(r, b[:])
	return binary.BigEndian.Uint64(b[:]), err
}

func readBody(r *bufio.Reader, size int, grow func(int) error) ([]byte, error) {
	if err := grow(min(size, firstPiece) + frameCost); err != nil {
		return nil, err
	}
	body := make([]byte, min(size, firstPiece))
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	for have := len(body); have < size; have = len(body) {
		more := min(have, size-have) // doubles, so that a large frame is copied about once in all
		if err := grow(more); err != nil {
			return nil, err
		}
		longer := make([]byte, have+more)
		copy(longer, body)
		if _, err := io.ReadFull(r, longer[have:]); err != nil {
			return nil, err
		}
		body = longer
	}
	return body, nil
}

// unexpected turns the end of the stream within a frame into an error that says so.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// writeFrame writes a frame. The caller flushes.
func writeFrame(w *bufio.Writer, flags byte, body []byte) error {
	if len(body) > 255 {
		var head [9]byte
		head[0] = flags | flagLong
		binary.BigEndian.PutUint64(head[1:], uint64(len(body)))
		if _, err := w.Write(head[:]); err != nil {
			return err
		}
	} else {
		if err := w.WriteByte(flags); err != nil {
			return err
		}
		if err := w.WriteByte(byte(len(body))); err != nil {
			return err
		}
	}
	_, err := w.Write(body)
	return err
}

// command builds the body of a command frame: a length byte, the name, the data.
func command(name string, data []byte) []byte {
	body := make([]byte, 0, 1+len(name)+len(data))
	body = append(body, byte(len(name)))
	body = append(body, name...)
	return append(body, data...)
}

// splitCommand is the inverse of command.
func splitCommand(body []byte) (name string, data []byte, err error) {
	if len(body) == 0 || int(body[0]) > len(body)-1 || body[0] == 0 {
		return "", nil, errors.New("command without a name")
	}
	n := int(body[0])
	return string(body[1 : 1+n]), body[1+n:], nil
}

// property appends one name and value of a READY or INITIATE command (ZMTP 3.1, section 2.4).
func property(to []byte, name string, value []byte) []byte {
	to = append(to, byte(len(name)))
	to = append(to, name...)
	to = binary.BigEndian.AppendUint32(to, uint32(len(value)))
	return append(to, value...)
}

// properties reads what property wrote. Names are compared without case, so they are returned in lower case.
func properties(data []byte) (map[string][]byte, error) {
	found := map[string][]byte{}
	for len(data) > 0 {
		n := int(data[0])
		if n == 0 || len(data) < 1+n+4 {
			return nil, errors.New("broken properties in the handshake")
		}
		name := asciiLower(data[1 : 1+n])
		size := binary.BigEndian.Uint32(data[1+n:])
		data = data[1+n+4:]
		if uint64(size) > uint64(len(data)) {
			return nil, errors.New("broken properties in the handshake")
		}
		found[name] = data[:size]
		data = data[size:]
	}
	return found, nil
}

func asciiLower(b []byte) string {
	lower := make([]byte, len(b))
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower[i] = c
	}
	return string(lower)
}
