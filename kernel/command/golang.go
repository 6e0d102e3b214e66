package command

import (
	"fmt"
	"go/scanner"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Names under which hidden code imports packages. A cell hardly uses them itself.
const (
	flagName    = "foveaFlag"
	osName      = "foveaOS"
	reflectName = "foveaReflect"
	commsName   = "foveaComms"
)

var (
	usesFlag   = regexp.MustCompile(`\bflag\.[A-Z]`)
	definition = regexp.MustCompile(`\bflag\.\w+\(\s*(?:&[^,"]*,\s*)?"([^"\n]+)"`)
)

// golang makes the Go that the session gets: the cell's lines, with what %%, %exec and GoNB's functions ask for. No line
// moves.
func (c *call) golang(lines []string) (string, error) {
	e := c.engine
	text := strings.Join(lines, "\n")
	starts := c.main >= 0 || c.exec != ""
	if strings.TrimSpace(text) == "" && !starts {
		// Arguments alone would be for no cell.
		return "", nil
	}
	mentions := usesFlag.MatchString(text)
	e.flags = e.flags || mentions || len(c.args) > 0
	if mentions || !slices.Equal(e.args, c.args) || starts && e.flags {
		if err := c.hidden(prelude(c.args, text)); err != nil {
			return "", err
		}
		e.args = c.args
	}
	parse := ""
	if e.flags {
		parse = fmt.Sprintf(" if err := %s.CommandLine.Parse(%s.Args[1:]); err == %s.ErrHelp { return } else if err != nil { panic(err) };", flagName, osName, flagName)
	}
	if c.main >= 0 {
		lines[c.main] = "func() {" + parse
		lines = append(lines, "}()")
	}
	if c.exec != "" {
		run := fmt.Sprintf("func() {%s %s() }()", parse, c.exec)
		// At its place when nothing follows, so that an error has the right line; else after all variables are there.
		if strings.TrimSpace(strings.Join(lines[c.line:], "")) == "" {
			lines[c.line] = run
		} else {
			lines = append(lines, run)
		}
	}
	return runFunctions(strings.Join(lines, "\n")), nil
}

// prelude sets os.Args, and prepares package flag for a cell: a fresh program would have its defaults, and would not
// know yet the flags that the cell defines; nor may a wrong flag end the process.
func prelude(args []string, text string) string {
	var again []string
	for _, m := range definition.FindAllStringSubmatch(text, -1) {
		if name := strconv.Quote(m[1]); !slices.Contains(again, name) {
			again = append(again, name)
		}
	}
	skip := ""
	if again != nil {
		skip = fmt.Sprintf("switch f.Name { case %s: return }", strings.Join(again, ", "))
	}
	quoted := ""
	for _, a := range args {
		quoted += ", " + strconv.Quote(a)
	}
	return fmt.Sprintf(`import %[1]s "flag"
import %[2]s "os"
%[2]s.Args = append(%[2]s.Args[:1:1]%[3]s)
func() {
	%[1]s.Visit(func(f *%[1]s.Flag) { f.Value.Set(f.DefValue) })
	fresh := %[1]s.NewFlagSet(%[2]s.Args[0], %[1]s.ContinueOnError)
	%[1]s.VisitAll(func(f *%[1]s.Flag) {
		%[4]s
		fresh.Var(f.Value, f.Name, f.Usage)
	})
	%[1]s.CommandLine = fresh
}()`, flagName, osName, quoted, skip)
}

// runFunctions makes the functions run that GoNB runs: main becomes a function literal that is called, and after
// init_something stands a call of it.
func runFunctions(code string) string {
	type item struct {
		offset int
		tok    token.Token
		text   string
	}
	var s scanner.Scanner
	wrong := false
	file := token.NewFileSet().AddFile("", -1, len(code))
	s.Init(file, []byte(code), func(token.Position, string) { wrong = true }, 0)
	var items []item
	for {
		pos, tok, text := s.Scan()
		if tok == token.EOF {
			break
		}
		items = append(items, item{file.Offset(pos), tok, text})
	}
	if wrong {
		return code // the session says what
	}
	var b strings.Builder
	copied, depth := 0, 0
	closing := "" // what follows the function that is open
	for i, t := range items {
		switch t.tok {
		case token.LBRACE, token.LPAREN, token.LBRACK:
			depth++
		case token.RBRACE, token.RPAREN, token.RBRACK:
			depth--
			if depth == 0 && t.tok == token.RBRACE && closing != "" {
				b.WriteString(code[copied:t.offset+1] + closing)
				copied, closing = t.offset+1, ""
			}
		case token.FUNC:
			begins := i == 0 || items[i-1].tok == token.SEMICOLON
			if depth != 0 || !begins || i+4 >= len(items) || items[i+1].tok != token.IDENT || items[i+2].tok != token.LPAREN ||
				items[i+3].tok != token.RPAREN || items[i+4].tok != token.LBRACE {
				continue
			}
			name := items[i+1]
			if name.text == "main" {
				b.WriteString(code[copied:name.offset] + "    ")
				copied, closing = name.offset+len("main"), "()"
			} else if strings.HasPrefix(name.text, "init_") {
				closing = "; " + name.text + "()"
			}
		}
	}
	b.WriteString(code[copied:])
	return b.String()
}
