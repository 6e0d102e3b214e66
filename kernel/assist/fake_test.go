package assist

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"fovea/kernel/session"
)

// The test program serves as a gopls that behaves as fakeMode says.
const fakeMode = "FOVEA_TEST_FAKE_GOPLS"

func TestMain(m *testing.M) {
	if mode := os.Getenv(fakeMode); mode != "" && slices.Contains(os.Args, "serve") {
		fakeServer(mode)
		return
	}
	os.Exit(m.Run())
}

func fakeServer(mode string) {
	in := bufio.NewReaderSize(os.Stdin, maxHeader)
	texts := map[string]string{}
	send := func(m *message) {
		f, _ := frame(m)
		os.Stdout.Write(f)
	}
	reply := func(id json.RawMessage, result any) {
		b, _ := json.Marshal(result)
		send(&message{ID: id, Result: b})
	}
	for {
		f, err := readFrame(in)
		if err != nil {
			return
		}
		var m message
		json.Unmarshal(f, &m)
		var params struct {
			TextDocument   struct{ URI, Text string }
			ContentChanges []struct{ Text string }
			Position       Position
		}
		json.Unmarshal(m.Params, &params)
		uri := params.TextDocument.URI
		switch m.Method {
		case "initialize":
			if mode == "stillborn" {
				fmt.Fprintln(os.Stderr, "no go command")
				os.Exit(1)
			}
			encoding := ""
			if mode == "utf-8" {
				encoding = "utf-8"
			}
			// A client must answer while it waits.
			send(&message{ID: json.RawMessage(`"config"`), Method: "workspace/configuration", Params: json.RawMessage(`{"items":[{},{}]}`)})
			reply(m.ID, map[string]any{"capabilities": map[string]any{"positionEncoding": encoding}})
		case "textDocument/didOpen":
			texts[uri] = params.TextDocument.Text
		case "textDocument/didChange":
			texts[uri] = params.ContentChanges[0].Text
		case "textDocument/completion":
			line := strings.Split(texts[uri], "\n")[params.Position.Line]
			head := ""
			if mode == "utf-8" {
				head = line[:params.Position.Character]
			} else {
				head = string(utf16.Decode(utf16.Encode([]rune(line))[:params.Position.Character]))
			}
			switch {
			case mode == "mute" && head != "":
				continue // no answer, ever
			case mode == "mortal" && head == "die":
				os.Exit(2)
			case mode == "refusing":
				send(&message{ID: m.ID, Error: &rpcError{-32603, "no package"}})
				continue
			case mode == "huge":
				fmt.Fprintf(os.Stdout, "Content-Length: %d\r\n\r\n", 1<<40)
				continue
			}
			start := params.Position
			start.Character -= len("ab") // all test cells end so
			edit := textEdit{Range: &Range{start, params.Position}, NewText: "abc"}
			second := textEdit{Range: &Range{start, params.Position}, NewText: "abz"}
			reply(m.ID, map[string]any{"items": []completionItem{
				{Label: "abz", Kind: 6, SortText: "2", TextEdit: second},
				{Label: "abc", Kind: 3, SortText: "1", Detail: "func()" + head, TextEdit: edit},
			}})
		}
	}
}

// logged collects an Assistant's log.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) line(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, s)
}

func (l *logged) contains(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(strings.Join(l.lines, "\n"), s)
}

func fake(t *testing.T, mode string, deadline time.Duration) (*Assistant, *logged) {
	t.Helper()
	t.Setenv(fakeMode, mode)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := &logged{}
	a := New(Options{ModuleDir: t.TempDir(), Find: func() (string, error) { return self, nil }, Log: log.line, Deadline: deadline, pause: 10 * time.Millisecond})
	t.Cleanup(func() { a.Close() })
	return a, log
}

// gopls leaves the processors to a session's first cell, unless it is asked something.
func TestDelay(t *testing.T) {
	t.Setenv(fakeMode, "utf-8")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	started := func(a *Assistant, within time.Duration) bool {
		a.mu.Lock()
		ready := a.ready
		a.mu.Unlock()
		select {
		case <-ready:
			return true
		case <-time.After(within):
			return false
		}
	}
	for name, c := range map[string]struct {
		delay time.Duration
		act   func(*Assistant)
		want  bool
	}{
		"nothing":    {time.Hour, func(*Assistant) {}, false},
		"its end":    {20 * time.Millisecond, func(*Assistant) {}, true},
		"none":       {0, func(*Assistant) {}, true},
		"a cell":     {time.Hour, (*Assistant).Begin, true},
		"two cells":  {time.Hour, func(a *Assistant) { a.Begin(); a.Begin() }, true},
		"a question": {time.Hour, func(a *Assistant) { a.Complete(t.Context(), "ab", 2) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			a := New(Options{ModuleDir: t.TempDir(), Find: func() (string, error) { return self, nil }, Deadline: 10 * time.Second, Delay: c.delay})
			defer a.Close() // also when it has not been started
			c.act(a)
			within := 10 * time.Second
			if !c.want {
				within = 100 * time.Millisecond
			}
			if got := started(a, within); got != c.want {
				t.Errorf("gopls was started: %t, want %t", got, c.want)
			}
		})
	}
}

func TestColumnsOnTheWire(t *testing.T) {
	for _, mode := range []string{"utf-16", "utf-8"} {
		t.Run(mode, func(t *testing.T) {
			a, _ := fake(t, mode, 10*time.Second)
			for _, cell := range []string{"ab", "s := \"ä𝄞€\" + ab", "größe, 𝄞 := 1, 2\nab", "%cd ä\nab"} {
				c, err := a.Complete(t.Context(), cell, len(cell))
				if err != nil || len(c.Matches) != 2 {
					t.Fatalf("%q: %+v, %v", cell, c, err)
				}
				line := cell[strings.LastIndexByte(cell, '\n')+1:]
				if m := c.Matches[0]; m.Text != "abc" || m.Type != "function" || m.Signature != "func()"+line {
					t.Errorf("%q: the server saw %q", cell, m.Signature)
				}
				if c.Start != len(cell)-2 || c.End != len(cell) {
					t.Errorf("%q: %d:%d is to be replaced", cell, c.Start, c.End)
				}
			}
		})
	}
}

func TestAnswersAtOnce(t *testing.T) {
	a, _ := fake(t, "utf-16", 10*time.Second)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			cell := fmt.Sprintf("x%d.ab", i)
			c, err := a.Complete(t.Context(), cell, len(cell))
			if err != nil || c.Matches[0].Signature != "func()"+cell {
				t.Errorf("%s: %+v %v", cell, c, err)
			}
			a.SetSession(session.Snapshot{Live: fmt.Sprintf("package cell\nvar x%d int\n", i)})
		})
	}
	all.Wait()
}

func TestDeadline(t *testing.T) {
	a, _ := fake(t, "mute", 200*time.Millisecond)
	time.Sleep(50 * time.Millisecond)
	for range 3 {
		begun := time.Now()
		_, err := a.Complete(t.Context(), "ab", 2)
		if took := time.Since(begun); !errors.Is(err, ErrUnavailable) || took > 2*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Complete(ctx, "ab", 2); !errors.Is(err, ErrUnavailable) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func TestRestart(t *testing.T) {
	a, log := fake(t, "mortal", 10*time.Second)
	for range 2 {
		if _, err := a.Complete(t.Context(), "die", 3); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("it has died, and the error is %v", err)
		}
		// The next gopls has to be shown everything again.
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			c, err := a.Complete(t.Context(), "ab", 2)
			if err == nil && len(c.Matches) == 2 {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("after the restart: %+v, %v", c, err)
			}
		}
	}
	if !log.contains("started again") {
		t.Errorf("log: %q", log.lines)
	}
}

func TestFailures(t *testing.T) {
	for mode, want := range map[string]string{"stillborn": "no go command", "huge": "frame of", "refusing": ""} {
		t.Run(mode, func(t *testing.T) {
			a, log := fake(t, mode, 500*time.Millisecond)
			if _, err := a.Complete(t.Context(), "ab", 2); !errors.Is(err, ErrUnavailable) {
				t.Errorf("error %v", err)
			}
			for end := time.Now().Add(5 * time.Second); !log.contains(want) && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			}
			if !log.contains(want) {
				t.Errorf("no %q in the log: %q", want, log.lines)
			}
		})
	}
}

func TestNotInstalled(t *testing.T) {
	log := &logged{}
	a := New(Options{ModuleDir: t.TempDir(), Find: func() (string, error) { return "", ErrNotInstalled }, Log: log.line, Deadline: time.Minute})
	defer a.Close()
	begun := time.Now()
	if _, err := a.Complete(t.Context(), "ab", 2); !errors.Is(err, ErrUnavailable) || time.Since(begun) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

func TestFind(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("FOVEA_GOPLS", "")
	t.Setenv("FOVEA_SHARE", t.TempDir())
	if _, err := Find(); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("nothing there: %v", err)
	}
	t.Setenv("FOVEA_GOPLS", filepath.Join(t.TempDir(), "none"))
	if _, err := Find(); err == nil || errors.Is(err, ErrNotInstalled) {
		t.Errorf("FOVEA_GOPLS names nothing: %v", err)
	}
	t.Setenv("FOVEA_GOPLS", "")
	installed := filepath.Join(os.Getenv("FOVEA_SHARE"), "gopls", Version, program())
	if err := os.WriteFile(installed, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if path, err := Find(); path != installed || err != nil {
		t.Errorf("%s, %v", path, err)
	}
	if path, err := Install(t.Context()); path != installed || err != nil {
		t.Errorf("Install of what is there: %s, %v", path, err)
	}
}

func TestReadFrame(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"plain":          {"Content-Length: 2\r\n\r\n{}", "{}"},
		"another header": {"Content-Type: x\r\ncontent-length: 2\r\n\r\n{}rest", "{}"},
		"no length":      {"X: 1\r\n\r\n{}", ""},
		"negative":       {"Content-Length: -1\r\n\r\n", ""},
		"too long":       {"Content-Length: 99999999999\r\n\r\n", ""},
		"no number":      {"Content-Length: x\r\n\r\n", ""},
		"no colon":       {"hello\r\n\r\n", ""},
		"cut":            {"Content-Length: 10\r\n\r\n{}", ""},
		"endless line":   {strings.Repeat("x", 2*maxHeader), ""},
		"endless header": {strings.Repeat("X: 1\r\n", maxHeader), ""},
	} {
		got, err := readFrame(bufio.NewReaderSize(strings.NewReader(c.text), maxHeader))
		if string(got) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add("Content-Length: 2\r\n\r\n{}")
	f.Add("\r\n\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := readFrame(bufio.NewReaderSize(strings.NewReader(s), maxHeader)); err == nil && len(got) > len(s) {
			t.Errorf("%d bytes of %d", len(got), len(s))
		}
	})
}

func FuzzDocument(f *testing.F) {
	f.Add("x := 1\nfunc f() {}", 3)
	f.Add("fmt.\ny", 4)
	f.Add("%%bash\n`/*", 2)
	f.Fuzz(func(t *testing.T, cell string, cursor int) {
		if cursor < -1 || cursor > len(cell) {
			return
		}
		d := NewDocument(cell, cursor, session.Snapshot{})
		for offset := range len(cell) + 1 {
			if at, ok := d.ToFile(offset); ok && (at < 0 || at > len(d.Text)) {
				t.Errorf("%d → %d of %d", offset, at, len(d.Text))
			}
		}
		Format(cell)
	})
}
