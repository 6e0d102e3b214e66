package client

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var ansiSequence = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)|[@-Z\\\\-_])")

func stripANSI(s string) string { return ansiSequence.ReplaceAllString(s, "") }

// A style is what SGR sequences have switched on.
type style struct {
	foreground, background                    string // a class such as "fg1", or a colour "#rrggbb"
	bold, faint, italic, underline, struckOut bool
	inverse                                   bool
}

// ansiHTML turns terminal text into a fragment of a page: colours become spans, other sequences vanish.
// The sixteen basic colours are classes, so that the page can pick shades that are legible in the light and in the dark.
func ansiHTML(s string) string {
	var out strings.Builder
	var now style
	at := 0
	write := func(text string) {
		if text == "" {
			return
		}
		if open := now.span(); open != "" {
			out.WriteString(open + html.EscapeString(text) + "</span>")
		} else {
			out.WriteString(html.EscapeString(text))
		}
	}
	for _, match := range ansiSequence.FindAllStringIndex(s, -1) {
		write(s[at:match[0]])
		at = match[1]
		if sequence := s[match[0]:match[1]]; strings.HasPrefix(sequence, "\x1b[") && strings.HasSuffix(sequence, "m") {
			now.apply(sequence[2 : len(sequence)-1])
		}
	}
	write(s[at:])
	return out.String()
}

// apply reads the parameters of one SGR sequence.
func (s *style) apply(parameters string) {
	codes := strings.FieldsFunc(parameters, func(r rune) bool { return r == ';' || r == ':' })
	if len(codes) == 0 {
		codes = []string{"0"}
	}
	for i := 0; i < len(codes); i++ {
		n, err := strconv.Atoi(codes[i])
		if err != nil {
			continue
		}
		switch {
		case n == 0:
			*s = style{}
		case n == 1:
			s.bold = true
		case n == 2:
			s.faint = true
		case n == 3:
			s.italic = true
		case n == 4:
			s.underline = true
		case n == 7:
			s.inverse = true
		case n == 9:
			s.struckOut = true
		case n == 22:
			s.bold, s.faint = false, false
		case n == 23:
			s.italic = false
		case n == 24:
			s.underline = false
		case n == 27:
			s.inverse = false
		case n == 29:
			s.struckOut = false
		case n >= 30 && n <= 37:
			s.foreground = fmt.Sprint("fg", n-30)
		case n >= 90 && n <= 97:
			s.foreground = fmt.Sprint("fg", n-90+8)
		case n == 39:
			s.foreground = ""
		case n >= 40 && n <= 47:
			s.background = fmt.Sprint("bg", n-40)
		case n >= 100 && n <= 107:
			s.background = fmt.Sprint("bg", n-100+8)
		case n == 49:
			s.background = ""
		case n == 38:
			var used int
			s.foreground, used = extended("fg", codes[i+1:])
			i += used
		case n == 48:
			var used int
			s.background, used = extended("bg", codes[i+1:])
			i += used
		}
	}
}

// extended reads 5;n (256 colours) or 2;r;g;b.
func extended(class string, codes []string) (colour string, used int) {
	var n []int
	for _, c := range codes[:min(4, len(codes))] {
		i, err := strconv.Atoi(c)
		if err != nil || i < 0 || i > 255 {
			break
		}
		n = append(n, i)
	}
	switch {
	case len(n) >= 2 && n[0] == 5 && n[1] < 16:
		return fmt.Sprint(class, n[1]), 2
	case len(n) >= 2 && n[0] == 5 && n[1] < 232: // a cube of 6×6×6
		i := n[1] - 16
		step := func(v int) int {
			if v == 0 {
				return 0
			}
			return 55 + 40*v
		}
		return fmt.Sprintf("#%02x%02x%02x", step(i/36), step(i/6%6), step(i%6)), 2
	case len(n) >= 2 && n[0] == 5: // 24 greys
		grey := 8 + 10*(n[1]-232)
		return fmt.Sprintf("#%02x%02x%02x", grey, grey, grey), 2
	case len(n) >= 4 && n[0] == 2:
		return fmt.Sprintf("#%02x%02x%02x", n[1], n[2], n[3]), 4
	}
	return "", len(codes)
}

// span opens the element for the style, "" when there is none to show.
func (s style) span() string {
	var classes, rules []string
	colour := func(c, property string) {
		switch {
		case strings.HasPrefix(c, "#"):
			rules = append(rules, property+":"+c)
		case c != "":
			classes = append(classes, c)
		}
	}
	colour(s.foreground, "color")
	colour(s.background, "background-color")
	for class, on := range map[string]bool{"bold": s.bold, "faint": s.faint, "italic": s.italic, "inverse": s.inverse} {
		if on {
			classes = append(classes, class)
		}
	}
	var decorations []string
	if s.underline {
		decorations = append(decorations, "underline")
	}
	if s.struckOut {
		decorations = append(decorations, "line-through")
	}
	if decorations != nil {
		rules = append(rules, "text-decoration:"+strings.Join(decorations, " "))
	}
	if classes == nil && rules == nil {
		return ""
	}
	open := "<span"
	if classes != nil {
		slices.Sort(classes)
		open += ` class="` + strings.Join(classes, " ") + `"`
	}
	if rules != nil {
		open += ` style="` + strings.Join(rules, ";") + `"`
	}
	return open + ">"
}
