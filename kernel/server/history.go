package server

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"fovea/internal/atomicfile"
	"fovea/kernel/wire"
)

const (
	historyKept  = 10_000   // entries that a reply or a start looks at
	historyBytes = 32 << 20 // size of the file at which the older half is dropped
)

// An entry is a cell of the past, and a line of the history file.
type entry struct {
	Session int    `json:"session"`
	Line    int    `json:"line"`
	Source  string `json:"source"`
	Result  string `json:"result,omitempty"`
}

// A history remembers cells, in a file that all kernels of a user share. What goes wrong with the file costs the memory
// of past sessions, never a cell: it is logged.
type history struct {
	log func(string)

	mu      sync.Mutex
	file    *os.File // nil: none, or it could not be opened
	session int
	entries []entry // of earlier sessions, then of this one
}

// openHistory reads the file and begins a session. The file is its owner's alone, since cells can hold secrets.
func openHistory(path string, log func(string)) *history {
	h := &history{log: log, session: 1}
	if path == "" {
		return h
	}
	if err := h.open(path); err != nil {
		log(fmt.Sprintf("history: %v", err))
	}
	return h
}

func (h *history) open(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := h.read(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if info, err := os.Stat(path); err == nil && info.Size() > historyBytes {
		if err := h.shorten(path); err != nil {
			return err
		}
	}
	var err error
	h.file, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	// An entry without a source reserves the number of this session from now on.
	return h.write(entry{Session: h.session})
}

func (h *history) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	lines := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		var e entry
		if json.Unmarshal(line, &e) == nil { // a line that was cut by a crash is skipped
			h.session = max(h.session, e.Session+1)
			if e.Source != "" {
				h.entries = append(h.entries, e)
			}
		}
		if err != nil {
			h.entries = slices.Clone(h.entries[max(len(h.entries)-historyKept, 0):])
			return nil
		}
	}
}

// shorten keeps the newer half of what was read.
func (h *history) shorten(path string) error {
	var text []byte
	for _, e := range h.entries[len(h.entries)/2:] {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		text = append(append(text, line...), '\n')
	}
	return atomicfile.WriteBytes(path, text)
}

func (h *history) write(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = h.file.Write(append(line, '\n')) // one write, so that kernels that share the file do not mix lines
	return err
}

// add remembers a cell.
func (h *history) add(line int, source, result string) {
	if strings.TrimSpace(source) == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	e := entry{Session: h.session, Line: line, Source: source, Result: result}
	h.entries = append(h.entries, e)
	if len(h.entries) > 2*historyKept {
		h.entries = slices.Clone(h.entries[historyKept:])
	}
	if h.file == nil {
		return
	}
	if err := h.write(e); err != nil {
		h.log(fmt.Sprintf("history: %v: no longer written", err))
		_ = h.file.Close() // its error adds nothing to that of the write
		h.file = nil
	}
}

// find answers a history request.
func (h *history) find(r *wire.HistoryRequest) [][3]any {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []entry
	switch r.Access {
	case "tail":
		found = last(h.entries, r.N)
	case "range":
		session := r.Session
		if session <= 0 {
			session += h.session
		}
		for _, e := range h.entries {
			if e.Session == session && e.Line >= r.Start && (r.Stop == nil || e.Line < *r.Stop) {
				found = append(found, e)
			}
		}
	case "search":
		pattern := glob(r.Pattern)
		for _, e := range h.entries {
			if pattern.MatchString(e.Source) {
				found = append(found, e)
			}
		}
		if r.Unique {
			found = newestOfEach(found)
		}
		found = last(found, r.N)
	}
	triples := make([][3]any, len(found))
	for i, e := range found {
		triples[i] = [3]any{e.Session, e.Line, e.Source}
		if r.Output {
			triples[i][2] = [2]any{e.Source, e.Result}
		}
	}
	return triples
}

func last(entries []entry, n *int) []entry {
	if n == nil || *n < 0 {
		return entries
	}
	return entries[max(len(entries)-*n, 0):]
}

func newestOfEach(entries []entry) []entry {
	seen := map[string]bool{}
	var kept []entry
	for _, e := range slices.Backward(entries) {
		if !seen[e.Source] {
			seen[e.Source] = true
			kept = append(kept, e)
		}
	}
	slices.Reverse(kept)
	return kept
}

// glob makes a pattern of a whole source out of one with * and ?; an empty one matches everything.
func glob(pattern string) *regexp.Regexp {
	if pattern == "" {
		pattern = "*"
	}
	quoted := regexp.QuoteMeta(pattern)
	quoted = strings.ReplaceAll(strings.ReplaceAll(quoted, `\*`, `.*`), `\?`, `.`)
	return regexp.MustCompile(`(?s)^` + quoted + `$`)
}

func (h *history) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.file == nil {
		return nil
	}
	f := h.file
	h.file = nil
	return f.Close()
}
