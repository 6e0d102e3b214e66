package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// FuzzDecode feeds frames that an attacker may have made, cut from one input at a separator, to the message decoder:
// nothing without a good signature may get through, and nothing may panic. The same parts with a good signature must
// decode or be refused as broken, and the content must be valid or an error.
func FuzzDecode(f *testing.F) {
	separator := []byte("\xff\xfe")
	server := codec(f)
	for _, content := range []string{`{}`, `{"code":"x := 1","silent":false}`, `{"comm_id":"a","target_name":"t","data":{"b":[1,null]}}`, `{"code":"ö","cursor_pos":1}`, `{"hist_access_type":"search","pattern":"*[","n":-5}`} {
		for _, msgType := range []string{"execute_request", "comm_open", "complete_request", "history_request"} {
			m, err := server.New(msgType, nil, struct{}{})
			if err != nil {
				f.Fatal(err)
			}
			m.Content = []byte(content)
			f.Add(bytes.Join(server.Encode(m), separator))
		}
	}
	f.Add([]byte("<IDS|MSG>\xff\xfe\xff\xfe{}\xff\xfe{}\xff\xfe{}"))
	f.Add(bytes.Repeat([]byte("\xff\xfe"), 40))
	f.Fuzz(func(t *testing.T, data []byte) {
		attacked, err := NewCodec("hmac-sha256", []byte("a key that the seeds were not signed with"))
		if err != nil {
			t.Fatal(err)
		}
		frames := bytes.Split(data, separator)
		if m, err := attacked.Decode(frames); err == nil {
			t.Fatalf("decoded %+v without a signature", m)
		}
		_, _, parts, _, err := split(frames)
		if err != nil {
			return
		}
		m, err := parse(parts)
		if err != nil {
			return
		}
		body, err := m.Body()
		if err == nil && body == nil {
			t.Fatal("neither content nor error")
		}
		m.Header.Time()
		if _, err := attacked.New("reply", m, body); err != nil {
			t.Fatalf("a reply to it: %v", err)
		}
	})
}

// FuzzFrames feeds bytes to the reader of a connection, in each of the ways that a peer can talk: no panic, and never
// more memory than the limit allows.
func FuzzFrames(f *testing.F) {
	add := func(frames ...[]byte) { f.Add(bytes.Join(frames, nil)) }
	add([]byte{0, 2, 'h', 'i'})
	add([]byte{flagMore, 1, 'a'}, []byte{0, 0})
	add([]byte{flagLong, 0, 0, 0, 0, 0, 0, 1, 0}, make([]byte, 256))
	add([]byte{flagLong}, binary.BigEndian.AppendUint64(nil, 1<<63))
	add([]byte{flagCommand, 11}, []byte("\x09SUBSCRIBEx"))
	add([]byte{flagCommand, 9}, []byte("\x04PING\x00\x00ab"))
	add([]byte{flagCommand, 12}, []byte("\x05READY\x01a\x00\x00\x00\x00"))
	add(greeting("NULL", false), readyFrame("DEALER"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 16
		held := 0
		c := &conn{r: bufio.NewReader(bytes.NewReader(data)), mechanism: null{}}
		for {
			e, err := c.next(limit, func(n int) error { held += n; return nil })
			if err != nil {
				break
			}
			total := 0
			for _, part := range e.message {
				total += len(part)
			}
			if total > limit {
				t.Fatalf("a message of %d bytes", total)
			}
			subscription(e.message)
		}
		if held > (frameCost+1)*len(data)+limit {
			t.Fatalf("%d bytes asked for, %d sent", held, len(data))
		}
		if all, err := properties(data); err == nil {
			var again []byte
			for name, value := range all {
				again = property(again, name, value)
			}
			if _, err := properties(again); err != nil {
				t.Fatalf("written again: %v", err)
			}
		}
		if len(data) >= greetingSize {
			if _, _, err := checkGreeting(data[:greetingSize], mechanismNull); err == nil && data[10] < 3 {
				t.Fatal(errors.New("an old version was accepted"))
			}
		}
	})
}
