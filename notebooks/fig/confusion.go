package fig

import (
	"fmt"
	"math"
	"strings"
)

// ConfusionOptions describes ConfusionMatrix. The zero value is useful.
type ConfusionOptions struct {
	Title, Caption string
	// Counts writes counts into the cells instead of shares of the true class in percent.
	Counts bool
	// Colormap; white to blue when left out.
	Colormap Colormap
}

// blues runs from white to the palette's blue: text on both ends stays readable, and white is nothing.
var blues = Colormap{"blues", hex(`ffffff c9dff0 8fbede 4a98c9 0072b2 004d80`)}

// ConfusionMatrix draws counts[true class][predicted class]: colours are shares of the true class, so that classes of
// different sizes can be compared. The right column is the recall, the bottom row the precision of each class.
//
// It panics when the matrix is empty or not square, when the names don't fit, or on negative counts.
func ConfusionMatrix[N int | int32 | int64](counts [][]N, classes []string, o ConfusionOptions) *Figure {
	data := make([][]int, len(counts)) // the caller may go on counting
	for i, row := range counts {
		for _, n := range row {
			data[i] = append(data[i], int(n))
		}
	}
	return confusion(data, classes, o)
}

func confusion(counts [][]int, classes []string, o ConfusionOptions) *Figure {
	const function = "ConfusionMatrix"
	k := len(counts)
	if k == 0 {
		fail(function, "the matrix is empty")
	}
	if len(classes) != k {
		fail(function, "%d class names for %d classes", len(classes), k)
	}
	total, correct := 0, 0
	rows, columns := make([]int, k), make([]int, k)
	for i, r := range counts {
		if len(r) != k {
			fail(function, "row %d has %d values, want %d", i, len(r), k)
		}
		for j, n := range r {
			if n < 0 {
				fail(function, "the count of %q taken for %q is %d", classes[i], classes[j], n)
			}
			total, rows[i], columns[j] = total+n, rows[i]+n, columns[j]+n
		}
		correct += r[i]
	}
	if total == 0 {
		fail(function, "all counts are zero: evaluate at least one example")
	}
	colormap := o.Colormap.or(blues)

	// Classes and cells in the picture: with many classes, colours alone.
	cell := math.Floor(min(48, max(560/float64(k), 3)))
	withText := cell >= 26
	names := cell >= 11
	nameStyle := labelStyle
	if cell < 18 {
		nameStyle.size = min(cell, smallSize)
	}
	left, widest := 0.0, 0.0
	if names {
		for _, n := range classes {
			widest = max(widest, nameStyle.width(nameStyle.fit(n, 120)))
		}
		left = widest + 8
	}
	left += 20 // the axis title
	turned := widest > cell-4
	top := 22.0
	switch {
	case names && turned:
		top += widest + 6
	case names:
		top += nameStyle.lineHeight()
	}
	margin := 0.0
	if withText {
		margin = 54
		left = max(left, captionStyle.width("precision")+8)
	}
	side := cell * float64(k)
	marginRow := 0.0
	if withText {
		marginRow = cell * 0.8
	}
	body := block{left + side + margin, top + side + marginRow, func(c *canvas) {
		c.text("predicted", captionStyle, left+side/2, 8, 0.5)
		c.textUp("true", captionStyle, 8, top+side/2, 0.5)
		cellStyle := textStyle{size: smallSize, color: ink}
		if cell >= 38 {
			cellStyle.size = tickSize
		}
		for i := range k {
			y := top + float64(i)*cell
			if names {
				n := nameStyle.fit(classes[i], 120)
				c.text(n, nameStyle, left-8, y+cell/2, 1)
				if x := left + (float64(i)+0.5)*cell; turned {
					c.textUp(n, nameStyle, x, top-6, 0)
				} else {
					c.text(n, nameStyle, x, top-nameStyle.lineHeight()/2-2, 0.5)
				}
			}
			for j, n := range counts[i] {
				x := left + float64(j)*cell
				part := ratio(n, rows[i])
				ground := colormap.At(part)
				if rows[i] == 0 {
					ground = noData
				}
				c.fillRect(x, y, cell, cell, ground)
				if withText && n > 0 {
					s := cellStyle
					s.color = readableOn(ground)
					s.bold = i == j
					t := percent(part)
					if o.Counts {
						t = fmt.Sprint(n)
					}
					c.text(s.fit(t, cell-2), s, x+cell/2, y+cell/2, 0.5)
				}
			}
			if withText {
				s := captionStyle
				c.text(percent(ratio(counts[i][i], rows[i])), s, left+side+margin-8, y+cell/2, 1)
				c.text(percent(ratio(counts[i][i], columns[i])), s, left+(float64(i)+0.5)*cell, top+side+marginRow/2, 0.5)
			}
		}
		for i := 0; i <= k && cell >= 11; i++ {
			at := float64(i) * cell
			c.line(1, rule, [2]float64{left + at, top}, [2]float64{left + at, top + side})
			c.line(1, rule, [2]float64{left, top + at}, [2]float64{left + side, top + at})
		}
		c.strokeRect(left, top, side, side, 1, rule)
		if withText {
			c.text("recall", captionStyle, left+side+margin-8, top-10, 1)
			c.text("precision", captionStyle, left-8, top+side+marginRow/2, 1)
		}
	}}
	accuracy := fmt.Sprintf("%s %% of %d correct.", percentDigits(ratio(correct, total)), total)
	if !o.Counts && withText {
		accuracy += " Cells: percent of the true class."
	}
	if o.Caption != "" {
		accuracy += " " + o.Caption
	}
	return newFigure(o.Title, accuracy, body, confusionText(counts, classes))
}

func ratio(a, b int) float64 {
	if b == 0 {
		return math.NaN()
	}
	return float64(a) / float64(b)
}

// percent writes a share without its sign, and a small share that isn't zero as such.
func percent(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v > 0 && v < 0.005:
		return "<1"
	}
	return fmt.Sprintf("%.0f", 100*v)
}

func percentDigits(v float64) string { return trimZeros(formatF(100*v, 1)) }

func confusionText(counts [][]int, classes []string) string {
	var text strings.Builder
	short := func(s string) string {
		if r := []rune(s); len(r) > 8 {
			return string(r[:7]) + "…"
		}
		return s
	}
	if len(classes) > 20 {
		return fmt.Sprintf("%d classes; the matrix is in the picture", len(classes))
	}
	fmt.Fprintf(&text, "%-9s", "true\\pred")
	for _, n := range classes {
		fmt.Fprintf(&text, " %8s", short(n))
	}
	for i, r := range counts {
		fmt.Fprintf(&text, "\n%-9s", short(classes[i]))
		for _, n := range r {
			fmt.Fprintf(&text, " %8d", n)
		}
	}
	return text.String()
}
