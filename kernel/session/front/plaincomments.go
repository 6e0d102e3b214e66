package front

import (
	"go/scanner"
	"go/token"
	"strconv"
	"strings"
)

// findComments finds what stands between the chunks, and blank imports.
func (f *plainFile) findComments() error {
	all, _, err := split(f.source, 0, f.result.Number)
	if err != nil {
		return err
	}
	f.before, f.after = map[[2]int]string{}, map[[2]int]string{}
	starts := []int{0}
	for i, r := range f.source {
		if r == '\n' {
			starts = append(starts, i+1)
		}
	}
	end := 0
	for _, c := range all {
		start := starts[c.line-1] + c.column - 1
		before := comments(f.source[end:start])
		if c.kind == isImport {
			f.result.Head += before
			if file, _, err := c.parse(); err == nil {
				for _, spec := range file.Imports {
					if spec.Name != nil && spec.Name.Name == "_" {
						path, _ := strconv.Unquote(spec.Path.Value)
						f.blank = append(f.blank, path)
					}
				}
			}
		} else {
			f.before[[2]int{c.line, c.column}] = before
		}
		if c.kind == isStatement || c.kind == isVar { // of others the whole text is taken
			f.after[[2]int{c.line, c.column}] = lastComment(c.text)
		}
		end = start + len(c.text)
	}
	f.tail = comments(f.source[end:])
	return nil
}

// lastComment is the comment with which a chunk ends, on its last line.
func lastComment(text string) string {
	comment, _ := scanComments(text, func(string) bool { return false })
	if strings.Contains(comment, "\n") {
		return ""
	}
	return comment
}

// scanComments returns the comment after the last token of a text, and the text without the comments that drop names.
func scanComments(text string, drop func(comment string) bool) (last, kept string) {
	file := token.NewFileSet().AddFile("", -1, len(text))
	var s scanner.Scanner
	s.Init(file, []byte(text), nil, scanner.ScanComments)
	var b strings.Builder
	at := 0
	for {
		pos, tok, literal := s.Scan()
		switch {
		case tok == token.EOF:
			return last, b.String() + text[at:]
		case tok == token.COMMENT:
			last = literal
			if drop(literal) {
				b.WriteString(text[at:file.Offset(pos)])
				at = file.Offset(pos) + len(literal)
			}
		case tok != token.SEMICOLON || literal == ";":
			last = ""
		}
	}
}

// comments lists those between two chunks. Empty lines are kept.
func comments(gap string) string {
	file := token.NewFileSet().AddFile("", -1, len(gap))
	var s scanner.Scanner
	s.Init(file, []byte(gap), nil, scanner.ScanComments)
	end := 0
	var b strings.Builder
	for {
		pos, tok, text := s.Scan()
		if tok == token.EOF {
			break
		}
		if tok != token.COMMENT {
			continue
		}
		at := file.Offset(pos)
		if end > 0 && strings.Count(gap[end:at], "\n") > 1 {
			b.WriteString("\n")
		}
		b.WriteString(text + "\n")
		end = at + len(text)
	}
	if end > 0 && strings.Count(gap[end:], "\n") > 1 {
		b.WriteString("\n")
	}
	return b.String()
}
