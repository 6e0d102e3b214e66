package server

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"fovea/kernel/session"
	"fovea/kernel/wire"
	"fovea/kernel/worker/view"
)

// knowing is an engine that shows values and answers questions.
type knowing struct{ *fake }

func (k knowing) Variables(context.Context) ([]session.Variable, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return []session.Variable{{Name: "cells", Cell: 1, Value: view.Value{Type: "int", Bytes: int64(len(k.ran))}}}, nil
}

func (k knowing) Answer(_ context.Context, method string, params json.RawMessage) (any, error) {
	if method != "echo" {
		return nil, errors.New("no such method")
	}
	return map[string]any{"was": params}, nil
}

func TestReplaceInput(t *testing.T) {
	reply, _ := connect(t, start(t)).run("replace")
	payload := field[[]wire.InputPayload](reply, "payload")
	if want := (wire.InputPayload{Source: "set_next_input", Text: "größer", Replace: true}); len(payload) != 1 || payload[0] != want {
		t.Errorf("payload %+v", payload)
	}
}

func TestOwnTargets(t *testing.T) {
	engine := newFake()
	k := start(t, func(o *Options) {
		o.Open = func(context.Context, Setup) (Opened, error) { return Opened{Engine: knowing{engine}}, nil }
	})
	f := connect(t, k)
	f.run("value") // the engine is open
	// next waits for the next message of a comm.
	next := func(id string) map[string]any {
		t.Helper()
		for {
			m := f.next(f.iopub)
			if m.Header.Type != "comm_msg" || field[string](m, "comm_id") != id {
				continue
			}
			return field[map[string]any](m, "data")
		}
	}
	bytes := func(data map[string]any) float64 {
		t.Helper()
		list, _ := data["variables"].([]any)
		if len(list) != 1 || list[0].(map[string]any)["name"] != "cells" {
			t.Fatalf("%v", data)
		}
		return list[0].(map[string]any)["bytes"].(float64)
	}
	f.send("shell", "comm_open", map[string]any{"comm_id": "v", "target_name": VariablesTarget, "data": map[string]any{}})
	if n := bytes(next("v")); n != 1 {
		t.Errorf("%v cells", n)
	}
	f.send("shell", "execute_request", map[string]any{"code": "value"})
	if n := bytes(next("v")); n != 2 {
		t.Errorf("%v cells after another", n)
	}
	f.next(f.replies["shell"])
	f.send("shell", "comm_msg", map[string]any{"comm_id": "v", "data": map[string]any{}})
	if n := bytes(next("v")); n != 2 {
		t.Errorf("%v cells when asked", n)
	}
	f.send("shell", "comm_close", map[string]any{"comm_id": "v", "data": map[string]any{}})

	f.send("shell", "comm_open", map[string]any{"comm_id": "a", "target_name": AssistTarget, "data": map[string]any{}})
	for _, c := range []struct{ ask, want string }{
		{`{"id": 7, "method": "echo", "params": {"x": 1}}`, `{"id":7,"result":{"was":{"x":1}}}`},
		{`{"id": "b", "method": "other"}`, `{"error":"no such method","id":"b"}`},
	} {
		f.send("shell", "comm_msg", wire.CommMessage{ID: "a", Data: json.RawMessage(c.ask)})
		if got, err := json.Marshal(next("a")); err != nil || string(got) != c.want {
			t.Errorf("%s: %s, want %s", c.ask, got, c.want)
		}
	}
	f.send("shell", "comm_msg", wire.CommMessage{ID: "a", Data: json.RawMessage(`[1]`)})
	if got := next("a"); got["error"] == nil {
		t.Errorf("%v", got)
	}
}
