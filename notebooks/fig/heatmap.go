package fig

import (
	"fmt"
	"math"
	"strings"
)

// HeatMapOptions describes HeatMap. The zero value is useful.
type HeatMapOptions struct {
	Title, Caption string
	XLabel, YLabel string
	// Columns and Rows name the columns and rows; both may be left out.
	Columns, Rows []string
	// Range fixes the values at the ends of the colours; {0, 0} fits the data.
	Range [2]float64
	// Signed puts zero in the middle, for a diverging map.
	Signed bool
	// Log spaces the colours evenly over orders of magnitude; values of zero and below are then cells without a value.
	Log bool
	// Colormap; Viridis when left out, BWR for Signed.
	Colormap Colormap
	// Values writes each value into its cell, where there is room.
	Values bool
	// Square keeps cells as high as wide, as for correlations; else a wide matrix is fitted to the page.
	Square bool
}

// HeatMap draws a matrix as coloured cells with a colour bar; row 0 is on top. A NaN is a gray cell: no value.
//
// It panics when the matrix is empty or ragged, when names don't fit, on infinite values, or when no value is left.
func HeatMap(values [][]float64, o HeatMapOptions) *Figure {
	const function = "HeatMap"
	if len(values) == 0 || len(values[0]) == 0 {
		fail(function, "the matrix is empty")
	}
	rows, columns := len(values), len(values[0])
	data := make([][]float64, rows)
	for i, r := range values {
		if len(r) != columns {
			fail(function, "row %d has %d values and row 0 has %d: all rows must be equally long", i, len(r), columns)
		}
		for j, v := range r {
			if math.IsInf(v, 0) {
				fail(function, "the value in row %d, column %d is %v; NaN marks a missing value", i, j, v)
			}
		}
		data[i] = append([]float64(nil), r...)
	}
	if o.Columns != nil && len(o.Columns) != columns || o.Rows != nil && len(o.Rows) != rows {
		fail(function, "%d column names and %d row names for %d columns and %d rows", len(o.Columns), len(o.Rows), columns, rows)
	}
	low, high := finiteLimits(data...)
	if low > high {
		fail(function, "all %d values are NaN", rows*columns)
	}
	if o.Log {
		if o.Signed {
			fail(function, "Log and Signed: a logarithm has no zero to put in the middle")
		}
		low = math.Inf(1)
		for _, r := range data {
			for _, v := range r {
				if v > 0 {
					low = min(low, v)
				}
			}
		}
		if high <= 0 || o.Range != [2]float64{} && o.Range[0] <= 0 {
			fail(function, "the greatest value is %s and the range %v: logarithms need positive ones", number(high), o.Range)
		}
	}
	text := fmt.Sprintf("%d×%d values, %s … %s", rows, columns, number(low), number(high))
	colormap := o.Colormap.or(Viridis)
	if o.Signed {
		high = max(math.Abs(low), math.Abs(high))
		low, colormap = -high, o.Colormap.or(BWR)
	}
	if o.Range != [2]float64{} {
		low, high = o.Range[0], o.Range[1]
	}

	nameWidth := func(names []string) float64 {
		w := 0.0
		for _, n := range names {
			w = max(w, tickStyle.width(tickStyle.fit(n, 140)))
		}
		return w
	}
	left, top := 0.0, 0.0
	if o.Rows != nil {
		left = nameWidth(o.Rows) + 8
	}
	if o.YLabel != "" {
		left += 20
	}
	cellWidth := min(max(math.Floor((pageWidth-left-90)/float64(columns)), 0.5), 44)
	cellHeight := min(max(math.Floor(420/float64(rows)), 0.5), 44)
	if o.Square {
		cellWidth = min(cellWidth, cellHeight)
		cellHeight = cellWidth
	}
	turned := nameWidth(o.Columns) > cellWidth-6
	if o.XLabel != "" {
		top = 20
	}
	switch {
	case o.Columns != nil && turned:
		top += nameWidth(o.Columns) + 6
	case o.Columns != nil:
		top += tickStyle.lineHeight()
	}
	width, height := cellWidth*float64(columns), cellHeight*float64(rows)
	flat := Image{H: rows, W: columns, C: 1}
	for _, r := range data {
		for _, v := range r {
			if o.Log && v > 0 {
				v = math.Log10(v)
			} else if o.Log {
				v = math.NaN()
			}
			flat.Pix = append(flat.Pix, float32(v))
		}
	}
	if o.Log {
		low, high = math.Log10(low), math.Log10(high)
	}
	picture := heatPicture(flat, low, high, colormap)
	bar := colorBar(colormap, low, high, max(height, 80))
	if o.Log {
		bar = logColorBar(colormap, low, high, max(height, 80))
	}
	body := block{left + width + 14 + bar.width, max(top+height, top+80), func(c *canvas) {
		c.image(picture, left, top, width, height)
		if o.XLabel != "" {
			c.text(o.XLabel, captionStyle, left+width/2, 8, 0.5)
		}
		if o.YLabel != "" {
			c.textUp(o.YLabel, captionStyle, 8, top+height/2, 0.5)
		}
		every := int(math.Ceil(14 / cellWidth))
		for j, n := range o.Columns {
			if n = tickStyle.fit(n, 140); j%every != 0 {
				continue
			}
			if x := left + (float64(j)+0.5)*cellWidth; turned {
				c.textUp(n, tickStyle, x, top-6, 0)
			} else {
				c.text(n, tickStyle, x, top-tickStyle.lineHeight()/2-1, 0.5)
			}
		}
		every = int(math.Ceil(14 / cellHeight))
		for i, n := range o.Rows {
			if i%every == 0 {
				c.text(tickStyle.fit(n, 140), tickStyle, left-8, top+(float64(i)+0.5)*cellHeight, 1)
			}
		}
		if s := (textStyle{size: smallSize}); o.Values && cellWidth >= 30 && cellHeight >= 16 {
			for i, r := range data {
				for j, v := range r {
					if math.IsNaN(v) {
						continue
					}
					s.color = readableOn(picture.RGBAAt(j, i))
					c.text(cellNumber(v, s, cellWidth-2), s, left+(float64(j)+0.5)*cellWidth, top+(float64(i)+0.5)*cellHeight, 0.5)
				}
			}
		}
		bar.paint(c.at(left+width+14, top))
	}}
	return newFigure(o.Title, o.Caption, body, text)
}

// cellNumber writes v with as many digits as fit into width: −0.00447 is −0.00 in a narrow cell, and not −0.0….
func cellNumber(v float64, s textStyle, width float64) string {
	text := number(v)
	for decimals := 2; decimals >= 0 && s.width(text) > width; decimals-- {
		text = strings.Replace(formatF(v, decimals), "-", "−", 1)
	}
	return s.fit(text, width)
}
