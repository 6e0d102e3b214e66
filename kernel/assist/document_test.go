package assist

import (
	"go/parser"
	"go/token"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"fovea/kernel/session"
)

var testSnapshot = session.Snapshot{
	Imports:  []session.Import{{Name: "str", Path: "strings"}, {Name: ".", Path: "math"}},
	Packages: []session.Import{{Name: "fmt", Path: "fmt"}, {Name: "path", Path: "path"}},
}

// Whatever the cell, each of its bytes that is Go stands in the file, and the map leads there and back.
func TestDocumentMapsEveryOffset(t *testing.T) {
	for name, cell := range map[string]string{
		"empty":              "",
		"blank":              "\n\n",
		"statements":         "x := 1\nfmt.Println(x)",
		"one line":           "x := 1; y := 2; fmt.Println(x, y)",
		"imports":            "import \"os\"\nimport (\n\t\"fmt\"\n)\nfmt.Println(os.Args)",
		"declarations mixed": "a := 1\n// f doubles.\nfunc f() int { return 2 * a }\ntype T struct{ x int }\nfunc (t T) m() {}\nf()\nconst c = 3",
		"non-ASCII":          "größe := \"ä𝄞€\"\nfmt.Println(größe, \"𝄞\")",
		"comments":           "// first\nx := 1 // one\n/* two */\ny := 2\n// last",
		"package clause":     "package main\nx := 1\n",
		"commands":           "%cd /tmp\n!ls ä\nx := 1\n",
		"literal called":     "func(a int) { fmt.Println(a) }(1)",
		"for":                "for i := 0; i < 3; i++ {\n\tfmt.Println(i)\n}\n\nx := 1",
		"CRLF":               "x := 1\r\ny := 2\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			d := NewDocument(cell, -1, testSnapshot)
			if _, err := parser.ParseFile(token.NewFileSet(), "", d.Text, parser.SkipObjectResolution); err != nil {
				t.Errorf("%v\n%s", err, d.Text)
			}
			masked := maskCommands(cell)
			for offset := range len(cell) {
				at, ok := d.ToFile(offset)
				if !ok {
					// Package clauses and commands are no part of the file.
					if line := firstLine(cell[strings.LastIndexByte(cell[:offset], '\n')+1:]); !strings.HasPrefix(line, "package") && !strings.ContainsAny(line[:min(1, len(line))], "%!") {
						t.Fatalf("offset %d is nowhere in\n%s", offset, d.Text)
					}
					continue
				}
				back, ok := d.ToCell(at)
				if !ok || back != offset {
					t.Fatalf("offset %d → %d → %d %v", offset, at, back, ok)
				}
				// At a piece's end the file goes on otherwise.
				if text := d.Text[at:]; text[0] != masked[offset] && text[0] != '\n' {
					t.Errorf("offset %d: %q in the cell, %q in the file", offset, masked[offset:], text)
				}
			}
			if _, ok := d.ToFile(len(cell)); !ok {
				t.Error("the cell's end is nowhere")
			}
			if _, ok := d.ToCell(0); ok {
				t.Error("the package clause is in the cell")
			}
		})
	}
}

// While a cell is written it is incomplete. What stands before the cursor must do so in the file, in a file that still
// parses but for the place itself.
func TestDocumentOfUnfinishedCells(t *testing.T) {
	for name, c := range map[string]struct{ cell, before, after string }{
		"selection at the end":    {"x.¦", "x.", "_\n}"},
		"selection before a line": {"x.¦\ny := 3", "x.", "_\n\ny"},
		"open call":               {"fmt.Println(x.¦", "fmt.Println(x.", "_)\n}"},
		"open loop":               {"for i := range 3 {\n\tfmt.¦", "{\n\tfmt.", "_\n}"},
		"raw string":              {"s := `ab¦", "s := `ab", "`"},
		"string":                  {"import \"enc¦", "\"enc", "\"\n"},
		"string in a call":        {"f(\"ab¦", "\"ab", "\")\n"},
		"comment":                 {"/* ab¦", "/* ab", "*/"},
		"extra bracket":           {"f()) ; g¦", "g", "\n}"},
		"word before semicolon":   {"fmt.Pri¦; y := 1", "fmt.Pri", "\n"},
		"in a function":           {"func f(p T) int {\n\treturn p.¦\n}", "return p.", "_\n}"},
		"blank line between":      {"x := 1\n¦\ny := x", "\n", "\n\ny := x"},
		"after a declaration":     {"type T int\n¦", "func _() {\n", "\n}"},
	} {
		t.Run(name, func(t *testing.T) {
			offset := strings.Index(c.cell, "¦")
			cell := strings.Replace(c.cell, "¦", "", 1)
			d := NewDocument(cell, offset, testSnapshot)
			at, ok := d.ToFile(offset)
			if !ok || !strings.HasSuffix(d.Text[:at], c.before) || !strings.HasPrefix(d.Text[at:], c.after) {
				t.Fatalf("cursor at %d %v in\n%s", at, ok, d.Text[:at]+"¦"+d.Text[at:])
			}
			if back, ok := d.ToCell(at); !ok || back != offset {
				t.Errorf("back at %d", back)
			}
			if name == "extra bracket" {
				return
			}
			if _, err := parser.ParseFile(token.NewFileSet(), "", d.Text, parser.SkipObjectResolution); err != nil {
				t.Errorf("%v\n%s", err, d.Text)
			}
		})
	}
}

func TestDocumentNames(t *testing.T) {
	for name, c := range map[string]struct {
		cell     string
		has, not []string
	}{
		"imports in force":           {"x", []string{`str "strings"`, `. "math"`, `fmt "fmt"`}, nil},
		"own name hides a package":   {"path := 1\nfunc f() { _ = path }", []string{`_ "path"`, "var path = 1"}, []string{`path "path"`}},
		"functions see variables":    {"a, err := g()\nb, err := g()\nfunc f() { _ = a }", []string{"var a, err = g()", "var b, _ = g()"}, nil},
		"no copies without function": {"a := 1", nil, []string{"var a"}},
		"another language":           {"%%bash\nls x", nil, []string{"ls"}},
		"main cell":                  {"%%\nx := 1", []string{"x := 1"}, nil},
		"closure":                    {"f := func() { y := 1 }\nfunc g() {}", []string{"var f = func() { y := 1 }"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			text := NewDocument(c.cell, -1, testSnapshot).Text
			for _, s := range c.has {
				if !strings.Contains(text, s) {
					t.Errorf("no %q in\n%s", s, text)
				}
			}
			for _, s := range c.not {
				if strings.Contains(text, s) {
					t.Errorf("%q in\n%s", s, text)
				}
			}
		})
	}
}

func TestPositionColumns(t *testing.T) {
	text := "first\nx := \"ä𝄞€\" + y\n\nlast ö"
	for offset := range len(text) + 1 {
		if offset < len(text) && !utf8.RuneStart(text[offset]) {
			continue
		}
		for _, utf8Columns := range []bool{false, true} {
			p := position(text, offset, utf8Columns)
			line := text[:offset][strings.LastIndexByte(text[:offset], '\n')+1:]
			want := len(line)
			if !utf8Columns {
				want = len(utf16.Encode([]rune(line)))
			}
			if p.Line != strings.Count(text[:offset], "\n") || p.Character != want {
				t.Errorf("offset %d: %+v, want column %d", offset, p, want)
			}
			if back := p.offset(text, utf8Columns); back != offset {
				t.Errorf("offset %d comes back as %d", offset, back)
			}
		}
	}
	if at := (Position{1, 999}).offset(text, false); text[at:] != "\n\nlast ö" {
		t.Errorf("beyond the line: %q", text[at:])
	}
	if at := (Position{99, 0}).offset(text, false); at != len(text) {
		t.Errorf("beyond the file: %d", at)
	}
}

func TestFormat(t *testing.T) {
	for name, c := range map[string]struct{ cell, want string }{
		"statements":   {"x:=1\nif x>0 {\nfmt.Println( x )\n}", "x := 1\nif x > 0 {\n\tfmt.Println(x)\n}"},
		"mixed":        {"import \"fmt\"\nx:=1\nfunc f(){\nreturn}\nf( )", "import \"fmt\"\n\nx := 1\n\nfunc f() {\n\treturn\n}\n\nf()"},
		"commands":     {"%cd   /tmp\nx:=1\n!ls   -l\ny:=2", "%cd   /tmp\nx := 1\n!ls   -l\ny := 2"},
		"other":        {"%%bash\nls   x", "%%bash\nls   x"},
		"empty":        {"", ""},
		"already fine": {"x := 1 // one\ny := 2 // two\n", "x := 1 // one\ny := 2 // two\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Format(c.cell)
			// Blank lines between declarations and statements are the writer's.
			if squeeze := strings.NewReplacer("\n\n", "\n"); err != nil || squeeze.Replace(got) != squeeze.Replace(c.want) {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
			if again, err := Format(got); err != nil || again != got {
				t.Errorf("again: %q, %v", again, err)
			}
		})
	}
	_, err := Format("x := 1\nfunc f() {\n\ty := := 2\n}")
	if err == nil || !strings.Contains(err.Error(), "3:7") {
		t.Errorf("no place in the cell: %v", err)
	}
}
