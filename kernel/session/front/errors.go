package front

import (
	"fmt"
	"go/scanner"
	"go/token"
	"go/types"
	"regexp"
	"strconv"
	"strings"
)

// An Error is a cell that does not compile.
type Error struct {
	Problems []Problem // at least one, in the order of the source
}

// A Problem is one thing that is wrong.
type Problem struct {
	Cell         int // the number of the cell that it is in, which may be an earlier one; 0: no place is known
	Line, Column int // from 1; columns in bytes
	Message      string
}

func (e *Error) Error() string {
	var lines []string
	for _, p := range e.Problems {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.Message
	}
	return fmt.Sprintf("In[%d]:%d:%d: %s", p.Cell, p.Line, p.Column, p.Message)
}

// maxProblems bounds what is told of one cell.
const maxProblems = 8

func problem(pos token.Position, message string) Problem {
	p := Problem{Line: pos.Line, Column: pos.Column, Message: Unmark(message)}
	if n, ok := cellNumber(pos.Filename); ok {
		p.Cell = n
	} else {
		p.Line, p.Column = 0, 0
	}
	return p
}

func failure(pos token.Position, format string, args ...any) *Error {
	return &Error{[]Problem{problem(pos, fmt.Sprintf(format, args...))}}
}

// syntaxError converts the parser's errors.
func syntaxError(err error) error {
	list, ok := err.(scanner.ErrorList)
	if !ok || len(list) == 0 {
		return err
	}
	return &Error{[]Problem{problem(list[0].Pos, list[0].Msg)}} // what follows the first is mostly its consequence
}

func typeProblem(fset *token.FileSet, err types.Error) Problem {
	return problem(fset.Position(err.Pos), err.Msg)
}

// FileName is the name by which positions call a cell.
func FileName(number int) string { return "In[" + strconv.Itoa(number) + "]" }

func cellNumber(file string) (int, bool) {
	i := strings.LastIndex(file, "In[")
	if i < 0 || !strings.HasSuffix(file, "]") {
		return 0, false
	}
	n, err := strconv.Atoi(file[i+3 : len(file)-1])
	return n, err == nil
}

var compilerLine = regexp.MustCompile(`^(?:\S*/)?(In\[\d+\]):(\d+)(?::(\d+))?: (.*)$`)

// CompilerError converts what the compiler says; nil when it names no place in a cell.
// The checker finds nearly everything first: what comes through are limits of the compiler itself.
func CompilerError(output string) *Error {
	var e Error
	for line := range strings.Lines(output) {
		m := compilerLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil || len(e.Problems) == maxProblems {
			continue
		}
		l, _ := strconv.Atoi(m[2])
		c, _ := strconv.Atoi(m[3])
		e.Problems = append(e.Problems, problem(token.Position{Filename: m[1], Line: l, Column: max(c, 1)}, m[4]))
	}
	if e.Problems == nil {
		return nil
	}
	return &e
}

// A NeedPackages error lists imports that the worker does not have yet.
type NeedPackages struct {
	Paths []string
	At    Problem // the first of them
}

func (n *NeedPackages) Error() string { return "packages to load: " + strings.Join(n.Paths, " ") }
