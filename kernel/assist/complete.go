package assist

import (
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"fovea/kernel/server"
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
	c := server.Completion{Start: start, End: offset}
	d, q, err := a.get(ctx, cell, offset, "textDocument/completion", &list)
	if d == nil {
		return c, err
	}
	slices.SortStableFunc(list.Items, func(a, b completionItem) int { return strings.Compare(a.SortText, b.SortText) })
	seen := map[string]bool{}
	for _, item := range list.Items {
		r := item.TextEdit.Range
		if r == nil {
			r = item.TextEdit.Insert
		}
		text := item.TextEdit.NewText
		if r == nil || text == "" {
			text = item.Label
		} else if at, ok := d.ToCell(r.Start.offset(d.Text, q.utf8)); !ok || at > offset {
			continue
		} else if at < start {
			// All matches of a reply replace the same text. gopls goes back further within import paths.
			if c.Matches == nil {
				start = at
				c.Start = at
			} else if head := cell[at:start]; strings.HasPrefix(text, head) {
				text = text[len(head):]
			} else {
				continue
			}
		}
		if !seen[text] {
			seen[text] = true
			c.Matches = append(c.Matches, server.Match{Text: text, Type: frontendType(item.Kind), Signature: item.Detail})
		}
	}
	return c, nil
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
