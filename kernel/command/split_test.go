package command

import (
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, source string
		specials     []special
		goLines      string
		magic, body  string
	}{
		{name: "none", source: "x := 7 % 4\ny := !ok", goLines: "x := 7 % 4\ny := !ok"},
		{name: "order", source: "!ls\nx := 1\n%env A=b\nx", specials: []special{{0, "!ls"}, {2, "%env A=b"}}, goLines: "\nx := 1\n\nx"},
		{name: "prefix", source: "//gonb:%cd /tmp\n//gonb:!ls\n//gonb is a comment", specials: []special{{0, "%cd /tmp"}, {1, "!ls"}}, goLines: "\n\n//gonb is a comment"},
		{name: "continued", source: "!echo a \\\n  b \\\n//gonb:c\nx", specials: []special{{0, "!echo a    b  c"}}, goLines: "\n\n\nx"},
		{name: "continued at the end", source: "!echo \\", specials: []special{{0, "!echo "}}, goLines: ""},
		{name: "raw string", source: "s := `\n%cd x\n!ls\n`\n!ls", specials: []special{{4, "!ls"}}, goLines: "s := `\n%cd x\n!ls\n`\n"},
		{name: "comment", source: "/*\n%cd x\n*/\n// `\n%cd y", specials: []special{{4, "%cd y"}}, goLines: "/*\n%cd x\n*/\n// `\n"},
		{name: "quotes in a command", source: "!echo `date` \"it's\nx := `\n!no\n`", specials: []special{{0, "!echo `date` \"it's"}}, goLines: "\nx := `\n!no\n`"},
		{name: "operand", source: "ok := a &&\n!b\nf(\n!c,\n!d)\n!ls", specials: []special{{5, "!ls"}}, goLines: "ok := a &&\n!b\nf(\n!c,\n!d)\n"},
		{name: "within a function", source: "func f() {\n!ls\n}\ni++\n!ls\nL:\n!ls", specials: []special{{1, "!ls"}, {4, "!ls"}, {6, "!ls"}}, goLines: "func f() {\n\n}\ni++\n\nL:\n"},
		{name: "indented is Go", source: " %cd", goLines: " %cd"},
		{name: "alone", source: "!\n%\n%%", specials: []special{{2, "%%"}}, goLines: "!\n%\n"},
		{name: "line ends", source: "%cd a\r\nx\r\n", specials: []special{{0, "%cd a"}}, goLines: "\nx\n"},
		{name: "bash", source: "\n%%bash\necho \\\n%x\n", magic: "%%bash", body: "echo \\\n%x\n"},
		{name: "script", source: "//gonb:%%script python3 -u\nprint()", magic: "%%script python3 -u", body: "print()"},
		{name: "magic further down", source: "x := 1\n%%bash", specials: []special{{1, "%%bash"}}, goLines: "x := 1\n"},
		{name: "no magic", source: "%%shell", specials: []special{{0, "%%shell"}}, goLines: ""},
	} {
		p := parse(c.source)
		if !reflect.DeepEqual(p.specials, c.specials) || strings.Join(p.lines, "\n") != c.goLines || p.magic != c.magic || p.body != c.body {
			t.Errorf("%s: %q:\ngot  %v, Go %q, %q %q\nwant %v, Go %q, %q %q", c.name, c.source, p.specials, strings.Join(p.lines, "\n"), p.magic, p.body, c.specials, c.goLines, c.magic, c.body)
		}
	}
}

func TestWords(t *testing.T) {
	for source, want := range map[string][]string{
		``:                      nil,
		`%% -a  --b=c	d `:       {"%%", "-a", "--b=c", "d"},
		`args "hello world" x`:  {"args", "hello world", "x"},
		`a "say \"hi\"\n" ""`:   {"a", "say \"hi\"\n", ""},
		`goflags ""`:            {"goflags", ""},
		`path C:\dir --x="a b"`: {"path", `C:\dir`, "--x=a b"},
	} {
		if got := words(source); !reflect.DeepEqual(got, want) {
			t.Errorf("words(%q) = %q, want %q", source, got, want)
		}
	}
}

func TestRunFunctions(t *testing.T) {
	for source, want := range map[string]string{
		"func main() {\n\tf()\n}\nx":                     "func     () {\n\tf()\n}()\nx",
		"func init_a() { if x { y() } }\nfunc f() {}":    "func init_a() { if x { y() } }; init_a()\nfunc f() {}",
		"func f() { main := func() {}; main() }":         "func f() { main := func() {}; main() }",
		"func (t T) main() {}\nfunc main(a int) {}":      "func (t T) main() {}\nfunc main(a int) {}",
		"s := `func main() {}`":                          "s := `func main() {}`",
		"func main() {\n\"":                              "func main() {\n\"", // the session says what is wrong
		"a(); func main() {}":                            "a(); func     () {}()",
		"func init() {}\nfunc init_b() int { return 1 }": "func init() {}\nfunc init_b() int { return 1 }",
	} {
		if got := runFunctions(source); got != want {
			t.Errorf("%q\ngot  %q\nwant %q", source, got, want)
		}
	}
}

func TestSimilar(t *testing.T) {
	for name, want := range map[string]string{"evn": "%env", "hlep": "%help", "rem": "%remove", "listt": "%list", "xyzzy": ""} {
		got := similar(name)
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("similar(%q) = %q, want %q", name, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"!ls \\\n%cd\nx := `\n%y\n`", "/*\n!x\n*/ !y\n%%", "%%bash\nx", "//gonb:!ls\\", "a(\n!b\r\n%c d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		p := parse(source)
		if p.magic != "" {
			return
		}
		// No line moves, and what is not special stays as it is.
		was := strings.Split(strings.ReplaceAll(source, "\r\n", "\n"), "\n")
		if len(p.lines) != len(was) {
			t.Fatalf("%d lines of %d", len(p.lines), len(was))
		}
		blank := 0
		for i := range was {
			if p.lines[i] != was[i] {
				if blank++; p.lines[i] != "" {
					t.Fatalf("line %d became %q", i, p.lines[i])
				}
			}
		}
		if blank < len(p.specials) {
			t.Fatalf("%d special lines, %d blanked", len(p.specials), blank)
		}
		for _, s := range p.specials {
			words(s.text)
		}
		runFunctions(strings.Join(p.lines, "\n"))
	})
}
