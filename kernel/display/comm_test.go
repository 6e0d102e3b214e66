package display

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"
)

// sent keeps what goes to the kernel.
type sent struct {
	mu       sync.Mutex
	messages []Message
}

func (s *sent) send(m Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, m)
	return nil
}
func (*sent) sync() {}

func (s *sent) take() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.messages = nil }()
	return s.messages
}

// capture sends what is shown to the test.
func capture(t *testing.T) *sent {
	s, before := &sent{}, current
	current = func() transport { return s }
	t.Cleanup(func() { current = before })
	return s
}

func fromPage(kind, id, target, data string, buffers ...[]byte) {
	DeliverComm(Message{Kind: kind, ID: id, Comm: &CommMessage{Target: target, Data: json.RawMessage(data), Buffers: buffers}})
}

func TestCommFromACell(t *testing.T) {
	out := capture(t)
	events := make(chan string, 10)
	c, err := OpenComm("page", map[string]int{"a": 1}, CommOptions{ID: "one", Metadata: map[string]string{"version": "2"}, Buffers: [][]byte{{1}},
		Received: func(data json.RawMessage, buffers [][]byte) { events <- fmt.Sprintf("%s %v", data, buffers) },
		Closed:   func(json.RawMessage) { events <- "closed" }})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send([]int{2}, []byte{3}, nil); err != nil {
		t.Fatal(err)
	}
	got := out.take()
	if len(got) != 2 || got[0].Kind != KindCommOpen || got[0].Comm.Target != "page" || string(got[0].Comm.Data) != `{"a":1}` ||
		string(got[0].Comm.Metadata) != `{"version":"2"}` || got[1].Kind != KindCommMessage || len(got[1].Comm.Buffers) != 2 {
		t.Fatalf("sent %+v", got)
	}
	if _, err := OpenComm("page", nil, CommOptions{ID: "one"}); err == nil {
		t.Error("opened twice under one ID")
	}
	fromPage(KindCommMessage, "one", "", `{"b":2}`, []byte{9})
	fromPage(KindCommMessage, "other", "", `{}`)
	fromPage(KindCommClose, "one", "", `{}`)
	for _, want := range []string{`{"b":2} [[9]]`, "closed"} {
		if e := <-events; e != want {
			t.Errorf("event %q, want %q", e, want)
		}
	}
	if err := c.Send(1); err == nil {
		t.Error("sent through a closed comm")
	}
	if _, err := OpenComm("page", func() {}, CommOptions{}); err == nil {
		t.Error("a function passes for JSON")
	}
}

func TestCommFromThePage(t *testing.T) {
	out := capture(t)
	got := make(chan string, 10)
	HandleComm("target", func(c *Comm, data json.RawMessage, _ [][]byte) {
		got <- c.ID() + string(data)
		c.Handle(func(data json.RawMessage, _ [][]byte) {
			if string(data) == `"panic"` {
				panic("in a handler")
			}
			got <- string(data)
		}, nil)
	})
	defer HandleComm("target", nil)
	fromPage(KindCommOpen, "two", "target", `{"x":1}`)
	fromPage(KindCommMessage, "two", "", `"panic"`)
	for i := range 100 {
		fromPage(KindCommMessage, "two", "", fmt.Sprint(i))
	}
	for i := -1; i < 100; i++ {
		want := fmt.Sprint(i)
		if i < 0 {
			want = `two{"x":1}`
		}
		if e := <-got; e != want {
			t.Fatalf("event %q, want %q", e, want)
		}
	}
	fromPage(KindCommOpen, "three", "nobody", `{}`)
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if m := out.take(); len(m) == 1 && m[0].Kind == KindCommClose && m[0].ID == "three" {
			break
		}
		if time.Now().After(end) {
			t.Fatal("a target that nobody knows is not refused")
		}
	}
}

func TestCommFrames(t *testing.T) {
	for _, m := range []Message{
		{Kind: KindCommOpen, ID: "a", Comm: &CommMessage{Target: "t", Data: json.RawMessage(`{"n":1}`), Metadata: json.RawMessage(`{"v":2}`)}},
		{Kind: KindCommMessage, ID: "a", Comm: &CommMessage{Data: json.RawMessage(`null`), Buffers: [][]byte{{1, 2}, {}, make([]byte, 3<<20)}}},
		{Kind: KindCommClose, ID: "a", Comm: &CommMessage{Data: json.RawMessage(`{}`)}},
	} {
		var frame bytes.Buffer
		if err := WriteMessage(&frame, m); err != nil {
			t.Fatal(err)
		}
		back, err := ReadMessage(&frame)
		if err != nil || !reflect.DeepEqual(back, m) {
			t.Errorf("%v: %+v became %+v", err, m, back)
		}
	}
	for _, bad := range []string{`{"kind":"comm_msg","id":"a"}`, `{"kind":"display","comm":{}}`} {
		frame := append([]byte(frameMagic), byte(len(bad)), 0, 0, 0)
		if _, err := ReadMessage(bytes.NewReader(append(frame, bad...))); err == nil {
			t.Errorf("%s passes", bad)
		}
	}
}
