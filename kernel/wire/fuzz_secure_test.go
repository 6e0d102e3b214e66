package wire

import (
	"bytes"
	"errors"
	"net"
	"runtime/metrics"
	"testing"
	"time"
)

// allocated is what the process has allocated so far, in bytes.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// script is a network connection of which the peer has said everything already.
type script struct {
	net.Conn
	r *bytes.Reader
}

func (s script) Read(p []byte) (int, error)       { return s.r.Read(p) }
func (s script) Write(p []byte) (int, error)      { return len(p), nil }
func (s script) Close() error                     { return nil }
func (s script) SetDeadline(time.Time) error      { return nil }
func (s script) SetReadDeadline(time.Time) error  { return nil }
func (s script) SetWriteDeadline(time.Time) error { return nil }

// shakeLimit is what a handshake may allocate, whatever the peer says: its buffers and some commands.
const shakeLimit = 1 << 20

// FuzzHandshake lets a peer say anything from its first byte on, to a socket without and to one with encryption: no
// panic, bounded memory, and nobody gets through CURVE without knowing the server's key.
func FuzzHandshake(f *testing.F) {
	frames := func(mechanism string, commands ...[]byte) {
		text := greeting(mechanism, false)
		for _, c := range commands {
			if len(c) > 255 {
				text = append(text, flagCommand|flagLong, 0, 0, 0, 0, 0, 0, byte(len(c)>>8), byte(len(c)))
			} else {
				text = append(text, flagCommand, byte(len(c)))
			}
			text = append(text, c...)
		}
		f.Add(text)
	}
	metadata := property(property(nil, "Socket-Type", []byte("DEALER")), "Identity", []byte("me"))
	frames(mechanismNull, command("READY", metadata))
	frames(mechanismNull, command("ERROR", []byte("\x03bad")))
	frames(mechanismCurve, command("HELLO", append([]byte{1, 0}, make([]byte, helloSize-2)...)))
	frames(mechanismCurve, command("HELLO", append([]byte{1, 0}, make([]byte, helloSize-2)...)), command("INITIATE", make([]byte, initiateSize)))
	frames(mechanismCurve, command("READY", metadata))
	pair, err := NewKeyPair()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		before := allocated()
		for _, m := range []mechanism{null{}, &curve{long: pair}} {
			c, err := shake(script{r: bytes.NewReader(said)}, m, true, TypeRouter, nil)
			if err == nil && m.name() == mechanismCurve {
				t.Fatal("let in without the key")
			}
			if err == nil && len(c.identity) > identityLimit {
				t.Fatalf("an identity of %d bytes", len(c.identity))
			}
		}
		if used := allocated() - before; used > shakeLimit {
			t.Fatalf("%d bytes said made the handshake allocate %d", len(said), used)
		}
	})
}

// FuzzCurveFrames opens frames that an attacker has made, and frames that a peer has sealed and somebody has changed.
func FuzzCurveFrames(f *testing.F) {
	f.Add([]byte(messageName+"\x00\x00\x00\x00\x00\x00\x00\x01"), byte(0), 0)
	f.Add([]byte("text"), byte(flagMore), 20)
	f.Add(command("SUBSCRIBE", []byte("kernel")), byte(flagCommand), 8)
	f.Fuzz(func(t *testing.T, body []byte, flags byte, change int) {
		sender, receiver := &curve{sendBy: "CurveZMQMESSAGEC"}, &curve{takeBy: "CurveZMQMESSAGEC"}
		sender.shared[3], receiver.shared[3] = 7, 7
		held := 0
		grow := func(n int) error { held += n; return nil }
		if _, err := receiver.open(frame{body: bytes.Clone(body)}, grow); err == nil {
			t.Fatal("opened what nobody has sealed")
		}
		if held > len(body) {
			t.Fatalf("%d bytes asked for, %d sent", held, len(body))
		}
		receiver.received = 0
		flags &= flagMore | flagCommand
		if flags == flagMore|flagCommand {
			flags = 0
		}
		_, sealed := sender.seal(flags, body)
		if at := change % len(sealed); at > 0 {
			changed := bytes.Clone(sealed)
			changed[at] ^= 1 << (uint(change) >> 3 % 8)
			if got, err := receiver.open(frame{body: changed}, grow); err == nil {
				t.Fatalf("byte %d was changed, and it opened as %q", at, got.body)
			}
			receiver.received = 0
		}
		got, err := receiver.open(frame{body: sealed}, grow)
		if err != nil || !bytes.Equal(got.body, body) || got.more != (flags == flagMore) || got.command != (flags == flagCommand) {
			t.Fatalf("sealed %q with %d, opened %+v: %v", body, flags, got, err)
		}
	})
}

// FuzzSignature changes one bit of a signed message: the signature must fail. Unchanged it must hold, once.
func FuzzSignature(f *testing.F) {
	f.Add([]byte(`{"msg_id":"1","msg_type":"execute_request"}`), []byte(`{"code":"x := 1"}`), []byte("buffer"), 0)
	f.Add([]byte(`{}`), []byte(`[`), []byte{}, 77)
	f.Add([]byte{}, []byte{}, []byte{0xff}, 3)
	key := codec(f)
	f.Fuzz(func(t *testing.T, header, content, buffer []byte, bit int) {
		receiver, err := NewCodec("hmac-sha256", key.key)
		if err != nil {
			t.Fatal(err)
		}
		frames := key.Encode(&Message{RawHeader: header, Content: content, Buffers: [][]byte{buffer}})
		// The four parts and the signature; letters of the signature may change to capitals, which mean the same.
		if at := bit & (1<<30 - 1); at > 0 {
			changed := make([][]byte, len(frames))
			for i, p := range frames {
				changed[i] = bytes.Clone(p)
			}
			part := changed[1+at%5]
			if len(part) > 0 {
				n := at / 5 % (8 * len(part))
				part[n/8] ^= 1 << (n % 8)
				if !bytes.EqualFold(changed[1], frames[1]) || at%5 > 0 {
					if _, err := receiver.Decode(changed); !errors.Is(err, ErrSignature) {
						t.Fatalf("bit %d of part %d was changed: %v", n, at%5, err)
					}
				}
			}
		}
		before := allocated()
		if _, err := receiver.Decode(frames); err != nil && !errors.Is(err, ErrBroken) {
			t.Fatalf("a good signature: %v", err)
		}
		if used := allocated() - before; used > uint64(64*(len(header)+len(content))+shakeLimit) {
			t.Fatalf("%d bytes made the decoder allocate %d", len(header)+len(content), used)
		}
		if _, err := receiver.Decode(frames); !errors.Is(err, ErrReplay) {
			t.Fatalf("the same message again: %v", err)
		}
	})
}
