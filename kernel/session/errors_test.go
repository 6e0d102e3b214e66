//go:build linux

package session

import (
	"slices"
	"testing"
)

func TestExcerpt(t *testing.T) {
	for _, c := range []struct {
		source       string
		line, column int
		want         []string
	}{
		{"x := y", 1, 6, []string{"    x := y", "         ^"}},
		{"if a {\n\tb\n}", 2, 2, []string{"        b", "        ^"}},
		{"a\tb", 1, 3, []string{"    a   b", "        ^"}},               // to the next tab stop
		{"größe + b", 1, 11, []string{"    größe + b", "            ^"}}, // columns count bytes
		{"\tx\r", 1, 0, []string{"        x"}},
		{"x", 1, 9, []string{"    x"}},
		{"x\n\n", 2, 1, nil},
		{"x", 2, 1, nil},
	} {
		if got := excerpt(c.source, c.line, c.column); !slices.Equal(got, c.want) {
			t.Errorf("%q %d:%d: %q, want %q", c.source, c.line, c.column, got, c.want)
		}
	}
}
