package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"fovea/kernel/wire"
)

// stdinState holds the question that is open. There is one at most: cells run one at a time.
type stdinState struct {
	mu      sync.Mutex
	from    string // the identity that is asked
	answers chan string
}

// receive takes an input_reply. One that nobody waits for is dropped: it answers a question that was interrupted.
func (in *stdinState) receive(r *request) {
	body, ok := r.body.(*wire.InputReply)
	if !ok {
		return // receiver has logged it
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.answers == nil || string(r.peer.Identity()) != in.from {
		return
	}
	select {
	case in.answers <- body.Value:
	default: // answered already
	}
}

func (in *stdinState) begin(from string) (<-chan string, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.answers != nil {
		return nil, errors.New("the cell asks for input already")
	}
	in.from, in.answers = from, make(chan string, 1)
	return in.answers, nil
}

func (in *stdinState) end() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.answers = nil
}

// ask asks the frontend that sent the cell for a line.
func (s *Server) ask(ctx context.Context, o *output, prompt string, password bool) (string, error) {
	if !o.stdin || o.parent == nil {
		return "", errors.New("the cell asks for input, and this frontend cannot give it (allow_stdin is false)")
	}
	identity := o.parent.peer.Identity()
	answers, err := s.input.begin(string(identity))
	if err != nil {
		return "", err
	}
	defer s.input.end()
	m, err := s.codec.New("input_request", o.parent.Message, wire.InputRequest{Prompt: prompt, Password: password})
	if err != nil {
		return "", err
	}
	m.Route = o.parent.Route
	if err := s.sendQuestion(ctx, identity, s.codec.Encode(m)); err != nil {
		return "", fmt.Errorf("the cell asks for input, and the frontend's stdin is not connected: %w", err)
	}
	select {
	case line := <-answers:
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// sendQuestion sends to the frontend's stdin. A frontend connects its channels one by one, so a first cell can be there
// before its stdin is.
func (s *Server) sendQuestion(ctx context.Context, identity []byte, message [][]byte) (err error) {
	for range 40 {
		if err = s.stdin.router.SendTo(identity, message); err == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}
