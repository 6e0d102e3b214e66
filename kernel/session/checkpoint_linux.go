package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"fovea/kernel/checkpoint"
	"fovea/kernel/session/front"
	"fovea/kernel/worker/message"
)

// Limits of the checkpoints that are made while no cell runs.
const (
	automaticValue = 4 << 20  // bytes of one variable
	automaticTotal = 32 << 20 // of all
	automaticTime  = 250 * time.Millisecond
	automaticIdle  = 300 * time.Millisecond // so long after a cell
	automaticAgain = 5 * time.Second        // when goroutines of cells were running
)

// checkpoints are what a session has saved. Whoever has the turn works on them.
type checkpoints struct {
	asked     map[string]*saved // by variable
	automatic map[string]*saved
	refused   map[string]string // why the last attempt left a variable out
	files     int

	off     bool
	changed bool         // a cell has run since the last automatic one
	pending atomic.Bool  // an automatic one is to be made
	due     atomic.Int64 // not before, in nanoseconds
	working atomic.Int64 // the ID of the request that makes one now; 0: none
}

// saved is one variable in a file.
type saved struct {
	file        string
	entry       checkpoint.Entry
	declaration front.Declaration
	when        time.Time
	automatic   bool
}

// newest is the last checkpoint of a variable; nil: there is none.
func (c *checkpoints) newest(name string) *saved {
	a, b := c.asked[name], c.automatic[name]
	if a == nil || b != nil && b.when.After(a.when) {
		return b
	}
	return a
}

// Checkpoint saves variables to a file of the session; none named: all of them. What cannot be saved says why.
func (s *Session) Checkpoint(ctx context.Context, names ...string) ([]Checkpoint, error) {
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.release()
	if s.process == nil || !s.process.alive() {
		return nil, errors.New("the worker has ended: there is nothing to save")
	}
	places := s.front.Variables()
	for _, n := range names {
		if !slices.ContainsFunc(places, func(p front.Place) bool { return p.Name == n }) {
			return nil, fmt.Errorf("%s is no variable of this session", n)
		}
	}
	if len(names) > 0 {
		places = slices.DeleteFunc(places, func(p front.Place) bool { return !slices.Contains(names, p.Name) })
	}
	return s.save(ctx, places, nil)
}

// save writes one file of variables. limits are set when nobody has asked.
func (s *Session) save(ctx context.Context, places []front.Place, limits *message.Limits) (list []Checkpoint, err error) {
	c := &s.checkpoints
	if c.asked == nil {
		c.asked, c.automatic, c.refused = map[string]*saved{}, map[string]*saved{}, map[string]string{}
	}
	dir := filepath.Join(s.work, "checkpoints")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	declarations := map[string]front.Declaration{}
	var ask []message.Place
	refuse := func(name, reason string) {
		c.refused[name] = reason
		list = append(list, Checkpoint{Name: name, Reason: reason, Live: true})
	}
	for _, p := range places {
		if d, err := s.front.Declare(p.Name); err != nil {
			refuse(p.Name, err.Error())
		} else {
			declarations[p.Name] = d
			ask = append(ask, message.Place{Name: p.Name, Cell: p.Cell})
		}
	}
	c.files++
	path := filepath.Join(dir, fmt.Sprint(c.files))
	s.last++
	request := message.Request{Op: message.Save, ID: s.last, Path: path + ".part", Values: ask, Types: s.front.TypeCells(), Limits: limits}
	if limits != nil {
		c.working.Store(int64(request.ID))
		defer c.working.Store(0)
	}
	defer os.Remove(request.Path) // what is not whole
	r, err := s.process.call(ctx, request, s.options.Grace)
	switch {
	case err != nil:
		return nil, err // the next cell tells that the worker has ended
	case limits != nil && r.Busy:
		return nil, errBusy
	case r.Stopped:
		return nil, context.Canceled
	case r.Error != "":
		return nil, errors.New(r.Error)
	}
	if err := os.Rename(request.Path, path); err != nil {
		return nil, err
	}
	into := c.asked
	if limits != nil {
		into = c.automatic
		clear(c.automatic) // this one has all that there are
	}
	for _, e := range r.Entries {
		if e.Reason != "" {
			refuse(e.Name, front.Unmark(e.Reason))
			continue
		}
		delete(c.refused, e.Name)
		into[e.Name] = &saved{file: path, entry: e, declaration: declarations[e.Name], when: time.Now(), automatic: limits != nil}
		list = append(list, c.describe(e.Name, true))
	}
	c.sweep(dir)
	slices.SortFunc(list, func(a, b Checkpoint) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

var errBusy = errors.New("goroutines of cells are running")

func (c *checkpoints) describe(name string, live bool) Checkpoint {
	n := c.newest(name)
	return Checkpoint{Name: name, Type: declaredType(n.declaration), Bytes: n.entry.Bytes, Saved: n.when, Automatic: n.automatic, Live: live}
}

// declaredType is a declaration's type for the user, who knows packages by their names.
func declaredType(d front.Declaration) string {
	t := d.Type
	for alias, path := range d.Imports {
		t = strings.ReplaceAll(t, alias+".", path[strings.LastIndexByte(path, '/')+1:]+".")
	}
	return t
}

// sweep removes the files that no checkpoint needs.
func (c *checkpoints) sweep(dir string) {
	needed := map[string]bool{}
	for _, m := range []map[string]*saved{c.asked, c.automatic} {
		for _, n := range m {
			needed[n.file] = true
		}
	}
	found, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, f := range found {
		if !needed[f] {
			os.Remove(f) // one that stays goes with the session
		}
	}
}

// Checkpoints lists what can be restored, and the live variables of which there is no checkpoint, with the reason.
func (s *Session) Checkpoints(ctx context.Context) (list []Checkpoint, err error) {
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	defer s.release()
	c := &s.checkpoints
	live := map[string]bool{}
	for _, p := range s.front.Variables() {
		live[p.Name] = true
		if c.newest(p.Name) == nil {
			reason := c.refused[p.Name]
			if reason == "" {
				reason = "not saved yet"
			}
			list = append(list, Checkpoint{Name: p.Name, Type: p.Type, Live: true, Reason: reason})
		}
	}
	for _, name := range c.names() {
		list = append(list, c.describe(name, live[name]))
	}
	slices.SortFunc(list, func(a, b Checkpoint) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// names lists the variables of which there is a checkpoint.
func (c *checkpoints) names() []string {
	all := map[string]bool{}
	for _, m := range []map[string]*saved{c.asked, c.automatic} {
		for n := range m {
			all[n] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// set is names as a set.
func (c *checkpoints) set() map[string]bool {
	set := map[string]bool{}
	for _, n := range c.names() {
		set[n] = true
	}
	return set
}

// restorable lists the variables among names of which there is a checkpoint.
func (c *checkpoints) restorable(names []string) (list []string) {
	for _, n := range names {
		if c.newest(n) != nil {
			list = append(list, n)
		}
	}
	return list
}

// forget drops checkpoints; none named: all.
func (c *checkpoints) forget(names ...string) {
	if names == nil {
		names = c.names()
	}
	for _, n := range names {
		delete(c.asked, n)
		delete(c.automatic, n)
		delete(c.refused, n)
	}
}

// SetAutomaticCheckpoints says whether small variables are saved while no cell runs; at first they are.
func (s *Session) SetAutomaticCheckpoints(ctx context.Context, on bool) error {
	if err := s.take(ctx); err != nil {
		return err
	}
	defer s.release()
	s.checkpoints.off = !on
	if on {
		s.checkpoints.changed = true
		s.saveSoon(automaticIdle)
	}
	return nil
}

// saveSoon makes an automatic checkpoint when no cell has run for a while. The caller has the turn.
func (s *Session) saveSoon(after time.Duration) {
	c := &s.checkpoints
	if c.off || s.closed || !c.changed {
		return
	}
	c.due.Store(time.Now().Add(after).UnixNano())
	if c.pending.CompareAndSwap(false, true) {
		time.AfterFunc(after, s.attempt)
	}
}

// attempt makes an automatic checkpoint if it is due and nobody has the turn; else it comes again.
func (s *Session) attempt() {
	c := &s.checkpoints
	if wait := time.Until(time.Unix(0, c.due.Load())); wait > 0 {
		time.AfterFunc(wait, s.attempt)
		return
	}
	select {
	case <-s.turn:
	default:
		time.AfterFunc(automaticIdle, s.attempt)
		return
	}
	defer s.release()
	c.pending.Store(false)
	if !s.closed && s.process != nil && s.process.alive() {
		s.saveNow()
	}
}

// saveNow makes an automatic checkpoint. The caller has the turn.
func (s *Session) saveNow() {
	if s.checkpoints.off || !s.checkpoints.changed {
		return
	}
	_, err := s.save(context.Background(), s.front.Variables(), &message.Limits{Value: automaticValue, Total: automaticTotal, Time: automaticTime})
	switch {
	case err == nil:
		s.checkpoints.changed = false
	case errors.Is(err, errBusy):
		for _, p := range s.front.Variables() {
			if s.checkpoints.automatic[p.Name] == nil {
				s.checkpoints.refused[p.Name] = "goroutines of cells are running"
			}
		}
		s.saveSoon(automaticAgain)
	case errors.Is(err, context.Canceled): // somebody wanted the worker
		s.saveSoon(automaticIdle)
	default:
		s.logf("variables could not be saved: %v", err)
	}
}

// makeWay stops an automatic checkpoint: somebody wants the worker.
func (s *Session) makeWay() {
	if id := s.checkpoints.working.Load(); id != 0 {
		if p := s.worker.Load(); p != nil {
			p.send(message.Request{Op: message.Interrupt, ID: int(id)}) // a worker that has gone makes way as well
		}
	}
}
