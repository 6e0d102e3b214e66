package client

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"sync"

	"fovea/kernel/display"
	"fovea/kernel/session"
)

// A collector turns what a cell puts out into the outputs of the notebook. It is a session.Output.
type collector struct {
	mu       sync.Mutex // the progress line reads while the cell writes
	cell     *Cell
	number   int
	displays displays
	stream   *lineBuffer // the text of the last output, when that is a stream
	last     *output     // that output
	clear    bool        // clear before the next output
	now      string      // what the cell says at the moment, one line
}

// displays finds the outputs that were shown under a name, in any cell.
type displays map[string][]*output

var _ session.Output = (*collector)(nil)

// Stream appends text; text of the same stream without anything between is one output.
func (c *collector) Stream(name, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if text == "" {
		return
	}
	c.clearIfDue()
	if c.stream == nil || c.last.doc["name"] != name {
		c.endStream()
		c.stream = &lineBuffer{}
		c.last = &output{map[string]any{"output_type": "stream", "name": name}}
		c.cell.output = append(c.cell.output, c.last)
	}
	c.stream.write(text)
	if now := c.stream.last(); now != "" {
		c.now = now
	}
}

// Display shows, replaces or clears.
func (c *collector) Display(m display.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.Comm != nil {
		return // there is no page
	}
	switch m.Kind {
	case display.KindClear:
		c.clear = true
		if !m.Wait {
			c.clearIfDue()
		}
	case display.KindUpdate:
		for _, o := range c.displays[m.ID] {
			o.doc["data"], o.doc["metadata"] = notebookData(m.Bundle), notebookMetadata(m.Bundle)
		}
		c.say(m.Bundle)
	default:
		c.clearIfDue()
		o := c.add(map[string]any{"output_type": "display_data", "data": notebookData(m.Bundle), "metadata": notebookMetadata(m.Bundle)})
		if m.ID != "" {
			c.displays[m.ID] = append(c.displays[m.ID], o)
		}
		c.say(m.Bundle)
	}
}

// Result shows the value of the last expression.
func (c *collector) Result(b display.Bundle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clearIfDue()
	c.add(map[string]any{"output_type": "execute_result", "execution_count": c.number,
		"data": notebookData(b), "metadata": notebookMetadata(b)})
}

// fail adds the error that ended the cell.
func (c *collector) fail(err *session.CellError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clearIfDue()
	traceback := []any{}
	for _, line := range err.Traceback {
		traceback = append(traceback, line)
	}
	c.add(map[string]any{"output_type": "error", "ename": err.Name, "evalue": err.Message, "traceback": traceback})
}

// end completes the last output.
func (c *collector) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endStream()
}

// saying is the line that the cell printed last.
func (c *collector) saying() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *collector) add(doc map[string]any) *output {
	c.endStream()
	o := &output{doc}
	c.cell.output = append(c.cell.output, o)
	return o
}

func (c *collector) endStream() {
	if c.stream != nil {
		c.last.doc["text"] = lines(c.stream.String())
	}
	c.stream, c.last = nil, nil
}

func (c *collector) clearIfDue() {
	if !c.clear {
		return
	}
	c.clear = false
	c.stream, c.last = nil, nil
	for id, shown := range c.displays {
		c.displays[id] = slices.DeleteFunc(shown, func(o *output) bool { return slices.Contains(c.cell.output, o) })
	}
	c.cell.output = nil
}

func (c *collector) say(b display.Bundle) {
	if s, ok := b.Data["text/plain"].(string); ok {
		first, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
		c.now = strings.TrimSpace(stripANSI(first))
	}
}

// notebookData is a bundle in the notebook's form: text as lines, bytes as base64, JSON as it is.
func notebookData(b display.Bundle) map[string]any {
	data := map[string]any{}
	for mime, v := range b.Data {
		switch v := v.(type) {
		case string:
			if isJSON(mime) {
				data[mime] = v
			} else {
				data[mime] = lines(v)
			}
		case []byte:
			data[mime] = base64.StdEncoding.EncodeToString(v)
		default:
			data[mime] = v
		}
	}
	return data
}

func notebookMetadata(b display.Bundle) map[string]any {
	if b.Metadata == nil {
		return map[string]any{}
	}
	return maps.Clone(b.Metadata)
}

func isJSON(mime string) bool {
	return mime == "application/json" || strings.HasSuffix(mime, "+json")
}
