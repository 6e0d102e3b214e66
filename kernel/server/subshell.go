package server

import (
	"fmt"
	"slices"
	"sync"

	"fovea/kernel/wire"
)

// subshellsLimit bounds the subshells, each of which costs a goroutine and a queue.
const subshellsLimit = 64

// subshells are further queues of requests (JEP 91), for what a frontend wants answered while a cell runs. Their cells
// wait for the engine like all others, since it runs one at a time.
type subshells struct {
	mu     sync.Mutex
	byID   map[string]*shell
	closed bool
}

func (u *subshells) create(s *Server) any {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.byID) >= subshellsLimit || u.closed {
		return wire.Failed("SubshellError", fmt.Sprintf("there are %d subshells already", len(u.byID)))
	}
	if u.byID == nil {
		u.byID = map[string]*shell{}
	}
	sh := newShell(s, wire.NewID())
	u.byID[sh.id] = sh
	s.wait.Go(sh.run)
	return wire.Subshell{Status: "ok", ID: sh.id}
}

func (u *subshells) delete(id string) any {
	u.mu.Lock()
	defer u.mu.Unlock()
	sh := u.byID[id]
	if sh == nil {
		return wire.Failed("SubshellError", fmt.Sprintf("there is no subshell %.100q", id))
	}
	delete(u.byID, id)
	sh.queue.close()
	sh.interrupt()
	return wire.Good
}

func (u *subshells) list() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	ids := []string{}
	for id := range u.byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// push gives the request to its subshell.
func (u *subshells) push(id string, r *request) error {
	u.mu.Lock()
	sh := u.byID[id]
	u.mu.Unlock()
	if sh == nil {
		return fmt.Errorf("there is no subshell %.100q", id)
	}
	sh.queue.push(r)
	return nil
}

func (u *subshells) interrupt() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, sh := range u.byID {
		sh.interrupt()
	}
}

func (u *subshells) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for _, sh := range u.byID {
		sh.queue.close()
		sh.interrupt()
	}
}
