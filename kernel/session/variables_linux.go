package session

import (
	"context"
	"errors"
	"time"

	"fovea/kernel/session/front"
	"fovea/kernel/worker/message"
)

// lookTime is more than a look at all variables takes, as each is bounded.
const lookTime = 10 * time.Second

// Variables lists the live variables, sorted, with what their values look like. It waits for the cell that runs.
func (s *Session) Variables(ctx context.Context) ([]Variable, error) {
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.release()
	places := s.front.Variables()
	if len(places) == 0 {
		return []Variable{}, nil
	}
	if s.process == nil || !s.process.alive() {
		return nil, errors.New("the worker has ended and its values are gone: run a cell first")
	}
	s.last++
	request := message.Request{Op: message.Look, ID: s.last}
	for _, p := range places {
		request.Values = append(request.Values, message.Place{Name: p.Name, Cell: p.Cell})
	}
	// Who asks may go away meanwhile; that must not interrupt the programs that cells have started.
	looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime)
	defer cancel()
	r, err := s.process.call(looking, request, s.options.Grace)
	if err != nil {
		return nil, err
	}
	if r.Error != "" {
		return nil, errors.New(r.Error)
	}
	list := make([]Variable, len(places))
	for i, p := range places {
		v := Variable{Name: p.Name, Cell: p.Number, Value: r.Views[i]}
		v.Type, v.Preview = front.Unmark(v.Type), front.Unmark(v.Preview)
		if v.Type == "" {
			v.Type = p.Type
		}
		list[i] = v
	}
	return list, nil
}
