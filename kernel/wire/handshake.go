package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
)

// A SocketType is the role of one end, as the handshake names it.
type SocketType string

// The socket types that a kernel and its clients use.
const (
	TypeRouter SocketType = "ROUTER"
	TypeDealer SocketType = "DEALER"
	TypeXPub   SocketType = "XPUB"
	TypeSub    SocketType = "SUB"
	TypeRep    SocketType = "REP"
	TypeReq    SocketType = "REQ"
)

// partners lists who may talk to whom (ZMTP 3.1, section 2.5).
var partners = map[SocketType][]string{
	TypeRouter: {"DEALER", "REQ", "ROUTER"},
	TypeDealer: {"ROUTER", "REP", "DEALER"},
	TypeXPub:   {"SUB", "XSUB"},
	TypeSub:    {"PUB", "XPUB"},
	TypeRep:    {"REQ", "DEALER"},
	TypeReq:    {"REP", "ROUTER"},
}

const (
	greetingSize   = 64
	handshakeLimit = 4 << 10 // bytes of one command of a handshake; real ones have less than 300
	identityLimit  = 255     // ZMTP 3.1, section 2.4
)

// greeting builds the 64 bytes that each end sends first: signature, version, mechanism, as-server, filler.
func greeting(mechanism string, server bool) []byte {
	b := make([]byte, greetingSize)
	b[0], b[9] = 0xff, 0x7f
	b[10], b[11] = 3, 1
	copy(b[12:32], mechanism)
	if server {
		b[32] = 1
	}
	return b
}

// checkGreeting returns the peer's minor version and its as-server bit.
func checkGreeting(b []byte, mechanism string) (minor int, server bool, err error) {
	switch name := strings.TrimRight(string(b[12:32]), "\x00"); {
	case b[0] != 0xff || b[9]&1 != 1:
		return 0, false, errors.New("no ZMTP greeting")
	case b[10] < 3:
		return 0, false, fmt.Errorf("peer speaks ZMTP %d, 3 is needed", b[10])
	case name != mechanism:
		return 0, false, fmt.Errorf("peer wants the mechanism %.20q, this socket has %s", name, mechanism)
	}
	return int(b[11]), b[32]&1 == 1, nil
}

// A mechanism is the part of the handshake that follows the greetings, and what it does to each frame afterwards.
type mechanism interface {
	name() string
	// shake exchanges the metadata. server says which end this is.
	shake(r *bufio.Reader, w *bufio.Writer, server bool, metadata []byte) (peer map[string][]byte, err error)
	// seal turns flags and body into the body of the frame that goes out with the flags that it returns.
	seal(flags byte, body []byte) (byte, []byte)
	// open is the inverse for a frame that came in. It asks grow for the memory that it needs.
	open(f frame, grow func(int) error) (frame, error)
}

// shake makes a connection out of a fresh network connection. The caller has set a deadline.
func shake(nc net.Conn, m mechanism, server bool, own SocketType, identity []byte) (*conn, error) {
	if len(identity) > identityLimit {
		return nil, fmt.Errorf("identity of %d bytes, at most %d allowed", len(identity), identityLimit)
	}
	r := bufio.NewReaderSize(nc, 32<<10)
	w := bufio.NewWriterSize(nc, 32<<10)
	if _, err := nc.Write(greeting(m.name(), server)); err != nil {
		return nil, err
	}
	theirs := make([]byte, greetingSize)
	if _, err := io.ReadFull(r, theirs); err != nil {
		return nil, fmt.Errorf("waiting for the greeting: %w", err)
	}
	minor, peerServes, err := checkGreeting(theirs, m.name())
	if err != nil {
		return nil, err
	}
	// Only CURVE has ends that differ; NULL's as-server bit means nothing.
	if m.name() != mechanismNull && peerServes == server {
		return nil, errors.New("both ends of the connection claim the same role")
	}
	metadata := property(nil, "Socket-Type", []byte(own))
	if own == TypeDealer || own == TypeReq || own == TypeRouter {
		metadata = property(metadata, "Identity", identity)
	}
	peer, err := m.shake(r, w, server, metadata)
	if err != nil {
		return nil, err
	}
	theirType := string(peer["socket-type"])
	if !slices.Contains(partners[own], theirType) {
		reason := fmt.Sprintf("a %.20s socket cannot talk to a %s socket", theirType, own)
		if m.name() == mechanismNull { // an error in the clear means nothing to an encrypting peer
			sendError(w, reason)
		}
		return nil, errors.New(reason)
	}
	theirs = peer["identity"]
	if len(theirs) > identityLimit || len(theirs) > 0 && theirs[0] == 0 {
		return nil, errors.New("identity longer than 255 bytes, or one that begins with zero")
	}
	return &conn{net: nc, r: r, w: w, mechanism: m, minor: minor, identity: theirs}, nil
}

// sendCommand writes a command frame in the clear and flushes it.
func sendCommand(w *bufio.Writer, name string, data []byte) error {
	if err := writeFrame(w, flagCommand, command(name, data)); err != nil {
		return err
	}
	return w.Flush()
}

// sendError tells the peer why the connection ends, so that it does not come back at once. The connection ends anyway,
// so the error of the sending is of no use to anyone.
func sendError(w *bufio.Writer, reason string) {
	reason = reason[:min(len(reason), 255)]
	_ = sendCommand(w, "ERROR", append([]byte{byte(len(reason))}, reason...))
}

// readCommand reads the next command of a handshake, which must have the name.
func readCommand(r *bufio.Reader, name string) ([]byte, error) {
	f, err := readFrame(r, handshakeLimit, func(int) error { return nil })
	if err != nil {
		return nil, fmt.Errorf("waiting for %s: %w", name, err)
	}
	if !f.command {
		return nil, fmt.Errorf("a message came before %s", name)
	}
	got, data, err := splitCommand(f.body)
	switch {
	case err != nil:
		return nil, err
	case got == "ERROR":
		return nil, fmt.Errorf("peer refused: %.255q", data)
	case got != name:
		return nil, fmt.Errorf("command %.20q came instead of %s", got, name)
	}
	return data, nil
}

const mechanismNull = "NULL"

// null is the mechanism without encryption: each end sends READY, and frames go as they are.
type null struct{}

func (null) name() string { return mechanismNull }

func (null) shake(r *bufio.Reader, w *bufio.Writer, _ bool, metadata []byte) (map[string][]byte, error) {
	if err := sendCommand(w, "READY", metadata); err != nil {
		return nil, err
	}
	data, err := readCommand(r, "READY")
	if err != nil {
		return nil, err
	}
	return properties(data)
}

func (null) seal(flags byte, body []byte) (byte, []byte) { return flags, body }

func (null) open(f frame, _ func(int) error) (frame, error) { return f, nil }
