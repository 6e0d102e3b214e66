package wire

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/nacl/box"
	"golang.org/x/crypto/nacl/secretbox"
)

const mechanismCurve = "CURVE"

// Sizes of CurveZMQ's commands, after their names (RFC 26).
const (
	helloSize    = 2 + 72 + 32 + 8 + 80 // version, padding, C', nonce, box of 64 zeros
	cookieSize   = 16 + 80              // nonce, box of C' and s'
	welcomeSize  = 16 + 32 + cookieSize + box.Overhead
	vouchSize    = 16 + 64 + box.Overhead
	initiateSize = cookieSize + 8 + 32 + vouchSize + box.Overhead // and the metadata
	sealedSize   = len(messageName) + 8 + box.Overhead + 1        // what a frame grows by
)

const messageName = "\x07MESSAGE"

// The two flags inside of a sealed frame.
const (
	sealedMore    = 1 << 0
	sealedCommand = 1 << 1
)

var errCurve = errors.New("CURVE: the peer does not have the right key")

// curve is CurveZMQ (RFC 26) over ZMTP's CURVE mechanism (RFC 25): both ends prove that they know each other's long-term
// key, then every frame is sealed with keys of this connection alone, so that who learns the long-term keys later can
// read nothing that went before.
//
// Names are the RFC's: C and S are the long-term public keys of client and server, C' and S' those of the connection,
// small letters the secret ones. As in Jupyter's trust model the server takes any C: whoever knows S has read the
// connection file (JEP 145).
type curve struct {
	long   KeyPair // own long-term pair
	server Key     // S; of the client only

	shared   [32]byte // of C' and S', precomputed
	sendBy   string   // prefixes of nonces
	takeBy   string
	sent     uint64 // nonces count: one that comes twice, or late, has been replayed
	received uint64
}

func (*curve) name() string { return mechanismCurve }

func (c *curve) shake(r *bufio.Reader, w *bufio.Writer, server bool, metadata []byte) (map[string][]byte, error) {
	if server {
		c.sendBy, c.takeBy = "CurveZMQMESSAGES", "CurveZMQMESSAGEC"
		return c.serve(r, w, metadata)
	}
	c.sendBy, c.takeBy = "CurveZMQMESSAGEC", "CurveZMQMESSAGES"
	return c.request(r, w, metadata)
}

// serve is the server's side: HELLO, WELCOME, INITIATE, READY.
func (c *curve) serve(r *bufio.Reader, w *bufio.Writer, metadata []byte) (map[string][]byte, error) {
	hello, err := readCommand(r, "HELLO")
	if err != nil {
		return nil, err
	}
	if len(hello) != helloSize || hello[0] != 1 || hello[1] != 0 {
		return nil, errors.New("CURVE: broken HELLO, or one of another version")
	}
	client := Key(hello[74:106])
	zeros, ok := open(hello[114:], short("CurveZMQHELLO---", hello[106:114]), client, c.long.Secret)
	if !ok || !bytes.Equal(zeros, make([]byte, 64)) {
		return nil, errCurve
	}
	c.received = binary.BigEndian.Uint64(hello[106:])

	own, err := NewKeyPair()
	if err != nil {
		return nil, err
	}
	var cookieKey Key
	_, _ = rand.Read(cookieKey[:]) // never fails, by its documentation
	id, nonce := long("COOKIE--")
	cookie := secretbox.Seal(id, append(client[:], own.Secret[:]...), nonce, (*[32]byte)(&cookieKey))
	id, nonce = long("WELCOME-")
	welcome := seal(id, append(own.Public[:], cookie...), nonce, client, c.long.Secret)
	if err := sendCommand(w, "WELCOME", welcome); err != nil {
		return nil, err
	}

	initiate, err := readCommand(r, "INITIATE")
	if err != nil {
		return nil, err
	}
	if len(initiate) < initiateSize {
		return nil, errors.New("CURVE: broken INITIATE")
	}
	// The cookie lets a server forget the client between the two commands. This one need not, since a connection costs it
	// more than the keys do, but a client that repeats another cookie is none to talk to.
	kept, ok := secretbox.Open(nil, initiate[16:cookieSize], longNonce("COOKIE--", initiate), (*[32]byte)(&cookieKey))
	if !ok || !equal(kept, client[:], own.Secret[:]) {
		return nil, errCurve
	}
	if err := c.count(initiate[cookieSize:]); err != nil {
		return nil, err
	}
	plain, ok := open(initiate[cookieSize+8:], short("CurveZMQINITIATE", initiate[cookieSize:]), client, own.Secret)
	if !ok {
		return nil, errCurve
	}
	vouch := plain[32 : 32+vouchSize]
	vouched, ok := open(vouch[16:], longNonce("VOUCH---", vouch), Key(plain[:32]), own.Secret)
	if !ok || !equal(vouched, client[:], c.long.Public[:]) {
		return nil, errCurve
	}
	c.share(client, own.Secret)
	at := c.next()
	ready := box.SealAfterPrecomputation(at[:], metadata, short("CurveZMQREADY---", at[:]), &c.shared)
	if err := sendCommand(w, "READY", ready); err != nil {
		return nil, err
	}
	return properties(plain[32+vouchSize:])
}

// request is the client's side.
func (c *curve) request(r *bufio.Reader, w *bufio.Writer, metadata []byte) (map[string][]byte, error) {
	own, err := NewKeyPair()
	if err != nil {
		return nil, err
	}
	at := c.next()
	hello := append([]byte{1, 0}, make([]byte, 72)...)
	hello = append(append(hello, own.Public[:]...), at[:]...)
	hello = seal(hello, make([]byte, 64), short("CurveZMQHELLO---", at[:]), c.server, own.Secret)
	if err := sendCommand(w, "HELLO", hello); err != nil {
		return nil, err
	}
	welcome, err := readCommand(r, "WELCOME")
	if err != nil {
		return nil, err
	}
	if len(welcome) != welcomeSize {
		return nil, errors.New("CURVE: broken WELCOME")
	}
	plain, ok := open(welcome[16:], longNonce("WELCOME-", welcome), c.server, own.Secret)
	if !ok {
		return nil, errCurve
	}
	server, cookie := Key(plain[:32]), plain[32:]
	id, nonce := long("VOUCH---")
	vouch := seal(id, append(own.Public[:], c.server[:]...), nonce, server, c.long.Secret)
	c.share(server, own.Secret)
	at = c.next()
	inside := append(append(append([]byte{}, c.long.Public[:]...), vouch...), metadata...)
	initiate := append(append([]byte{}, cookie...), at[:]...)
	initiate = box.SealAfterPrecomputation(initiate, inside, short("CurveZMQINITIATE", at[:]), &c.shared)
	if err := sendCommand(w, "INITIATE", initiate); err != nil {
		return nil, err
	}
	ready, err := readCommand(r, "READY")
	if err != nil {
		return nil, err
	}
	if len(ready) < 8 {
		return nil, errors.New("CURVE: broken READY")
	}
	c.received = binary.BigEndian.Uint64(ready)
	theirs, ok := box.OpenAfterPrecomputation(nil, ready[8:], short("CurveZMQREADY---", ready), &c.shared)
	if !ok {
		return nil, errCurve
	}
	return properties(theirs)
}

// seal makes a MESSAGE of a frame. libzmq sends it as an ordinary frame without flags, and so does this.
func (c *curve) seal(flags byte, body []byte) (byte, []byte) {
	inside := make([]byte, 1, 1+len(body))
	if flags&flagMore != 0 {
		inside[0] |= sealedMore
	}
	if flags&flagCommand != 0 {
		inside[0] |= sealedCommand
	}
	inside = append(inside, body...)
	at := c.next()
	sealed := make([]byte, 0, len(body)+sealedSize)
	sealed = append(append(sealed, messageName...), at[:]...)
	return 0, box.SealAfterPrecomputation(sealed, inside, short(c.sendBy, at[:]), &c.shared)
}

// open is the inverse. It needs the memory of the frame once more.
func (c *curve) open(f frame, grow func(int) error) (frame, error) {
	if f.more || len(f.body) < sealedSize || string(f.body[:len(messageName)]) != messageName {
		return frame{}, errors.New("CURVE: a frame that is not sealed")
	}
	sealed := f.body[len(messageName):]
	if err := c.count(sealed); err != nil {
		return frame{}, err
	}
	if err := grow(len(sealed)); err != nil {
		return frame{}, err
	}
	inside, ok := box.OpenAfterPrecomputation(nil, sealed[8:], short(c.takeBy, sealed), &c.shared)
	if !ok {
		return frame{}, errCurve
	}
	if inside[0]&^(sealedMore|sealedCommand) != 0 || inside[0] == sealedMore|sealedCommand {
		return frame{}, fmt.Errorf("CURVE: frame with unknown flags %#02x", inside[0])
	}
	return frame{command: inside[0]&sealedCommand != 0, more: inside[0]&sealedMore != 0, body: inside[1:]}, nil
}

func (c *curve) share(theirs, own Key) {
	box.Precompute(&c.shared, (*[32]byte)(&theirs), (*[32]byte)(&own))
}

// next is the next short nonce to send with.
func (c *curve) next() (at [8]byte) {
	c.sent++
	binary.BigEndian.PutUint64(at[:], c.sent)
	return at
}

// count takes a short nonce that came in, at the beginning of data.
func (c *curve) count(data []byte) error {
	n := binary.BigEndian.Uint64(data)
	if n <= c.received {
		return errors.New("CURVE: a frame came twice, or too late")
	}
	c.received = n
	return nil
}

// short makes a nonce of a prefix of 16 bytes and the counter at the beginning of data.
func short(prefix string, data []byte) *[24]byte {
	var nonce [24]byte
	copy(nonce[copy(nonce[:], prefix):], data[:8])
	return &nonce
}

// long makes a random nonce with a prefix of 8 bytes, and returns the part that is sent besides.
func long(prefix string) ([]byte, *[24]byte) {
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	return id, longNonce(prefix, id)
}

func longNonce(prefix string, data []byte) *[24]byte {
	var nonce [24]byte
	copy(nonce[copy(nonce[:], prefix):], data[:16])
	return &nonce
}

func seal(to, plain []byte, nonce *[24]byte, theirs, own Key) []byte {
	return box.Seal(to, plain, nonce, (*[32]byte)(&theirs), (*[32]byte)(&own))
}

func open(sealed []byte, nonce *[24]byte, theirs, own Key) ([]byte, bool) {
	return box.Open(nil, sealed, nonce, (*[32]byte)(&theirs), (*[32]byte)(&own))
}

// equal compares in constant time.
func equal(got []byte, a, b []byte) bool {
	return subtle.ConstantTimeCompare(got, append(append([]byte{}, a...), b...)) == 1
}
