package server

import (
	"regexp"
	"slices"
	"testing"
)

func TestColoured(t *testing.T) {
	plain := []string{
		"panic: index out of range",
		"",
		"In[4]:2 in index",
		"    return xs[i]",
		"In[3]:4:14: cannot use x",
		"    \tvar n int = x",
		"    \t            ^",
		"\x1b[32mgreen\x1b[0m by itself",
		"^ not alone",
	}
	want := []string{
		"\x1b[1mpanic: index out of range\x1b[0m",
		"",
		"\x1b[32mIn[4]:2\x1b[0m in index",
		"    return xs[i]",
		"\x1b[32mIn[3]:4:14\x1b[0m: \x1b[1mcannot use x\x1b[0m",
		"    \tvar n int = x",
		"\x1b[1;31m    \t            ^\x1b[0m",
		"\x1b[32mgreen\x1b[0m by itself",
		"^ not alone",
	}
	got := coloured(plain)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	// No character is lost: without the colours it is the traceback as it was.
	colour := regexp.MustCompile("\x1b\\[[0-9;]*m")
	for i := range got {
		if g, w := colour.ReplaceAllString(got[i], ""), colour.ReplaceAllString(plain[i], ""); g != w {
			t.Errorf("line %d reads %q, not %q", i, g, w)
		}
	}
}
