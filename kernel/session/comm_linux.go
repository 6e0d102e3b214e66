package session

import (
	"bytes"
	"encoding/json"
	"errors"

	"fovea/kernel/display"
	"fovea/kernel/worker/message"
)

// ErrNoWorker is the error of Comm while there is no worker: what its comms belonged to is gone.
var ErrNoWorker = errors.New("no worker runs")

// Comm hands a message from the page to a comm in the worker. It may be called at any time, also while a cell runs, and
// returns before the message is handled. What comes back arrives as Display on the Output of the cell that runs, or on
// Options.Background.
func (s *Session) Comm(m display.Message) error {
	p := s.worker.Load()
	if p == nil || !p.alive() {
		return ErrNoWorker
	}
	var frame bytes.Buffer
	if err := display.WriteMessage(&frame, m); err != nil {
		return err
	}
	p.pump.noteComm(m)
	return p.send(message.Request{Op: message.Comm, Frame: frame.Bytes()})
}

// noteComm remembers which comms are open.
func (p *pump) noteComm(m display.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch m.Kind {
	case display.KindCommOpen:
		if p.comms == nil {
			p.comms = map[string]bool{}
		}
		p.comms[m.ID] = true
	case display.KindCommClose:
		delete(p.comms, m.ID)
	}
}

// closeComms tells the page that the comms of a worker which has ended are closed.
func (p *pump) closeComms() {
	p.mu.Lock()
	open := p.comms
	p.comms = nil
	p.mu.Unlock()
	for id := range open {
		m := display.Message{Kind: display.KindCommClose, ID: id, Comm: &display.CommMessage{Data: json.RawMessage("{}")}}
		p.emit(func(o Output) { o.Display(m) }, 1<<10)
	}
}
