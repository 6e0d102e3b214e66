package fig

import (
	"image/color"
	"strings"
)

// A block is a rectangle that knows how to paint itself with its top left corner at the canvas's origin.
// Figures are built from blocks; the card around them is added once, at the outside.
type block struct {
	width, height float64
	paint         func(c *canvas)
}

// newFigure adds a title above body and a caption below it.
func newFigure(title, caption string, body block, text string) *Figure {
	var parts []block
	width := max(body.width, 320)
	if title != "" {
		parts = append(parts, paragraph(title, titleStyle, width))
	}
	parts = append(parts, body)
	if caption != "" {
		parts = append(parts, paragraph(caption, captionStyle, width))
	}
	lines := []string{strings.TrimRight(text, "\n")}
	if title != "" {
		lines = append([]string{title}, lines...)
	}
	if caption != "" {
		lines = append(lines, caption)
	}
	return &Figure{body: stack(gap, parts...), text: strings.Join(lines, "\n")}
}

// paragraph sets t in lines of at most width.
func paragraph(t string, s textStyle, width float64) block {
	lines := s.wrap(t, width)
	widest := 0.0
	for _, l := range lines {
		widest = max(widest, s.width(l))
	}
	return block{widest, float64(len(lines)) * s.lineHeight(), func(c *canvas) {
		for i, l := range lines {
			c.text(l, s, 0, (float64(i)+0.5)*s.lineHeight(), 0)
		}
	}}
}

// stack puts blocks below each other.
func stack(space float64, blocks ...block) block {
	total := block{}
	for i, b := range blocks {
		if i > 0 {
			total.height += space
		}
		total.width = max(total.width, b.width)
		total.height += b.height
	}
	total.paint = func(c *canvas) {
		y := 0.0
		for _, b := range blocks {
			b.paint(c.at(0, y))
			y += b.height + space
		}
	}
	return total
}

// row puts blocks beside each other, tops level.
func row(space float64, blocks ...block) block {
	total := block{}
	for i, b := range blocks {
		if i > 0 {
			total.width += space
		}
		total.width += b.width
		total.height = max(total.height, b.height)
	}
	total.paint = func(c *canvas) {
		x := 0.0
		for _, b := range blocks {
			b.paint(c.at(x, 0))
			x += b.width + space
		}
	}
	return total
}

// Row puts figures beside each other on one card. It panics when there is none.
func Row(figures ...*Figure) *Figure { return join("Row", row, figures) }

// Column puts figures below each other on one card. It panics when there is none.
func Column(figures ...*Figure) *Figure { return join("Column", stack, figures) }

// Panels puts figures in rows of at most columns, each column as wide as its widest: what others call subplots. Columns 0
// means 2. It panics when there is no figure.
func Panels(columns int, figures ...*Figure) *Figure {
	if columns < 0 {
		fail("Panels", "%d columns: want a positive number", columns)
	}
	columns = min(orDefault(columns, 2), max(len(figures), 1))
	return join("Panels", func(space float64, blocks ...block) block {
		widths := make([]float64, columns)
		for i, b := range blocks {
			widths[i%columns] = max(widths[i%columns], b.width)
		}
		var rows []block
		for start := 0; start < len(blocks); start += columns {
			var line []block
			for i, b := range blocks[start:min(start+columns, len(blocks))] {
				b.width = widths[i]
				line = append(line, b)
			}
			rows = append(rows, row(space, line...))
		}
		return stack(space, rows...)
	}, figures)
}

func join(name string, arrange func(float64, ...block) block, figures []*Figure) *Figure {
	if len(figures) == 0 {
		fail(name, "no figures: pass at least one")
	}
	var blocks []block
	var texts []string
	for i, f := range figures {
		if f == nil {
			fail(name, "figure %d is nil", i)
		}
		blocks = append(blocks, f.body)
		texts = append(texts, strings.TrimRight(f.text, "\n"))
	}
	return &Figure{body: arrange(3*gap, blocks...), text: strings.Join(texts, "\n\n")}
}

// A legendItem is one entry of a key: a line or a filled square, and its meaning.
type legendItem struct {
	name   string
	color  color.Color
	dashes []float64
	square bool
	dot    bool
	band   bool // a line inside a light band
}

// legend sets entries in lines of at most width. It stands outside of the plot, where it can't cover data.
func legend(items []legendItem, width float64) block {
	const swatch, space = 22.0, 16.0
	type placed struct {
		legendItem
		x, y float64
	}
	var all []placed
	x, y, widest := 0.0, 0.0, 0.0
	line := labelStyle.lineHeight() + 2
	for _, it := range items {
		mark := swatch
		if it.square || it.dot {
			mark = 12
		}
		it.name = labelStyle.fit(it.name, width-mark-6)
		w := mark + 6 + labelStyle.width(it.name)
		if x > 0 && x+w > width {
			x, y = 0, y+line
		}
		all = append(all, placed{it, x, y})
		widest = max(widest, x+w)
		x += w + space
	}
	return block{widest, y + line, func(c *canvas) {
		for _, it := range all {
			middle := it.y + line/2
			textX := it.x + swatch + 6
			switch {
			case it.square:
				c.fillRound(it.x, middle-6, 12, 12, 2, it.color)
				textX = it.x + 12 + 6
			case it.dot:
				c.disc(it.x+6, middle, 4, it.color)
				textX = it.x + 12 + 6
			default:
				if it.band {
					c.fillRect(it.x, middle-5, swatch, 10, withAlpha(color.RGBAModel.Convert(it.color).(color.RGBA), 0.22))
				}
				c.lineStyle(2.5, it.color, it.dashes...)
				c.vg.Stroke(c.path([2]float64{it.x, middle}, [2]float64{it.x + swatch, middle}))
			}
			c.text(it.name, labelStyle, textX, middle, 0)
		}
	}}
}
