package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ProtocolVersion is the version of the Jupyter messages that this package speaks.
const ProtocolVersion = "5.5"

// delimiter ends the identities of a message.
var delimiter = []byte("<IDS|MSG>")

// A Header begins each message.
type Header struct {
	ID       string `json:"msg_id"`
	Session  string `json:"session"` // of the sender
	Username string `json:"username"`
	Date     string `json:"date"` // ISO 8601, with fractions of a second
	Type     string `json:"msg_type"`
	Version  string `json:"version"`
	// Subshell names the subshell that a request is for; nil: the main shell.
	Subshell *string `json:"subshell_id,omitempty"`
}

// Time is the header's date; zero when it is none.
func (h Header) Time() time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, h.Date); err == nil {
			return t
		}
	}
	return time.Time{}
}

// A Message is a Jupyter message, without its signature.
type Message struct {
	// Route holds the frames before the delimiter: what a proxy added on the way in, the topic on iopub.
	Route  [][]byte
	Header Header
	// RawHeader is the header as it came. An answer repeats it as its parent, with all that a later protocol may have added.
	RawHeader json.RawMessage
	Parent    json.RawMessage // {} when there is none
	Metadata  json.RawMessage
	Content   json.RawMessage
	Buffers   [][]byte // binary parts of comm messages
}

// maxRoute bounds the frames before the delimiter: one for each proxy.
const maxRoute = 16

// split finds the parts of a message in its frames, without looking into any of them.
func split(frames [][]byte) (route [][]byte, signature []byte, parts [4][]byte, buffers [][]byte, err error) {
	at := -1
	for i, f := range frames[:min(len(frames), maxRoute+1)] {
		if bytes.Equal(f, delimiter) {
			at = i
			break
		}
	}
	switch {
	case at < 0:
		err = fmt.Errorf("no %s in the first %d frames", delimiter, maxRoute+1)
	case len(frames) < at+6:
		err = fmt.Errorf("%d frames after %s, at least 5 are needed", len(frames)-at-1, delimiter)
	default:
		copy(parts[:], frames[at+2:at+6])
		route, signature, buffers = frames[:at], frames[at+1], frames[at+6:]
	}
	return
}

// parse fills the message from the four parts, whose signature is good.
func parse(parts [4][]byte) (*Message, error) {
	m := &Message{RawHeader: parts[0], Parent: parts[1], Metadata: parts[2], Content: parts[3]}
	for i, name := range []string{"header", "parent header", "metadata", "content"} {
		if !isObject(parts[i]) {
			return nil, fmt.Errorf("the %s is no JSON object", name)
		}
	}
	if err := json.Unmarshal(parts[0], &m.Header); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if m.Header.ID == "" || m.Header.Type == "" {
		return nil, errors.New("header without msg_id or msg_type")
	}
	return m, nil
}

func isObject(data []byte) bool {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(data)
}

// marshal is json.Marshal without the escaping for HTML, which would double the size of much HTML.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(out.Bytes(), "\n"), nil
}

func orEmpty(raw json.RawMessage) []byte {
	if len(raw) == 0 {
		return []byte("{}")
	}
	return raw
}
