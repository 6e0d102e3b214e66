package fig

import (
	"fmt"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A BarSeries is one bar in each category.
type BarSeries struct {
	Name   string
	Values []float64
	// Errors are the half lengths of error bars; none when left out.
	Errors []float64
	// Color is the palette's next when left out.
	Color color.Color
}

// SeedBars is a BarSeries of means with error bars of ± 2 standard errors; runs holds the values of each category's seeds.
// It panics when a category has no run.
func SeedBars(name string, runs [][]float64) BarSeries {
	s := BarSeries{Name: name}
	for i, r := range runs {
		if len(r) == 0 {
			fail("SeedBars", "category %d of %q has no runs", i, name)
		}
		mean, se := meanError(r)
		s.Values, s.Errors = append(s.Values, mean), append(s.Errors, 2*se)
	}
	return s
}

// BarOptions describes Bars. The zero value is useful.
type BarOptions struct {
	Title, Caption string
	// Label names the axis of values, with the unit.
	Label string
	// Range fixes the ends of that axis; {0, 0} goes from zero to what the data needs. Bars that don't start at zero
	// exaggerate differences: say so in the caption.
	Range [2]float64
	// Horizontal lays the bars down, which leaves room for long names; long names choose it by themselves.
	Horizontal bool
	// Format writes the values at the bars, such as "%.1f %%"; "" gives the largest three digits, "-" writes nothing.
	Format string
	// Width of the plot in CSS pixels; 0 chooses.
	Width int
}

// Bars draws grouped bars with error bars and values.
//
// It panics when there is nothing to draw, when lengths differ, or on values that are not finite.
func Bars(categories []string, series []BarSeries, o BarOptions) *Figure {
	const function = "Bars"
	if len(categories) == 0 || len(series) == 0 {
		fail(function, "%d categories and %d series: pass at least one of each", len(categories), len(series))
	}
	low, high := 0.0, 0.0
	for i, s := range series {
		if len(s.Values) != len(categories) || s.Errors != nil && len(s.Errors) != len(s.Values) {
			fail(function, "series %d (%q) has %d values and %d errors for %d categories", i, s.Name, len(s.Values), len(s.Errors), len(categories))
		}
		for j, v := range s.Values {
			e := 0.0
			if s.Errors != nil {
				e = s.Errors[j]
			}
			if !finite(v) || !finite(e) {
				fail(function, "series %d (%q) has the value %v ± %v at %q, which can't be drawn: leave the category out", i, s.Name, v, e, categories[j])
			}
			low, high = min(low, v-math.Abs(e)), max(high, v+math.Abs(e))
		}
	}
	if low == high {
		high = 1
	}

	hidden := o.Format == "-"
	if o.Format == "" || hidden {
		o.Format = commonFormat(series)
	}
	groups := float64(len(categories))
	widest := 0.0
	for _, n := range categories {
		widest = max(widest, tickStyle.width(n))
	}
	width := float64(orDefault(o.Width, int(min(pageWidth, max(320, groups*float64(len(series))*34+groups*24+70)))))
	horizontal := o.Horizontal || widest > (width-50)/groups-8
	if horizontal && o.Width == 0 {
		width = 560
	}
	height := 280.0
	thickness := 0.78 * (width - 60) / groups / float64(len(series))
	if horizontal {
		thickness = min(22, 300/groups)
		height = groups*(thickness*float64(len(series))+10) + 44
	} else {
		thickness = min(thickness, 44)
	}

	p := newPlot()
	value, name := &p.Y, &p.X
	if horizontal {
		value, name = name, value
	}
	value.Label.Text = o.Label
	name.Padding = px(5)
	name.LineStyle.Width, name.Tick.LineStyle.Width = 0, 0
	value.LineStyle.Width = 0
	value.Tick.LineStyle.Width = 0
	marks := make([]plot.Tick, len(categories))
	for i, n := range categories {
		at := float64(i)
		if horizontal { // the first category on top
			at = float64(len(categories) - 1 - i)
			n = tickStyle.fit(n, width*0.45)
		}
		marks[i] = plot.Tick{Value: at, Label: n}
	}
	name.Tick.Marker = plot.ConstantTicks(marks)
	name.Tick.Label.Color = ink
	name.Min, name.Max = -0.5, groups-0.5
	value.Tick.Marker = ticks{5}
	p.Add(gridLines{x: horizontal, y: !horizontal})

	labels := barLabels{horizontal: horizontal}
	var items []legendItem
	for i, s := range series {
		c := s.Color
		if c == nil {
			c = paletteColor(i)
		}
		order := func(j int) int {
			if horizontal {
				return len(categories) - 1 - j
			}
			return j
		}
		values := make(plotter.Values, len(categories))
		for j, v := range s.Values {
			values[order(j)] = v
		}
		bars, err := plotter.NewBarChart(values, px(thickness*0.92))
		if err != nil {
			fail(function, "%v", err)
		}
		offset := px((float64(i) - float64(len(series)-1)/2) * thickness)
		if horizontal {
			offset = -offset
		}
		bars.Color, bars.LineStyle.Width, bars.Horizontal, bars.Offset = c, 0, horizontal, offset
		p.Add(bars)
		for j, v := range s.Values {
			e := 0.0
			if s.Errors != nil {
				e = math.Abs(s.Errors[j])
			}
			labels.bars = append(labels.bars, barLabel{at: float64(order(j)), offset: offset, value: v, err: e, hasError: s.Errors != nil, text: barText(v, o.Format)})
		}
		if s.Name != "" {
			items = append(items, legendItem{name: s.Name, color: c, square: true})
		}
	}
	if hidden {
		for i := range labels.bars {
			labels.bars[i].text = ""
		}
	}
	widestValue := 0.0
	for _, b := range labels.bars {
		widestValue = max(widestValue, labels.style().width(b.text))
	}
	place := thickness * 1.15
	if len(series) == 1 {
		place = (width - 60) / groups
	}
	if !horizontal && widestValue > place {
		for i := range labels.bars { // they would run into each other; the text form has them
			labels.bars[i].text = ""
		}
	}
	room := 0.10
	if horizontal {
		room = (widestValue + 14) / (width * 0.75)
	}
	value.Min, value.Max = low, high+(high-low)*room
	if low < 0 {
		value.Min = low - (high-low)*room
	}
	if o.Range != [2]float64{} {
		value.Min, value.Max = o.Range[0], o.Range[1]
	}
	p.Add(labels)
	body := block{width, height, func(c *canvas) { c.plot(p, 0, 0, width, height) }}
	if len(items) > 1 || len(items) == 1 && len(series) > 1 {
		body = stack(4, legend(items, width), body)
	}
	return newFigure(o.Title, o.Caption, body, barsText(categories, series, o))
}

func barText(v float64, format string) string {
	return strings.Replace(fmt.Sprintf(format, v), "-", "−", 1)
}

// commonFormat gives all values as many decimals as the largest needs for three digits: numbers in a row are compared.
func commonFormat(series []BarSeries) string {
	largest, whole := 0.0, true
	for _, s := range series {
		for _, v := range s.Values {
			largest, whole = max(largest, math.Abs(v)), whole && v == math.Trunc(v)
		}
	}
	switch {
	case whole && largest < 1e9 || largest >= 1e5 && largest < 1e9:
		return "%.0f"
	case largest >= 1e9 || largest < 1e-3:
		return "%.3g"
	}
	return fmt.Sprintf("%%.%df", max(0, min(2-int(math.Floor(math.Log10(largest))), 3)))
}

func barsText(categories []string, series []BarSeries, o BarOptions) string {
	var text strings.Builder
	for i, n := range categories {
		fmt.Fprintf(&text, "%-32s", n)
		for _, s := range series {
			fmt.Fprintf(&text, "  %s %s", s.Name, barText(s.Values[i], o.Format))
			if s.Errors != nil {
				fmt.Fprintf(&text, " ± %s", number(s.Errors[i]))
			}
		}
		text.WriteByte('\n')
	}
	return text.String()
}

type barLabel struct {
	at         float64
	offset     vg.Length
	value, err float64
	hasError   bool
	text       string
}

// barLabels draws error bars and values. Gonum's error bars know no offset, which grouped bars need.
type barLabels struct {
	bars       []barLabel
	horizontal bool
}

func (barLabels) style() textStyle { return textStyle{size: smallSize, color: ink} }

func (l barLabels) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	line := draw.LineStyle{Color: ink, Width: px(1.2)}
	for _, b := range l.bars {
		end := b.value + b.err
		if b.value < 0 {
			end = b.value - b.err
		}
		sign := vg.Length(1)
		if b.value < 0 {
			sign = -1
		}
		const cap = 3
		if l.horizontal {
			y := ty(b.at) + b.offset
			if b.hasError && b.err > 0 {
				x0, x1 := tx(b.value-b.err), tx(b.value+b.err)
				c.StrokeLine2(line, x0, y, x1, y)
				c.StrokeLine2(line, x0, y-px(cap), x0, y+px(cap))
				c.StrokeLine2(line, x1, y-px(cap), x1, y+px(cap))
			}
			align := 0.0
			if sign < 0 {
				align = 1
			}
			c.FillText(l.style().style(align, 0.5), vg.Point{X: tx(end) + sign*px(5), Y: y}, b.text)
			continue
		}
		x := tx(b.at) + b.offset
		if b.hasError && b.err > 0 {
			y0, y1 := ty(b.value-b.err), ty(b.value+b.err)
			c.StrokeLine2(line, x, y0, x, y1)
			c.StrokeLine2(line, x-px(cap), y0, x+px(cap), y0)
			c.StrokeLine2(line, x-px(cap), y1, x+px(cap), y1)
		}
		align := 0.0
		if sign < 0 {
			align = 1
		}
		c.FillText(l.style().style(0.5, align), vg.Point{X: x, Y: ty(end) + sign*px(3)}, b.text)
	}
	// Zero is where bars stand.
	if l.horizontal {
		if x := tx(0); c.ContainsX(x) {
			c.StrokeLine2(draw.LineStyle{Color: muted, Width: px(1)}, x, c.Min.Y, x, c.Max.Y)
		}
	} else if y := ty(0); c.ContainsY(y) {
		c.StrokeLine2(draw.LineStyle{Color: muted, Width: px(1)}, c.Min.X, y, c.Max.X, y)
	}
}
