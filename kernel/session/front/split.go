package front

import (
	"go/scanner"
	"go/token"
	"strings"
)

// A kind of chunk.
type kind int

const (
	isStatement kind = iota
	isImport
	isFunc
	isMethod
	isType
	isVar
	isConst
)

// A chunk is one declaration or statement at the top level of a cell. The chunks of functions, types and constants are
// kept: they are compiled again when something that they use changes.
type chunk struct {
	text         string
	cell         int // ID of the cell
	number       int // its number in the notebook
	line, column int // of the text in the cell
	kind         kind
	names        []string // what it declares
	receiver     string   // of a method: its type's name
	method       string   // its own
	deps         map[string]bool
}

// split cuts a cell into chunks. quiet: the last statement ends with a semicolon, so its value is not shown.
func split(source string, cell, number int) (chunks []*chunk, quiet bool, err error) {
	fset := token.NewFileSet()
	f := fset.AddFile(FileName(number), -1, len(source))
	var s scanner.Scanner
	var first *Error
	s.Init(f, []byte(source), func(pos token.Position, message string) {
		if first == nil {
			first = failure(pos, "%s", message)
		}
	}, 0)
	var (
		open   []token.Pos // brackets
		start  = -1        // of the chunk, -1 between chunks
		tokens []token.Token
	)
	for {
		pos, tok, literal := s.Scan()
		if first != nil {
			return nil, false, first
		}
		if tok == token.EOF {
			break
		}
		offset := f.Offset(pos)
		if start < 0 {
			if tok == token.SEMICOLON {
				quiet = quiet || literal == ";"
				continue
			}
			start, tokens = offset, nil
		}
		switch tok {
		case token.LPAREN, token.LBRACE, token.LBRACK:
			open = append(open, pos)
		case token.RPAREN, token.RBRACE, token.RBRACK:
			if len(open) == 0 {
				return nil, false, failure(f.Position(pos), "unexpected %s", tok)
			}
			open = open[:len(open)-1]
		}
		if tok != token.SEMICOLON || len(open) > 0 || hasClauses(tokens[0]) && literal == ";" {
			tokens = append(tokens, tok)
			continue
		}
		place := f.Position(f.Pos(start))
		if tokens[0] != token.PACKAGE { // GoNB's notebooks may have a package clause; it means nothing
			chunks = append(chunks, &chunk{text: source[start:offset], cell: cell, number: number, line: place.Line, column: place.Column, kind: kindOf(tokens)})
		}
		start, quiet = -1, literal == ";"
	}
	if start >= 0 {
		at := f.Pos(start)
		what := "the cell ends within a statement"
		if len(open) > 0 {
			at = open[len(open)-1]
			what = "this bracket is never closed"
		}
		return nil, false, failure(f.Position(at), "%s", what)
	}
	return chunks, quiet, nil
}

// hasClauses reports whether a statement has semicolons of its own outside brackets.
func hasClauses(t token.Token) bool {
	return t == token.FOR || t == token.IF || t == token.SWITCH || t == token.SELECT
}

func kindOf(tokens []token.Token) kind {
	switch tokens[0] {
	case token.IMPORT:
		return isImport
	case token.TYPE:
		return isType
	case token.CONST:
		return isConst
	case token.VAR:
		return isVar
	case token.FUNC:
		if len(tokens) > 1 && tokens[1] == token.IDENT {
			return isFunc
		}
		if IsMethod(tokens) {
			return isMethod
		}
		return isStatement // a function literal
	}
	return isStatement
}

// IsMethod tells func (r T) Name( from func(a int) { … }(1): tokens begin with func and a bracket.
func IsMethod(tokens []token.Token) bool {
	depth := 0
	for i, t := range tokens {
		switch t {
		case token.LPAREN:
			depth++
		case token.RPAREN:
			if depth--; depth == 0 {
				return i+2 < len(tokens) && tokens[i+1] == token.IDENT && tokens[i+2] == token.LPAREN
			}
		}
	}
	return false
}

// namesBeforeDots lists the identifiers in source that may name packages, each once, in order.
func namesBeforeDots(source string) []string {
	f := token.NewFileSet().AddFile("", -1, len(source))
	var s scanner.Scanner
	s.Init(f, []byte(source), nil, 0)
	var names []string
	seen := map[string]bool{}
	candidate, previous := "", token.ILLEGAL
	for {
		_, tok, literal := s.Scan()
		if tok == token.EOF {
			return names
		}
		if tok == token.PERIOD && candidate != "" && !seen[candidate] {
			seen[candidate] = true
			names = append(names, candidate)
		}
		candidate = ""
		if tok == token.IDENT && previous != token.PERIOD {
			candidate = literal
		}
		previous = tok
	}
}

// directive is a comment that gives the text after it the position of a chunk's text at that offset.
func (c *chunk) directive(offset int) string {
	line, column := c.place(offset)
	return lineDirective(c.number, line, column)
}

func (c *chunk) place(offset int) (line, column int) {
	before := c.text[:offset]
	n := strings.Count(before, "\n")
	if n == 0 {
		return c.line, c.column + offset
	}
	return c.line + n, offset - strings.LastIndexByte(before, '\n')
}
