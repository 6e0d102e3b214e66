package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fovea/kernel/session/front"
	"fovea/kernel/worker/message"
	"os"
)

// Restore brings variables back as their checkpoints have them; none named: all that are not live. A live variable gets
// the value of the last checkpoint that was asked for. What shares something with a variable comes with it.
func (s *Session) Restore(ctx context.Context, names ...string) (r Restored, err error) {
	if err := s.take(ctx); err != nil {
		return r, err
	}
	defer s.release()
	r.Failed = map[string]string{}
	chosen, err := s.choose(names)
	if err != nil {
		return r, err
	}
	if s.process != nil && !s.process.alive() {
		s.process.close(0)
		s.forget()
		s.untold = []string{}
	}
	if s.process == nil {
		if err := s.start(ctx); err != nil {
			return r, err
		}
	}
	// Each file is read for itself: what is shared is shared within one.
	files := map[string]map[string]*saved{}
	for n, from := range chosen {
		if files[from.file] == nil {
			files[from.file] = map[string]*saved{}
		}
		files[from.file][n] = from
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if err := s.restoreFile(ctx, file, files[file], &r); err != nil {
			return r, err
		}
	}
	slices.Sort(r.Names)
	s.saveNames()
	return r, nil
}

// choose finds the checkpoints to restore from.
func (s *Session) choose(names []string) (map[string]*saved, error) {
	c := &s.checkpoints
	live := map[string]bool{}
	for _, p := range s.front.Variables() {
		live[p.Name] = s.process != nil && s.process.alive()
	}
	chosen := map[string]*saved{}
	if len(names) == 0 {
		for _, n := range c.names() {
			if !live[n] {
				chosen[n] = c.newest(n)
			}
		}
	}
	for _, n := range names {
		from := c.newest(n)
		if asked := c.asked[n]; live[n] && asked != nil {
			from = asked
		}
		if from == nil {
			reason := ""
			if r := c.refused[n]; r != "" {
				reason = ": it " + r
			}
			return nil, fmt.Errorf("there is no checkpoint of %s%s", n, reason)
		}
		chosen[n] = from
	}
	// What is shared with others is read with them.
	for again := true; again; {
		again = false
		for _, from := range maps.Clone(chosen) {
			for _, need := range from.entry.Needs {
				for _, m := range []map[string]*saved{c.asked, c.automatic} {
					if o := m[need]; o != nil && o.file == from.file && chosen[need] == nil {
						chosen[need], again = o, true
					}
				}
			}
		}
	}
	return chosen, nil
}

// restoreFile declares the variables of one file again, and reads them back.
func (s *Session) restoreFile(ctx context.Context, file string, wanted map[string]*saved, r *Restored) error {
	if _, err := os.Stat(file); err != nil {
		return fmt.Errorf("the checkpoint is gone: %w", err)
	}
	names := slices.Sorted(maps.Keys(wanted))
	if err := s.declareAgain(ctx, names, wanted, r); err != nil {
		// One of them may be what fails: the others need not go with it.
		var bad *CellError
		if !errors.As(err, &bad) || bad.Name == Interrupted || len(names) == 1 {
			if len(names) == 1 && bad != nil && bad.Name != Interrupted {
				r.Failed[names[0]] = "it cannot be declared again: " + bad.Message
				return nil
			}
			return err
		}
		for _, n := range names {
			if err := s.declareAgain(ctx, []string{n}, wanted, r); err != nil {
				if ctx.Err() != nil {
					return err
				}
				r.Failed[n] = "it cannot be declared again: " + err.Error()
			}
		}
	}
	request := message.Request{Op: message.Restore, Path: file, Types: s.front.TypeCells()}
	for _, p := range s.front.Variables() {
		if wanted[p.Name] != nil && r.Failed[p.Name] == "" {
			request.Values = append(request.Values, message.Place{Name: p.Name, Cell: p.Cell})
		}
	}
	s.last++
	request.ID = s.last
	response, err := s.process.call(ctx, request, s.options.Grace)
	if err != nil {
		return err
	}
	if response.Error != "" {
		return errors.New(response.Error)
	}
	for _, e := range response.Entries {
		if e.Reason == "" {
			r.Names = append(r.Names, e.Name)
			continue
		}
		r.Failed[e.Name] = front.Unmark(e.Reason)
		s.front.Remove([]string{e.Name}) // it has no value: lost it is
	}
	return nil
}

// declareAgain runs a cell that declares variables, and with them what their types need.
func (s *Session) declareAgain(ctx context.Context, names []string, wanted map[string]*saved, r *Restored) error {
	imports := map[string]string{}
	used := map[string]bool{}
	var body strings.Builder
	for _, n := range names {
		from := wanted[n]
		fmt.Fprintf(&body, "var %s %s\n", n, from.declaration.Type)
		maps.Copy(imports, from.declaration.Imports)
		for _, t := range from.entry.Types {
			used[front.Unmark(t)] = true
		}
	}
	for _, t := range slices.Sorted(maps.Keys(used)) {
		fmt.Fprintf(&body, "var _ *%s\n", t) // declared again, since an interface holds one
	}
	var head strings.Builder
	for _, alias := range slices.Sorted(maps.Keys(imports)) {
		fmt.Fprintf(&head, "import %s %q\n", alias, imports[alias])
	}
	var result Result
	s.sources[0] = head.String() + body.String()
	s.perform(ctx, Cell{Source: s.sources[0]}, &result)
	for _, note := range result.Notes {
		if !strings.Contains(note, "foveaRestored") {
			r.Notes = append(r.Notes, note)
		}
	}
	for _, n := range names {
		s.front.Restored(n, wanted[n].declaration)
	}
	if result.WorkerDied {
		s.untold = append([]string{}, result.Lost...)
	}
	if result.Err != nil {
		return result.Err
	}
	return nil
}
