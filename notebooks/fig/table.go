package fig

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"unicode/utf8"
)

// TableOptions describes Table. The zero value is useful.
type TableOptions struct {
	Title, Caption string
	// Bold sets these rows in bold: the best, or this run's.
	Bold []int
}

var numeric = regexp.MustCompile(`^[<>≤≥~≈]?[-−+]?[0-9][0-9.,  ]*([eE][-+]?[0-9]+)?( ?[%×kMGTBx]i?B?| ?(ms|s|h|min))?( ?± ?[0-9][0-9.,]*( ?%)?)?$`)

// Table draws rows under a header. Columns of numbers are set to the right. Notebooks show the HTML form, which follows
// their colours and can be copied; SVG and PNG look like the other figures.
//
// It panics when there is no header, or when a row is longer than the header.
func Table(header []string, rows [][]string, o TableOptions) *Figure {
	const function = "Table"
	if len(header) == 0 {
		fail(function, "no header: name the columns")
	}
	k := len(header)
	cells := make([][]string, len(rows))
	for i, r := range rows {
		if len(r) > k {
			fail(function, "row %d has %d cells, the header %d", i, len(r), k)
		}
		cells[i] = append(append([]string(nil), r...), make([]string, k-len(r))...)
	}
	bold := map[int]bool{}
	for _, i := range o.Bold {
		if i < 0 || i >= len(rows) {
			fail(function, "bold row %d of %d", i, len(rows))
		}
		bold[i] = true
	}
	right := make([]bool, k)
	for j := range k {
		numbers, texts := 0, 0
		for _, r := range cells {
			switch s := strings.TrimSpace(r[j]); {
			case s == "" || s == "–" || s == "-":
			case numeric.MatchString(s):
				numbers++
			default:
				texts++
			}
		}
		right[j] = numbers > 0 && texts == 0
	}
	text, page := tableText(header, cells, right), tableHTML(header, cells, right, bold, o)
	f := newFigure(o.Title, o.Caption, tableBlock(header, cells, right, bold), text)
	f.html = page
	return f
}

func tableBlock(header []string, rows [][]string, right []bool, bold map[int]bool) block {
	const space = 22.0
	widths := make([]float64, len(header))
	for j, h := range header {
		widths[j] = headStyle.width(h)
		for i, r := range rows {
			s := labelStyle
			s.bold = bold[i]
			widths[j] = max(widths[j], s.width(r[j]))
		}
	}
	total := space * float64(len(header)-1)
	longest := 0
	for j, w := range widths {
		total += w
		if w > widths[longest] {
			longest = j
		}
	}
	if total > pageWidth { // the longest column gives way
		widths[longest] = max(widths[longest]-(total-pageWidth), 80)
		total = space * float64(len(header)-1)
		for _, w := range widths {
			total += w
		}
	}
	line := labelStyle.lineHeight() + 6
	return block{total, line * float64(len(rows)+1), func(c *canvas) {
		put := func(r []string, y float64, s textStyle) {
			x := 0.0
			for j, t := range r {
				t = s.fit(t, widths[j]+0.5)
				if right[j] {
					c.text(t, s, x+widths[j], y, 1)
				} else {
					c.text(t, s, x, y, 0)
				}
				x += widths[j] + space
			}
		}
		put(header, line/2, headStyle)
		c.line(1, muted, [2]float64{0, line}, [2]float64{total, line})
		for i, r := range rows {
			s := labelStyle
			s.bold = bold[i]
			y := line * float64(i+1)
			put(r, y+line/2, s)
			if i < len(rows)-1 {
				c.line(1, faint, [2]float64{0, y + line}, [2]float64{total, y + line})
			}
		}
	}}
}

func tableText(header []string, rows [][]string, right []bool) string {
	widths := make([]int, len(header))
	all := append([][]string{header}, rows...)
	for _, r := range all {
		for j, t := range r {
			widths[j] = max(widths[j], utf8.RuneCountInString(t))
		}
	}
	var text strings.Builder
	for i, r := range all {
		var parts []string
		for j, t := range r {
			pad := strings.Repeat(" ", widths[j]-utf8.RuneCountInString(t))
			if right[j] {
				parts = append(parts, pad+t)
			} else {
				parts = append(parts, t+pad)
			}
		}
		text.WriteString(strings.TrimRight(strings.Join(parts, "  "), " ") + "\n")
		if i == 0 {
			n := 2 * (len(widths) - 1)
			for _, w := range widths {
				n += w
			}
			text.WriteString(strings.Repeat("─", n) + "\n")
		}
	}
	return text.String()
}

func tableHTML(header []string, rows [][]string, right []bool, bold map[int]bool, o TableOptions) string {
	var page strings.Builder
	page.WriteString("<table>")
	if o.Title != "" {
		fmt.Fprintf(&page, "<caption style=\"text-align:left;font-weight:bold\">%s</caption>", html.EscapeString(o.Title))
	}
	line := func(tag string, r []string, style string) {
		page.WriteString("<tr>")
		for j, t := range r {
			align := "left"
			if right[j] {
				align = "right"
			}
			fmt.Fprintf(&page, "<%s style=\"text-align:%s%s\">%s</%s>", tag, align, style, html.EscapeString(t), tag)
		}
		page.WriteString("</tr>")
	}
	page.WriteString("<thead>")
	line("th", header, "")
	page.WriteString("</thead><tbody>")
	for i, r := range rows {
		style := ""
		if bold[i] {
			style = ";font-weight:bold"
		}
		line("td", r, style)
	}
	page.WriteString("</tbody></table>")
	if o.Caption != "" {
		fmt.Fprintf(&page, "<p>%s</p>", html.EscapeString(o.Caption))
	}
	return page.String()
}
