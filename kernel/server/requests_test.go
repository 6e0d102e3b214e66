package server

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fovea/kernel/wire"
)

func TestQuestion(t *testing.T) {
	for code, want := range map[string]struct {
		rest, name string
		detail     int
	}{
		"x?":                    {"", "x", 0},
		"?größe":                {"", "größe", 0},
		"x := 1\nstrings.Cut??": {"x := 1\n", "strings.Cut", 1},
		"x :=\n  ?? x  \n\n":    {"x :=\n", "x", 1},
		"x":                     {"x", "", 0},
		"f(x)?":                 {"f(x)?", "", 0},
		"x?\ny":                 {"x?\ny", "", 0},
		"%%bash\nls\nx?":        {"%%bash\nls\nx?", "", 0},
		"!ls x?":                {"!ls x?", "", 0},
		"?x?":                   {"?x?", "", 0},
		"":                      {"", "", 0},
	} {
		if rest, name, detail := question(code); rest != want.rest || name != want.name || detail != want.detail {
			t.Errorf("%q: %q %q %d", code, rest, name, detail)
		}
	}
}

func TestQuestionIsAnsweredByThePager(t *testing.T) {
	f := connect(t, start(t))
	reply, out := f.run("print\ngreat?")
	if got := kinds(out); len(got) != 1 { // the fake knows no cell of two lines: it prints nothing
		t.Errorf("messages %v", got)
	}
	payload := field[[]wire.PagePayload](reply, "payload")
	if len(payload) != 1 || payload[0].Source != "page" || !strings.Contains(fmt.Sprint(payload[0].Data["text/plain"]), "func great(x int) int") {
		t.Errorf("payload %+v", payload)
	}
	reply, out = f.run("unknown?")
	if got := field[string](reply, "ename"); got != "NotFound" || len(out) != 2 {
		t.Errorf("an unknown name: %s %v", got, kinds(out))
	}
}

func TestStartingOnce(t *testing.T) {
	k := start(t)
	f := connect(t, k)
	f.run("value")
	f.run("value")
	for {
		select {
		case m := <-f.iopub:
			if state(m) == "starting" {
				t.Error("starting came again")
			}
			continue
		case <-time.After(20 * time.Millisecond):
		}
		return
	}
}

func TestKernelInfo(t *testing.T) {
	k := start(t)
	f := connect(t, k)
	for _, channel := range []string{"shell", "control"} {
		reply, _ := f.ask(channel, "kernel_info_request", map[string]any{})
		if reply.Header.Type != "kernel_info_reply" || field[string](reply, "protocol_version") != "5.5" || field[string](reply, "status") != "ok" {
			t.Errorf("%s: %s %s", channel, reply.Header.Type, reply.Content)
		}
		if info := field[wire.LanguageInfo](reply, "language_info"); info.Name != "go" || info.Version != "1.26.8" || info.FileExtension != ".go" {
			t.Errorf("language %+v", info)
		}
		if reply.Header.Session == f.codec.Session() || reply.Header.Session != k.codec.Session() {
			t.Errorf("the reply's session is %s", reply.Header.Session)
		}
	}
	reply, _ := f.ask("shell", "connect_request", map[string]any{})
	if field[int](reply, "iopub_port") != k.Connection().IOPub || k.Connection().IOPub == 0 {
		t.Errorf("connect_reply %s", reply.Content)
	}
}

func TestBadRequests(t *testing.T) {
	k := start(t)
	f := connect(t, k)
	for _, c := range []struct{ channel, msgType, content string }{
		{"shell", "execute_request", `{"code": 7}`},
		{"shell", "execute_request", `{}`},
		{"shell", "history_request", `{"hist_access_type": "all"}`},
		{"shell", "no_such_request", `{}`},
		{"control", "execute_request", `{"code": "value"}`},
		{"control", "debug_request", `{}`},
	} {
		m, err := f.codec.New(c.msgType, nil, struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		m.Content = json.RawMessage(c.content)
		f.sendMessage(c.channel, m)
		if reply := f.next(f.replies[c.channel]); field[string](reply, "ename") != "BadRequest" {
			t.Errorf("%+v: %s", c, reply.Content)
		}
	}
	if reply, _ := f.run("value"); field[string](reply, "status") != "ok" {
		t.Errorf("after bad requests: %s", reply.Content)
	}
}

// Nothing that comes without a good signature is answered, and nothing of it stops the kernel.
func TestUnsignedMessagesAreDropped(t *testing.T) {
	k := start(t)
	f := connect(t, k)
	m, err := f.codec.New("execute_request", nil, map[string]any{"code": "value"})
	if err != nil {
		t.Fatal(err)
	}
	frames := f.codec.Encode(m)
	broken := func(change func([][]byte) [][]byte) [][]byte { return change(slices.Clone(frames)) }
	for _, bad := range [][][]byte{
		{[]byte("hello")},
		{},
		broken(func(f [][]byte) [][]byte { return f[1:] }),
		broken(func(f [][]byte) [][]byte { return f[:4] }),
		broken(func(f [][]byte) [][]byte { f[1] = []byte(strings.Repeat("0", 64)); return f }),
		broken(func(f [][]byte) [][]byte { f[5] = []byte(`{"code":"print"}`); return f }),
	} {
		for _, channel := range []string{"shell", "control", "stdin"} {
			if err := f.channels[channel].Send(bad); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.sendMessage("shell", m)
	if reply := f.next(f.replies["shell"]); field[string](reply, "status") != "ok" {
		t.Fatalf("the good message: %s", reply.Content)
	}
	f.sendMessage("shell", m) // a replay
	if reply, _ := f.ask("shell", "kernel_info_request", map[string]any{}); reply.Header.Type != "kernel_info_reply" {
		t.Errorf("reply %s", reply.Header.Type)
	}
	k.engine.mu.Lock()
	defer k.engine.mu.Unlock()
	if len(k.engine.ran) != 1 {
		t.Errorf("%d cells ran, want the good one alone", len(k.engine.ran))
	}
	k.log.mu.Lock()
	defer k.log.mu.Unlock()
	if !slices.ContainsFunc(k.log.lines, func(l string) bool { return strings.Contains(l, "has come before") }) {
		t.Errorf("the replay was not logged: %q", k.log.lines)
	}
}

func TestHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "history.jsonl")
	with := func(o *Options) { o.History = path }
	ask := func(f *frontend, content map[string]any) []string {
		t.Helper()
		reply, _ := f.ask("shell", "history_request", content)
		var got []string
		for _, e := range field[[][3]any](reply, "history") {
			text, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(text))
		}
		return got
	}
	t.Run("first", func(t *testing.T) {
		f := connect(t, start(t, with))
		f.run("value")
		f.run("print")
		f.ask("shell", "execute_request", map[string]any{"code": "both", "silent": true})
	})
	if err := appendTo(path, "{cut by a cra"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	f := connect(t, start(t, with))
	f.run("value")
	f.run("fail")
	for _, c := range []struct {
		name    string
		request map[string]any
		want    []string
	}{
		{"tail", map[string]any{"hist_access_type": "tail", "n": 3}, []string{`[1,2,"print"]`, `[2,1,"value"]`, `[2,2,"fail"]`}},
		{"tail with output", map[string]any{"hist_access_type": "tail", "n": 2, "output": true}, []string{`[2,1,["value","42"]]`, `[2,2,["fail",""]]`}},
		{"this session", map[string]any{"hist_access_type": "range", "session": 0, "start": 2}, []string{`[2,2,"fail"]`}},
		{"session before", map[string]any{"hist_access_type": "range", "session": -1, "start": 1, "stop": 2}, []string{`[1,1,"value"]`}},
		{"search", map[string]any{"hist_access_type": "search", "pattern": "v?l*"}, []string{`[1,1,"value"]`, `[2,1,"value"]`}},
		{"search unique", map[string]any{"hist_access_type": "search", "pattern": "*a*", "unique": true}, []string{`[2,1,"value"]`, `[2,2,"fail"]`}},
		{"search nothing", map[string]any{"hist_access_type": "search", "pattern": "["}, nil},
	} {
		if got := ask(f, c.request); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	return f.Close()
}

func TestHistoryWithoutAFile(t *testing.T) {
	f := connect(t, start(t, func(o *Options) { o.History = "/proc/none/history" }))
	f.run("value")
	reply, _ := f.ask("shell", "history_request", map[string]any{"hist_access_type": "tail", "n": 5})
	if got := field[[][3]any](reply, "history"); len(got) != 1 {
		t.Errorf("history %v", got)
	}
}

func TestComms(t *testing.T) {
	type received struct {
		data    string
		buffers [][]byte
	}
	got := make(chan received, 10)
	closed := make(chan string, 1)
	k := start(t, func(o *Options) {
		o.Targets = map[string]Target{"echo": func(c *Comm, data json.RawMessage, buffers [][]byte) {
			got <- received{string(data), buffers}
			c.Received = func(data json.RawMessage, buffers [][]byte) {
				got <- received{string(data), buffers}
				if err := c.Send(map[string]int{"n": 1}, []byte{9}); err != nil {
					t.Error(err)
				}
			}
			c.Closed = func(json.RawMessage) { closed <- c.ID }
		}}
	})
	f := connect(t, k)

	unknown := f.send("shell", "comm_open", map[string]any{"comm_id": "u", "target_name": "nowhere", "data": map[string]any{}})
	if out := f.until(unknown); out[1].Header.Type != "comm_close" || field[string](out[1], "comm_id") != "u" {
		t.Errorf("unknown target: %v", kinds(out))
	}

	open, err := f.codec.New("comm_open", nil, map[string]any{"comm_id": "c", "target_name": "echo", "data": map[string]any{"a": 1}})
	if err != nil {
		t.Fatal(err)
	}
	open.Buffers = [][]byte{{1, 2}, {}}
	f.sendMessage("shell", open)
	f.until(open)
	if r := <-got; r.data != `{"a":1}` || len(r.buffers) != 2 || string(r.buffers[0]) != "\x01\x02" {
		t.Errorf("opened with %+v", r)
	}
	reply, _ := f.ask("shell", "comm_info_request", map[string]any{"target_name": "echo"})
	if comms := field[map[string]wire.CommInfo](reply, "comms"); len(comms) != 1 || comms["c"].Target != "echo" {
		t.Errorf("comm_info: %s", reply.Content)
	}
	reply, _ = f.ask("shell", "comm_info_request", map[string]any{"target_name": "other"})
	if comms := field[map[string]wire.CommInfo](reply, "comms"); len(comms) != 0 {
		t.Errorf("comm_info of another target: %s", reply.Content)
	}

	// Messages get through while a cell runs.
	f.send("shell", "execute_request", map[string]any{"code": "wait"})
	for code := ""; code != "wait"; {
		code = <-k.engine.running
	}
	message := f.send("shell", "comm_msg", map[string]any{"comm_id": "c", "data": map[string]any{"b": 2}})
	out := f.until(message)
	if out[1].Header.Type != "comm_msg" || len(out[1].Buffers) != 1 || out[1].Buffers[0][0] != 9 {
		t.Errorf("answer: %v", kinds(out))
	}
	if r := <-got; r.data != `{"b":2}` {
		t.Errorf("message %+v", r)
	}
	k.Interrupt()
	f.next(f.replies["shell"])

	f.until(f.send("shell", "comm_close", map[string]any{"comm_id": "c", "data": map[string]any{}}))
	if id := <-closed; id != "c" {
		t.Errorf("closed %s", id)
	}
	if err := f.channels["shell"].Send(f.codec.Encode(open)); err != nil { // a replay must not open it again
		t.Fatal(err)
	}
	mine, err := k.OpenComm("page", map[string]int{"x": 1}, []byte{7})
	if err != nil {
		t.Fatal(err)
	}
	reply, _ = f.ask("shell", "comm_info_request", map[string]any{})
	if comms := field[map[string]wire.CommInfo](reply, "comms"); len(comms) != 1 || comms[mine.ID].Target != "page" {
		t.Errorf("comm_info: %s", reply.Content)
	}
}

func TestCompleteAndInspect(t *testing.T) {
	f := connect(t, start(t))
	f.run("value") // so that the engine is open
	for _, c := range []struct {
		code       string
		cursor     int
		matches    []string
		start, end int
	}{
		{"gr", 2, []string{"great", "größe"}, 0, 2},
		{"a := \"ü\"; grö", 13, []string{"größe"}, 10, 13},
		{"ap", 2, []string{"append"}, 0, 2},
		{"x.gr", 4, []string{}, 2, 4},
		{"", 0, []string{}, 0, 0},
		{"Mat", 99, []string{"Matrix"}, 0, 3},
	} {
		reply, _ := f.ask("shell", "complete_request", map[string]any{"code": c.code, "cursor_pos": c.cursor})
		if got := field[[]string](reply, "matches"); !slices.Equal(got, c.matches) || field[int](reply, "cursor_start") != c.start || field[int](reply, "cursor_end") != c.end {
			t.Errorf("%q: %s", c.code, reply.Content)
		}
	}
	reply, _ := f.ask("shell", "inspect_request", map[string]any{"code": "great(3)", "cursor_pos": 2})
	if !field[bool](reply, "found") || !strings.HasPrefix(field[map[string]string](reply, "data")["text/plain"], "func great(x int) int") {
		t.Errorf("inspect: %s", reply.Content)
	}
	reply, _ = f.ask("shell", "inspect_request", map[string]any{"code": "nothing", "cursor_pos": 2})
	if field[bool](reply, "found") || field[string](reply, "status") != "ok" {
		t.Errorf("inspect of nothing: %s", reply.Content)
	}
}

func TestIsComplete(t *testing.T) {
	for code, want := range map[string]string{
		"":                                 "complete",
		"x := 1":                           "complete",
		"fmt.Println(x)\n":                 "complete",
		"func f() int {\n\treturn 1\n}":    "complete",
		"x++":                              "complete",
		"// a comment":                     "complete",
		"%cd /tmp":                         "complete",
		"!ls (":                            "complete",
		"%%bash\nfor i in 1 2 3; do (":     "complete",
		"x := `raw` + \"s\" + string('c')": "complete",
		"for i := range 3 {":               "incomplete",
		"f(1,\n":                           "incomplete",
		"x := []int{1,":                    "incomplete",
		"x :=":                             "incomplete",
		"a +":                              "incomplete",
		"x := `raw":                        "incomplete",
		"/* comment":                       "incomplete",
		"func f()  error {\n\tif x {\n\t}": "incomplete",
		"type T struct":                    "incomplete",
		"%%\nif x {":                       "incomplete",
		"}":                                "invalid",
		"f(]":                              "invalid",
		"x := \"cut\ny":                    "invalid",
		"x := 'ab":                         "invalid",
	} {
		if got := isComplete(code); got.Status != want {
			t.Errorf("%q is %s, want %s", code, got.Status, want)
		}
	}
	if got := isComplete("func f() {\n\tif x {"); got.Indent != "\t\t" {
		t.Errorf("indent %q", got.Indent)
	}
}

func TestSubshells(t *testing.T) {
	k := start(t)
	f := connect(t, k)
	create, _ := f.ask("control", "create_subshell_request", map[string]any{})
	id := field[string](create, "subshell_id")
	if id == "" {
		t.Fatalf("create: %s", create.Content)
	}
	list, _ := f.ask("control", "list_subshell_request", map[string]any{})
	if got := field[[]string](list, "subshell_id"); !slices.Equal(got, []string{id}) {
		t.Errorf("list %v", got)
	}
	in := func(msgType string, content any) *wire.Message {
		m, err := f.codec.New(msgType, nil, content)
		if err != nil {
			t.Fatal(err)
		}
		m.Header.Subshell = &id
		if m.RawHeader, err = json.Marshal(m.Header); err != nil {
			t.Fatal(err)
		}
		f.sendMessage("shell", m)
		return m
	}
	main := f.send("shell", "execute_request", map[string]any{"code": "wait", "stop_on_error": true})
	<-k.engine.running
	info := in("kernel_info_request", map[string]any{})
	reply := f.next(f.replies["shell"])
	var parent wire.Header
	if err := json.Unmarshal(reply.Parent, &parent); err != nil || parent.ID != info.Header.ID || parent.Subshell == nil || *parent.Subshell != id {
		t.Errorf("the reply's parent is %s", reply.Parent)
	}
	waiting := in("execute_request", map[string]any{"code": "value"}) // its turn comes after the main shell's cell
	k.main.interrupt()
	// The two shells answer from goroutines of their own: in either order.
	replies := map[string]*wire.Message{}
	for range 2 {
		m := f.next(f.replies["shell"])
		replies[parentID(m)] = m
	}
	if replies[main.Header.ID] == nil {
		t.Error("no reply to the interrupted cell")
	}
	if m := replies[waiting.Header.ID]; m == nil || field[string](m, "status") != "ok" {
		t.Errorf("an error in the main shell aborted a subshell: %v", replies)
	}
	if reply, _ := f.ask("control", "delete_subshell_request", map[string]any{"subshell_id": id}); field[string](reply, "status") != "ok" {
		t.Errorf("delete: %s", reply.Content)
	}
	if reply, _ := f.ask("control", "delete_subshell_request", map[string]any{"subshell_id": id}); field[string](reply, "status") != "error" {
		t.Errorf("second delete: %s", reply.Content)
	}
	m := in("execute_request", map[string]any{"code": "value"})
	if reply := f.next(f.replies["shell"]); parentID(reply) != m.Header.ID || field[string](reply, "ename") != "BadRequest" {
		t.Errorf("a cell for a subshell that is gone: %s", reply.Content)
	}
}

func TestShutdown(t *testing.T) {
	for _, restart := range []bool{true, false} {
		k := start(t)
		f := connect(t, k)
		f.send("shell", "execute_request", map[string]any{"code": "wait"})
		<-k.engine.running
		request := f.send("control", "shutdown_request", map[string]any{"restart": restart})
		if m := f.next(f.replies["control"]); parentID(m) != request.Header.ID || field[bool](m, "restart") != restart {
			t.Errorf("reply %s", m.Content)
		}
		select {
		case err := <-k.ended:
			k.ended <- nil
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the server did not end")
		}
		if !k.engine.closed {
			t.Error("the engine was not closed")
		}
		said := false
		for m := range f.iopub {
			said = said || m.Header.Type == "shutdown_reply"
		}
		if !said {
			t.Error("other frontends were not told")
		}
	}
}

func TestEndsWithItsParent(t *testing.T) {
	parent := exec.Command("sleep", "60")
	if err := parent.Start(); err != nil {
		t.Skip("no process to watch:", err)
	}
	var once sync.Once
	kill := func() { once.Do(func() { _ = parent.Process.Kill(); _ = parent.Wait() }) }
	defer kill()
	k := start(t, func(o *Options) { o.Parent = parent.Process.Pid })
	time.Sleep(50 * time.Millisecond)
	kill()
	select {
	case err := <-k.ended:
		k.ended <- err
	case <-time.After(5 * time.Second):
		t.Error("the kernel outlived its parent")
	}
}

// A frontend that reads nothing must not keep the others from being served.
func TestStuckFrontend(t *testing.T) {
	k := start(t, func(o *Options) { o.Limits = wire.Limits{Outbox: 1 << 20, Stall: 500 * time.Millisecond} })
	c := k.Connection()
	stuck, err := wire.Dial(t.Context(), c.Endpoint(c.IOPub), wire.TypeSub, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close() //nolint:errcheck // only for the test's end
	if err := stuck.Subscribe(""); err != nil {
		t.Fatal(err)
	}
	f := connect(t, k)
	for range 12 { // 17 MB
		if reply, out := f.run("big"); field[string](reply, "status") != "ok" || len(out) != 2 {
			t.Fatalf("reply %s, published %v", reply.Content, kinds(out))
		}
	}
}

// A server that was to choose its ports ends when nobody takes note of them.
func TestRegistrationThatNobodyAnswers(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := nobody.Addr().(*net.TCPAddr).Port
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "registration.json")
	text := fmt.Sprintf(`{"kernel_id":"k","registration_ip":"127.0.0.1","registration_port":%d,"key":"key"}`, port)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	connection, err := wire.ReadConnection(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Connection: connection})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(t.Context()); err == nil || !strings.Contains(err.Error(), "registration") {
		t.Errorf("Serve ended with %v", err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), "kernel-k.json")); !os.IsNotExist(err) {
		t.Errorf("a connection file was written: %v", err)
	}
}

func TestHalfAnEncryptionIsRefused(t *testing.T) {
	pair, err := wire.NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	c := &wire.Connection{Transport: "tcp", IP: "127.0.0.1", Key: "key", Scheme: "hmac-sha256", CurvePublic: pair.Public.String()}
	if s, err := New(Options{Connection: c}); err == nil {
		t.Errorf("opened %+v", s.Connection())
	}
	c.CurvePublic = ""
	var log []string
	c.IP = "0.0.0.0"
	s, err := New(Options{Connection: c, Log: func(line string) { log = append(log, line) }})
	if err != nil {
		t.Fatal(err)
	}
	s.host.Close(t.Context())
	if len(log) != 1 || !strings.Contains(log[0], "without encryption") {
		t.Errorf("log %q", log)
	}
}
