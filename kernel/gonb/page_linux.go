package gonb

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/janpfeifer/gonb/gonbui/protocol"

	"fovea/kernel/display"
)

// commTarget is what the script on the page opens its comm to.
const commTarget = "gonb_comm"

// Addresses of GoNB's protocol on that comm.
const (
	openAck = "#comm_open_ack"
	ping    = "#heartbeat/ping"
	pong    = "#heartbeat/pong"
)

//go:embed page.js
var script string

// A connection is the comm with the page, for all programs that use gonbui's comms. The page opens it, after a script has been
// shown; what is sent before waits.
type connection struct {
	mu          sync.Mutex
	comm        *display.Comm // nil: not open
	heard       time.Time     // when it spoke last
	alive       chan struct{} // closed when it speaks; nil: nobody waits
	installed   time.Time     // when the script was shown last
	shownAs     string        // the display that holds it
	waiting     []map[string]any
	subscribers map[string][]*client
}

var page = &connection{subscribers: map[string][]*client{}}

const (
	installTime = 3 * time.Second        // within which the page opens its comm
	freshTime   = time.Second            // after which a silent page is asked
	pongTime    = 500 * time.Millisecond // within which it answers
)

// waitLimit bounds what is kept for a page that does not come.
const waitLimit = 1000

func init() { display.HandleComm(commTarget, page.opened) }

// install connects the page, unless it is connected. A page that was loaded again has lost its end without a word, so one
// that has been silent is asked for a sign of life first.
func (p *connection) install() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.comm != nil {
		if time.Since(p.heard) < freshTime {
			return
		}
		alive := make(chan struct{})
		p.alive = alive
		p.comm.Send(map[string]any{"address": ping, "value": true})
		p.mu.Unlock()
		select {
		case <-alive:
		case <-time.After(pongTime):
		}
		p.mu.Lock()
		if time.Since(p.heard) < freshTime {
			return
		}
		p.comm = nil
	} else if time.Since(p.installed) < installTime {
		return
	}
	kernel := os.Getenv(protocol.GONB_JUPYTER_KERNEL_ID_ENV)
	if kernel == "" {
		if p.installed.IsZero() {
			fmt.Fprintln(os.Stderr, "gonbui: widgets need a page that is connected to this kernel, and there is none here")
		}
		p.installed = time.Now()
		return
	}
	p.installed = time.Now()
	p.shownAs = "gonb_websocket_" + strconv.FormatInt(p.installed.UnixNano(), 36)
	id, _ := json.Marshal(kernel) // of a string: never fails
	display.ShowID(p.shownAs, display.Bundle{Data: map[string]any{"text/html": "<script>" + strings.ReplaceAll(script, "KERNEL_ID", string(id)) + "</script>"}})
}

// opened is called when the page has opened its comm. A page that was loaded again opens a new one.
func (p *connection) opened(c *display.Comm, _ json.RawMessage, _ [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old := p.comm; old != nil {
		old.Close() // a page that has gone does not mind
	}
	p.comm, p.heard = c, time.Now()
	c.Handle(p.received, func(json.RawMessage) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.comm == c {
			p.comm = nil
		}
	})
	if p.shownAs != "" {
		// The script has done its work: the notebook should not keep it.
		display.Update(p.shownAs, display.Bundle{Data: map[string]any{"text/html": ""}})
		p.shownAs = ""
	}
	c.Send(map[string]any{"address": openAck, "value": true})
	for _, m := range p.waiting {
		c.Send(m)
	}
	p.waiting = nil
}

// send sends a program's value, or its question for one, to the page.
func (p *connection) send(v protocol.CommValue) {
	m := map[string]any{"address": v.Address, "value": v.Value}
	if v.Request {
		m = map[string]any{"address": v.Address, "read_request": true}
	}
	p.install()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.comm == nil {
		if len(p.waiting) < waitLimit {
			p.waiting = append(p.waiting, m)
		}
		return
	}
	if err := p.comm.Send(m); err != nil {
		fmt.Fprintln(os.Stderr, "gonbui:", err)
	}
}

// subscribe notes that a program listens to an address, or that it does not any more.
func (p *connection) subscribe(c *client, address string, on bool) {
	if on {
		p.install() // somebody has to speak
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	list := remove(p.subscribers[address], c)
	if on {
		list = append(list, c)
	}
	if len(list) == 0 {
		delete(p.subscribers, address)
		return
	}
	p.subscribers[address] = list
}

// received hands what the page sends to the programs that listen.
func (p *connection) received(data json.RawMessage, _ [][]byte) {
	var m struct {
		Address string `json:"address"`
		Value   any    `json:"value"`
	}
	if err := json.Unmarshal(data, &m); err != nil || m.Address == "" {
		fmt.Fprintf(os.Stderr, "gonbui: the page sent %.200s, which has no address\n", data)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = time.Now()
	if p.alive != nil {
		close(p.alive)
		p.alive = nil
	}
	switch m.Address {
	case ping:
		if p.comm != nil {
			p.comm.Send(map[string]any{"address": pong, "value": true})
		}
		return
	case pong:
		return
	}
	// Only who listens: gonbui's dispatcher would wait for ever on a value that nobody wants.
	for _, c := range p.subscribers[m.Address] {
		if err := c.send(m.Address, m.Value); err != nil {
			fmt.Fprintln(os.Stderr, "gonbui:", err)
		}
	}
}

// forget drops what a program that has gone listened to.
func (p *connection) forget(c *client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for address, list := range p.subscribers {
		if list = remove(list, c); len(list) == 0 {
			delete(p.subscribers, address)
		} else {
			p.subscribers[address] = list
		}
	}
}

func remove(list []*client, c *client) (rest []*client) {
	for _, other := range list {
		if other != c {
			rest = append(rest, other)
		}
	}
	return rest
}
