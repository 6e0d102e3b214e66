package display

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

func TestMessagesSurviveTheWire(t *testing.T) {
	big := make([]byte, 3<<20)
	for i := range big {
		big[i] = byte(rand.Uint32())
	}
	messages := []Message{
		{Kind: KindDisplay, Bundle: BundleOf("héllo\n\x00")},
		{Kind: KindDisplay, ID: "x", Bundle: Bundle{Data: map[string]any{"image/png": big, "image/jpeg": []byte{}, "text/plain": "two"},
			Metadata: map[string]any{"image/png": map[string]any{"width": 640.0}}}},
		{Kind: KindUpdate, ID: "x", Bundle: Bundle{Data: map[string]any{"application/json": json.RawMessage(`{"a":[1,2.5,null]}`)}}},
		{Kind: KindClear, Wait: true},
	}
	var pipe bytes.Buffer
	for _, m := range messages {
		if err := WriteMessage(&pipe, m); err != nil {
			t.Fatal(err)
		}
	}
	// A pipe hands over what it has: frames must not depend on the cuts.
	r := iotest.HalfReader(&pipe)
	for _, want := range messages {
		got, err := ReadMessage(r)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %.200v, want %.200v", got, want)
		}
	}
	if _, err := ReadMessage(r); err != io.EOF {
		t.Errorf("at the end: %v, want io.EOF", err)
	}
}

func TestInvalidTextIsMended(t *testing.T) {
	var pipe bytes.Buffer
	if err := WriteMessage(&pipe, Message{Kind: KindDisplay, Bundle: Bundle{Data: map[string]any{"text/html": "a\xffb"}}}); err != nil {
		t.Fatal(err)
	}
	m, err := ReadMessage(&pipe)
	if got := m.Bundle.Data["text/html"]; err != nil || got != "a\uFFFDb" {
		t.Errorf("got %q, %v", got, err)
	}
}

func frame(header string, announced uint32, rest string) string {
	lead := binary.LittleEndian.AppendUint32([]byte(frameMagic), announced)
	return string(lead) + header + rest
}

func TestBadFrames(t *testing.T) {
	ok := `{"kind":"display"}`
	long := `{"kind":"display","binary":[{"mime":"a/b","size":268435456}]}`
	for _, c := range []struct {
		name, bytes string
		want        error
	}{
		{"text instead", "Hello, this is a print", ErrFrame},
		{"huge header", frame("", 1<<31, ""), ErrFrame},
		{"header cut", frame(ok[:5], uint32(len(ok)), ""), io.ErrUnexpectedEOF},
		{"lead cut", frameMagic, io.ErrUnexpectedEOF},
		{"no JSON", frame("{{{{", 4, ""), ErrFrame},
		{"unknown kind", frame(`{"kind":"explode"}`, 18, ""), ErrFrame},
		{"negative buffer", frame(`{"kind":"display","binary":[{"mime":"a/b","size":-1}]}`, 54, ""), ErrFrame},
		{"buffers beyond the limit", frame(`{"kind":"display","binary":[{"mime":"a/b","size":1},{"mime":"a/c","size":268435456}]}`, 85, "x"), ErrFrame},
		{"buffer cut", frame(long, uint32(len(long)), "only this"), io.ErrUnexpectedEOF},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := ReadMessage(strings.NewReader(c.bytes))
			runtime.ReadMemStats(&after)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
				t.Errorf("%d bytes allocated for a frame of %d", grown, len(c.bytes))
			}
		})
	}
}

func FuzzReadMessage(f *testing.F) {
	var pipe bytes.Buffer
	for _, m := range []Message{{Kind: KindClear}, {Kind: KindDisplay, ID: "a", Bundle: Bundle{Data: map[string]any{
		"image/png": []byte{1, 2}, "text/plain": "x", "application/json": 3}}}} {
		pipe.Reset()
		if err := WriteMessage(&pipe, m); err != nil {
			f.Fatal(err)
		}
		f.Add(pipe.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ReadMessage(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := WriteMessage(&again, m); err != nil {
			t.Fatalf("a message that was read cannot be written: %v", err)
		}
		if _, err := ReadMessage(&again); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}

func TestConcurrentSendersKeepFramesWhole(t *testing.T) {
	r, w := io.Pipe()
	f := newFrames(w, nil)
	const senders, each = 8, 50
	var senderGroup sync.WaitGroup
	for range senders {
		senderGroup.Go(func() {
			for range each {
				if err := f.send(Message{Kind: KindDisplay, Bundle: Bundle{Data: map[string]any{"image/png": make([]byte, 5000)}}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() {
		senderGroup.Wait()
		w.Close()
	}()
	n := 0
	for {
		_, err := ReadMessage(r)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != senders*each {
		t.Errorf("%d messages arrived of %d", n, senders*each)
	}
}
