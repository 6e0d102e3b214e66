package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func codec(t testing.TB) *Codec {
	t.Helper()
	c, err := NewCodec("hmac-sha256", []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func encode(t testing.TB, c *Codec, msgType string, content any) [][]byte {
	t.Helper()
	m, err := c.New(msgType, nil, content)
	if err != nil {
		t.Fatal(err)
	}
	return c.Encode(m)
}

func TestCodecRoundTrip(t *testing.T) {
	client, server := codec(t), codec(t)
	sent, err := client.New("comm_msg", nil, CommMessage{ID: "1", Data: json.RawMessage(`{"a":"<&>"}`)})
	if err != nil {
		t.Fatal(err)
	}
	sent.Route = [][]byte{[]byte("proxy")}
	sent.Buffers = [][]byte{{0, 1, 2}, {}}
	got, err := server.Decode(client.Encode(sent))
	if err != nil {
		t.Fatal(err)
	}
	if got.Header != sent.Header || got.Header.Session != client.Session() || len(got.Buffers) != 2 || string(got.Route[0]) != "proxy" {
		t.Errorf("got %+v", got)
	}
	if d := time.Since(got.Header.Time()); d < -time.Second || d > time.Minute {
		t.Errorf("date %s", got.Header.Date)
	}
	if !strings.Contains(got.Header.Date, ".") || got.Header.Version != "5.5" {
		t.Errorf("header %+v", got.Header)
	}
	reply, err := server.New("x_reply", got, struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	if string(reply.Parent) != string(sent.RawHeader) || reply.Header.Session == client.Session() {
		t.Errorf("the reply's parent %s, its session %s", reply.Parent, reply.Header.Session)
	}
}

func TestDecodeRefuses(t *testing.T) {
	client := codec(t)
	change := func(f func([][]byte) [][]byte) [][]byte {
		return f(encode(t, client, "kernel_info_request", struct{}{}))
	}
	signed := func(parts ...string) [][]byte {
		var four [4][]byte
		for i := range four {
			four[i] = []byte(parts[i])
		}
		return append([][]byte{delimiter, []byte(fmt.Sprintf("%x", client.sign(four[:]...)))}, four[:]...)
	}
	good := `{"msg_id":"1","msg_type":"x"}`
	for name, c := range map[string]struct {
		frames [][]byte
		want   error
	}{
		"nothing":         {nil, nil},
		"no delimiter":    {change(func(f [][]byte) [][]byte { return f[1:] }), nil},
		"too short":       {change(func(f [][]byte) [][]byte { return f[:5] }), nil},
		"other content":   {change(func(f [][]byte) [][]byte { f[5] = []byte(`{"a":1}`); return f }), ErrSignature},
		"no signature":    {change(func(f [][]byte) [][]byte { f[1] = nil; return f }), ErrSignature},
		"half":            {change(func(f [][]byte) [][]byte { f[1] = f[1][:32]; return f }), ErrSignature},
		"no hex":          {change(func(f [][]byte) [][]byte { f[1][0] = 'x'; return f }), ErrSignature},
		"header array":    {signed(`[]`, `{}`, `{}`, `{}`), ErrBroken},
		"no id":           {signed(`{"msg_type":"x"}`, `{}`, `{}`, `{}`), ErrBroken},
		"id is a number":  {signed(`{"msg_id":1,"msg_type":"x"}`, `{}`, `{}`, `{}`), ErrBroken},
		"content no JSON": {signed(good, `{}`, `{}`, `{`), ErrBroken},
		"parent null":     {signed(good, `null`, `{}`, `{}`), ErrBroken},
	} {
		m, err := codec(t).Decode(c.frames)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
	other, err := NewCodec("hmac-sha256", []byte("another key"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Decode(encode(t, client, "kernel_info_request", struct{}{})); !errors.Is(err, ErrSignature) {
		t.Errorf("another key: %v", err)
	}
}

func TestReplayIsRefused(t *testing.T) {
	client, server := codec(t), codec(t)
	frames := encode(t, client, "kernel_info_request", struct{}{})
	if _, err := server.Decode(frames); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Decode(frames); !errors.Is(err, ErrReplay) {
		t.Errorf("second time: %v", err)
	}
	// A signature in capitals is the same signature.
	frames[1] = []byte(strings.ToUpper(string(frames[1])))
	if _, err := server.Decode(frames); !errors.Is(err, ErrReplay) {
		t.Errorf("in capitals: %v", err)
	}
}

func TestReplaysForgetTheOldest(t *testing.T) {
	var r replays
	for i := range replaysKept + 10 {
		if !r.add(fmt.Sprint(i)) {
			t.Fatalf("%d is new", i)
		}
	}
	if len(r.set) != replaysKept || len(r.ring) != replaysKept {
		t.Errorf("%d kept in a ring of %d", len(r.set), len(r.ring))
	}
	if !r.add("3") || r.add(fmt.Sprint(replaysKept)) {
		t.Error("the oldest should be forgotten, the newer known")
	}
}

func TestSchemes(t *testing.T) {
	for _, scheme := range []string{"hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"} {
		a, err := NewCodec(scheme, []byte("k"))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := NewCodec(scheme, []byte("k"))
		if _, err := b.Decode(encode(t, a, "kernel_info_request", struct{}{})); err != nil {
			t.Errorf("%s: %v", scheme, err)
		}
	}
	for _, scheme := range []string{"", "sha256", "hmac-md5", "rsa-sha256"} {
		if _, err := NewCodec(scheme, []byte("k")); err == nil || !strings.Contains(err.Error(), "hmac-sha256") {
			t.Errorf("%q: %v", scheme, err)
		}
	}
	if _, err := NewCodec("hmac-sha256", nil); err == nil {
		t.Error("no key is no error")
	}
}

func TestBody(t *testing.T) {
	for _, c := range []struct{ msgType, content, wrong string }{
		{"execute_request", `{"code":"x"}`, ""},
		{"execute_request", `{"code":"x","future":1}`, ""},
		{"execute_request", `{}`, "code is missing"},
		{"execute_request", `{"code":1}`, "cannot unmarshal"},
		{"execute_request", `{"code":"x","silent":"no"}`, "cannot unmarshal"},
		{"complete_request", `{"code":"x","cursor_pos":-1}`, "negative"},
		{"inspect_request", `{"code":"x","cursor_pos":1,"detail_level":2}`, "detail_level"},
		{"history_request", `{"hist_access_type":"all"}`, "range, tail, search"},
		{"history_request", `{"hist_access_type":"tail","n":null}`, ""},
		{"comm_open", `{"comm_id":"","target_name":"t","data":{}}`, "comm_id"},
		{"comm_close", `{"comm_id":"a"}`, ""},
		{"status", `{"execution_state":"asleep"}`, "execution_state"},
		{"stream", `{"name":"stdlog","text":""}`, "stdout, stderr"},
		{"execute_reply", `{"status":"ok"}`, "execution_count is missing"},
		{"execute_reply", `{"status":"error","ename":"a","evalue":"b"}`, "traceback is missing"},
		{"execute_reply", `{"status":"fine","execution_count":1}`, "status"},
		{"shutdown_request", `{}`, "restart is missing"},
		{"no_such_request", `{}`, "unknown message type"},
	} {
		m := &Message{Header: Header{Type: c.msgType}, Content: json.RawMessage(c.content)}
		body, err := m.Body()
		if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%s %s: %v, %v; want %q", c.msgType, c.content, body, err, c.wrong)
		}
	}
	m := &Message{Header: Header{Type: "execute_request"}, Content: json.RawMessage(`{"code":"x"}`)}
	body, err := m.Body()
	if err != nil {
		t.Fatal(err)
	}
	if r := body.(*ExecuteRequest); !r.StoreHistory || !r.StopOnError || !r.AllowStdin || r.Silent {
		t.Errorf("defaults %+v", r)
	}
}

func TestReadConnection(t *testing.T) {
	dir := t.TempDir()
	write := func(text string, mode os.FileMode) string {
		path := filepath.Join(dir, fmt.Sprintf("%x.json", len(text)))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := `{"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5, "ip": "127.0.0.1",
		"key": "k", "transport": "tcp", "signature_scheme": "hmac-sha256", "kernel_name": "fovea"}`
	c, err := ReadConnection(write(good, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	if c.Shell != 1 || c.Heartbeat != 5 || c.Key != "k" || c.Endpoint(c.IOPub).String() != "tcp://127.0.0.1:2" {
		t.Errorf("%+v", c)
	}
	for name, path := range map[string]string{
		"chmod 600":               write(good, 0o644),
		"no such file":            filepath.Join(dir, "none.json"),
		"unexpected end":          write(`{"shell_port": 1`, 0o600),
		"shell_port is 70000":     write(`{"shell_port": 70000}`, 0o600),
		"cannot unmarshal string": write(`{"shell_port": "many"}`, 0o600),
	} {
		if _, err := ReadConnection(path); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want an error with %q, got %v", name, err)
		}
	}
}
