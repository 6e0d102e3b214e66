package command

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"fovea/kernel/assist"
	"fovea/kernel/session"
	"fovea/kernel/worker/view"
)

// keeping is a session with values.
type keeping struct {
	*fake
	failing bool
}

func (k *keeping) Variables(context.Context) ([]session.Variable, error) {
	return []session.Variable{
		{Name: "losses", Cell: 3, Value: view.Value{Type: "[]float64", Shape: "5", Bytes: 64, Preview: "[1 2 3 4 5]", Stats: "1 … 5, mean 3"}},
		{Name: "x", Cell: 1, Value: view.Value{Type: "*tensors.Tensor of float32", Shape: "2 × 3", Device: "xla:0", Bytes: 24e6, AtLeast: true, Preview: "[1 2]"}},
	}, nil
}

func (k *keeping) Checkpoint(_ context.Context, names ...string) ([]session.Checkpoint, error) {
	k.did = append(k.did, "checkpoint "+strings.Join(names, " "))
	if k.failing {
		return nil, errors.New("the disk is full")
	}
	return []session.Checkpoint{{Name: "ch", Reason: "is a channel"}, {Name: "m", Reason: ".f is a function"}, {Name: "x", Bytes: 2048}}, nil
}

func (k *keeping) Checkpoints(context.Context) ([]session.Checkpoint, error) {
	return []session.Checkpoint{{Name: "ch", Type: "chan int", Live: true, Reason: "is a channel"}, {Name: "x", Type: "int", Bytes: 8, Automatic: true, Saved: time.Now()}}, nil
}

func (k *keeping) Restore(_ context.Context, names ...string) (session.Restored, error) {
	k.did = append(k.did, "restore "+strings.Join(names, " "))
	return session.Restored{Names: []string{"x"}, Failed: map[string]string{"y": "has another type than in the checkpoint"}, Notes: []string{"T declared again"}}, nil
}

func (k *keeping) SetAutomaticCheckpoints(_ context.Context, on bool) error {
	k.did = append(k.did, map[bool]string{true: "on", false: "off"}[on])
	return nil
}

func (k *keeping) Diagnose(_ context.Context, code string) ([]assist.Diagnostic, error) {
	i := strings.Index(code, "bad")
	if i < 0 {
		return nil, nil
	}
	return []assist.Diagnostic{{Start: i, End: i + 3, Severity: "error", Message: "undefined: bad"}}, nil
}

// replacing is an Output whose cell can be replaced.
type replacing struct {
	recorder
	text string
}

func (r *replacing) ReplaceInput(text string) { r.text = text }

func TestValueCommands(t *testing.T) {
	b := newBench(t)
	k := &keeping{fake: b.fake}
	b.engine.session = k
	table := strings.Join(b.ok("%vars").shown, "")
	for _, want := range []string{"variable", "device", "≥ 24.0 MB", "2 × 3", "[1 2 3 4 5]  (1 … 5, mean 3)", "In[3]"} {
		if !strings.Contains(table, want) {
			t.Errorf("%%vars lacks %q:\n%s", want, table)
		}
	}
	if table := strings.Join(b.ok("%vars losses").shown, ""); strings.Contains(table, "device") || strings.Contains(table, "xla") {
		t.Errorf("%%vars losses:\n%s", table)
	}
	b.fails("%vars y", "y is no variable")
	out := b.ok("%checkpoint x m ch")
	if got := out.printed(); !strings.HasPrefix(got, "Saved x (2.0 kB).") {
		t.Error(got)
	}
	if got := out.stderr.String(); got != "not saved: ch is a channel\nnot saved: m.f is a function\n" {
		t.Error(got)
	}
	if table := strings.Join(b.ok("%checkpoints").shown, ""); !strings.Contains(table, "is a channel") || !strings.Contains(table, "by itself; lost") {
		t.Error(table)
	}
	out = b.ok("%restore x y")
	if out.printed() != "Restored x.\n" || out.stderr.String() != "not restored: y has another type than in the checkpoint\n" {
		t.Error(out.printed(), out.stderr.String())
	}
	b.ok("%autocheckpoint off")
	b.fails("%autocheckpoint maybe", "on or")
	r, _ := b.run("%restart")
	if strings.Join(r.Notes, "\n") != "%restore brings back: x" {
		t.Errorf("notes %q", r.Notes)
	}
	b.ok("%restart restore")
	if got := strings.Join(k.did, ", "); got != "checkpoint x m ch, restore x y, off, restart, restart, restore " {
		t.Errorf("the session did %s", got)
	}
	k.failing = true
	b.fails("%checkpoint", "the disk is full")
}

func TestSourceCommands(t *testing.T) {
	b := newBench(t)
	if out := b.ok("%fmt\nx:=1 // ä\n\n!ls\nif x>0{\ny( )\n}"); out.printed() != "x := 1 // ä\n\n!ls\nif x > 0 {\n\ty()\n}\n" {
		t.Errorf("%q", out.printed())
	}
	out := &replacing{}
	if r := b.engine.Execute(t.Context(), session.Cell{Number: 1, Source: "%fmt\nx:=1"}, out); r.Err != nil || out.text != "x := 1" || out.printed() != "" {
		t.Errorf("%v %q %q", r.Err, out.text, out.printed())
	}
	b.fails("%fmt\nx := 1\ny := := 2\nz := 3", "this is no Go, and stays as it is: line 3")
	b.fails("%check\nx", "no gopls")
	b.fails("x := 1\n%fmt", "only be the first line")
	b.engine.session = &keeping{fake: b.fake}
	if out := b.ok("%check\nx"); out.printed() != "No mistakes found.\n" {
		t.Error(out.printed())
	}
	b.n = 6
	want := "In[7]:3:6: error: undefined: bad\n    \tä𝄞€ bad\n    \t    ^^^\n"
	if out := b.ok("%check\nx\n\tä𝄞€ bad\ny"); out.printed() != want {
		t.Errorf("%q, want %q", out.printed(), want)
	}
	if len(b.fake.cells) != 0 {
		t.Errorf("the session got %q", b.fake.cells)
	}
}
