package client

import (
	"strings"
	"testing"
)

func TestLineBuffer(t *testing.T) {
	for _, c := range []struct {
		name   string
		chunks []string
		want   string
	}{
		{"lines", []string{"a\nb", "c\n"}, "a\nbc\n"},
		{"a bar", []string{"10 %\r", "20 %\r", "100 %\n"}, "100 %\n"},
		{"shorter text keeps the rest", []string{"abcdef\rxy"}, "xycdef"},
		{"erase to the end", []string{"abcdef\rxy\x1b[K\n"}, "xy\n"},
		{"erase the line, cut between chunks", []string{"abc\x1b", "[2", "Kd"}, "d"},
		{"Windows ends", []string{"a\r", "\nb\r\n"}, "a\nb\n"},
		{"backspace", []string{"10%\b\b\b20%"}, "20%"},
		{"backspace at the start", []string{"\b\ba"}, "a"},
		{"colours stay", []string{"\x1b[31mred\x1b[0m\n"}, "\x1b[31mred\x1b[0m\n"},
		{"colours are replaced with their text", []string{"\x1b[31mred\rblue"}, "blue"},
		{"non-ASCII", []string{"▕█ ▏\r▕██▏"}, "▕██▏"},
	} {
		var b lineBuffer
		for _, chunk := range c.chunks {
			b.write(chunk)
		}
		if got := b.String(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestLineBufferIsBounded(t *testing.T) {
	var b lineBuffer
	line := strings.Repeat("x", 1023) + "\n"
	for range 3 * maxStream / len(line) {
		b.write(line)
	}
	got := b.String()
	if len(got) > maxStream+10_000 || !strings.Contains(got, "more bytes were printed and not kept") {
		t.Errorf("kept %d bytes, ends with %q", len(got), got[len(got)-60:])
	}
}

func TestLast(t *testing.T) {
	var b lineBuffer
	b.write("first\n\x1b[32msecond\x1b[0m\n\n")
	if got := b.last(); got != "second" {
		t.Errorf("got %q", got)
	}
	b.write("  third")
	if got := b.last(); got != "third" {
		t.Errorf("got %q", got)
	}
}

func TestANSI(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"a<b", "a&lt;b"},
		{"\x1b[1;31mbad\x1b[0m ok", `<span class="bold fg1">bad</span> ok`},
		{"\x1b[91mx\x1b[39my", `<span class="fg9">x</span>y`},
		{"\x1b[38;5;196mx\x1b[m", `<span style="color:#ff0000">x</span>`},
		{"\x1b[48;2;1;2;3;4mx", `<span style="background-color:#010203;text-decoration:underline">x</span>`},
		{"\x1b[2Jx\x1b]8;;http://a\x07link\x1b]8;;\x07", "xlink"},
		{"\x1b[38;5mx", "x"},
	} {
		if got := ansiHTML(c.in); got != c.want {
			t.Errorf("%q: got %s, want %s", c.in, got, c.want)
		}
	}
}
