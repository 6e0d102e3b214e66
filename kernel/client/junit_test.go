package client

import (
	"context"
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fovea/kernel/session"
)

func TestJUnit(t *testing.T) {
	nb := codeNotebook(t, "good", "skip", "bad < & \\x1b", "after")
	set(nb.Cells[1].doc, []any{TagSkip}, "metadata", "tags")
	engine := &fakeEngine{cells: map[string]cellFunc{
		"good": well(func(out session.Output) { out.Stream("stdout", "\x1b[31mred\x1b[0m\x00 <b>\n") }),
		"bad":  fails("Panic", "index ]]> out of range", "In[2]:1"),
	}}
	report, err := Run(context.Background(), nb, engine, Options{})
	if err == nil {
		t.Fatal("no error")
	}
	never := codeNotebook(t, "x")
	broken := codeNotebook(t, "x")
	path := filepath.Join(t.TempDir(), "report.xml")
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := WriteJUnit(path, []Suite{
		{Notebook: nb, Report: report, Started: at, Facts: map[string]string{"backend": "go"}},
		{Notebook: broken, Started: at, Err: errors.New("no compiler")},
		{Notebook: never},
	}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got junitSuites
	if err := xml.Unmarshal(data, &got); err != nil {
		t.Fatalf("%v\n%s", err, data)
	}
	if want := (junitCounts{Tests: 7, Failures: 1, Errors: 1, Skipped: 4}); got.junitCounts != want {
		t.Errorf("counts %+v, want %+v\n%s", got.junitCounts, want, data)
	}
	first := got.Suites[0]
	if first.Timestamp != "2026-01-02T03:04:05" || first.Properties.List[0].Value != "go" || len(first.Cases) != 4 {
		t.Errorf("%+v", first)
	}
	if c := first.Cases[0]; c.Out == nil || c.Out.Text != "red <b>\n" || c.Class != "test" || !strings.HasPrefix(c.Name, "cell 1: good") {
		t.Errorf("%+v", c)
	}
	if f := first.Cases[2].Failure; f == nil || f.Type != "Panic" || !strings.Contains(f.Text, "index ]]> out of range") || !strings.Contains(f.Text, "In[2]:1") {
		t.Errorf("%+v", f)
	}
	if s := got.Suites[2].Cases[0].Skipped; s == nil || !strings.Contains(s.Message, "not started") {
		t.Errorf("%+v", s)
	}
}
