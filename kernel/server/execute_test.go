package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"fovea/kernel/wire"
)

func TestExecuteOutputInOrder(t *testing.T) {
	f := connect(t, start(t))
	reply, out := f.run("both")
	if got := field[string](reply, "status"); got != "ok" {
		t.Fatalf("status %q: %s", got, reply.Content)
	}
	want := []string{"execute_input", "stream", "stream", "display_data", "stream", "update_display_data", "clear_output", "execute_result"}
	if got := kinds(out); !slices.Equal(got, want) {
		t.Fatalf("messages %v, want %v", got, want)
	}
	if got := field[string](out[0], "code"); got != "both" {
		t.Errorf("execute_input repeats %q", got)
	}
	for i, name := range map[int]string{1: "stdout", 2: "stderr", 4: "stdout"} {
		if got := field[string](out[i], "name"); got != name {
			t.Errorf("message %d is on %s, want %s", i, got, name)
		}
	}
	for _, i := range []int{3, 5} {
		if got := field[wire.Transient](out[i], "transient").DisplayID; got != "d" {
			t.Errorf("%s has the display_id %q", out[i].Header.Type, got)
		}
	}
	if !field[bool](out[6], "wait") {
		t.Error("clear_output lost its wait")
	}
	if got := field[int](out[7], "execution_count"); got != 1 {
		t.Errorf("execution_count of the result is %d", got)
	}
}

func TestStreamIsGathered(t *testing.T) {
	f := connect(t, start(t))
	_, out := f.run("flood")
	var text strings.Builder
	for _, m := range out[1:] {
		text.WriteString(field[string](m, "text"))
	}
	var want strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&want, "%06d\n", i)
	}
	if text.String() != want.String() {
		t.Errorf("%d bytes came, want %d in order", text.Len(), want.Len())
	}
	if len(out) > 500 {
		t.Errorf("%d messages for 20,000 prints", len(out))
	}
}

func TestExecutionCount(t *testing.T) {
	f := connect(t, start(t))
	for _, c := range []struct {
		silent, store bool
		want          int
	}{{false, true, 1}, {false, true, 2}, {true, true, 2}, {false, false, 2}, {true, false, 2}, {false, true, 3}} {
		reply, out := f.ask("shell", "execute_request", map[string]any{"code": "both", "silent": c.silent, "store_history": c.store})
		if got := field[int](reply, "execution_count"); got != c.want {
			t.Errorf("%+v: execution_count %d", c, got)
		}
		if c.silent && len(out) > 0 {
			t.Errorf("a silent cell published %v", kinds(out))
		}
	}
}

func TestErrorOnce(t *testing.T) {
	f := connect(t, start(t))
	reply, out := f.run("fail")
	if got := kinds(out); !slices.Equal(got, []string{"execute_input", "error"}) {
		t.Fatalf("published %v", got)
	}
	for _, m := range []*wire.Message{reply, out[1]} {
		if field[string](m, "ename") != "Panic" || field[string](m, "evalue") != "boom" || len(field[[]string](m, "traceback")) != 2 {
			t.Errorf("%s: %s", m.Header.Type, m.Content)
		}
	}
	if field[int](reply, "execution_count") != 1 {
		t.Errorf("no execution_count: %s", reply.Content)
	}
}

func TestEngineFaultEndsNoKernel(t *testing.T) {
	f := connect(t, start(t))
	if reply, _ := f.run("panic"); field[string](reply, "ename") != "SessionError" {
		t.Errorf("reply %s", reply.Content)
	}
	if reply, _ := f.run("nan"); field[string](reply, "status") != "ok" {
		t.Errorf("a value that JSON cannot hold: %s", reply.Content)
	}
	if reply, _ := f.run("value"); field[string](reply, "status") != "ok" {
		t.Errorf("the next cell: %s", reply.Content)
	}
}

func TestStopOnErrorAbortsTheQueue(t *testing.T) {
	k := start(t)
	f := connect(t, k)
	blocker := f.send("shell", "execute_request", map[string]any{"code": "wait", "stop_on_error": true})
	<-k.engine.running
	var ids []string
	for range 3 {
		ids = append(ids, f.send("shell", "execute_request", map[string]any{"code": "value"}).Header.ID)
	}
	info := f.send("shell", "kernel_info_request", map[string]any{})
	if m := f.next(f.replies["shell"]); parentID(m) != info.Header.ID {
		t.Fatalf("kernel_info was not answered while a cell ran: %s", m.Header.Type)
	}
	f.ask("control", "interrupt_request", map[string]any{})
	if m := f.next(f.replies["shell"]); parentID(m) != blocker.Header.ID || field[string](m, "ename") != "Interrupted" {
		t.Fatalf("reply of the interrupted cell: %s", m.Content)
	}
	for _, id := range ids {
		m := f.next(f.replies["shell"])
		if parentID(m) != id || field[string](m, "status") != "aborted" || strings.Contains(string(m.Content), "execution_count") {
			t.Errorf("queued cell: %s", m.Content)
		}
	}
	time.Sleep(2 * burstTime)
	if reply, _ := f.run("value"); field[string](reply, "status") != "ok" {
		t.Errorf("a cell after the abort: %s", reply.Content)
	}
	if got := k.engine.ran; !slices.Equal(got, []string{"wait", "value"}) {
		t.Errorf("cells that ran: %v", got)
	}
}

func TestNoAbortWithoutStopOnError(t *testing.T) {
	k := start(t)
	f := connect(t, k)
	f.send("shell", "execute_request", map[string]any{"code": "wait", "stop_on_error": false})
	<-k.engine.running
	f.send("shell", "execute_request", map[string]any{"code": "value"})
	f.send("control", "interrupt_request", map[string]any{})
	f.next(f.replies["shell"])
	if m := f.next(f.replies["shell"]); field[string](m, "status") != "ok" {
		t.Errorf("queued cell: %s", m.Content)
	}
}

// A cell that was sent before the error was known, but came in after it, is not run either.
func TestAbortOfLateCells(t *testing.T) {
	k := start(t)
	f := connect(t, k)
	late, err := f.codec.New("execute_request", nil, map[string]any{"code": "value"})
	if err != nil {
		t.Fatal(err)
	}
	f.run("fail")
	f.sendMessage("shell", late)
	if m := f.next(f.replies["shell"]); field[string](m, "status") != "aborted" {
		t.Errorf("late cell: %s", m.Content)
	}
}

// Which cells count as sent before their sender could know of the error, in milliseconds around it.
func TestWhatAnErrorAborts(t *testing.T) {
	failed := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	after := func(ms int) time.Time { return failed.Add(time.Duration(ms) * time.Millisecond) }
	type cell struct {
		sent, arrived int
		aborted       bool
	}
	for name, cells := range map[string][]cell{
		"waits":              {{-20, -10, true}, {-20, -10, true}, {100, 101, false}},
		"sent before":        {{-1, 3, true}, {50, 51, false}},
		"sent long before":   {{-1, 700, false}},
		"sent after":         {{2, 3, false}, {3, 4, false}},
		"a burst":            {{-2, -1, true}, {1, 2, true}, {15, 16, true}, {30, 31, true}, {90, 91, false}, {91, 92, false}},
		"clock behind":       {{-9000, 3, true}, {-8000, 1000, false}, {-7999, 1001, false}},
		"clock ahead, burst": {{9000, -1, true}, {9001, 1, true}},
	} {
		sh := &shell{failedAt: failed}
		for i, c := range cells {
			r := &request{Message: &wire.Message{Header: wire.Header{Date: wire.Date(after(c.sent))}}, arrived: after(c.arrived)}
			if got := sh.aborts(r); got != c.aborted {
				t.Errorf("%s: cell %d: aborted %v", name, i, got)
			}
		}
	}
}

func TestControlIsAnsweredWhileACellRuns(t *testing.T) {
	k := start(t)
	f := connect(t, k)
	cell := f.send("shell", "execute_request", map[string]any{"code": "wait"})
	<-k.engine.running
	reply, _ := f.ask("control", "kernel_info_request", map[string]any{})
	if reply.Header.Type != "kernel_info_reply" {
		t.Errorf("reply %s", reply.Header.Type)
	}
	// The frontend's indicator must say busy again: the cell still runs.
	m := f.next(f.iopub)
	if parentID(m) != cell.Header.ID || state(m) != "busy" {
		t.Errorf("after the idle of the request came %s %s", m.Header.Type, m.Content)
	}
	k.Interrupt()
	f.next(f.replies["shell"])
}

func TestUserExpressions(t *testing.T) {
	f := connect(t, start(t))
	reply, _ := f.ask("shell", "execute_request", map[string]any{"code": "value", "user_expressions": map[string]string{"a": "x", "b": "bad"}})
	got := field[map[string]map[string]any](reply, "user_expressions")
	if got["a"]["status"] != "ok" || got["a"]["data"].(map[string]any)["text/plain"] != "value of x" {
		t.Errorf("a: %v", got["a"])
	}
	if got["b"]["status"] != "error" || got["b"]["evalue"] != "undefined: bad" {
		t.Errorf("b: %v", got["b"])
	}
}

func TestPagePayload(t *testing.T) {
	f := connect(t, start(t))
	reply, _ := f.run("page")
	payload := field[[]wire.PagePayload](reply, "payload")
	if len(payload) != 1 || payload[0].Source != "page" || payload[0].Data["text/plain"] != "help" {
		t.Errorf("payload %+v", payload)
	}
}

func TestNotesAreShown(t *testing.T) {
	f := connect(t, start(t))
	_, out := f.run("note")
	if len(out) != 2 || field[string](out[1], "name") != "stderr" || field[string](out[1], "text") != "x was reset\n" {
		t.Errorf("published %v", kinds(out))
	}
}

func TestInput(t *testing.T) {
	k := start(t)
	f := connect(t, k)
	for _, code := range []string{"ask", "password"} {
		cell := f.send("shell", "execute_request", map[string]any{"code": code, "allow_stdin": true})
		question := f.next(f.replies["stdin"])
		if question.Header.Type != "input_request" || parentID(question) != cell.Header.ID || field[bool](question, "password") != (code == "password") {
			t.Fatalf("question: %s %s", question.Header.Type, question.Content)
		}
		f.send("stdin", "input_reply", map[string]any{"value": "Gopher"})
		if m := f.next(f.replies["shell"]); field[string](m, "status") != "ok" {
			t.Fatalf("reply %s", m.Content)
		}
		out := f.until(cell)
		if got := field[string](out[2], "text"); got != "<Gopher>" {
			t.Errorf("the cell read %q", got)
		}
	}
	// A frontend that cannot be asked.
	if reply, _ := f.ask("shell", "execute_request", map[string]any{"code": "ask", "allow_stdin": false}); !strings.Contains(field[string](reply, "evalue"), "allow_stdin") {
		t.Errorf("reply %s", reply.Content)
	}
	// An interrupt while the question is open.
	f.send("shell", "execute_request", map[string]any{"code": "ask"})
	f.next(f.replies["stdin"])
	f.send("control", "interrupt_request", map[string]any{})
	if m := f.next(f.replies["shell"]); field[string](m, "status") != "error" {
		t.Errorf("reply %s", m.Content)
	}
}

func TestCellsWaitForTheSession(t *testing.T) {
	open := make(chan struct{})
	k := start(t, func(o *Options) {
		inner := o.Open
		o.Open = func(ctx context.Context, s Setup) (Opened, error) {
			_, _ = io.WriteString(s.Progress, "building the library\n")
			<-open
			opened, err := inner(ctx, s)
			opened.Warning = "slow backend"
			return opened, err
		}
	})
	f := connect(t, k)
	if reply, _ := f.ask("shell", "kernel_info_request", map[string]any{}); reply.Header.Type != "kernel_info_reply" {
		t.Fatal("kernel_info waited for the session")
	}
	cell := f.send("shell", "execute_request", map[string]any{"code": "value"})
	for m := f.next(f.iopub); m.Header.Type != "display_data"; m = f.next(f.iopub) {
		if m.Header.Type == "stream" {
			t.Fatalf("the set-up is shown as an error: %s", m.Content)
		}
	}
	close(open)
	var shown string
	cleared := false
	for _, m := range f.until(cell) {
		switch m.Header.Type {
		case "clear_output":
			cleared = true
		case "stream":
			if !cleared {
				t.Error("the warning came before the output was cleared")
			}
			shown += field[string](m, "text")
		}
	}
	if !cleared || shown != "slow backend\n" {
		t.Errorf("the first cell keeps the set-up (%v) and shows %q", !cleared, shown)
	}
	f.next(f.replies["shell"])
	if _, out := f.run("value"); slices.Contains(kinds(out), "stream") {
		t.Error("the second cell shows the set-up again")
	}
}

func TestSetupThatFailsStaysOnThePage(t *testing.T) {
	k := start(t, func(o *Options) {
		o.Open = func(ctx context.Context, s Setup) (Opened, error) {
			time.Sleep(patience + 100*time.Millisecond)
			_, _ = io.WriteString(s.Progress, "building the <library>\n")
			return Opened{}, errors.New("no compiler: install gcc")
		}
	})
	f := connect(t, k)
	_, out := f.run("value")
	var last map[string]any
	for _, m := range out {
		switch m.Header.Type {
		case "clear_output":
			t.Error("the output was cleared")
		case "display_data", "update_display_data":
			last = field[map[string]any](m, "data")
		}
	}
	if last["text/plain"] != "building the <library>" || last["text/html"] != nil {
		t.Errorf("the page keeps %v", last)
	}
}

func TestSessionThatDoesNotOpenIsTriedAgain(t *testing.T) {
	fail := true
	k := start(t, func(o *Options) {
		inner := o.Open
		o.Open = func(ctx context.Context, s Setup) (Opened, error) {
			if fail {
				return Opened{}, errors.New("no compiler: install gcc")
			}
			return inner(ctx, s)
		}
	})
	f := connect(t, k)
	if reply, _ := f.run("value"); !strings.Contains(field[string](reply, "evalue"), "install gcc") {
		t.Fatalf("reply %s", reply.Content)
	}
	fail = false
	if reply, _ := f.run("value"); field[string](reply, "status") != "ok" {
		t.Errorf("after mending: %s", reply.Content)
	}
}

func TestInterruptWhileTheSessionOpens(t *testing.T) {
	k := start(t, func(o *Options) {
		o.Open = func(ctx context.Context, _ Setup) (Opened, error) {
			<-ctx.Done()
			return Opened{}, ctx.Err()
		}
	})
	f := connect(t, k)
	request := f.send("shell", "execute_request", map[string]any{"code": "value"})
	for m := f.next(f.iopub); m.Header.Type != "execute_input"; m = f.next(f.iopub) {
	}
	time.Sleep(20 * time.Millisecond)
	f.send("control", "interrupt_request", map[string]any{})
	if m := f.next(f.replies["shell"]); parentID(m) != request.Header.ID || field[string](m, "ename") != "Interrupted" {
		t.Errorf("reply %s", m.Content)
	}
}
