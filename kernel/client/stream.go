package client

import (
	"fmt"
	"strings"
)

// maxStream bounds the text of one stream output: a page or a notebook with more cannot be opened any more.
const maxStream = 4 << 20

// A lineBuffer keeps text as a terminal would: a carriage return goes back to the start of the line and what follows
// replaces what stood there, so that a bar drawn a thousand times leaves one line.
type lineBuffer struct {
	done    strings.Builder // whole lines
	line    []glyph         // the last one, which can still change
	at      int             // where the next character goes
	pending string          // escape sequences before the next character
	escape  string          // the start of a sequence whose end has not come yet
	dropped int             // bytes over the limit
}

// A glyph is a character with the escape sequences, such as colours, that stand before it.
type glyph struct {
	before string
	r      rune // 0: none, the sequences end the line
}

func (b *lineBuffer) write(s string) {
	if b.done.Len() > maxStream {
		b.dropped += len(s)
		return
	}
	for _, r := range s {
		if b.escape != "" {
			b.escape += string(r)
			b.endEscape(r)
			continue
		}
		switch r {
		case '\x1b':
			b.escape = "\x1b"
		case '\n':
			b.flush(&b.done)
			b.done.WriteByte('\n')
			b.line, b.at, b.pending = b.line[:0], 0, ""
		case '\r':
			b.at = 0
		case '\b':
			b.at = max(0, b.at-1)
		default:
			b.put(glyph{before: b.pending, r: r})
			b.pending = ""
		}
	}
}

func (b *lineBuffer) put(g glyph) {
	if b.at < len(b.line) {
		b.line[b.at] = g
	} else {
		b.line = append(b.line, g)
	}
	b.at++
}

// endEscape looks whether r ends the sequence: ESC [ parameters letter, or ESC and one character.
func (b *lineBuffer) endEscape(r rune) {
	n := len(b.escape)
	isCSI := n >= 2 && b.escape[1] == '['
	switch {
	case n == 2 && isCSI:
		return
	case isCSI && (r < 0x40 || r > 0x7e) && n < 64:
		return
	}
	switch sequence := b.escape; {
	case sequence == "\x1b[K" || sequence == "\x1b[0K": // erase to the end of the line
		b.line = b.line[:min(b.at, len(b.line))]
	case sequence == "\x1b[2K":
		b.line, b.at = b.line[:0], 0
	default:
		b.pending += sequence
	}
	b.escape = ""
}

func (b *lineBuffer) flush(out *strings.Builder) {
	for _, g := range b.line {
		out.WriteString(g.before)
		if g.r != 0 {
			out.WriteRune(g.r)
		}
	}
	out.WriteString(b.pending)
}

// String is all text so far.
func (b *lineBuffer) String() string {
	var out strings.Builder
	out.WriteString(b.done.String())
	b.flush(&out)
	if b.dropped > 0 {
		fmt.Fprintf(&out, "\n… (%d more bytes were printed and not kept)\n", b.dropped)
	}
	return out.String()
}

// last is the last line that is not blank, without escape sequences: what the cell is saying now.
func (b *lineBuffer) last() string {
	var line strings.Builder
	for _, g := range b.line {
		if g.r != 0 {
			line.WriteRune(g.r)
		}
	}
	if s := strings.TrimSpace(line.String()); s != "" {
		return s
	}
	done := strings.TrimRight(b.done.String(), "\n ")
	return strings.TrimSpace(stripANSI(done[strings.LastIndexByte(done, '\n')+1:]))
}
