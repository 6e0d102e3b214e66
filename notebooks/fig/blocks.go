package fig

import (
	"image"
	"math"

	"gonum.org/v1/plot"
)

// pictureSize returns the place of m on the page: about target wide, a whole factor for small images.
func pictureSize(m Image, target int) (w, h float64) {
	f := float64(target) / float64(m.W)
	if f >= 1 {
		f = math.Round(f)
	}
	return math.Round(float64(m.W) * f), max(math.Round(float64(m.H)*f), 1)
}

func pictureBlock(p image.Image, w, h float64) block {
	return block{w, h, func(c *canvas) {
		c.image(p, 0, 0, w, h)
		c.strokeRect(0, 0, w, h, 0.75, rule) // a map that is white at its edge would have none on white paper
	}}
}

// labelled sets a name above a block, cut to its width.
func labelled(name string, b block) block {
	line := labelStyle.lineHeight() + 2
	return block{b.width, b.height + line, func(c *canvas) {
		c.text(labelStyle.fit(name, b.width), labelStyle, b.width/2, line/2-1, 0.5)
		b.paint(c.at(0, line))
	}}
}

// table sets rows of blocks under column headings, with a name at the left of each row where there is one.
func table(heads, names []string, rows [][]block) block {
	const most = 110.0
	left := 0.0
	for _, n := range names {
		for _, l := range labelStyle.wrap(n, most) {
			left = max(left, labelStyle.width(l)+10)
		}
	}
	widths := make([]float64, len(heads))
	for _, r := range rows {
		for j, b := range r {
			widths[j] = max(widths[j], b.width)
		}
	}
	line := labelStyle.lineHeight() + 2
	total := block{width: left - gap, height: line}
	for _, w := range widths {
		total.width += w + gap
	}
	tops := make([]float64, len(rows))
	heights := make([]float64, len(rows))
	for i, r := range rows {
		tops[i] = total.height
		for _, b := range r {
			heights[i] = max(heights[i], b.height)
		}
		total.height += heights[i] + gap
	}
	total.height -= gap
	total.paint = func(c *canvas) {
		x := left
		for j, h := range heads {
			c.text(captionStyle.fit(h, widths[j]), captionStyle, x+widths[j]/2, line/2-1, 0.5)
			for i, r := range rows {
				if j < len(r) {
					r[j].paint(c.at(x, tops[i]))
				}
			}
			x += widths[j] + gap
		}
		for i, n := range names {
			lines := labelStyle.wrap(n, most)
			y := tops[i] + heights[i]/2 - float64(len(lines)-1)/2*labelStyle.lineHeight()
			for k, l := range lines {
				c.text(l, labelStyle, left-10, y+float64(k)*labelStyle.lineHeight(), 1)
			}
		}
	}
	return total
}

// colorBar draws a colour map from bottom to top with ticks at its right.
func colorBar(colormap Colormap, low, high, height float64) block {
	if !(high > low) {
		low, high = low-0.5, high+0.5
	}
	return colorBarWith(colormap, low, high, height, ticks{max(int(height/36), 2)}.Ticks(low, high))
}

// logColorBar is colorBar for colours of logarithms, from 10^low to 10^high, with ticks at round values.
func logColorBar(colormap Colormap, low, high, height float64) block {
	if !(high > low) {
		low, high = low-0.5, high+0.5
	}
	var marks []plot.Tick
	for _, t := range (logTicks{}).Ticks(math.Pow(10, low), math.Pow(10, high)) {
		if t.Label != "" {
			marks = append(marks, plot.Tick{Value: math.Log10(t.Value), Label: t.Label})
		}
	}
	return colorBarWith(colormap, low, high, height, marks)
}

func colorBarWith(colormap Colormap, low, high, height float64, marks []plot.Tick) block {
	const width = 12.0
	widest := 0.0
	for _, t := range marks {
		widest = max(widest, tickStyle.width(t.Label))
	}
	strip := image.NewRGBA(image.Rect(0, 0, 1, 256))
	for i := range 256 {
		strip.SetRGBA(0, i, colormap.At(float64(255-i)/255))
	}
	return block{width + 8 + widest, height, func(c *canvas) {
		c.image(strip, 0, 0, width, height)
		c.strokeRect(0, 0, width, height, 0.5, rule)
		for _, t := range marks {
			y := height * (1 - (t.Value-low)/(high-low))
			c.line(1, muted, [2]float64{width, y}, [2]float64{width + 4, y})
			c.text(t.Label, tickStyle, width+8, min(max(y, 6), height-6), 0)
		}
	}}
}
