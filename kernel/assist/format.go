package assist

import (
	"go/format"
	"go/scanner"
	"go/token"
	"strings"
)

// Format formats a cell as gofmt does. Commands keep their lines. The error says where the cell is no Go, as a
// [scanner.ErrorList] with positions in the cell; then the cell is not to be changed.
func Format(cell string) (string, error) {
	masked := maskCommands(cell)
	var b strings.Builder
	for _, g := range groups(cell, masked, splitCell(masked)) {
		text := cell[g.start:g.end]
		if g.kind == command || strings.TrimSpace(text) == "" {
			b.WriteString(text)
			continue
		}
		formatted, err := format.Source([]byte(text))
		if err != nil {
			return "", moved(err, cell, g.start)
		}
		b.Write(formatted)
	}
	return b.String(), nil
}

// groups joins neighbouring pieces that gofmt reads as one fragment: functions and imports, or statements, not both.
// Commands stand apart. Together the groups are the cell.
func groups(cell, masked string, pieces []piece) []piece {
	var out []piece
	at := 0
	for i, p := range pieces {
		start, end := at, p.end
		if i == len(pieces)-1 {
			end = len(cell)
		}
		at = end
		kind := statement
		switch {
		case masked[start:end] != cell[start:end]:
			kind = command
		case p.kind == token.FUNC, p.kind == token.IMPORT:
			kind = token.FUNC
		}
		blank := kind == statement && strings.TrimSpace(cell[start:end]) == ""
		if n := len(out) - 1; n >= 0 && kind != command && out[n].kind != command && (blank || out[n].kind == kind) {
			out[n].end = end
			continue
		}
		out = append(out, piece{start: start, end: end, kind: kind})
	}
	return out
}

// command is the kind of a piece that holds commands.
const command = token.COMMENT

// moved gives the positions of a fragment's errors in the cell.
func moved(err error, cell string, start int) error {
	list, ok := err.(scanner.ErrorList)
	if !ok {
		return err
	}
	line := strings.Count(cell[:start], "\n")
	column := start - strings.LastIndexByte(cell[:start], '\n') - 1
	for _, e := range list {
		if e.Pos.Line == 1 {
			e.Pos.Column += column
		}
		e.Pos.Line += line
		e.Pos.Offset += start
	}
	return list
}
