package command

import (
	"go/scanner"
	"go/token"
	"strings"
)

// prefix lets a special line pass for a comment, in editors that know only Go.
const prefix = "//gonb:"

// A special line, with the lines that continue it.
type special struct {
	line int    // from 0
	text string // without the prefix: starts with % or !
}

// A parsed cell.
type parsed struct {
	magic    string    // the first line of a cell that holds no Go, such as %%bash; "" for Go
	body     string    // what follows it
	specials []special // of a Go cell, in order
	lines    []string  // of a Go cell, the special ones blanked
}

// cellMagics are the commands that take a whole cell.
var cellMagics = map[string]bool{"%fmt": true, "%check": true, "%vet": true, "%%writefile": true, "%%script": true, "%%bash": true, "%%sh": true}

// parse finds the special lines of a cell. They start in the first column, with % or ! or the prefix and one of those;
// a \ at a line's end continues it. Within raw strings and comments nothing is special, nor is a ! where Go goes on
// from the line before.
func parse(source string) parsed {
	lines := strings.Split(strings.ReplaceAll(source, "\r\n", "\n"), "\n")
	for i, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		if text := strings.TrimPrefix(line, prefix); cellMagics[firstWord(text)] {
			return parsed{magic: text, body: strings.Join(lines[i+1:], "\n")}
		}
		break
	}
	p := parsed{lines: lines}
	safe := 0 // the first line of the Go that has not been scanned to its end
	for i := 0; i < len(lines); i++ {
		text := strings.TrimPrefix(lines[i], prefix)
		if len(text) < 2 || text[0] != '%' && text[0] != '!' {
			continue
		}
		switch inside, operand := scan(strings.Join(lines[safe:i], "\n")); {
		case inside, operand && text[0] == '!' && text == lines[i]:
			continue
		}
		s := special{line: i}
		for ; ; i++ {
			part, more := strings.CutSuffix(strings.TrimPrefix(lines[i], prefix), `\`)
			s.text += part
			lines[i] = ""
			if !more || i+1 == len(lines) {
				break
			}
			s.text += " "
		}
		p.specials = append(p.specials, s)
		safe = i + 1
	}
	return p
}

// scan says how a piece of Go ends: inside a raw string or a comment, or where only an operand can follow.
func scan(code string) (inside, operand bool) {
	if strings.TrimSpace(code) == "" {
		return false, false
	}
	var s scanner.Scanner
	file := token.NewFileSet().AddFile("", -1, len(code))
	s.Init(file, []byte(code), func(_ token.Position, message string) {
		inside = inside || strings.Contains(message, "raw string literal not terminated") || strings.Contains(message, "comment not terminated")
	}, 0)
	last := token.SEMICOLON
	for {
		_, t, _ := s.Scan()
		if t == token.EOF {
			break
		}
		last = t
	}
	switch last {
	case token.COMMA, token.LPAREN, token.LBRACK, token.RETURN:
		return inside, true
	}
	return inside, last.IsOperator() && last != token.SEMICOLON && last != token.LBRACE && last != token.RBRACE && last != token.COLON &&
		last != token.RPAREN && last != token.RBRACK && last != token.INC && last != token.DEC
}

func firstWord(s string) string {
	if fields := strings.Fields(s); len(fields) > 0 && strings.HasPrefix(s, fields[0]) {
		return fields[0]
	}
	return ""
}

// words splits a command at spaces. Double quotes hold words together, and \" \n \t stand within them.
func words(s string) []string {
	var list []string
	var word strings.Builder
	started, quoted := false, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			quoted, started = !quoted, true // "" is an empty word
		case quoted && c == '\\' && i+1 < len(s):
			i++
			switch s[i] {
			case 'n':
				word.WriteByte('\n')
			case 't':
				word.WriteByte('\t')
			default:
				word.WriteByte(s[i])
			}
		case !quoted && (c == ' ' || c == '\t' || c == '\n'):
			if started {
				list = append(list, word.String())
				word.Reset()
				started = false
			}
		default:
			word.WriteByte(c)
			started = true
		}
	}
	if started {
		list = append(list, word.String())
	}
	return list
}
