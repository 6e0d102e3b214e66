package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// hostFor makes a host that ends with the test, and collects its log.
func hostFor(t *testing.T, l Limits) (*Host, func() string) {
	t.Helper()
	var mu sync.Mutex
	var lines []string
	h := NewHost(HostOptions{Limits: l, Log: func(line string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, line)
	}})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		h.Close(ctx)
	})
	return h, func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(lines, "\n")
	}
}

var local = Endpoint{Transport: "tcp", IP: "127.0.0.1"}

func at(port int) Endpoint { return Endpoint{Transport: "tcp", IP: "127.0.0.1", Port: port} }

func dial(t *testing.T, e Endpoint, own SocketType, identity string) *Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := Dial(ctx, e, own, []byte(identity))
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func message(parts ...string) [][]byte {
	m := make([][]byte, len(parts))
	for i, p := range parts {
		m[i] = []byte(p)
	}
	return m
}

func receive(t *testing.T, c *Client) string {
	t.Helper()
	m, err := c.Receive()
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.Join(m, []byte("|")))
}

// echoRouter answers each message with itself, and trusts peers that say so.
func echoRouter(t *testing.T, h *Host) *Router {
	t.Helper()
	var r *Router
	ready := make(chan struct{})
	r, err := h.Router(local, func(p *Peer, m [][]byte) {
		<-ready
		if string(m[0]) == "trust me" {
			p.Trust()
		}
		if err := r.Reply(p, m); err != nil {
			t.Logf("reply: %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	close(ready)
	return r
}

func TestRouterAnswersEachPeer(t *testing.T) {
	h, _ := hostFor(t, Limits{})
	r := echoRouter(t, h)
	// Two peers with one identity, which ZeroMQ's router would not serve, and one without.
	a, b, c := dial(t, at(r.Port()), TypeDealer, "same"), dial(t, at(r.Port()), TypeDealer, "same"), dial(t, at(r.Port()), TypeDealer, "")
	large := strings.Repeat("x", 3<<20)
	for i, client := range []*Client{a, b, c} {
		want := fmt.Sprintf("hello %d||%s", i, large)
		if err := client.Send(message(fmt.Sprintf("hello %d", i), "", large)); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, client); got != want {
			t.Errorf("client %d got %.40q of %d bytes", i, got, len(got))
		}
	}
	if err := r.SendTo([]byte("same"), message("to the newest")); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, b); got != "to the newest" {
		t.Errorf("got %q", got)
	}
	if err := r.SendTo([]byte("nobody"), message("x")); err == nil {
		t.Error("sending to nobody is no error")
	}
}

func TestEcho(t *testing.T) {
	h, _ := hostFor(t, Limits{})
	e, err := h.Echo(local)
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, at(e.Port()), TypeReq, "")
	for range 3 {
		if err := c.Send(message("", "ping")); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, c); got != "|ping" {
			t.Errorf("got %q", got)
		}
	}
}

// raw is a connection whose bytes the test writes itself.
func raw(t *testing.T, port int) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	return nc
}

func readyFrame(socketType string) []byte {
	body := command("READY", property(nil, "Socket-Type", []byte(socketType)))
	return append([]byte{flagCommand, byte(len(body))}, body...)
}

// waitEnd reads until the other end closes.
func waitEnd(t *testing.T, nc net.Conn) []byte {
	t.Helper()
	var all bytes.Buffer
	if _, err := all.ReadFrom(nc); err != nil && !isReset(err) {
		t.Fatalf("the connection was not closed: %v", err)
	}
	return all.Bytes()
}

func TestBadPeersAreRefused(t *testing.T) {
	huge := append([]byte{flagLong}, binary.BigEndian.AppendUint64(nil, 1<<62)...)
	many := bytes.Repeat([]byte{flagMore, 0}, framesLimit+2)
	old := greeting("NULL", false)
	old[10] = 2
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	hello := join(greeting("NULL", false), readyFrame("DEALER"))
	for name, c := range map[string]struct {
		send []byte
		log  string
	}{
		"http":             {[]byte("GET / HTTP/1.1\r\n" + strings.Repeat("x", 80)), "no ZMTP greeting"},
		"version 2":        {old, "ZMTP 2"},
		"mechanism":        {greeting("PLAIN", false), "PLAIN"},
		"wrong type":       {join(greeting("NULL", false), readyFrame("SUB")), "cannot talk"},
		"zero identity":    {join(greeting("NULL", false), withIdentity("\x00a")), "identity"},
		"no command":       {join(greeting("NULL", false), []byte{0, 1, 'x'}), "before READY"},
		"broken metadata":  {join(greeting("NULL", false), []byte{flagCommand, 8}, []byte("\x05READY\x09x")), "broken properties"},
		"long handshake":   {join(greeting("NULL", false), []byte{flagCommand | flagLong}, binary.BigEndian.AppendUint64(nil, 1<<20)), "larger than the limit"},
		"flags":            {join(hello, []byte{0x80, 1, 'x'}), "unknown flags"},
		"huge frame":       {join(hello, huge), "larger than the limit"},
		"many frames":      {join(hello, many), "more than 4096 frames"},
		"subscription":     {join(hello, []byte{flagCommand, 10}, []byte("\x09SUBSCRIBE")), "publishes nothing"},
		"nameless command": {join(hello, []byte{flagCommand, 1, 9}), "command without a name"},
	} {
		t.Run(name, func(t *testing.T) {
			h, log := hostFor(t, Limits{})
			r := echoRouter(t, h)
			nc := raw(t, r.Port())
			if _, err := nc.Write(c.send); err != nil {
				t.Fatal(err)
			}
			waitEnd(t, nc)
			if !strings.Contains(log(), c.log) {
				t.Errorf("log %q, want %q in it", log(), c.log)
			}
			// Others are served as before.
			good := dial(t, at(r.Port()), TypeDealer, "")
			if err := good.Send(message("hello")); err != nil {
				t.Fatal(err)
			}
			if got := receive(t, good); got != "hello" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func withIdentity(id string) []byte {
	body := command("READY", property(property(nil, "Socket-Type", []byte("DEALER")), "identity", []byte(id)))
	return append([]byte{flagCommand, byte(len(body))}, body...)
}

func TestSilentHandshakeEnds(t *testing.T) {
	h, _ := hostFor(t, Limits{Handshake: 50 * time.Millisecond})
	r := echoRouter(t, h)
	waitEnd(t, raw(t, r.Port()))
}

func TestUntrustedPeersAreBounded(t *testing.T) {
	h, log := hostFor(t, Limits{Untrusted: 1 << 20, UntrustedTotal: 1 << 20})
	r := echoRouter(t, h)
	big := strings.Repeat("x", 2<<20)

	trusted := dial(t, at(r.Port()), TypeDealer, "")
	if err := trusted.Send(message("trust me")); err != nil {
		t.Fatal(err)
	}
	receive(t, trusted)
	if err := trusted.Send(message(big)); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, trusted); got != big {
		t.Errorf("a trusted peer got %d bytes back", len(got))
	}

	single := raw(t, r.Port())
	if _, err := single.Write(append(append(greeting("NULL", false), readyFrame("DEALER")...), append([]byte{flagLong}, binary.BigEndian.AppendUint64(nil, 2<<20)...)...)); err != nil {
		t.Fatal(err)
	}
	waitEnd(t, single)
	if !strings.Contains(log(), "at most 1048576 allowed") {
		t.Errorf("log: %s", log())
	}

	// Several peers that each stay below the limit of one, and send all but the end of a message: in one frame, in many.
	hello := append(greeting("NULL", false), readyFrame("DEALER")...)
	one := append(append([]byte{}, hello...), append([]byte{flagLong}, binary.BigEndian.AppendUint64(nil, 1<<20)...)...)
	one = append(one, make([]byte, 1<<20-1)...)
	many := append([]byte{}, hello...)
	for range 15 {
		many = append(append(append(many, flagLong|flagMore), binary.BigEndian.AppendUint64(nil, 64<<10)...), make([]byte, 64<<10)...)
	}
	var peers []net.Conn
	for i := range 4 {
		start := [][]byte{one, many}[i%2]
		nc := raw(t, r.Port())
		go func() { _, _ = nc.Write(start) }()
		peers = append(peers, nc)
	}
	for deadline := time.Now().Add(5 * time.Second); !strings.Contains(log(), "untrusted peers together"); {
		if time.Now().After(deadline) {
			t.Fatal("nobody was disconnected")
		}
		time.Sleep(5 * time.Millisecond)
	}
	if held := h.untrusted.Load(); held > 1<<20 {
		t.Errorf("%d bytes held", held)
	}
	// A small message gets through all the same.
	if err := trusted.Send(message("hello")); err != nil {
		t.Fatal(err)
	}
	receive(t, trusted)
	for _, nc := range peers {
		_ = nc.Close()
	}
	for deadline := time.Now().Add(5 * time.Second); h.untrusted.Load() != 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes still count as held", h.untrusted.Load())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	h, log := hostFor(t, Limits{Connections: 2})
	r := echoRouter(t, h)
	a := dial(t, at(r.Port()), TypeDealer, "a")
	dial(t, at(r.Port()), TypeDealer, "b")
	waitEnd(t, raw(t, r.Port()))
	if !strings.Contains(log(), "2 connections are open already") {
		t.Errorf("log: %s", log())
	}
	if err := a.Send(message("x")); err != nil {
		t.Fatal(err)
	}
	receive(t, a)
}

func TestPingIsAnswered(t *testing.T) {
	h, _ := hostFor(t, Limits{})
	r := echoRouter(t, h)
	nc := raw(t, r.Port())
	ping := command("PING", []byte("\x00\x10abc"))
	all := append(append(greeting("NULL", false), readyFrame("DEALER")...), flagCommand, byte(len(ping)))
	if _, err := nc.Write(append(all, ping...)); err != nil {
		t.Fatal(err)
	}
	want := command("PONG", []byte("abc"))
	var got []byte
	for buffer := make([]byte, 1024); !bytes.HasSuffix(got, want); {
		n, err := nc.Read(buffer)
		if err != nil {
			t.Fatalf("%v after %q", err, got)
		}
		got = append(got, buffer[:n]...)
	}
}

// A peer that asks and never reads the answers is held up, not the kernel.
func TestPeerThatNeverReadsIsNotRead(t *testing.T) {
	h, _ := hostFor(t, Limits{Outbox: 1 << 20, Stall: 200 * time.Millisecond})
	r := echoRouter(t, h)
	stuck := dial(t, at(r.Port()), TypeDealer, "stuck")
	go func() {
		for stuck.Send(message(strings.Repeat("x", 64<<10))) == nil {
		}
	}()
	good := dial(t, at(r.Port()), TypeDealer, "good")
	for i := range 200 {
		if err := good.Send(message(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, good); got != fmt.Sprint(i) {
			t.Fatalf("got %q", got)
		}
		time.Sleep(time.Millisecond)
	}
	for _, p := range r.socket.peers() {
		p.out.mu.Lock()
		held := p.out.bytes
		p.out.mu.Unlock()
		if held > 2<<20 {
			t.Errorf("%d bytes wait for a peer", held)
		}
	}
}

func publisher(t *testing.T, h *Host) *Publisher {
	t.Helper()
	p, err := h.Publisher(local, func(topic []byte) [][]byte { return [][]byte{topic, []byte("welcome")} })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func subscriberTo(t *testing.T, p *Publisher, topic string) *Client {
	t.Helper()
	c := dial(t, at(p.Port()), TypeSub, "")
	if err := c.Subscribe(topic); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, c); got != topic+"|welcome" {
		t.Fatalf("first message %q", got)
	}
	return c
}

func TestPublisherFiltersByTopic(t *testing.T) {
	h, _ := hostFor(t, Limits{})
	p := publisher(t, h)
	all, some := subscriberTo(t, p, ""), subscriberTo(t, p, "b")
	p.Publish(message("a.1", "x"))
	p.Publish(message("b.1", "y"))
	if got := receive(t, all) + " " + receive(t, all); got != "a.1|x b.1|y" {
		t.Errorf("all: %s", got)
	}
	if got := receive(t, some); got != "b.1|y" {
		t.Errorf("some: %s", got)
	}
	// The older way to subscribe, and to stop.
	older := dial(t, at(p.Port()), TypeSub, "")
	for _, m := range []string{"\x01c", "\x01d", "\x00c"} {
		if err := older.Send(message(m)); err != nil {
			t.Fatal(err)
		}
	}
	receive(t, older)
	receive(t, older)
	if err := older.Send(message("\x01e")); err != nil { // its welcome says that the end of c has been read too
		t.Fatal(err)
	}
	receive(t, older)
	p.Publish(message("c.1"))
	p.Publish(message("d.1"))
	if got := receive(t, older); got != "d.1" {
		t.Errorf("older: %s", got)
	}
}

func TestSlowSubscriberLosesNothing(t *testing.T) {
	h, _ := hostFor(t, Limits{Outbox: 64 << 10, Stall: 10 * time.Second})
	p := publisher(t, h)
	slow := subscriberTo(t, p, "")
	body := strings.Repeat("x", 16<<10)
	const n = 600 // about 10 MB, more than the buffers of a connection hold
	go func() {
		for i := range n {
			p.Publish(message(fmt.Sprintf("%05d", i), body))
		}
	}()
	time.Sleep(100 * time.Millisecond)
	for i := range n {
		if got, want := receive(t, slow), fmt.Sprintf("%05d|%s", i, body); got != want {
			t.Fatalf("message %d is %.20q", i, got)
		}
	}
}

func TestStuckSubscriberIsGivenUp(t *testing.T) {
	h, log := hostFor(t, Limits{Outbox: 64 << 10, Stall: 300 * time.Millisecond})
	p := publisher(t, h)
	subscriberTo(t, p, "") // never reads on
	good := subscriberTo(t, p, "")
	body := strings.Repeat("x", 16<<10)
	const n = 1000
	ended := make(chan time.Duration, 1)
	go func() {
		start := time.Now()
		for i := range n {
			p.Publish(message(fmt.Sprintf("%05d", i), body))
		}
		ended <- time.Since(start)
	}()
	for i := range n {
		if got, want := receive(t, good), fmt.Sprintf("%05d|%s", i, body); got != want {
			t.Fatalf("message %d is %.20q", i, got)
		}
	}
	if d := <-ended; d > 5*time.Second {
		t.Errorf("publishing took %v", d)
	}
	if !strings.Contains(log(), "does not read what it is sent") {
		t.Errorf("log: %s", log())
	}
}

func TestUrgentNeverWaits(t *testing.T) {
	h, _ := hostFor(t, Limits{Outbox: 1 << 10, Stall: time.Minute})
	p := publisher(t, h)
	subscriberTo(t, p, "") // never reads on
	blocked := make(chan struct{})
	go func() {
		defer close(blocked)
		for range 1000 {
			p.Publish(message("t", strings.Repeat("x", 64<<10)))
		}
	}()
	time.Sleep(100 * time.Millisecond)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.PublishUrgent(message("t", "busy"))
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Second):
		t.Error("an urgent message waited")
	}
	for _, peer := range p.socket.peers() {
		peer.Close()
	}
	<-blocked
}

func TestCloseSendsWhatIsQueued(t *testing.T) {
	h := NewHost(HostOptions{})
	p := publisher(t, h)
	c := subscriberTo(t, p, "")
	for i := range 1000 {
		p.Publish(message("t", fmt.Sprint(i)))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		h.Close(ctx)
	}()
	for i := range 1000 {
		if got := receive(t, c); got != fmt.Sprintf("t|%d", i) {
			t.Fatalf("got %q, want message %d", got, i)
		}
	}
	<-closed
}

func TestIPC(t *testing.T) {
	dir, err := os.MkdirTemp("", "ipc") // t.TempDir is too long for the address of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	e := Endpoint{Transport: "ipc", IP: filepath.Join(dir, "kernel-ipc"), Port: 3}
	path := filepath.Join(dir, "kernel-ipc-3")

	// A killed kernel leaves its file.
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	_ = dead.Close()

	h, _ := hostFor(t, Limits{})
	echo, err := h.Echo(e)
	if err != nil {
		t.Fatal(err)
	}
	if echo.Port() != 3 {
		t.Errorf("port %d", echo.Port())
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	c := dial(t, e, TypeReq, "")
	if err := c.Send(message("", "x")); err != nil {
		t.Fatal(err)
	}
	receive(t, c)
	if _, err := h.Echo(e); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second socket on the file: %v", err)
	}
	plain := filepath.Join(dir, "file-1")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Echo(Endpoint{Transport: "ipc", IP: filepath.Join(dir, "file"), Port: 1}); err == nil {
		t.Error("a plain file was taken for a socket")
	}
	if _, err := h.Echo(Endpoint{Transport: "udp"}); err == nil || !strings.Contains(err.Error(), "tcp or ipc") {
		t.Errorf("unknown transport: %v", err)
	}
}
