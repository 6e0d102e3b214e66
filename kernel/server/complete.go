package server

import (
	"context"
	"errors"
	"fmt"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"fovea/kernel/display"
	"fovea/kernel/session"
	"fovea/kernel/wire"
)

// assistTime bounds a completion or inspection: an answer that comes later is of no use, and others wait behind it.
const assistTime = 3 * time.Second

// byteOffset turns a position in code points into one in bytes.
func byteOffset(code string, points int) int {
	for i := range code {
		if points == 0 {
			return i
		}
		points--
	}
	return len(code)
}

func (s *Server) complete(r *wire.CompleteRequest) any {
	ctx, cancel := context.WithTimeout(s.ctx, assistTime)
	defer cancel()
	offset := byteOffset(r.Code, r.CursorPos)
	engine := s.engine.now()
	var c Completion
	var err error
	if completer, ok := engine.(Completer); ok {
		c, err = completer.Complete(ctx, r.Code, offset)
	} else {
		err = ErrUnavailable
	}
	if errors.Is(err, ErrUnavailable) {
		c, err = completeNames(r.Code, offset, liveNames(engine)), nil
	}
	if err != nil {
		return wire.Failed("CompletionError", err.Error())
	}
	if c.Start < 0 || c.Start > c.End || c.End > len(r.Code) {
		return wire.Failed("CompletionError", fmt.Sprintf("completion of the range %d:%d in %d bytes", c.Start, c.End, len(r.Code)))
	}
	start, end := utf8.RuneCountInString(r.Code[:c.Start]), utf8.RuneCountInString(r.Code[:c.End])
	reply := wire.CompleteReply{OK: wire.Good, Matches: []string{}, Start: start, End: end}
	typed := []map[string]any{}
	for _, m := range c.Matches {
		reply.Matches = append(reply.Matches, m.Text)
		typed = append(typed, map[string]any{"text": m.Text, "type": m.Type, "signature": m.Signature, "start": start, "end": end})
	}
	reply.Metadata = map[string]any{"_jupyter_types_experimental": typed}
	return reply
}

func (s *Server) inspect(r *wire.InspectRequest) any {
	ctx, cancel := context.WithTimeout(s.ctx, assistTime)
	defer cancel()
	offset := byteOffset(r.Code, r.CursorPos)
	engine := s.engine.now()
	var b display.Bundle
	var found bool
	var err error
	if inspector, ok := engine.(Inspector); ok {
		b, found, err = inspector.Inspect(ctx, r.Code, offset, r.DetailLevel)
	} else {
		err = ErrUnavailable
	}
	if errors.Is(err, ErrUnavailable) {
		b, found = inspectName(r.Code, offset, liveNames(engine))
		err = nil
	}
	if err != nil {
		return wire.Failed("InspectionError", err.Error())
	}
	return wire.InspectReply{OK: wire.Good, Found: found, Data: mimeData(b.Data), Metadata: orEmpty(b.Metadata)}
}

func liveNames(engine Engine) []session.Name {
	if namer, ok := engine.(Namer); ok {
		return namer.Names()
	}
	return nil
}

func isLetter(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// word is the identifier around an offset, and whether it is selected from something (x.word).
func word(code string, offset int) (start, end int, selected bool) {
	start, end = offset, offset
	for start > 0 {
		r, n := utf8.DecodeLastRuneInString(code[:start])
		if !isLetter(r) {
			break
		}
		start -= n
	}
	for end < len(code) {
		r, n := utf8.DecodeRuneInString(code[end:])
		if !isLetter(r) {
			break
		}
		end += n
	}
	return start, end, strings.HasSuffix(code[:start], ".")
}

// completeNames completes live names, predeclared names and keywords. What a selection x. can be followed by needs the
// types of packages, which a Completer knows.
func completeNames(code string, offset int, live []session.Name) Completion {
	start, _, selected := word(code, offset)
	c := Completion{Start: start, End: offset}
	prefix := code[start:offset]
	if selected || prefix == "" {
		return c
	}
	seen := map[string]bool{}
	add := func(name, kind string) {
		if strings.HasPrefix(name, prefix) && !seen[name] {
			seen[name] = true
			c.Matches = append(c.Matches, Match{Text: name, Type: kind})
		}
	}
	for _, n := range live {
		add(n.Name, frontendType(n.Kind))
	}
	for _, name := range types.Universe.Names() {
		switch types.Universe.Lookup(name).(type) {
		case *types.TypeName:
			add(name, "type")
		case *types.Builtin:
			add(name, "function")
		default:
			add(name, "constant")
		}
	}
	for t := token.BREAK; t <= token.VAR; t++ {
		add(t.String(), "keyword")
	}
	slices.SortStableFunc(c.Matches, func(a, b Match) int { return strings.Compare(a.Text, b.Text) })
	return c
}

// frontendType is the word for a kind of name that frontends have an icon for.
func frontendType(kind string) string {
	switch kind {
	case "func":
		return "function"
	case "var":
		return "instance"
	case "const":
		return "constant"
	}
	return kind
}

// inspectName shows the declaration of a live name.
func inspectName(code string, offset int, live []session.Name) (display.Bundle, bool) {
	start, end, selected := word(code, offset)
	if selected || start == end {
		return display.Bundle{}, false
	}
	for _, n := range live {
		if n.Name == code[start:end] {
			declaration := fmt.Sprintf("%s %s %s", n.Kind, n.Name, n.Type)
			if n.Kind == "func" {
				declaration = "func " + n.Name + strings.TrimPrefix(n.Type, "func")
			}
			return display.Bundle{Data: map[string]any{
				"text/plain":    fmt.Sprintf("%s\n\ndeclared in cell %d", declaration, n.Cell),
				"text/markdown": fmt.Sprintf("```go\n%s\n```\n\ndeclared in cell %d", declaration, n.Cell),
			}}, true
		}
	}
	return display.Bundle{}, false
}
