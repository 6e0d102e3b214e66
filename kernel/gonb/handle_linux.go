package gonb

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/janpfeifer/gonb/gonbui/protocol"

	"fovea/kernel/display"
)

// handle does what a message asks for. It may be one of the protocol's own kinds, or something to show.
func (c *client) handle(m *protocol.DisplayData) {
	for mime, v := range m.Data {
		switch v := v.(type) {
		case protocol.InputRequest:
			// GoNB asks at once; here the question comes up when standard input is read, with this prompt.
			if mime == protocol.MIMEJupyterInput && c.hooks.Ask != nil {
				c.hooks.Ask(v.Prompt, v.Password)
			}
			return
		case protocol.CommValue:
			c.value(v)
			return
		case protocol.CommSubscription:
			page.subscribe(c, v.Address, !v.Unsubscribe)
			return
		}
		if strings.HasPrefix(string(mime), "gonb/") {
			fmt.Fprintf(os.Stderr, "gonbui: a message of type %s with a %T is not understood\n", mime, v)
			return
		}
	}
	show(m)
}

func (c *client) value(v protocol.CommValue) {
	switch v.Address {
	case protocol.GonbuiSyncAddress:
		c.send(protocol.GonbuiSyncAckAddress, v.Value) // a program that has gone waits for nothing
	case protocol.GonbuiStartAddress:
		page.install()
	default:
		page.send(v)
	}
}

// show shows data, or replaces what was shown under its ID.
func show(m *protocol.DisplayData) {
	b := display.Bundle{Data: map[string]any{}, Metadata: m.Metadata}
	for mime, v := range m.Data {
		b.Data[string(mime)] = v
	}
	switch id := m.DisplayID; {
	case id == "":
		display.Show(b)
	case strings.HasPrefix(id, "gonb_transient_js_"):
		transient(id, b)
	default:
		display.Update(id, b)
	}
}

// Package dom runs scripts in an output of its own, which it makes once for a program. GoNB runs a program for each cell;
// here the output of an earlier cell would run the script a second time. So each cell gets an output.
var scripts = struct {
	sync.Mutex
	cell int
}{cell: -1}

func transient(id string, b display.Bundle) {
	scripts.Lock()
	defer scripts.Unlock()
	cell := display.Cells()
	id = fmt.Sprintf("%s-%d", id, cell)
	if scripts.cell != cell {
		scripts.cell = cell
		display.ShowID(id, b)
		return
	}
	display.Update(id, b)
}
