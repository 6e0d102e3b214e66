package display

import (
	"encoding/base64"
	"fmt"
	"html"
	"strings"
	"unicode/utf8"
)

// HTML returns the bundle as a fragment of a page, pictures inlined. It reports false when there was nothing richer
// than text, which then comes as preformatted.
func (b Bundle) HTML() (fragment string, rich bool) {
	if s, ok := b.Data["text/html"].(string); ok {
		return s, true
	}
	if s, ok := b.Data["image/svg+xml"].(string); ok {
		return s, true
	}
	for _, mime := range []string{"image/png", "image/jpeg"} {
		if data, ok := b.Data[mime].([]byte); ok {
			alt, _ := b.Data["text/plain"].(string)
			return fmt.Sprintf(`<img alt="%s" src="data:%s;base64,%s">`,
				html.EscapeString(alt), mime, base64.StdEncoding.EncodeToString(data)), true
		}
	}
	plainText, _ := b.Data["text/plain"].(string)
	return "<pre>" + html.EscapeString(plainText) + "</pre>", false
}

// Table shows rows under a header. Cells that look like numbers are set to the right. Rows may be shorter or longer
// than the header.
func Table(header []string, rows [][]string) Bundler {
	columns := len(header)
	for _, row := range rows {
		columns = max(columns, len(row))
	}
	widths := make([]int, columns)
	numeric := make([]bool, columns) // every cell below the header is a number or empty
	for c := range columns {
		numeric[c] = len(rows) > 0
		for _, row := range rows {
			if s := cell(row, c); s != "" && !isNumber(s) {
				numeric[c] = false
			}
			widths[c] = max(widths[c], utf8.RuneCountInString(cell(row, c)))
		}
		widths[c] = max(widths[c], utf8.RuneCountInString(cell(header, c)))
	}
	var page, plainText strings.Builder
	page.WriteString("<table>\n<thead><tr>")
	for c := range columns {
		page.WriteString(tableCell("th", cell(header, c), numeric[c]))
	}
	page.WriteString("</tr></thead>\n<tbody>\n")
	textRow(&plainText, header, widths, numeric)
	for c, w := range widths {
		if c > 0 {
			plainText.WriteString("  ")
		}
		plainText.WriteString(strings.Repeat("─", w))
	}
	plainText.WriteString("\n")
	for _, row := range rows {
		page.WriteString("<tr>")
		for c := range columns {
			page.WriteString(tableCell("td", cell(row, c), numeric[c]))
		}
		page.WriteString("</tr>\n")
		textRow(&plainText, row, widths, numeric)
	}
	page.WriteString("</tbody>\n</table>")
	return Bundle{Data: map[string]any{"text/html": page.String(), "text/plain": strings.TrimRight(plainText.String(), "\n")}}
}

func cell(row []string, c int) string {
	if c < len(row) {
		return row[c]
	}
	return ""
}

func tableCell(tag, s string, right bool) string {
	align := "left"
	if right {
		align = "right"
	}
	return fmt.Sprintf(`<%s style="text-align:%s">%s</%s>`, tag, align, html.EscapeString(s), tag)
}

func textRow(out *strings.Builder, row []string, widths []int, numeric []bool) {
	var line strings.Builder
	for c, w := range widths {
		if c > 0 {
			line.WriteString("  ")
		}
		s := strings.ReplaceAll(cell(row, c), "\n", " ")
		gap := strings.Repeat(" ", max(0, w-utf8.RuneCountInString(s)))
		if numeric[c] {
			line.WriteString(gap + s)
		} else {
			line.WriteString(s + gap)
		}
	}
	out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// isNumber accepts what tables of results hold: 12, -1.5e-3, 132,863,336, 71.2 %, 3.1 ± 0.2, 1.5×.
func isNumber(s string) bool {
	digit := false
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digit = true
		case strings.ContainsRune("+-−.,%±×eE \u00a0\u202f", r):
		default:
			return false
		}
	}
	return digit
}
