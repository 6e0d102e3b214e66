package display

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// A frame carries one message from the process that runs cells to the kernel:
//
//	magic "FOV1" | header length, uint32 little-endian | header, JSON | buffers, raw, in the header's order
//
// Pictures travel as raw buffers: base64 costs a third more bytes and two copies on a path that live curves use many
// times a second.
const (
	frameMagic = "FOV1"
	maxHeader  = 64 << 20  // bytes of JSON, which holds all text: HTML with inlined data can be large
	maxBinary  = 256 << 20 // bytes of all buffers of one frame
	maxBuffers = 256
)

// ErrFrame is wrapped by ReadMessage's errors about bytes that are no frame, as opposed to errors of the reader.
var ErrFrame = errors.New("malformed display frame")

type header struct {
	Kind     string                     `json:"kind"`
	ID       string                     `json:"id,omitempty"`
	Wait     bool                       `json:"wait,omitempty"`
	Text     map[string]string          `json:"text,omitempty"`
	JSON     map[string]json.RawMessage `json:"json,omitempty"`
	Binary   []buffer                   `json:"binary,omitempty"`
	Metadata map[string]any             `json:"metadata,omitempty"`
	Comm     *commHeader                `json:"comm,omitempty"`
}

type commHeader struct {
	Target   string          `json:"target,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
}

type buffer struct {
	MIME string `json:"mime"`
	Size int    `json:"size"`
}

// WriteMessage writes m to w as one frame, with one call of Write.
func WriteMessage(w io.Writer, m Message) error {
	h := header{Kind: m.Kind, ID: m.ID, Wait: m.Wait, Metadata: m.Bundle.Metadata}
	var binaries [][]byte
	size := 0
	for _, mime := range m.Bundle.types() {
		switch v := m.Bundle.Data[mime].(type) {
		case []byte:
			h.Binary = append(h.Binary, buffer{MIME: mime, Size: len(v)})
			binaries = append(binaries, v)
			size += len(v)
		case string:
			if h.Text == nil {
				h.Text = map[string]string{}
			}
			h.Text[mime] = strings.ToValidUTF8(v, "\uFFFD")
		default:
			raw, err := json.Marshal(v)
			if err != nil {
				return fmt.Errorf("display of type %s: %w", mime, err)
			}
			if h.JSON == nil {
				h.JSON = map[string]json.RawMessage{}
			}
			h.JSON[mime] = raw
		}
	}
	if c := m.Comm; c != nil {
		h.Comm = &commHeader{Target: c.Target, Data: c.Data, Metadata: c.Metadata}
		for _, b := range c.Buffers {
			h.Binary = append(h.Binary, buffer{Size: len(b)})
			binaries = append(binaries, b)
			size += len(b)
		}
	}
	if size > maxBinary || len(binaries) > maxBuffers {
		return fmt.Errorf("display of %d bytes in %d pieces: the limit is %d bytes in %d", size, len(binaries), maxBinary, maxBuffers)
	}
	text, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("display: %w", err)
	}
	if len(text) > maxHeader {
		return fmt.Errorf("display of %d bytes of text: the limit is %d", len(text), maxHeader)
	}
	frame := make([]byte, 0, len(frameMagic)+4+len(text)+size)
	frame = append(frame, frameMagic...)
	frame = binary.LittleEndian.AppendUint32(frame, uint32(len(text)))
	frame = append(frame, text...)
	for _, b := range binaries {
		frame = append(frame, b...)
	}
	_, err = w.Write(frame)
	return err
}

// ReadMessage reads one frame. At the end of the stream between frames it returns io.EOF; within one,
// io.ErrUnexpectedEOF. After an error that wraps ErrFrame the stream has lost its place and is of no more use.
//
// JSON values come back as json.RawMessage. Memory grows with the bytes that arrive, never with the sizes that a frame
// announces.
func ReadMessage(r io.Reader) (Message, error) {
	var lead [len(frameMagic) + 4]byte
	if _, err := io.ReadFull(r, lead[:]); err != nil {
		return Message{}, err
	}
	if string(lead[:len(frameMagic)]) != frameMagic {
		return Message{}, fmt.Errorf("%w: it starts with %q, not %q (does something else write to the display's descriptor?)", ErrFrame, lead[:len(frameMagic)], frameMagic)
	}
	size := binary.LittleEndian.Uint32(lead[len(frameMagic):])
	if size > maxHeader {
		return Message{}, fmt.Errorf("%w: header of %d bytes, the limit is %d", ErrFrame, size, maxHeader)
	}
	text, err := readN(r, int(size))
	if err != nil {
		return Message{}, err
	}
	var h header
	if err := json.Unmarshal(text, &h); err != nil {
		return Message{}, fmt.Errorf("%w: header: %v", ErrFrame, err)
	}
	comm := IsComm(h.Kind)
	if !comm && !slices.Contains([]string{KindDisplay, KindUpdate, KindClear}, h.Kind) || comm != (h.Comm != nil) {
		return Message{}, fmt.Errorf("%w: unknown kind %q", ErrFrame, h.Kind)
	}
	if len(h.Binary) > maxBuffers {
		return Message{}, fmt.Errorf("%w: %d buffers, the limit is %d", ErrFrame, len(h.Binary), maxBuffers)
	}
	m := Message{Kind: h.Kind, ID: h.ID, Wait: h.Wait, Bundle: Bundle{Metadata: h.Metadata}}
	if n := len(h.Text) + len(h.JSON) + len(h.Binary); n > 0 && !comm {
		m.Bundle.Data = make(map[string]any, n)
	}
	if comm {
		h.Text, h.JSON = nil, nil
	}
	for mime, v := range h.Text {
		m.Bundle.Data[mime] = v
	}
	for mime, v := range h.JSON {
		m.Bundle.Data[mime] = v
	}
	if comm {
		m.Comm = &CommMessage{Target: h.Comm.Target, Data: h.Comm.Data, Metadata: h.Comm.Metadata}
	}
	total := 0
	for _, b := range h.Binary {
		if b.Size < 0 || b.Size > maxBinary-total {
			return Message{}, fmt.Errorf("%w: buffer of %d bytes, the limit of a frame is %d", ErrFrame, b.Size, maxBinary)
		}
		total += b.Size
		data, err := readN(r, b.Size)
		if err != nil {
			return Message{}, err
		}
		if comm {
			m.Comm.Buffers = append(m.Comm.Buffers, data)
			continue
		}
		m.Bundle.Data[b.MIME] = data
	}
	return m, nil
}

// readN reads n bytes into memory that grows as they arrive.
func readN(r io.Reader, n int) ([]byte, error) {
	const chunk = 1 << 20
	if n <= chunk {
		data := make([]byte, n)
		_, err := io.ReadFull(r, data)
		return data, unexpected(err)
	}
	var data bytes.Buffer
	data.Grow(chunk)
	_, err := io.CopyN(&data, r, int64(n))
	return data.Bytes(), unexpected(err)
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
