package assist

import (
	"context"
	"go/token"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"fovea/kernel/server"
	"fovea/kernel/session"
)

type completionItem struct {
	Label    string   `json:"label"`
	Kind     int      `json:"kind"`
	Detail   string   `json:"detail"`
	SortText string   `json:"sortText"`
	TextEdit textEdit `json:"textEdit"`
}

type textEdit struct {
	Range   *Range `json:"range"`
	Insert  *Range `json:"insert"` // of an edit that may insert or replace
	Replace *Range `json:"replace"`
	NewText string `json:"newText"`
}

// Complete lists what could stand at an offset of the cell, best first.
func (a *Assistant) Complete(ctx context.Context, cell string, offset int) (server.Completion, error) {
	var list struct {
		Items []completionItem `json:"items"`
	}
	start := wordStart(cell, offset)
	path, inImport := importPath(cell, offset)
	if inImport {
		start = path
	}
	c := server.Completion{Start: start, End: offset}
	seen := map[string]bool{}
	add := func(m server.Match) {
		if !seen[m.Text] {
			seen[m.Text] = true
			c.Matches = append(c.Matches, m)
		}
	}
	d, q, err := a.get(ctx, cell, offset, "textDocument/completion", &list)
	if d == nil {
		return c, err
	}
	slices.SortStableFunc(list.Items, func(a, b completionItem) int { return strings.Compare(a.SortText, b.SortText) })
	for _, item := range list.Items {
		r, text := item.TextEdit.Range, item.TextEdit.NewText
		if r == nil {
			r = item.TextEdit.Insert
		}
		if r == nil || text == "" {
			continue
		}
		at, ok := d.ToCell(r.Start.offset(d.Text, q.utf8))
		if !ok || at > offset {
			continue
		}
		// All matches of a reply replace the same text.
		if at >= start {
			text = cell[start:at] + text
		} else if text, ok = strings.CutPrefix(text, cell[at:start]); !ok {
			continue
		}
		add(server.Match{Text: text, Type: frontendType(item.Kind), Signature: item.Detail})
	}
	if inImport {
		// gopls leaves out what the file imports already, and that is all the session's packages.
		for _, p := range a.importable() {
			if strings.HasPrefix(p, cell[start:offset]) {
				add(server.Match{Text: p, Type: "module"})
			}
		}
	}
	return c, nil
}

// importPath is where the import path begins that an offset lies in.
func importPath(cell string, offset int) (start int, ok bool) {
	for _, p := range splitCell(maskCommands(cell)) {
		if p.kind == token.IMPORT && p.text < offset && offset <= p.stop {
			line := cell[p.text:offset]
			line = line[strings.LastIndexByte(line, '\n')+1:]
			if strings.Count(line, `"`) == 1 {
				return offset - len(line) + strings.IndexByte(line, '"') + 1, true
			}
		}
	}
	return 0, false
}

// importable lists the paths of the session's packages.
func (a *Assistant) importable() (paths []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, list := range [][]session.Import{a.snapshot.Packages, a.snapshot.Imports} {
		for _, i := range list {
			paths = append(paths, i.Path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// wordStart is where the identifier that ends at an offset begins.
func wordStart(cell string, offset int) int {
	for offset > 0 {
		r, n := utf8.DecodeLastRuneInString(cell[:offset])
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			break
		}
		offset -= n
	}
	return offset
}

// frontendType is the word for a kind of completion that frontends have an icon for. The numbers are the protocol's.
func frontendType(kind int) string {
	switch kind {
	case 2:
		return "method"
	case 3:
		return "function"
	case 5, 10:
		return "field"
	case 6:
		return "instance"
	case 7, 8, 22, 25:
		return "type"
	case 9:
		return "module"
	case 14:
		return "keyword"
	case 21:
		return "constant"
	}
	return "text"
}
