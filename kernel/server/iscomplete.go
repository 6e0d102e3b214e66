package server

import (
	"go/scanner"
	"go/token"
	"strings"

	"fovea/kernel/wire"
)

// isComplete says what the Enter key should do. It looks at tokens, not at the grammar: whether a cell compiles is for
// the session to say, which knows the live names, and a cell with an error in it should run and show the error. Only
// what no more lines can mend is invalid.
func isComplete(code string) wire.IsCompleteReply {
	first, _, _ := strings.Cut(strings.TrimLeft(code, " \t\r\n"), "\n")
	if name, ok := strings.CutPrefix(first, "%%"); ok && strings.TrimSpace(name) != "" {
		return wire.IsCompleteReply{Status: "complete"} // %%bash and its like hold no Go, and have no end to look for
	}
	code, _, _ = question(code)
	s := scan(goLines(code))
	switch {
	case s.invalid:
		return wire.IsCompleteReply{Status: "invalid"}
	case s.open != "" || s.unterminated || s.continues:
		indent := strings.Repeat("\t", strings.Count(s.open, "{")+strings.Count(s.open, "(")+strings.Count(s.open, "["))
		return wire.IsCompleteReply{Status: "incomplete", Indent: indent}
	}
	return wire.IsCompleteReply{Status: "complete"}
}

// goLines blanks the lines that are commands to the kernel or the shell.
func goLines(code string) string {
	lines := strings.Split(code, "\n")
	for i, line := range lines {
		if t := strings.TrimLeft(line, " \t"); strings.HasPrefix(t, "%") || strings.HasPrefix(t, "!") {
			lines[i] = ""
		}
	}
	return strings.Join(lines, "\n")
}

type scanned struct {
	open         string // brackets that wait for their end
	unterminated bool   // a raw string or a comment waits for its end
	continues    bool   // the last token wants another
	invalid      bool
}

func scan(code string) (result scanned) {
	files := token.NewFileSet()
	file := files.AddFile("cell", -1, len(code))
	var s scanner.Scanner
	s.Init(file, []byte(code), func(_ token.Position, message string) {
		switch {
		case strings.Contains(message, "raw string literal not terminated"), strings.Contains(message, "comment not terminated"):
			result.unterminated = true
		default:
			result.invalid = true // such as a string that a line end has cut
		}
	}, 0)
	closes := map[token.Token]byte{token.RPAREN: '(', token.RBRACK: '[', token.RBRACE: '{'}
	opens := map[token.Token]string{token.LPAREN: "(", token.LBRACK: "[", token.LBRACE: "{"}
	last := token.SEMICOLON
	for {
		_, t, literal := s.Scan()
		if t == token.EOF {
			break
		}
		if o, ok := opens[t]; ok {
			result.open += o
		} else if c, ok := closes[t]; ok {
			n := len(result.open)
			if n == 0 || result.open[n-1] != c {
				result.invalid = true
				return result
			}
			result.open = result.open[:n-1]
		}
		if t == token.SEMICOLON && literal == "\n" && !ends(last) {
			continue // the scanner puts one at the end of the text
		}
		last = t
	}
	result.continues = !ends(last)
	if result.unterminated {
		result.invalid = false
	}
	return result
}

// ends says whether a cell can end with the token. Line ends after others are no semicolon, so the cell goes on.
func ends(t token.Token) bool {
	switch t {
	case token.SEMICOLON, token.IDENT, token.INT, token.FLOAT, token.IMAG, token.CHAR, token.STRING,
		token.BREAK, token.CONTINUE, token.FALLTHROUGH, token.RETURN, token.INC, token.DEC,
		token.RPAREN, token.RBRACK, token.RBRACE, token.COMMENT:
		return true
	}
	return false
}
