package assist

import (
	"go/scanner"
	"go/token"
	"slices"
	"strings"

	"fovea/kernel/session/front"
)

// statement is the kind of a piece that is no declaration.
const statement = token.ILLEGAL

// A piece is a declaration or statement at the top level of a cell, with the blanks and comments around it. Unlike a chunk
// of the session's, it may be incomplete: a cell that is being written mostly is.
type piece struct {
	start, end int         // with what is around it
	text, stop int         // without
	kind       token.Token // IMPORT, FUNC, TYPE, CONST, VAR or statement
	closers    string      // what it lacks: brackets, the end of a raw string or comment
	defines    []string    // the names before a :=
	value      int         // where the text after := begins
	names      []string    // what it declares, as far as that is easily seen
}

// splitCell cuts a cell into pieces that cover it, but for package clauses and brackets that close nothing.
func splitCell(source string) []piece {
	f := token.NewFileSet().AddFile("", -1, len(source))
	var s scanner.Scanner
	lacks, unfinished := "", "" // what the token being scanned lacks, and what the piece's last one did
	s.Init(f, []byte(source), func(_ token.Position, text string) {
		switch text {
		case "raw string literal not terminated":
			lacks = "`"
		case "string literal not terminated":
			lacks = `"`
		case "comment not terminated":
			lacks = "*/"
		}
	}, 0)
	var (
		pieces  []piece
		current *piece
		open    []token.Token
		tokens  []token.Token
		names   []string
		list    bool // the tokens so far are names and commas
		end     int  // of what the pieces cover
	)
	finish := func(stop int, closers string) {
		current.stop, current.end, current.closers = stop, stop, closers
		current.kind = kindOf(tokens)
		// What follows on the same line, a comment say, belongs to the piece.
		if i := strings.IndexByte(source[stop:], '\n'); i >= 0 && blankOrComment(source[stop:stop+i]) {
			current.end = stop + i + 1
		}
		if tokens[0] != token.PACKAGE {
			pieces = append(pieces, *current)
		}
		end, current = current.end, nil
	}
	for {
		lacks = ""
		pos, tok, literal := s.Scan()
		if tok == token.EOF || tok == token.SEMICOLON && literal == "\n" {
			unfinished += lacks // of a comment
		} else {
			unfinished = lacks
		}
		if tok == token.EOF {
			break
		}
		at := f.Offset(pos)
		if current == nil {
			if tok == token.SEMICOLON || closing(tok) {
				continue
			}
			current = &piece{start: at, text: at}
			tokens, names, open, list = nil, nil, nil, true
			// A comment before a declaration documents it. Blank lines are a place for a statement.
			if gap := source[end:at]; strings.Contains(gap, "//") || strings.Contains(gap, "/*") {
				current.start = end
			} else if end < at {
				pieces = append(pieces, piece{start: end, end: at, kind: statement, text: end, stop: end})
			}
		}
		switch {
		case opening(tok):
			open = append(open, tok)
		case closing(tok):
			if len(open) == 0 { // it closes nothing: the piece ends before it
				finish(at, "")
				end = at + 1
				continue
			}
			open = open[:len(open)-1]
		}
		if tok == token.SEMICOLON && len(open) == 0 && !(hasClauses(tokens[0]) && literal == ";") {
			finish(at, unfinished)
			unfinished = ""
			continue
		}
		tokens = append(tokens, tok)
		switch {
		case tok == token.IDENT && len(tokens) == 2:
			current.names, list = []string{literal}, false // func name, type name, var name
		case list && tok == token.IDENT && len(tokens)%2 == 1:
			names = append(names, literal)
		case list && tok == token.DEFINE && len(tokens)%2 == 0:
			current.defines, current.names, current.value, list = names, names, at+len(":="), false
		case list && !(tok == token.COMMA && len(tokens)%2 == 0):
			list = false
		}
	}
	if current != nil {
		closers := unfinished
		for _, o := range slices.Backward(open) {
			closers += map[token.Token]string{token.LPAREN: ")", token.LBRACK: "]", token.LBRACE: "\n}"}[o]
		}
		finish(len(source), closers)
		unfinished = ""
	}
	if end < len(source) || len(pieces) == 0 || pieces[len(pieces)-1].kind != statement || strings.HasSuffix(source, "\n") {
		pieces = append(pieces, piece{start: end, end: len(source), text: end, stop: end, kind: statement, closers: unfinished})
	}
	return pieces
}

func blankOrComment(s string) bool {
	s = strings.TrimLeft(s, " \t\r;")
	return s == "" || strings.HasPrefix(s, "//")
}

func opening(t token.Token) bool { return t == token.LPAREN || t == token.LBRACK || t == token.LBRACE }
func closing(t token.Token) bool { return t == token.RPAREN || t == token.RBRACK || t == token.RBRACE }

// hasClauses reports whether a statement has semicolons of its own outside brackets.
func hasClauses(t token.Token) bool {
	return t == token.FOR || t == token.IF || t == token.SWITCH || t == token.SELECT
}

func kindOf(tokens []token.Token) token.Token {
	switch tokens[0] {
	case token.IMPORT, token.TYPE, token.CONST, token.VAR:
		return tokens[0]
	case token.FUNC:
		if len(tokens) > 1 && tokens[1] == token.LPAREN && !front.IsMethod(tokens) {
			return statement // a function literal
		}
		return token.FUNC
	}
	return statement
}
