package wire

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"os/user"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A Codec signs and checks the messages of one session: one end's identity in the conversation. Its methods may be
// called by many goroutines.
type Codec struct {
	session  string
	username string
	key      []byte
	hash     func() hash.Hash
	count    atomic.Uint64
	seen     replays
}

var hashes = map[string]func() hash.Hash{
	"sha1": sha1.New, "sha224": sha256.New224, "sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New,
}

// NewCodec returns a codec with a session id of its own. scheme is that of the connection file, such as hmac-sha256.
func NewCodec(scheme string, key []byte) (*Codec, error) {
	if len(key) == 0 {
		return nil, errors.New("the connection has no key, so anyone could run code: start it with one (Session.key of jupyter)")
	}
	name, ok := strings.CutPrefix(scheme, "hmac-")
	if !ok || hashes[name] == nil {
		return nil, fmt.Errorf("signature scheme %q is unknown: use hmac-sha256", scheme)
	}
	c := &Codec{session: NewID(), username: "fovea", key: key, hash: hashes[name]}
	if u, err := user.Current(); err == nil {
		c.username = u.Username
	}
	return c, nil
}

// Session is the id that the codec's messages carry.
func (c *Codec) Session() string { return c.session }

// NewID returns a random UUID (version 4).
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (c *Codec) sign(parts ...[]byte) []byte {
	mac := hmac.New(c.hash, c.key)
	for _, part := range parts {
		mac.Write(part)
	}
	return mac.Sum(nil)
}

// Errors of Decode. Whatever the error, the frames came from someone who cannot prove that they have the key.
var (
	ErrSignature = errors.New("signature is wrong")
	ErrReplay    = errors.New("message has come before")
)

// Decode reads a message that came in. It looks into nothing but the frames' borders before the signature has been
// compared, in constant time, and found good; a signature is taken once.
func (c *Codec) Decode(frames [][]byte) (*Message, error) {
	route, signature, parts, buffers, err := split(frames)
	if err != nil {
		return nil, err
	}
	theirs := make([]byte, hex.DecodedLen(len(signature)))
	n, err := hex.Decode(theirs, signature)
	if err != nil || !hmac.Equal(theirs[:n], c.sign(parts[:]...)) {
		return nil, ErrSignature
	}
	if !c.seen.add(string(theirs[:n])) {
		return nil, ErrReplay
	}
	m, err := parse(parts)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	m.Route, m.Buffers = route, buffers
	return m, nil
}

// ErrBroken is the error of a message with a good signature that is no message. Its sender can be trusted.
var ErrBroken = errors.New("broken message")

// New makes a message of the type, with a fresh header. content is marshalled; parent, if not nil, is what it answers.
func (c *Codec) New(msgType string, parent *Message, content any) (*Message, error) {
	body, err := marshal(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", msgType, err)
	}
	m := &Message{Content: body, Header: Header{
		ID:       fmt.Sprintf("%s_%d", c.session, c.count.Add(1)),
		Session:  c.session,
		Username: c.username,
		Date:     Date(time.Now()),
		Type:     msgType,
		Version:  ProtocolVersion,
	}}
	if parent != nil {
		m.Parent = parent.RawHeader
	}
	m.RawHeader, err = marshal(m.Header)
	return m, err
}

// Date writes a time as headers have it.
func Date(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// Encode returns the frames of a message, signed.
func (c *Codec) Encode(m *Message) [][]byte {
	header := m.RawHeader
	parts := [4][]byte{orEmpty(header), orEmpty(m.Parent), orEmpty(m.Metadata), orEmpty(m.Content)}
	frames := make([][]byte, 0, len(m.Route)+6+len(m.Buffers))
	frames = append(frames, m.Route...)
	frames = append(frames, delimiter, []byte(hex.EncodeToString(c.sign(parts[:]...))))
	frames = append(frames, parts[:]...)
	return append(frames, m.Buffers...)
}

// SetMetadata marshals the metadata of a message.
func (m *Message) SetMetadata(v any) error {
	raw, err := marshal(v)
	if err == nil {
		m.Metadata = json.RawMessage(raw)
	}
	return err
}

// replaysKept is how many signatures are remembered, as many as Jupyter's own client keeps.
const replaysKept = 1 << 16

// replays is a set of the last signatures. The zero value is ready.
type replays struct {
	mu   sync.Mutex
	set  map[string]struct{}
	ring []string // oldest at next, once it is full
	next int
}

// add says whether the signature is new.
func (r *replays) add(signature string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.set == nil {
		r.set = map[string]struct{}{}
	}
	if _, old := r.set[signature]; old {
		return false
	}
	r.set[signature] = struct{}{}
	if len(r.ring) < replaysKept {
		r.ring = append(r.ring, signature)
		return true
	}
	delete(r.set, r.ring[r.next])
	r.ring[r.next] = signature
	r.next = (r.next + 1) % replaysKept
	return true
}
