package server

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"fovea/internal/home"
	"fovea/kernel/session"
	"fovea/kernel/wire"
)

// withSession makes the server run real cells.
func withSession(t *testing.T) func(*Options) {
	root, err := home.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return func(o *Options) {
		o.Open = func(ctx context.Context, s Setup) (Opened, error) {
			cells, err := session.Open(ctx, session.Options{ModuleDir: root, Dir: dir, Background: s.Background, Loader: "fast",
				Packages: []string{"encoding/json", "fmt", "os", "syscall", "time", "fovea/kernel/display/widget"}})
			return Opened{Engine: cells}, err
		}
	}
}

// comm waits for the next message of a comm.
func (f *frontend) comm(kind string) *wire.Message {
	f.t.Helper()
	end := time.After(time.Minute)
	for {
		select {
		case m := <-f.iopub:
			if m.Header.Type == kind {
				return m
			}
		case <-end:
			f.t.Fatalf("no %s came", kind)
		}
	}
}

func (f *frontend) cell(source string) {
	f.t.Helper()
	f.send("shell", "execute_request", map[string]any{"code": source, "store_history": true, "stop_on_error": true})
	for end := time.After(2 * time.Minute); ; {
		select {
		case reply := <-f.replies["shell"]:
			if field[string](reply, "status") != "ok" {
				f.t.Fatalf("%s: %s", source, reply.Content)
			}
			return
		case <-end:
			f.t.Fatalf("%s: no reply", source)
		}
	}
}

func (f *frontend) commMessage(id string, data any, buffers ...[]byte) {
	f.t.Helper()
	m, err := f.codec.New("comm_msg", nil, map[string]any{"comm_id": id, "data": data})
	if err != nil {
		f.t.Fatal(err)
	}
	m.Buffers = buffers
	f.sendMessage("shell", m)
}

// A widget of a cell speaks the widgets' protocol, its handlers run while no cell does, and with the worker its comm ends.
func TestWidgetsOfCells(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a session")
	}
	f := connect(t, start(t, withSession(t)))
	f.cell(`import ("encoding/json"; "fmt"; "fovea/kernel/display/widget")
moved := 0
w, err := widget.Any("export default {}", "", map[string]any{"value": 3, "picture": []byte{1, 2, 3}})
if err != nil { panic(err) }
w.OnChange("value", func(v json.RawMessage) {
	json.Unmarshal(v, &moved)
	fmt.Println("moved to", moved)
	w.Set("doubled", 2*moved)
})
w.OnCustom(func(content json.RawMessage, buffers [][]byte) { w.SendCustom(string(content), buffers...) })`)
	open := f.comm("comm_open")
	id := field[string](open, "comm_id")
	data := field[struct {
		State map[string]any `json:"state"`
		Paths [][]string     `json:"buffer_paths"`
	}](open, "data")
	if field[string](open, "target_name") != "jupyter.widget" || string(open.Metadata) != `{"version":"2.1.0"}` || data.State["value"] != 3.0 ||
		data.State["_model_name"] != "AnyModel" || len(data.Paths) != 1 || data.Paths[0][0] != "picture" || len(open.Buffers) != 1 || string(open.Buffers[0]) != "\x01\x02\x03" {
		t.Fatalf("opened with %s %s %v", open.Content, open.Metadata, open.Buffers)
	}
	f.cell("w")
	view := field[map[string]json.RawMessage](f.comm("execute_result"), "data")["application/vnd.jupyter.widget-view+json"]
	var shown struct {
		ID    string `json:"model_id"`
		Major int    `json:"version_major"`
	}
	if json.Unmarshal(view, &shown) != nil || shown.ID != id || shown.Major != 2 {
		t.Errorf("the view is %s", view)
	}

	// While no cell runs.
	f.commMessage(id, map[string]any{"method": "update", "state": map[string]any{"value": 21}, "buffer_paths": []string{}})
	update := f.comm("comm_msg")
	if got := string(field[json.RawMessage](update, "data")); got != `{"buffer_paths":[],"method":"update","state":{"doubled":42}}` {
		t.Errorf("update %s", got)
	}
	f.commMessage(id, map[string]any{"method": "custom", "content": "hi"}, []byte{7})
	if echo := f.comm("comm_msg"); len(echo.Buffers) != 1 || echo.Buffers[0][0] != 7 {
		t.Errorf("custom %s %v", echo.Content, echo.Buffers)
	}
	f.cell("moved")
	if got := field[map[string]string](f.comm("execute_result"), "data")["text/plain"]; got != "21" {
		t.Errorf("moved is %s", got)
	}
	f.commMessage(id, map[string]any{"method": "request_state"})
	if state := f.comm("comm_msg"); len(state.Buffers) != 1 {
		t.Errorf("state %s", state.Content)
	}

	// A page that was loaded again.
	f.send("shell", "comm_open", map[string]any{"comm_id": "control", "target_name": "jupyter.widget.control", "data": map[string]any{}})
	f.commMessage("control", map[string]any{"method": "request_states"})
	all := f.comm("comm_msg")
	if got := field[struct {
		Method string                    `json:"method"`
		States map[string]map[string]any `json:"states"`
		Paths  [][]string                `json:"buffer_paths"`
	}](all, "data"); got.Method != "update_states" || got.States[id]["model_name"] != "AnyModel" || len(got.Paths) != 1 || got.Paths[0][2] != "picture" {
		t.Errorf("states %s", all.Content)
	}
	reply, _ := f.ask("shell", "comm_info_request", map[string]any{"target_name": "jupyter.widget"})
	if comms := field[map[string]wire.CommInfo](reply, "comms"); len(comms) != 1 || comms[id].Target != "jupyter.widget" {
		t.Errorf("comm_info: %s", reply.Content)
	}

	f.send("shell", "execute_request", map[string]any{"code": `import ("os"; "syscall"; "time")
syscall.Kill(os.Getpid(), syscall.SIGKILL); time.Sleep(time.Second)`})
	for range 2 {
		if closed := field[string](f.comm("comm_close"), "comm_id"); closed != id && closed != "control" {
			t.Errorf("comm %s is closed", closed)
		}
	}
}
