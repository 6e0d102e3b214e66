package session

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"fovea/kernel/session/front"
	"fovea/kernel/session/host"
	"fovea/kernel/worker/message"
)

func interruptedError(text string) *CellError {
	return &CellError{Name: Interrupted, Message: text, Traceback: []string{text}}
}

func sessionError(err error) *CellError {
	return &CellError{Name: SessionError, Message: firstLine(err.Error()), Traceback: strings.Split(err.Error(), "\n")}
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

// compileError shows each problem with its source line and a caret. Problems may be in earlier cells, in what would have
// to be compiled again with this one.
func (s *Session) compileError(e *front.Error, number int) *CellError {
	first := e.Problems[0]
	out := &CellError{Name: CompileError, Message: firstLine(first.Message), Line: first.Line, Column: first.Column}
	if first.Line > 0 && first.Cell != number {
		out.Line, out.Column = 0, 0
		out.Message = fmt.Sprintf("In[%d] does not fit what this cell declares: %s", first.Cell, out.Message)
		out.Traceback = []string{"what an earlier cell declared does not fit what this cell declares; nothing has changed:"}
	}
	for _, p := range e.Problems {
		out.Traceback = append(out.Traceback, strings.Split(p.String(), "\n")...)
		out.Traceback = append(out.Traceback, excerpt(s.sources[p.Cell], p.Line, p.Column)...)
	}
	return out
}

func (s *Session) packageError(e *packageError) *CellError {
	at := e.need.At
	text := e.err.Error()
	var tool *host.ToolError
	if errors.As(e.err, &tool) {
		text = tool.Output
	}
	out := &CellError{Name: PackageError, Message: firstLine(text), Line: at.Line, Column: at.Column}
	out.Traceback = append([]string{at.String()}, excerpt(s.sources[at.Cell], at.Line, at.Column)...)
	out.Traceback = append(out.Traceback, strings.Split(strings.TrimSpace(text), "\n")...)
	return out
}

// excerpt is a line of a cell with a caret under a column; column 0: without.
func excerpt(source string, line, column int) []string {
	lines := strings.Split(source, "\n")
	if line < 1 || line > len(lines) {
		return nil
	}
	text := strings.TrimRight(lines[line-1], "\r")
	if strings.TrimSpace(text) == "" {
		return nil
	}
	out := []string{"    " + expandTabs(text)}
	if column < 1 || column > len(text)+1 {
		return out
	}
	before := utf8.RuneCountInString(expandTabs(text[:column-1]))
	return append(out, "    "+strings.Repeat(" ", before)+"^")
}

// tabWidth is that of the excerpts. A frontend's own is 8, which pushes a line far from what is said about it.
const tabWidth = 4

// expandTabs replaces tabs by the spaces that they stand for.
func expandTabs(text string) string {
	var out strings.Builder
	column := 0
	for _, r := range text {
		if r != '\t' {
			out.WriteRune(r)
			column++
			continue
		}
		n := tabWidth - column%tabWidth
		out.WriteString(strings.Repeat(" ", n))
		column += n
	}
	return out.String()
}

func (s *Session) panicError(r message.Response) *CellError {
	return s.stackError(Panic, front.Unmark(r.Text), r.Frames)
}

// stackError shows the user's part of a stack, each line of it with its source, and in front of it the library function
// in which it happened.
func (s *Session) stackError(name, text string, frames []message.Frame) *CellError {
	e := &CellError{Name: name, Message: firstLine(text)}
	if name == Panic {
		text = "panic: " + text
	}
	e.Traceback = strings.Split(text, "\n")
	var library *message.Frame
	for i := range frames {
		f := &frames[i]
		number, line, ok := cellPlace(*f)
		if !ok {
			if !strings.HasPrefix(f.Function, "fovea/kernel/worker/") {
				library = f // the one that cell code called is the last before cell code
			}
			continue
		}
		if library != nil {
			e.Traceback = append(e.Traceback, fmt.Sprintf("in %s (%s:%d), called by", readable(library.Function), library.File, library.Line))
			library = nil
		}
		if e.Line == 0 {
			e.Line, e.Column = line, 0
		}
		e.Traceback = append(e.Traceback, fmt.Sprintf("In[%d]:%d%s", number, line, inFunction(f.Function)))
		e.Traceback = append(e.Traceback, excerpt(s.sources[number], line, 0)...)
	}
	return e
}

func cellPlace(f message.Frame) (number, line int, ok bool) {
	if _, err := fmt.Sscanf(f.File, "In[%d]", &number); err != nil {
		return 0, 0, false
	}
	return number, f.Line, true
}

// readable is a function's name without the path of its package.
func readable(function string) string {
	return front.Unmark(function[strings.LastIndexByte(function, '/')+1:])
}

// inFunction names the function of a cell's frame; "" for the cell's own statements.
func inFunction(function string) string {
	name := readable(function)
	_, name, _ = strings.Cut(name, ".") // c7.
	if name == "Run" {
		return ""
	}
	return " in " + strings.Replace(name, "Run.", "", 1)
}
