package assist

import (
	"fmt"
	"go/token"
	"slices"
	"strings"
	"unicode/utf8"

	"fovea/kernel/session"
	"fovea/kernel/session/front"
)

// A Document is a cell as a Go file, with a map between positions in the two. Declarations of the cell stand at the file's
// top level, statements in a function; both are the cell's own text, also where that is not complete.
type Document struct {
	Text  string // the file
	cell  string
	blank []bool // the lines of the cell that are no Go
	spans []span // in the cell's order
}

// A span is a part of the cell and its place in the file.
type span struct{ start, end, at int }

// NewDocument makes the file of a cell. cursor is where an answer is wanted, in bytes; -1: nowhere. A selection that ends
// there, as in x., is given a name to select, lest it takes the next line's.
func NewDocument(cell string, cursor int, s session.Snapshot) *Document {
	d := &Document{cell: cell}
	source := maskCommands(cell)
	at := 0
	for line := range strings.Lines(cell) {
		d.blank = append(d.blank, source[at:at+len(line)] != line)
		at += len(line)
	}
	hole := -1
	if cursor > 0 && cursor <= len(source) && source[cursor-1] == '.' && strings.TrimLeft(firstLine(source[cursor:]), " \t\r") == "" {
		hole = cursor
	}
	// The scanner sees the cell with the hole filled; pieces are in its terms until they are written.
	filled := source
	if hole >= 0 {
		filled = source[:hole] + "_" + source[hole:]
	}
	pieces := splitCell(filled)
	original := func(offset int) int {
		if hole >= 0 && offset > hole {
			return offset - 1
		}
		return offset
	}
	var b strings.Builder
	write := func(p piece) {
		if hole >= 0 && p.start <= hole && hole < p.end {
			d.spans = append(d.spans, span{p.start, hole, b.Len()}, span{hole, original(p.end), b.Len() + hole + 1 - p.start})
		} else {
			d.spans = append(d.spans, span{original(p.start), original(p.end), b.Len()})
		}
		b.WriteString(filled[p.start:p.end])
		b.WriteString(p.closers + "\n")
	}
	fmt.Fprintf(&b, "package %s\n\n", front.SnapshotPackage)
	own, declared := false, map[string]bool{}
	for _, p := range pieces {
		for _, n := range p.names {
			declared[n] = p.kind != statement || len(p.defines) > 0
		}
		if p.kind == token.IMPORT {
			write(p)
		}
		own = own || p.kind == token.FUNC || p.kind == token.TYPE
	}
	b.WriteString(imports(s, declared))
	for _, p := range pieces {
		if p.kind == token.FUNC || p.kind == token.TYPE || p.kind == token.CONST {
			write(p)
		}
	}
	if own {
		b.WriteString(variables(filled, pieces))
	}
	b.WriteString("func _() {\n")
	for _, p := range pieces {
		if p.kind == statement || p.kind == token.VAR {
			write(p)
		}
	}
	b.WriteString("}\n")
	d.Text = b.String()
	slices.SortStableFunc(d.spans, func(a, b span) int { return a.start - b.start })
	return d
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// maskCommands blanks the kernel's commands, %name and !shell: they are no Go. A cell whose first line is a command for
// another language is blank as a whole. Offsets stay.
func maskCommands(cell string) string {
	blank := func(s string) string { return strings.Repeat(" ", len(s)) }
	var b strings.Builder
	for line := range strings.Lines(cell) {
		switch {
		case strings.HasPrefix(line, "%%") && len(strings.Fields(line)[0]) > 2: // after a bare %% with arguments stands Go
			b.WriteString(blank(cell[b.Len():]))
			return b.String()
		case strings.HasPrefix(line, "%"), strings.HasPrefix(line, "!"):
			text := strings.TrimRight(line, "\r\n")
			b.WriteString(blank(text) + line[len(text):])
		default:
			b.WriteString(line)
		}
	}
	return b.String()
}

// imports writes the imports in force and the packages that need none, for the cell to use as it likes. The list changes
// little from one cell to the next: an import that is new makes gopls ask the go command. A name that the cell declares
// is the cell's.
func imports(s session.Snapshot, declared map[string]bool) string {
	var b strings.Builder
	b.WriteString("import (\n")
	for _, list := range [][]session.Import{s.Imports, s.Packages} {
		for _, i := range list {
			if declared[i.Name] {
				i.Name = "_"
			}
			fmt.Fprintf(&b, "\t%s %q\n", i.Name, i.Path)
		}
	}
	return b.String() + ")\n\n"
}

// variables declares the cell's variables once more at the top level, where its functions see them.
func variables(source string, pieces []piece) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, p := range pieces {
		switch {
		case p.kind == token.VAR:
			b.WriteString(source[p.text:p.stop] + p.closers + "\n")
		case len(p.defines) > 0:
			names := slices.Clone(p.defines)
			for i, n := range names {
				if seen[n] {
					names[i] = "_"
				}
				seen[n] = true
			}
			fmt.Fprintf(&b, "var %s = %s%s\n", strings.Join(names, ", "), strings.TrimSpace(source[p.value:p.stop]), p.closers)
		}
	}
	return b.String()
}

// ToFile maps an offset in the cell to one in the file. It is false within a command or a package clause.
func (d *Document) ToFile(offset int) (int, bool) {
	if line := strings.Count(d.cell[:offset], "\n"); line < len(d.blank) && d.blank[line] {
		return 0, false
	}
	best := -1
	for i, s := range d.spans {
		switch {
		case offset < s.start || offset > s.end:
		case offset == s.end && offset > s.start && d.cell[offset-1] != '\n':
			return s.at + offset - s.start, true // what was just written belongs to what stands before it
		default:
			best = i
		}
	}
	if best < 0 {
		return 0, false
	}
	return d.spans[best].at + offset - d.spans[best].start, true
}

// ToCell maps an offset in the file to one in the cell. It is false in what the cell does not hold.
func (d *Document) ToCell(offset int) (int, bool) {
	for _, s := range d.spans {
		if s.at <= offset && offset <= s.at+s.end-s.start {
			return s.start + offset - s.at, true
		}
	}
	return 0, false
}

// A Position is a place in a file as the protocol has it: line and column, from 0.
type Position struct {
	Line      int `json:"line"`
	Character int `json:"character"`
}

// A Range is the text between two positions.
type Range struct {
	Start Position `json:"start"`
	End   Position `json:"end"`
}

// position turns an offset into a position. Columns count UTF-16 code units, or bytes where the server agreed to them.
func position(text string, offset int, utf8Columns bool) Position {
	line := strings.Count(text[:offset], "\n")
	head := text[strings.LastIndexByte(text[:offset], '\n')+1 : offset]
	if utf8Columns {
		return Position{line, len(head)}
	}
	column := 0
	for _, r := range head {
		column += units(r)
	}
	return Position{line, column}
}

// offset turns a position into an offset. A column beyond the line means its end.
func (p Position) offset(text string, utf8Columns bool) int {
	at := 0
	for range p.Line {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text)
		}
		at += i + 1
	}
	line := firstLine(text[at:])
	if utf8Columns {
		return at + min(p.Character, len(line))
	}
	column := 0
	for i, r := range line {
		if column >= p.Character {
			return at + i
		}
		column += units(r)
	}
	return at + len(line)
}

// units is how many UTF-16 code units a rune takes.
func units(r rune) int {
	if r > 0xFFFF && r <= utf8.MaxRune {
		return 2
	}
	return 1
}
