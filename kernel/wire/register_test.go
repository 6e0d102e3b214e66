package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// launcher is the other end of a registration: it keeps what it is told and answers with what the test says.
func launcher(t *testing.T, answer func(c *Codec, content []byte) [][]byte) (port int, told chan portsMessage) {
	t.Helper()
	h, _ := hostFor(t, Limits{})
	told = make(chan portsMessage, 1)
	key := codec(t)
	ready := make(chan *Router, 1)
	r, err := h.Router(local, func(p *Peer, frames [][]byte) {
		router := <-ready
		ready <- router
		var m portsMessage
		if err := key.acknowledged(frames); err != nil { // signed in the same way
			t.Errorf("the kernel's message: %v", err)
		} else if err := json.Unmarshal(frames[2], &m); err != nil {
			t.Error(err)
		}
		told <- m
		if reply := answer(key, frames[2]); reply != nil {
			if err := router.Reply(p, reply); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	ready <- r
	return r.Port(), told
}

func signedBy(c *Codec, content string) [][]byte {
	return [][]byte{delimiter, []byte(fmt.Sprintf("%x", c.sign([]byte(content)))), []byte(content)}
}

func registrationFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "registration.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRegistration(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(c *Codec, content []byte) [][]byte
		want   string // in the error
	}{
		"acknowledged": {func(c *Codec, _ []byte) [][]byte { return signedBy(c, `{"status":"ok"}`) }, ""},
		"forged":       {func(*Codec, []byte) [][]byte { return message("<IDS|MSG>", strings.Repeat("00", 32), "{}") }, "signature"},
		"broken":       {func(*Codec, []byte) [][]byte { return message("ok") }, "no acknowledgement"},
		"silent":       {func(*Codec, []byte) [][]byte { return nil }, "nobody has acknowledged"},
	} {
		t.Run(name, func(t *testing.T) {
			port, told := launcher(t, c.answer)
			path := registrationFile(t, fmt.Sprintf(`{"kernel_id":"k-1","transport":"tcp","registration_ip":"127.0.0.1",
				"registration_port":%d,"signature_scheme":"hmac-sha256","key":"key"}`, port))
			connection, err := ReadConnection(path)
			if err != nil {
				t.Fatal(err)
			}
			if connection.IP != "127.0.0.1" || connection.Register == nil {
				t.Fatalf("%+v", connection)
			}
			connection.Shell, connection.Heartbeat = 11, 15
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			err = connection.Register.Tell(ctx, connection)
			if m := <-told; m.KernelID != "k-1" || m.Shell != "11" || m.Heartbeat != "15" {
				t.Errorf("told %+v", m)
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestRegistrationFile(t *testing.T) {
	for _, bad := range []string{
		`{"kernel_id":"../../x","registration_ip":"127.0.0.1","registration_port":1,"key":"k"}`,
		`{"registration_ip":"127.0.0.1","registration_port":1,"key":"k"}`,
		`{"kernel_id":"x","registration_ip":"127.0.0.1","registration_port":70000,"key":"k"}`,
		`{"kernel_id":"x","registration_ip":5,"registration_port":1,"key":"k"}`,
	} {
		if c, err := ReadConnection(registrationFile(t, bad)); err == nil {
			t.Errorf("%s was taken: %+v", bad, c)
		}
	}
	c, err := ReadConnection(registrationFile(t, `{"kernel_id":"x","registration_ip":"127.0.0.1","registration_port":1,"key":"k"}`))
	if err != nil {
		t.Fatal(err)
	}
	c.Shell = 7
	path, err := c.Register.Write(c)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadConnection(path) // refuses a file that others may read
	if err != nil {
		t.Fatal(err)
	}
	if again.Register != nil || again.Shell != 7 || again.Key != "k" || filepath.Base(path) != "kernel-x.json" {
		t.Errorf("%s: %+v", path, again)
	}
}

func TestPortsOfUnixSocketsAreChosen(t *testing.T) {
	h, _ := hostFor(t, Limits{})
	e := Endpoint{Transport: "ipc", IP: filepath.Join(t.TempDir(), "k")}
	r, err := h.Router(e, func(p *Peer, m [][]byte) { _ = p.Send(m) })
	if err != nil {
		t.Fatal(err)
	}
	if r.Port() == 0 {
		t.Fatal("no number")
	}
	e.Port = r.Port()
	c := dial(t, e, TypeDealer, "")
	if err := c.Send(message("x")); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, c); got != "x" {
		t.Errorf("got %q", got)
	}
}

func TestCurveKeysOfConnection(t *testing.T) {
	pair, err := NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		public, secret string
		ok, encrypted  bool
	}{
		"none":       {"", "", true, false},
		"both":       {pair.Public.String(), pair.Secret.String(), true, true},
		"public":     {pair.Public.String(), "", false, false},
		"secret":     {"", pair.Secret.String(), false, false},
		"mismatched": {other.Public.String(), pair.Secret.String(), false, false},
		"not Z85":    {strings.Repeat("~", 40), pair.Secret.String(), false, false},
	} {
		keys, err := (&Connection{CurvePublic: c.public, CurveSecret: c.secret}).Curve()
		if (err == nil) != c.ok || err == nil && (keys != nil) != c.encrypted {
			t.Errorf("%s: %v, %v", name, keys != nil, err)
		}
	}
	for _, c := range []struct {
		Connection
		want bool
	}{
		{Connection{Transport: "tcp", IP: "127.0.0.1"}, false}, {Connection{Transport: "tcp", IP: "localhost"}, false},
		{Connection{Transport: "tcp", IP: "::1"}, false}, {Connection{Transport: "ipc", IP: "/tmp/k"}, false},
		{Connection{Transport: "tcp", IP: "*"}, true}, {Connection{Transport: "tcp", IP: "0.0.0.0"}, true},
		{Connection{Transport: "tcp", IP: "*", CurvePublic: "x"}, false},
	} {
		if c.Exposed() != c.want {
			t.Errorf("%s://%s: exposed %v", c.Transport, c.IP, c.Exposed())
		}
	}
}
