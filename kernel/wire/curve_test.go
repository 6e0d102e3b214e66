package wire

import (
	"context"
	"encoding/binary"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestKeyText(t *testing.T) {
	// The example of RFC 32 four times over.
	want := strings.Repeat("HelloWorld", 4)
	k, err := ParseKey(want)
	if err != nil {
		t.Fatal(err)
	}
	if k[0] != 0x86 || k[7] != 0x5b || k.String() != want {
		t.Errorf("%x %s", k, k)
	}
	for _, bad := range []string{"", want[1:], strings.Repeat("~", 40), strings.Repeat("#", 40)} {
		if _, err := ParseKey(bad); err == nil {
			t.Errorf("%q is taken for a key", bad)
		}
	}
}

func curveHost(t *testing.T) (KeyPair, *Router, func() string) {
	t.Helper()
	pair, err := NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	h, log := hostFor(t, Limits{})
	h.curve = &pair
	return pair, echoRouter(t, h), log
}

func TestCurve(t *testing.T) {
	pair, r, _ := curveHost(t)
	c, err := DialCurve(t.Context(), at(r.Port()), pair.Public, TypeDealer, []byte("me"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the test's end
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	large := strings.Repeat("x", 3<<20)
	for _, parts := range [][]string{{"a"}, {"", "", "b"}, {large, "", large}, {"last"}} {
		if err := c.Send(message(parts...)); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, c); got != strings.Join(parts, "|") {
			t.Errorf("%d bytes came back as %.40q", len(strings.Join(parts, "|")), got)
		}
	}
	if err := r.SendTo([]byte("me"), message("by name")); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, c); got != "by name" {
		t.Errorf("got %q", got)
	}
}

func TestCurveSubscription(t *testing.T) {
	pair, err := NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	h, _ := hostFor(t, Limits{})
	h.curve = &pair
	p, err := h.Publisher(local, func(topic []byte) [][]byte { return message("welcome " + string(topic)) })
	if err != nil {
		t.Fatal(err)
	}
	c, err := DialCurve(t.Context(), at(p.Port()), pair.Public, TypeSub, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the test's end
	if err := c.Subscribe("k"); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, c); got != "welcome k" {
		t.Errorf("got %q", got)
	}
	p.Publish(message("kernel", "text"))
	if got := receive(t, c); got != "kernel|text" {
		t.Errorf("got %q", got)
	}
}

// Nobody gets in without the server's key, and none of those who try leaves anything behind.
func TestCurveRefuses(t *testing.T) {
	pair, r, log := curveHost(t)
	other, err := NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	try := func() {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := Dial(ctx, at(r.Port()), TypeDealer, nil); err == nil {
			t.Fatal("a client without encryption was let in")
		}
		if _, err := DialCurve(ctx, at(r.Port()), other.Public, TypeDealer, nil); err == nil {
			t.Fatal("a client with another key was let in")
		}
	}
	try()
	if !strings.Contains(log(), "CURVE") {
		t.Errorf("the log does not say why: %s", log())
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for range 100 {
		try()
	}
	if lines := strings.Count(log(), "\n") + 1; lines > 2*logLines {
		t.Errorf("the log has %d lines", lines)
	}
	if after := heap(); after > before+2<<20 {
		t.Errorf("200 refused clients left %d KiB", (after-before)>>10)
	}
	if c, err := DialCurve(t.Context(), at(r.Port()), pair.Public, TypeDealer, nil); err != nil {
		t.Errorf("afterwards: %v", err)
	} else if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// tamper is a network connection whose reader gets the bytes that change makes of them.
type tamper struct {
	net.Conn
	change func([]byte)
}

func (c tamper) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.change(p[:n])
	return n, err
}

// connected returns the two ends of a connection.
func connected(t *testing.T) (a, b net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return
	}
	defer l.Close() //nolint:errcheck // has done its work
	if a, err = net.Dial("tcp", l.Addr().String()); err == nil {
		b, err = l.Accept()
	}
	if err != nil {
		t.Error(err)
	}
	return a, b
}

// A byte that is changed on the way anywhere, in the handshake or in a message, ends the connection.
func TestCurveNoticesEachChange(t *testing.T) {
	pair, err := NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	// What the client sends in the handshake and in one message of five bytes.
	total := greetingSize + 2 + 6 + helloSize + 9 + 9 + initiateSize + len(property(nil, "Socket-Type", []byte("DEALER"))) +
		len(property(nil, "Identity", nil)) + 2 + sealedSize + 5
	// A changed size makes the server wait for bytes that do not come: those are left out.
	hello := greetingSize
	initiate := hello + 2 + 6 + helloSize
	last := total - 2 - sealedSize - 5
	sizes := func(i int) bool { return i < hello+2 || i >= initiate && i < initiate+9 || i >= last && i < last+2 }
	var wait sync.WaitGroup
	for i := greetingSize; i < total; i += 11 {
		if sizes(i) {
			continue
		}
		wait.Go(func() {
			a, b := connected(t)
			seen := 0
			changed := tamper{b, func(p []byte) {
				if at := i - seen; at >= 0 && at < len(p) {
					p[at] ^= 0x40
				}
				seen += len(p)
			}}
			deadline := time.Now().Add(time.Minute)
			_, _ = a.SetDeadline(deadline), b.SetDeadline(deadline)
			go func() {
				c, err := shake(a, &curve{long: pair, server: pair.Public}, false, TypeDealer, nil)
				if err == nil {
					if err = c.write(message("hello")); err == nil {
						_ = c.w.Flush()
					}
				}
				_ = a.Close()
			}()
			c, err := shake(changed, &curve{long: pair}, true, TypeRouter, nil)
			if err == nil {
				_, err = c.next(1<<20, func(int) error { return nil })
			}
			// The padding of HELLO says nothing, and nobody signs it.
			padding := i >= hello+2+6+2 && i < hello+2+6+2+72
			if (err == nil) != padding {
				t.Errorf("byte %d of %d: %v", i, total, err)
			}
			_ = b.Close()
		})
	}
	wait.Wait()
}

func TestCurveRefusesReplayedFrames(t *testing.T) {
	a, b := &curve{sendBy: "CurveZMQMESSAGEC"}, &curve{takeBy: "CurveZMQMESSAGEC"}
	_, one := a.seal(flagMore, []byte("one"))
	_, two := a.seal(0, []byte("two"))
	free := func(int) error { return nil }
	for i, step := range []struct {
		body []byte
		ok   bool
	}{{two, true}, {two, false}, {one, false}} {
		if _, err := b.open(frame{body: append([]byte{}, step.body...)}, free); (err == nil) != step.ok {
			t.Errorf("step %d: %v", i, err)
		}
	}
	if n := binary.BigEndian.Uint64(two[len(messageName):]); n != 2 {
		t.Errorf("the second nonce is %d", n)
	}
}
