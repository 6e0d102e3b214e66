package assist

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"fovea/kernel/display"
)

// A Signature is the function that is called around a position.
type Signature struct {
	Label         string // as Go source: func(x int) string, with the function's name in front
	Documentation string // Markdown
	Parameters    []string
	Active        int // the parameter that is being written
}

// Inspect describes what stands at an offset of the cell: its declaration and documentation. Within the brackets of a call
// the called function follows, with the parameter that is being written; where nothing stands yet, that is all.
func (a *Assistant) Inspect(ctx context.Context, cell string, offset, detail int) (b display.Bundle, found bool, err error) {
	var hover *struct {
		Contents struct {
			Value string `json:"value"`
		} `json:"contents"`
	}
	if named(cell, offset) {
		if _, _, err := a.get(ctx, cell, offset, "textDocument/hover", &hover); err != nil {
			return b, false, err
		}
	}
	s, err := a.Signature(ctx, cell, offset)
	if hover != nil && hover.Contents.Value != "" {
		text := hover.Contents.Value
		if s != nil && !strings.Contains(firstLine(strings.TrimPrefix(text, "```go\n")), "func "+s.Label) { // the name of the call itself
			text += "\n\n---\n\n" + s.parameter() + "in\n```go\n" + s.Label + "\n```"
		}
		return markdown(text), true, nil
	}
	if s == nil {
		return b, false, err
	}
	text := "```go\n" + s.Label + "\n```"
	if p := s.parameter(); p != "" {
		text += "\n\n" + p
	}
	if s.Documentation != "" {
		text += "\n\n" + s.Documentation
	}
	return markdown(text), true, nil
}

// parameter names the one that is being written.
func (s *Signature) parameter() string {
	if s.Active < 0 || s.Active >= len(s.Parameters) {
		return ""
	}
	return fmt.Sprintf("parameter %d of %d: `%s` ", s.Active+1, len(s.Parameters), s.Parameters[s.Active])
}

// named reports whether an identifier touches an offset.
func named(cell string, offset int) bool {
	if wordStart(cell, offset) < offset {
		return true
	}
	_, n := utf8.DecodeRuneInString(cell[offset:])
	return n > 0 && wordStart(cell, offset+n) == offset
}

// Signature describes the call around an offset of the cell; nil when there is none.
func (a *Assistant) Signature(ctx context.Context, cell string, offset int) (*Signature, error) {
	var help *struct {
		Signatures []struct {
			Label         string `json:"label"`
			Documentation any    `json:"documentation"`
			Parameters    []struct {
				Label any `json:"label"`
			} `json:"parameters"`
		} `json:"signatures"`
		Active *int `json:"activeParameter"`
	}
	if _, _, err := a.get(ctx, cell, offset, "textDocument/signatureHelp", &help); err != nil || help == nil || len(help.Signatures) == 0 {
		return nil, err
	}
	first := help.Signatures[0]
	s := &Signature{Label: first.Label}
	switch doc := first.Documentation.(type) {
	case string:
		s.Documentation = doc
	case map[string]any:
		s.Documentation, _ = doc["value"].(string)
	}
	for _, p := range first.Parameters {
		if label, ok := p.Label.(string); ok {
			s.Parameters = append(s.Parameters, label)
		}
	}
	if help.Active != nil {
		s.Active = *help.Active
	}
	return s, nil
}

// markdown makes a bundle of a text, for frontends that show Markdown and for those that do not.
func markdown(text string) display.Bundle {
	var plain []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "```") || line == "---" {
			continue
		}
		plain = append(plain, unescape.Replace(line))
	}
	return display.Bundle{Data: map[string]any{
		"text/markdown": text,
		"text/plain":    strings.TrimSpace(strings.Join(plain, "\n")),
	}}
}

// unescape undoes what keeps prose from being read as Markdown.
var unescape = strings.NewReplacer(`\*`, `*`, `\_`, `_`, "\\`", "`", `\[`, `[`, `\]`, `]`, `\(`, `(`, `\)`, `)`, `\<`, `<`, `\>`, `>`,
	`\{`, `{`, `\}`, `}`, `\#`, `#`, `\+`, `+`, `\-`, `-`, `\!`, `!`, `\|`, `|`, `\.`, `.`, `\\`, `\`)
