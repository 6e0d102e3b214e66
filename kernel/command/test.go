package command

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/scanner"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"fovea/kernel/session"
)

// TestFailure is the name of the error of a %test cell whose tests have failed.
const TestFailure = "TestFailure"

const (
	testName = "foveaTest" // under which hidden code imports package celltest
	testPath = "fovea/kernel/celltest"
)

func (c *call) testCommand(s special, args []string) error {
	if c.main >= 0 || c.exec != "" {
		return failed("%%test runs the cell's tests: %%%% and %%exec have no place beside it")
	}
	c.test, c.testLine, c.testArgs = true, s.line, args
	return nil
}

// A testFunction is one that %test can run.
type testFunction struct {
	name string
	kind string // Test, Benchmark, Fuzz, Example or TestMain
}

// testSource writes behind the Go of a %test cell what runs its tests, in the worker: live values can be tested as they are.
// No line moves.
func (c *call) testSource(code string) (string, error) {
	own := testFunctions(code)
	all := slices.Clone(own)
	for _, n := range c.engine.session.Names() {
		if f, ok := liveTest(n); ok && !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	// In the order of GoNB, which knows no other.
	slices.SortFunc(all, func(a, b testFunction) int { return strings.Compare(a.name, b.name) })
	if len(all) == 0 {
		return "", failed("%%test: there is no test; its name begins with Test, Benchmark, Fuzz or Example, as in func TestSum(t *testing.T)")
	}
	args := c.testArgs
	if len(args) == 0 {
		args = defaultTestArgs(own)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nimport %s %q\nimport %s \"os\"\n", guardTests(code), testName, testPath, osName)
	fmt.Fprintf(&b, "if %s.Run(%#v, %s.Suite{%s}) != 0 { %s.Exit(1) }", testName, args, testName, suite(all, examples(code)), osName)
	return b.String(), nil
}

// defaultTestArgs are GoNB's: the cell's own tests, each by its name.
func defaultTestArgs(own []testFunction) []string {
	args := []string{"-test.v"}
	var names []string
	for _, f := range own {
		if f.kind == "Benchmark" && !slices.Contains(args, "-test.bench=.") {
			args = append(args, "-test.bench=.")
		}
		if f.kind != "TestMain" {
			names = append(names, "^"+f.name+"$")
		}
	}
	if names != nil {
		slices.Sort(names)
		args = append(args, "-test.run="+strings.Join(names, "|"))
	}
	return args
}

// suite is Go source of the fields of a celltest.Suite. Examples without a comment that says what they print are compiled,
// not run, as by go test.
func suite(all []testFunction, outputs map[string]*doc.Example) string {
	lists := map[string]string{}
	main := ""
	for _, f := range all {
		switch f.kind {
		case "TestMain":
			main = ", Main: " + f.name
		case "Fuzz":
			lists["Fuzz"] += fmt.Sprintf("{Name: %q, Fn: %s}, ", f.name, f.name)
		case "Example":
			if e := outputs[f.name]; e != nil {
				lists["Examples"] += fmt.Sprintf("{Name: %q, F: %s, Output: %q, Unordered: %v}, ", f.name, f.name, e.Output, e.Unordered)
			}
		default:
			lists[f.kind+"s"] += fmt.Sprintf("{Name: %q, F: %s}, ", f.name, f.name)
		}
	}
	return fmt.Sprintf("Tests: []testing.InternalTest{%s}, Benchmarks: []testing.InternalBenchmark{%s}, Fuzz: []testing.InternalFuzzTarget{%s}, Examples: []testing.InternalExample{%s}%s",
		lists["Tests"], lists["Benchmarks"], lists["Fuzz"], lists["Examples"], main)
}

// testKind is the kind of test that a function's name makes it; "" for none.
func testKind(name string) string {
	if name == "TestMain" {
		return name
	}
	for _, kind := range []string{"Test", "Benchmark", "Fuzz", "Example"} {
		if rest, ok := strings.CutPrefix(name, kind); ok {
			// Testify is none.
			if r, _ := utf8.DecodeRuneInString(rest); rest == "" || !unicode.IsLower(r) {
				return kind
			}
		}
	}
	return ""
}

var testType = regexp.MustCompile(`^func\((\w+ )?\*testing\.([TBF])\)$`)

// liveTest says whether a name of an earlier cell is a test. What an example prints is not known any more.
func liveTest(n session.Name) (testFunction, bool) {
	m := testType.FindStringSubmatch(n.Type)
	kind := testKind(n.Name)
	want := map[string]string{"Test": "T", "Benchmark": "B", "Fuzz": "F"}[kind]
	return testFunction{n.Name, kind}, n.Kind == "func" && m != nil && m[2] == want
}

// examples finds what the examples of a cell print, by their functions' names.
func examples(code string) map[string]*doc.Example {
	// A cell may hold statements, which are no file's: what was understood is enough.
	file, _ := parser.ParseFile(token.NewFileSet(), "", "package cell;"+code, parser.ParseComments)
	found := map[string]*doc.Example{}
	if file == nil {
		return found
	}
	for _, e := range doc.Examples(&ast.File{Name: file.Name, Decls: file.Decls, Comments: file.Comments}) {
		if e.Output != "" || e.EmptyOutput {
			found["Example"+e.Name] = e
		}
	}
	return found
}

// A goToken is one token of a cell's Go.
type goToken struct {
	offset int
	tok    token.Token
	text   string
}

// tokens are those of a piece of Go, statements or declarations.
func tokens(code string) (list []goToken) {
	var s scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(code))
	s.Init(file, []byte(code), func(token.Position, string) {}, 0) // the session says what is wrong
	for {
		pos, tok, text := s.Scan()
		if tok == token.EOF {
			return list
		}
		list = append(list, goToken{file.Offset(pos), tok, text})
	}
}

// testFunctions lists the tests that a cell declares.
func testFunctions(code string) (found []testFunction) {
	list := tokens(code)
	depth := 0
	for i, t := range list {
		switch t.tok {
		case token.LBRACE, token.LPAREN, token.LBRACK:
			depth++
		case token.RBRACE, token.RPAREN, token.RBRACK:
			depth--
		case token.FUNC:
			if depth == 0 && i+2 < len(list) && list[i+1].tok == token.IDENT && list[i+2].tok == token.LPAREN {
				if kind := testKind(list[i+1].text); kind != "" {
					found = append(found, testFunction{list[i+1].text, kind})
				}
			}
		}
	}
	return found
}

// guardTests wraps the function literals that a test hands to Run or Fuzz: func(t *testing.T …) {…} as an argument.
func guardTests(code string) string {
	list := tokens(code)
	var b strings.Builder
	copied := 0
	type literal struct{ depth int }
	var open []literal
	depth := 0
	for i, t := range list {
		switch t.tok {
		case token.LBRACE:
			depth++
		case token.RBRACE:
			if n := len(open) - 1; n >= 0 && open[n].depth == depth {
				b.WriteString(code[copied:t.offset+1] + ")")
				copied, open = t.offset+1, open[:n]
			}
			depth--
		case token.FUNC:
			if i > 0 && (list[i-1].tok == token.COMMA || list[i-1].tok == token.LPAREN) && takesTest(list[i+1:]) {
				b.WriteString(code[copied:t.offset] + testName + ".Guard(")
				copied = t.offset
				open = append(open, literal{depth + 1})
			}
		}
	}
	b.WriteString(code[copied:])
	return b.String()
}

// takesTest says whether tokens begin with (t *testing.T or (b *testing.B, and a body follows the parameters.
func takesTest(list []goToken) bool {
	want := []token.Token{token.LPAREN, token.IDENT, token.MUL, token.IDENT, token.PERIOD, token.IDENT}
	if len(list) <= len(want) {
		return false
	}
	for i, tok := range want {
		if list[i].tok != tok {
			return false
		}
	}
	if list[3].text != "testing" || list[5].text != "T" && list[5].text != "B" {
		return false
	}
	for i := len(want); i+1 < len(list); i++ {
		switch list[i].tok {
		case token.LPAREN, token.LBRACE, token.FUNC:
			return false // parameters of a kind that fuzz tests cannot have
		case token.RPAREN:
			return list[i+1].tok == token.LBRACE
		}
	}
	return false
}
