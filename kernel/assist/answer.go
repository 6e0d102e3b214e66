package assist

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"fovea/kernel/server"
)

var _ server.Answerer = (*Engine)(nil)

// A Question is what the methods of Answer are about: a cell and a place in it. Lines and characters count from 0;
// characters are UTF-16 code units as in the language server protocol, unless the encoding is "utf-32", for code points,
// or "utf-8", for bytes.
type Question struct {
	Code     string   `json:"code"`
	Position Position `json:"position"`
	Encoding string   `json:"positionEncoding"`
}

// Answer answers what front ends ask over a comm: "complete", "signature", "hover", "diagnose" and "format". The answers
// have the members of the language server protocol's.
func (e *Engine) Answer(ctx context.Context, method string, params json.RawMessage) (any, error) {
	var q Question
	if err := json.Unmarshal(params, &q); err != nil {
		return nil, fmt.Errorf("params: %w", err)
	}
	if !utf8.ValidString(q.Code) {
		return nil, errors.New("params: the code is no UTF-8")
	}
	switch q.Encoding {
	case "", "utf-16", "utf-32", "utf-8":
	default:
		return nil, fmt.Errorf("positionEncoding %q is unknown: utf-16, utf-32 or utf-8", q.Encoding)
	}
	at := q.offset(q.Position)
	switch method {
	case "complete":
		return e.answerComplete(ctx, &q, at)
	case "signature":
		return e.answerSignature(ctx, &q, at)
	case "hover":
		b, found, err := e.Inspect(ctx, q.Code, at, 0)
		if err != nil || !found {
			return map[string]any{}, err
		}
		return map[string]any{"contents": map[string]any{"kind": "markdown", "value": b.Data["text/markdown"]}}, nil
	case "diagnose":
		return e.answerDiagnose(ctx, &q)
	case "format":
		return answerFormat(&q)
	}
	return nil, fmt.Errorf("method %q is unknown: complete, signature, hover, diagnose or format", method)
}

// offset and position go between places of the question and bytes of its code.
func (q *Question) offset(p Position) int {
	if p.Line < 0 || p.Character < 0 {
		return 0
	}
	if q.Encoding != "utf-32" {
		return p.offset(q.Code, q.Encoding == "utf-8")
	}
	at := Position{p.Line, 0}.offset(q.Code, true)
	for range p.Character {
		r, n := utf8.DecodeRuneInString(q.Code[at:])
		if n == 0 || r == '\n' {
			break
		}
		at += n
	}
	return at
}

func (q *Question) position(at int) Position {
	if q.Encoding != "utf-32" {
		return position(q.Code, at, q.Encoding == "utf-8")
	}
	p := position(q.Code, at, true)
	return Position{p.Line, utf8.RuneCountInString(q.Code[at-p.Character : at])}
}

func (q *Question) span(start, end int) Range { return Range{q.position(start), q.position(end)} }

func (e *Engine) answerComplete(ctx context.Context, q *Question, at int) (any, error) {
	c, err := e.Complete(ctx, q.Code, at)
	if err != nil {
		return nil, err
	}
	items := []map[string]any{}
	for _, m := range c.Matches {
		items = append(items, map[string]any{"label": m.Text, "kind": m.Type, "detail": m.Signature,
			"textEdit": map[string]any{"range": q.span(c.Start, c.End), "newText": m.Text}})
	}
	return map[string]any{"items": items}, nil
}

func (e *Engine) answerSignature(ctx context.Context, q *Question, at int) (any, error) {
	s, err := e.Signature(ctx, q.Code, at)
	if err != nil {
		return nil, err
	}
	signatures := []map[string]any{}
	active := 0
	if s != nil {
		parameters := []map[string]any{}
		for _, p := range s.Parameters {
			parameters = append(parameters, map[string]any{"label": p})
		}
		active = s.Active
		signatures = append(signatures, map[string]any{"label": s.Label, "documentation": s.Documentation, "parameters": parameters})
	}
	return map[string]any{"signatures": signatures, "activeSignature": 0, "activeParameter": active}, nil
}

func (e *Engine) answerDiagnose(ctx context.Context, q *Question) (any, error) {
	list, err := e.Diagnose(ctx, q.Code)
	if err != nil {
		return nil, err
	}
	items := []map[string]any{}
	for _, d := range list {
		severity := 2
		if d.Severity == "error" {
			severity = 1
		}
		items = append(items, map[string]any{"range": q.span(d.Start, d.End), "severity": severity, "message": d.Message, "source": "gopls"})
	}
	return map[string]any{"items": items}, nil
}

// answerFormat is one edit of the whole cell, or none.
func answerFormat(q *Question) (any, error) {
	text, err := Format(q.Code)
	if err != nil {
		return nil, err
	}
	edits := []map[string]any{}
	if text != q.Code {
		edits = append(edits, map[string]any{"range": q.span(0, len(q.Code)), "newText": text})
	}
	return map[string]any{"edits": edits}, nil
}
