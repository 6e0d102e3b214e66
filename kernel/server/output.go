package server

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"fovea/kernel/display"
	"fovea/kernel/wire"
)

// Text of a stream is gathered for flushTime or flushSize, whatever comes first: a frontend draws about 60 times a
// second, and Jupyter's server stops forwarding at 1,000 messages a second.
const (
	flushTime = 15 * time.Millisecond
	flushSize = 64 << 10
)

// output turns what a cell puts out into messages.
type output struct {
	server *Server
	count  int
	silent bool
	stdin  bool // the frontend can be asked for input

	mu     sync.Mutex
	parent *request
	name   string // of the stream whose text is gathered
	text   strings.Builder
	timer  *time.Timer
	closed bool
	pages  []any  // payload of the reply
	result string // text/plain of the value, for the history
}

// adopt makes the request the parent of what follows.
func (o *output) adopt(r *request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flush()
	o.parent = r
}

// Stream implements session.Output.
func (o *output) Stream(name, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.silent || text == "" {
		return
	}
	if name != o.name {
		o.flush()
		o.name = name
	}
	o.text.WriteString(text)
	if o.text.Len() >= flushSize {
		o.flush()
	} else if o.timer == nil {
		o.timer = time.AfterFunc(flushTime, func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.flush()
		})
	}
}

// flush sends the gathered text. The caller holds mu, so that nothing overtakes it.
func (o *output) flush() {
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	if o.text.Len() == 0 {
		return
	}
	text := o.text.String()
	o.text.Reset()
	o.server.publish("stream", o.parent, wire.Stream{Name: o.name, Text: text})
}

// Display implements session.Output.
func (o *output) Display(m display.Message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if m.Comm != nil { // whatever becomes of the cell's output: the page must know the comm
		o.flush()
		o.server.comms.fromCell(m, o.parent)
		return
	}
	if o.closed || o.silent {
		return
	}
	o.flush()
	if m.Kind == display.KindClear {
		o.server.publish("clear_output", o.parent, wire.ClearOutput{Wait: m.Wait})
		return
	}
	msgType := "display_data"
	if m.Kind == display.KindUpdate {
		msgType = "update_display_data"
	}
	o.server.publish(msgType, o.parent, wire.DisplayData{Data: mimeData(m.Bundle.Data), Metadata: orEmpty(m.Bundle.Metadata),
		Transient: wire.Transient{DisplayID: m.ID}})
}

// Result implements session.Output.
func (o *output) Result(b display.Bundle) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.silent {
		return
	}
	o.flush()
	o.result, _ = b.Data["text/plain"].(string)
	o.server.publish("execute_result", o.parent, wire.ExecuteResult{Count: o.count, Data: mimeData(b.Data), Metadata: orEmpty(b.Metadata)})
}

// Page implements Pager.
func (o *output) Page(b display.Bundle) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pages = append(o.pages, page(b))
}

// ReplaceInput implements Replacer.
func (o *output) ReplaceInput(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pages = append(o.pages, wire.InputPayload{Source: "set_next_input", Text: text, Replace: true})
}

// Input implements Inputter.
func (o *output) Input(ctx context.Context, prompt string, password bool) (string, error) {
	o.mu.Lock()
	o.flush() // a question printed before must be seen
	o.mu.Unlock()
	return o.server.ask(ctx, o, prompt, password)
}

func (o *output) payload() []any {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]any{}, o.pages...)
}

// close sends what is left; what comes later is not this cell's.
func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flush()
	o.closed = true
}

// mimeData makes a bundle's data fit for JSON: binary types become base64, text types text, and what JSON cannot hold is
// shown as the error that it is.
func mimeData(data map[string]any) map[string]any {
	fit := make(map[string]any, len(data))
	for mime, v := range data {
		switch v := v.(type) {
		case string:
			fit[mime] = v
		case []byte:
			switch {
			case isJSON(mime) && json.Valid(v):
				fit[mime] = json.RawMessage(v)
			case isText(mime) && utf8.Valid(v):
				fit[mime] = string(v)
			default:
				fit[mime] = v // encoding/json writes base64
			}
		default:
			raw, err := json.Marshal(v)
			if err != nil {
				fit["text/plain"] = mime + ": " + err.Error()
				continue
			}
			fit[mime] = json.RawMessage(raw)
		}
	}
	return fit
}

func isJSON(mime string) bool { return mime == "application/json" || strings.HasSuffix(mime, "+json") }

func isText(mime string) bool {
	return strings.HasPrefix(mime, "text/") || strings.HasSuffix(mime, "+xml") || mime == "application/javascript"
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}
