package fig

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
)

// A Series is one line of a plot. Values that are not finite leave a gap, and the key says how many there are.
type Series struct {
	Name string
	X    []float64 // 0, 1, 2, … when left out
	Y    []float64
	// Low and High bound a band around the line, or, with NoLine, an error bar at each point; both or neither.
	Low, High []float64
	// Color is the palette's next when left out.
	Color color.Color
	// Dashed tells a second kind of line apart, such as evaluation from training.
	Dashed bool
	// Points marks each point; NoLine draws only these.
	Points, NoLine bool
	// Raw keeps CurveOptions.Smooth off this line.
	Raw bool
	// Note is added to the name in the key.
	Note string
}

// SeedSeries is the mean of several runs of one experiment with a band of ± 2 standard errors (sample standard deviation
// divided by √runs), point by point. x may be nil; each run has its length. A point that some run lacks (NaN) has
// neither mean nor band. It panics when there is no run or lengths differ.
func SeedSeries(name string, x []float64, runs [][]float64) Series {
	if len(runs) == 0 {
		fail("SeedSeries", "no runs of %q: pass the values of at least one seed", name)
	}
	n := len(runs[0])
	s := Series{Name: name, X: x, Note: fmt.Sprintf("mean ± 2 s.e., %d seeds", len(runs))}
	for i := range n {
		var at []float64
		for j, r := range runs {
			if len(r) != n {
				fail("SeedSeries", "run %d of %q has %d values and run 0 has %d: cut them to one length", j, name, len(r), n)
			}
			at = append(at, r[i])
		}
		mean, se := meanError(at)
		s.Y, s.Low, s.High = append(s.Y, mean), append(s.Low, mean-2*se), append(s.High, mean+2*se)
	}
	if len(runs) == 1 { // one run has no spread: a band of width zero would claim that it has
		s.Low, s.High, s.Note = nil, nil, "1 seed"
	}
	return s
}

// meanError returns the mean and its standard error; 0 for one value.
func meanError(v []float64) (mean, se float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	if len(v) < 2 {
		return mean, 0
	}
	for _, x := range v {
		se += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(se/float64(len(v)-1)) / math.Sqrt(float64(len(v)))
}

// CurveOptions describes Curves. The zero value is useful.
type CurveOptions struct {
	Title, Caption string
	XLabel, YLabel string
	LogX, LogY     bool
	// XRange and YRange fix the ends of an axis; {0, 0} fits the data. Lines that leave the range are cut.
	XRange, YRange [2]float64
	// Smooth in [0, 1) draws each line as its exponential moving average with this weight of the past, before the raw
	// line in a light colour. The average is free of start-up bias.
	Smooth float64
	// VerticalLines marks positions on x, such as changes of the learning rate, and HorizontalLines values, such as chance.
	VerticalLines, HorizontalLines []float64
	// Width and Height of the plot in CSS pixels; 0 means 560×300.
	Width, Height int
}

// Curves draws lines. The key stands above them, and each line's last value is in the text form.
//
// It panics when there is no series, when lengths differ, or when a series has no finite value (or, on a logarithmic
// axis, no positive one).
func Curves(o CurveOptions, series ...Series) *Figure {
	b, text := curves("Curves", o, series)
	return newFigure(o.Title, o.Caption, b, text)
}

// curves returns the plot with its key, and the text form.
func curves(function string, o CurveOptions, series []Series) (block, string) {
	p, items, text := curvePlot(function, o, series)
	width, height := o.size()
	body := block{width, height, func(c *canvas) { c.plot(p, 0, 0, width, height) }}
	if len(items) > 0 {
		body = stack(4, legend(items, width), body)
	}
	return body, text
}

func (o CurveOptions) size() (width, height float64) {
	return float64(orDefault(o.Width, 560)), float64(orDefault(o.Height, 300))
}

func curvePlot(function string, o CurveOptions, series []Series) (*plot.Plot, []legendItem, string) {
	if len(series) == 0 {
		fail(function, "no series: pass at least one")
	}
	if !(o.Smooth >= 0 && o.Smooth < 1) {
		fail(function, "Smooth is %v, want 0 … below 1", o.Smooth)
	}
	p := newPlot()
	p.X.Label.Text, p.Y.Label.Text = o.XLabel, o.YLabel
	width, height := o.size()

	var items []legendItem
	var lines []polyline
	var text strings.Builder
	xlow, xhigh := math.Inf(1), math.Inf(-1)
	ylow, yhigh := xlow, xhigh
	for i, s := range series {
		s = s.checked(function, i, o)
		c := s.Color
		if c == nil {
			c = paletteColor(i)
		}
		solid := color.RGBAModel.Convert(c).(color.RGBA)
		l := polyline{x: s.X, y: s.Y, low: s.Low, high: s.High, color: c, bandColor: withAlpha(solid, 0.22), width: 2, points: s.Points}
		if s.NoLine {
			l.width, l.points, l.errorBars = 0, true, l.low != nil
		}
		l.dashes = s.dashes()
		if o.Smooth > 0 && !s.NoLine && !s.Raw {
			raw := l
			raw.color, raw.width, raw.dashes = withAlpha(solid, 0.3), 1, nil
			raw.x, raw.y = thin(s.X, s.Y, 2*int(width))
			lines = append(lines, raw)
			l.y, l.low, l.high = smoothed(s.Y, o.Smooth), nil, nil
		}
		if l.low == nil {
			l.x, l.y = thin(l.x, l.y, 2*int(width))
		}
		lines = append(lines, l)

		lowest, highest := finiteLimits(s.Y, s.Low, s.High)
		if o.LogY {
			lowest = math.Inf(1)
			for _, vs := range [][]float64{s.Y, s.Low} {
				for _, v := range vs {
					if v > 0 && finite(v) {
						lowest = min(lowest, v)
					}
				}
			}
		}
		ylow, yhigh = min(ylow, lowest), max(yhigh, highest)
		lowest, highest = finiteLimits(s.X)
		xlow, xhigh = min(xlow, lowest), max(xhigh, highest)

		name := s.label()
		if name != "" {
			items = append(items, legendItem{name: name, color: c, dashes: l.dashes, band: l.low != nil && !s.NoLine, dot: s.NoLine})
		}
		text.WriteString(s.describe())
	}

	for _, v := range o.HorizontalLines { // a threshold that the data don't reach is worth seeing too
		if finite(v) && (v > 0 || !o.LogY) {
			ylow, yhigh = min(ylow, v), max(yhigh, v)
		}
	}
	margin := 0.0 // lines fill the width; the first and last of lone points would stand on its edges
	for _, l := range lines {
		if l.width == 0 {
			margin = 0.03
		}
	}
	setRange(&p.X, o.XRange, xlow, xhigh, o.LogX, margin)
	setRange(&p.Y, o.YRange, ylow, yhigh, o.LogY, 0.04)
	p.X.Tick.Marker, p.Y.Tick.Marker = ticks{max(int(width/75), 3)}, ticks{max(int(height/45), 3)}
	if o.LogX {
		p.X.Tick.Marker, p.X.Scale = logTicks{}, plot.LogScale{}
	}
	if o.LogY {
		p.Y.Tick.Marker, p.Y.Scale = logTicks{}, plot.LogScale{}
	}
	p.Add(gridLines{true, true})
	for _, v := range o.VerticalLines {
		p.Add(polyline{x: []float64{v, v}, y: []float64{p.Y.Min, p.Y.Max}, color: muted, width: 1, dashes: []float64{3, 3}})
	}
	for _, v := range o.HorizontalLines {
		p.Add(polyline{x: []float64{p.X.Min, p.X.Max}, y: []float64{v, v}, color: muted, width: 1, dashes: []float64{3, 3}})
	}
	// Later series must not hide earlier ones behind their bands: all bands first.
	for _, l := range lines {
		if l.low != nil {
			band := l
			band.width, band.points, band.y = 0, false, nans(len(l.x))
			p.Add(band)
		}
	}
	for _, l := range lines {
		l.low, l.high = nil, nil
		p.Add(l)
	}
	return p, items, text.String()
}

// checked returns s with its x filled in, or panics. What a logarithmic axis cannot show becomes a gap.
func (s Series) checked(function string, i int, o CurveOptions) Series {
	name := fmt.Sprintf("series %d (%q)", i, s.Name)
	if len(s.Y) == 0 {
		fail(function, "%s has no values", name)
	}
	if s.X == nil {
		for j := range s.Y {
			s.X = append(s.X, float64(j))
		}
	}
	if len(s.X) != len(s.Y) {
		fail(function, "%s has %d x and %d y", name, len(s.X), len(s.Y))
	}
	if (s.Low == nil) != (s.High == nil) || s.Low != nil && (len(s.Low) != len(s.Y) || len(s.High) != len(s.Y)) {
		fail(function, "%s has %d values, %d Low and %d High: give both bounds for each value, or none", name, len(s.Y), len(s.Low), len(s.High))
	}
	s.X, s.Y, s.Low, s.High = slices.Clone(s.X), slices.Clone(s.Y), slices.Clone(s.Low), slices.Clone(s.High)
	positive := func(v []float64) {
		for j := range v {
			if v[j] <= 0 {
				v[j] = math.NaN()
			}
		}
	}
	if o.LogX {
		positive(s.X)
	}
	if o.LogY {
		positive(s.Y)
		lowest, _ := finiteLimits(s.Y)
		for j := range s.Low { // a band that reaches below zero ends at the lowest point
			if s.Low[j] <= 0 {
				s.Low[j] = lowest
			}
		}
		positive(s.High)
	}
	if len(finiteRuns(s.X, s.Y, s.Y)) == 0 {
		what := "finite"
		if o.LogX || o.LogY {
			what = "finite and positive (the axis is logarithmic)"
		}
		fail(function, "%s has no value that is %s", name, what)
	}
	return s
}

func (s Series) label() string {
	var notes []string
	if s.Note != "" {
		notes = append(notes, s.Note)
	}
	bad := 0
	for i := range s.Y {
		if !finite(s.Y[i]) || !finite(s.X[i]) {
			bad++
		}
	}
	if bad > 0 {
		notes = append(notes, fmt.Sprintf("%d of %d not shown: not finite", bad, len(s.Y)))
	}
	if len(notes) == 0 {
		return s.Name
	}
	return strings.TrimSpace(s.Name + " (" + strings.Join(notes, "; ") + ")")
}

func (s Series) describe() string {
	low, high := finiteLimits(s.Y)
	last := len(s.Y) - 1
	band := ""
	if s.Low != nil {
		band = " ± " + number(s.High[last]-s.Y[last])
	}
	return fmt.Sprintf("%s  %s  %d points, %s … %s, last %s%s\n", s.label(), sparkline(s.Y, 40), len(s.Y), number(low), number(high), number(s.Y[last]), band)
}

// smoothed is the exponential moving average, divided by the weights seen so far (Kingma, Ba 2015, section 3).
func smoothed(y []float64, keep float64) []float64 {
	out := make([]float64, len(y))
	sum, weight := 0.0, 0.0
	for i, v := range y {
		if !finite(v) {
			out[i] = v
			continue
		}
		sum, weight = keep*sum+(1-keep)*v, keep*weight+(1-keep)
		out[i] = sum / weight
	}
	return out
}

func nans(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = math.NaN()
	}
	return v
}

// setRange sets the ends of an axis: those that are asked for, or the data's with a margin.
func setRange(a *plot.Axis, fixed [2]float64, low, high float64, log bool, margin float64) {
	if fixed != [2]float64{} {
		a.Min, a.Max = fixed[0], fixed[1]
		return
	}
	switch {
	case log && low == high:
		low, high = low/2, high*2
	case log:
		f := math.Pow(high/low, margin)
		low, high = low/f, high*f
	case low == high:
		d := max(math.Abs(low)*0.1, 0.5)
		low, high = low-d, high+d
	default:
		m := (high - low) * margin
		low, high = low-m, high+m
	}
	a.Min, a.Max = low, high
}
