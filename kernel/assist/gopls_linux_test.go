package assist

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"fovea/internal/home"
	"fovea/kernel/display"
	"fovea/kernel/server"
	"fovea/kernel/session"
)

// testPackages are those of the session's tests, which have their host library in the cache.
var testPackages = []string{"bytes", "context", "encoding/json", "errors", "fmt", "io", "log", "maps", "math", "math/rand/v2", "net/netip", "net/url",
	"os", "os/exec", "os/signal", "reflect", "runtime", "runtime/debug", "slices", "sort", "strconv", "strings", "sync", "sync/atomic", "syscall", "time",
	"unique", "unsafe"}

// discard takes what cells put out; it tells of the first text.
type discard struct{ first chan struct{} }

func (d *discard) Stream(string, string) {
	if d.first != nil {
		close(d.first)
		d.first = nil
	}
}
func (*discard) Display(display.Message) {}
func (*discard) Result(display.Bundle)   {}

// openReal opens a session with the gopls of this machine, whose first answer it waits for.
func openReal(tb testing.TB) *Engine {
	tb.Helper()
	if testing.Short() {
		tb.Skip("takes some seconds")
	}
	if _, err := Find(); err != nil {
		if errors.Is(err, ErrNotInstalled) {
			tb.Skip(err)
		}
		tb.Fatal(err)
	}
	root, err := home.Root()
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	if err := session.Module(dir, root); err != nil {
		tb.Fatal(err)
	}
	s, err := session.Open(tb.Context(), session.Options{ModuleDir: dir, Packages: testPackages, Loader: "fast"})
	if err != nil {
		tb.Fatal(err)
	}
	e := Assist(s, Options{Log: func(line string) { fmt.Fprintln(os.Stderr, line) }, Deadline: 20 * time.Second})
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
	})
	for i, source := range []string{
		"type point struct {\n\tX, größe int\n}\n\nfunc (p point) Sum() int { return p.X + p.größe }",
		"func double(x int) int { return 2 * x }",
		"p := point{1, 2}\nvar reader = strings.NewReader(\"text\")\nwörter := []string{\"ä\"}",
		"import js \"encoding/json\"",
	} {
		if r := e.Execute(tb.Context(), session.Cell{Number: i + 1, Source: source}, &discard{}); r.Err != nil {
			tb.Fatalf("cell %d: %v", i+1, r.Err)
		}
	}
	if _, err := e.Complete(tb.Context(), "x", 1); err != nil {
		tb.Fatalf("gopls does not answer: %v", err)
	}
	return e
}

// cut takes the cursor out of a cell.
func cut(cell string) (string, int) {
	before, after, _ := strings.Cut(cell, "¦")
	return before + after, len(before)
}

func names(c server.Completion) (names []string) {
	for _, m := range c.Matches {
		names = append(names, m.Text)
	}
	return names
}

func TestWithGopls(t *testing.T) {
	e := openReal(t)
	t.Run("complete", func(t *testing.T) {
		for name, c := range map[string]struct {
			cell string
			has  []string
			not  []string
		}{
			"member of a package":          {"fmt.Printl¦", []string{"Println"}, []string{"Printf"}},
			"upper and lower case":         {"fmt.printl¦", []string{"Println"}, nil},
			"import of an earlier cell":    {"js.Mars¦", []string{"Marshal", "MarshalIndent"}, nil},
			"import of this cell":          {"import \"os/user\"\nuser.Look¦", []string{"Lookup", "LookupId"}, nil},
			"package of this session":      {"strco¦", []string{"strconv"}, nil},
			"live variable":                {"rea¦", []string{"reader"}, nil},
			"live function":                {"dou¦", []string{"double"}, nil},
			"live type":                    {"poi¦", []string{"point"}, nil},
			"fields and methods":           {"p.¦", []string{"X", "größe", "Sum"}, nil},
			"method of a library's value":  {"reader.ReadB¦", []string{"ReadByte"}, nil},
			"local of this cell":           {"local := 3\nfmt.Println(loc¦)", []string{"local"}, nil},
			"member of a local":            {"now := time.Now()\nnow.UnixM¦\nfmt.Println(now)", []string{"UnixMilli", "UnixMicro"}, nil},
			"in a function of this cell":   {"scale := 2.0\nfunc f(q point) int {\n\treturn q.S¦\n}", []string{"Sum"}, nil},
			"variable seen by a function":  {"scale := 2.0\nfunc f() float64 {\n\treturn sca¦\n}", []string{"scale"}, nil},
			"type of this cell":            {"type box struct{ width int }\nb := box{}\nb.w¦", []string{"width"}, nil},
			"before a line":                {"p.¦\nq := p", []string{"X", "Sum"}, nil},
			"open brackets":                {"if x := p.X; x > 0 {\n\tfmt.Println(p.¦", []string{"X", "Sum"}, nil},
			"non-ASCII before":             {"s := \"ä𝄞€\"; fmt.Println(\"𝄞\", strings.ToUp¦)", []string{"ToUpper"}, nil},
			"non-ASCII name":               {"𝄞 := 0; wö¦", nil, nil},
			"non-ASCII live name":          {"s := \"𝄞\" + wö¦", []string{"wörter"}, nil},
			"after a command":              {"%cd /tmp\nfmt.Printl¦", []string{"Println"}, nil},
			"in a command":                 {"%%bash\nfm¦", nil, []string{"fmt"}},
			"import path":                  {"import \"encoding/js¦\"", []string{"encoding/json"}, nil},
			"redeclared with another type": {"p := time.Now()\np.UnixN¦", []string{"UnixNano"}, nil},
		} {
			t.Run(name, func(t *testing.T) {
				cell, offset := cut(c.cell)
				got, err := e.Complete(t.Context(), cell, offset)
				if err != nil {
					t.Fatal(err)
				}
				for _, n := range c.has {
					if !slices.Contains(names(got), n) {
						t.Errorf("no %s in %q", n, names(got))
					}
				}
				for _, n := range c.not {
					if slices.Contains(names(got), n) {
						t.Errorf("%s in %q", n, names(got))
					}
				}
				if got.End != offset || got.Start > offset || strings.ContainsAny(cell[got.Start:got.End], " .(\n") {
					t.Errorf("%q is to be replaced", cell[got.Start:got.End])
				}
			})
		}
	})
	t.Run("inspect", func(t *testing.T) {
		for cell, want := range map[string]string{
			"fmt.Print¦ln(1)":                 "func fmt.Println(a ...any) (n int, err error)\n\n\nPrintln formats",
			"double¦":                         "func double(x int) int",
			"¦double(3)":                      "func double(x int) int",
			"double(¦":                        "double(x int) int\n\nparameter 1 of 1: `x int`",
			"double(p¦.X)":                    "var p point",
			"s := \"𝄞\"; strings.Repeat(s, ¦": "Repeat(s string, count int) string",
			"p¦":                              "var p point",
			"f := p.größ¦e":                   "field größe int",
			"nothing¦":                        "",
			"¦":                               "",
			"%cd ho¦me":                       "",
		} {
			code, offset := cut(cell)
			b, found, err := e.Inspect(t.Context(), code, offset, 0)
			text, _ := b.Data["text/plain"].(string)
			if err != nil || found != (want != "") || !strings.HasPrefix(text, want) {
				t.Errorf("%q: %q, %v", cell, text, err)
			}
		}
	})
	t.Run("diagnose", func(t *testing.T) {
		got, err := e.Diagnose(t.Context(), "import \"os\"\ns := \"ä𝄞\"; var n int = s\nx := 1\nx := 2\np.nothing()\ndouble(1)\nx")
		if err != nil {
			t.Fatal(err)
		}
		cell := "import \"os\"\ns := \"ä𝄞\"; var n int = s\nx := 1\nx := 2\np.nothing()\ndouble(1)\nx"
		var marked []string
		for _, d := range got {
			marked = append(marked, cell[d.Start:d.End])
			if d.Severity != "error" {
				t.Errorf("%+v", d)
			}
		}
		if !slices.Equal(marked, []string{"s", "nothing"}) {
			t.Errorf("marked %q: %+v", marked, got)
		}
		// A line that is no Go may come first.
		code := "%check\n" + cell
		got, err = e.Diagnose(t.Context(), code)
		if err != nil || len(got) != 2 || code[got[0].Start:got[0].End] != "s" || code[got[1].Start:got[1].End] != "nothing" {
			t.Errorf("after a special line: %+v, %v", got, err)
		}
	})
	// One place in three encodings, and back: 𝄞 is two UTF-16 units, ä and € are one, of two and three bytes.
	t.Run("answer", func(t *testing.T) {
		const code = "x := 1\ns := \"ä𝄞€\"; var größe int = s; strings.Repeat(s, "
		columns := func(before string) map[string]int {
			return map[string]int{"utf-8": len(before), "utf-16": len(utf16.Encode([]rune(before))), "utf-32": len([]rune(before))}
		}
		ask := func(method, code string, line, character int, encoding string) string {
			t.Helper()
			params, err := json.Marshal(Question{code, Position{line, character}, encoding})
			if err != nil {
				t.Fatal(err)
			}
			result, err := e.Answer(t.Context(), method, params)
			if err != nil {
				t.Fatalf("%s: %v", method, err)
			}
			text, err := json.Marshal(result)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		_, line, _ := strings.Cut(code, "\n")
		for encoding := range columns("") {
			at := func(part string, more int) int { return columns(line[:strings.Index(line, part)+more])[encoding] }
			if got := ask("signature", code, 1, at("strings.Rep", len("strings.Repeat(s, ")), encoding); !strings.Contains(got, "Repeat(s string, count int) string") || !strings.Contains(got, `"activeParameter":1`) {
				t.Errorf("%s: signature %s", encoding, got)
			}
			if got := ask("hover", code, 1, at("Repeat", 2), encoding); !strings.Contains(got, "func strings.Repeat") {
				t.Errorf("%s: hover %s", encoding, got)
			}
			word := strings.Index(line, "strings.Rep") + len("strings.Rep")
			want := fmt.Sprintf(`"range":{"start":{"line":1,"character":%d},"end":{"line":1,"character":%d}}`, at("Repeat", 0), at("Repeat", 3))
			if got := ask("complete", code[:strings.Index(code, "\n")+1]+line[:word], 1, at("Repeat", 3), encoding); !strings.Contains(got, want) || !strings.Contains(got, `"newText":"Repeat"`) {
				t.Errorf("%s: complete %s, want %s", encoding, got, want)
			}
			whole := code + "2)"
			want = fmt.Sprintf(`"range":{"start":{"line":1,"character":%d},"end":{"line":1,"character":%d}},"severity":1`, at("= s;", 2), at("= s;", 3))
			if got := ask("diagnose", whole, 0, 0, encoding); !strings.Contains(got, want) {
				t.Errorf("%s: diagnose %s, want %s", encoding, got, want)
			}
			want = fmt.Sprintf(`"end":{"line":1,"character":%d}`, columns(line + "2 )")[encoding])
			if got := ask("format", code+"2 )", 0, 0, encoding); !strings.Contains(got, want) || !strings.Contains(got, `Repeat(s, 2)`) {
				t.Errorf("%s: format %s, want %s", encoding, got, want)
			}
		}
		for _, bad := range []string{`[]`, `{"code": "x", "positionEncoding": "ebcdic"}`} {
			if _, err := e.Answer(t.Context(), "complete", json.RawMessage(bad)); err == nil {
				t.Errorf("%s is no error", bad)
			}
		}
		if _, err := e.Answer(t.Context(), "nothing", json.RawMessage(`{}`)); err == nil {
			t.Error("an unknown method is no error")
		}
		// A place outside the cell is one at its edge.
		ask("hover", "x", 99, 99, "utf-32")
		ask("hover", "ä", -1, -5, "utf-16")
	})
	t.Run("while a cell runs", func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		out := &discard{first: make(chan struct{})}
		runs := out.first
		done := make(chan struct{})
		go func() {
			defer close(done)
			e.Execute(ctx, session.Cell{Number: 9, Source: "late := 1\nfmt.Println(late)\nfor {\n}"}, out)
		}()
		<-runs
		c, err := e.Complete(t.Context(), "p.S", 3)
		if err != nil || !slices.Contains(names(c), "Sum") {
			t.Errorf("%v, %v", c, err)
		}
		stop()
		<-done
		if c, err := e.Complete(t.Context(), "lat", 3); err != nil || !slices.Contains(names(c), "late") {
			t.Errorf("the cell's own variable, after it: %v, %v", c, err)
		}
	})
	t.Run("after gopls was killed", func(t *testing.T) {
		e.assistant.mu.Lock()
		p := e.assistant.process
		e.assistant.mu.Unlock()
		p.kill()
		<-p.exited
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if c, err := e.Complete(t.Context(), "rea", 3); err == nil && slices.Contains(names(c), "reader") {
				break
			} else if time.Now().After(end) {
				t.Fatalf("%v, %v", c, err)
			}
		}
	})
}

// BenchmarkComplete types a word letter by letter, as a user does: each completion sees another cell.
func BenchmarkComplete(b *testing.B) {
	e := openReal(b)
	word := "strings.TrimPrefix"
	var times []time.Duration
	for i := 0; b.Loop(); i++ {
		cell := fmt.Sprintf("x := %d\n%s", i, word[:len("strings.")+i%(len(word)-len("strings."))])
		begun := time.Now()
		if _, err := e.Complete(b.Context(), cell, len(cell)); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(begun))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(times[len(times)*95/100].Microseconds())/1000, "p95-ms")
}
