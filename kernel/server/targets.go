package server

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"fovea/kernel/session"
)

// Comm targets that the server has itself, for front ends that want more than the protocol's requests.
const (
	// AssistTarget answers {"id": …, "method": "complete", "params": …} with {"id": …, "result": …} or {"id": …, "error": "…"}.
	// Methods and positions are those of the engine; see package assist.
	AssistTarget = "fovea.assist"
	// VariablesTarget sends {"variables": [ … ]} when the comm opens, after each cell, and when the page sends anything.
	VariablesTarget = "fovea.variables"
)

// What an Engine may offer besides.
type (
	// An Answerer answers questions about code that is being written.
	Answerer interface {
		Answer(ctx context.Context, method string, params json.RawMessage) (any, error)
	}

	// A Viewer lists the live variables. It waits for the cell that runs.
	Viewer interface {
		Variables(ctx context.Context) ([]session.Variable, error)
	}
)

// ownTarget finds one of the targets above; nil: another.
func (s *Server) ownTarget(name string) Target {
	switch name {
	case AssistTarget:
		return s.openAssist
	case VariablesTarget:
		return s.openVariables
	}
	return nil
}

func (s *Server) openAssist(c *Comm, _ json.RawMessage, _ [][]byte) {
	c.Received = func(data json.RawMessage, _ [][]byte) {
		// Beside other requests: completion does not wait for diagnostics.
		s.wait.Go(func() { s.sendTo(c, s.answerQuestion(data)) })
	}
}

type answer struct {
	ID     json.RawMessage `json:"id"`
	Result any             `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

func (s *Server) answerQuestion(data json.RawMessage) answer {
	var question struct {
		ID     json.RawMessage `json:"id"`
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(data, &question); err != nil {
		return answer{Error: "not a question: " + err.Error()}
	}
	a := answer{ID: question.ID}
	ctx, cancel := context.WithTimeout(s.ctx, assistTime)
	defer cancel()
	engine, ok := s.engine.now().(Answerer)
	if !ok {
		a.Error = ErrUnavailable.Error()
		return a
	}
	result, err := engine.Answer(ctx, question.Method, question.Params)
	if err != nil {
		a.Error = err.Error()
		return a
	}
	a.Result = result
	return a
}

// sendTo sends to a comm. What JSON cannot hold is the engine's fault.
func (s *Server) sendTo(c *Comm, data any) {
	if err := c.Send(data); err != nil {
		s.log(err.Error())
	}
}

// watchers are the comms that are told of variables.
type watchers struct {
	mu      sync.Mutex
	comms   map[string]*Comm
	telling bool // a list is being made
	again   bool // and is out of date already
}

func (s *Server) openVariables(c *Comm, _ json.RawMessage, _ [][]byte) {
	w := &s.watchers
	w.mu.Lock()
	if w.comms == nil {
		w.comms = map[string]*Comm{}
	}
	w.comms[c.ID] = c
	w.mu.Unlock()
	c.Received = func(json.RawMessage, [][]byte) { s.tellVariables() }
	c.Closed = func(json.RawMessage) {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.comms, c.ID)
	}
	s.tellVariables()
}

// viewTime bounds the wait for the cell that runs: after it there is another list.
const viewTime = time.Second

// tellVariables sends the variables to those who watch them, in the background.
func (s *Server) tellVariables() {
	w := &s.watchers
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.comms) == 0 {
		return
	}
	if w.telling {
		w.again = true
		return
	}
	w.telling = true
	s.wait.Go(func() {
		for {
			s.tellOnce()
			w.mu.Lock()
			if !w.again || s.ctx.Err() != nil {
				w.telling = false
				w.mu.Unlock()
				return
			}
			w.again = false
			w.mu.Unlock()
		}
	})
}

func (s *Server) tellOnce() {
	engine, ok := s.engine.now().(Viewer)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, viewTime)
	defer cancel()
	list, err := engine.Variables(ctx)
	if ctx.Err() != nil {
		return
	}
	message := map[string]any{"variables": list}
	if err != nil {
		message = map[string]any{"variables": []session.Variable{}, "error": err.Error()}
	}
	w := &s.watchers
	w.mu.Lock()
	comms := make([]*Comm, 0, len(w.comms))
	for _, c := range w.comms {
		comms = append(comms, c)
	}
	w.mu.Unlock()
	for _, c := range comms {
		s.sendTo(c, message)
	}
}
