package fig

import (
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// ticks labels about want round values between the ends of an axis, with true minus signs and no more digits than needed.
type ticks struct{ want int }

func (t ticks) Ticks(low, high float64) []plot.Tick {
	if !(high > low) || math.IsInf(high-low, 0) {
		return nil
	}
	raw := (high - low) / float64(t.want)
	magnitude := math.Pow(10, math.Floor(math.Log10(raw)))
	step := 10 * magnitude
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*magnitude >= raw*0.85 { // a little finer than asked for is better than much coarser
			step = m * magnitude
			break
		}
	}
	var all []plot.Tick
	for i := math.Ceil(low/step - 1e-9); i*step <= high+step*1e-9; i++ {
		all = append(all, plot.Tick{Value: i * step, Label: tickLabel(i*step, step)})
	}
	return all
}

// tickLabel writes v, a multiple of step, as 0.25, 1,500, 20k, 3M or 1e-7.
func tickLabel(v, step float64) string {
	a := math.Max(math.Abs(v), step)
	switch {
	case math.Abs(v) < step/1e6:
		return "0"
	case a < 1e-3 || a >= 1e9:
		return strings.Replace(trimZeros(formatG(v, 4)), "-", "−", 1)
	case a >= 1e6 && math.Mod(step, 1e4) == 0:
		return number4(v/1e6) + "M"
	case a >= 1e4 && math.Mod(step, 1e2) == 0:
		return number4(v/1e3) + "k"
	}
	decimals := 0
	for s := step; decimals < 6 && math.Abs(s-math.Round(s)) > 1e-6*s; decimals++ {
		s *= 10
	}
	return strings.Replace(formatF(v, decimals), "-", "−", 1)
}

// logTicks labels powers of ten, and 2 and 5 between them when there are few.
type logTicks struct{}

func (logTicks) Ticks(low, high float64) []plot.Tick {
	var all []plot.Tick
	from, to := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	decades := math.Log10(high / low)
	every := max(1, math.Ceil((to-from)/8))
	for e := from; e <= to; e++ {
		for m := 1.0; m < 10; m++ {
			v := m * math.Pow(10, e)
			if v < low*(1-1e-9) || v > high*(1+1e-9) {
				continue
			}
			label := ""
			if m == 1 && math.Mod(e-from, every) == 0 || (m == 2 || m == 5) && decades < 2 || decades < 0.4 {
				label = logLabel(v)
			}
			all = append(all, plot.Tick{Value: v, Label: label})
		}
	}
	return all
}

// logLabel writes v as 0.01, 20, 1000, 50k or 2M.
func logLabel(v float64) string {
	switch {
	case v >= 1e10 || v < 1e-3:
	case v >= 1e6*(1-1e-9):
		return number4(v/1e6) + "M"
	case v >= 1e4*(1-1e-9):
		return number4(v/1e3) + "k"
	case v >= 1e3*(1-1e-9):
		return formatF(v, 0)
	}
	return strings.Replace(trimZeros(formatG(v, 3)), "-", "−", 1)
}

// gridLines draws a light line behind the data at each labelled tick.
type gridLines struct{ x, y bool }

func (g gridLines) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	style := draw.LineStyle{Color: faint, Width: px(1)}
	if g.x {
		for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
			if x := tx(t.Value); t.Label != "" && c.ContainsX(x) {
				c.StrokeLine2(style, x, c.Min.Y, x, c.Max.Y)
			}
		}
	}
	if g.y {
		for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
			if y := ty(t.Value); t.Label != "" && c.ContainsY(y) {
				c.StrokeLine2(style, c.Min.X, y, c.Max.X, y)
			}
		}
	}
}

// polyline draws a line and, around it, a band. Gonum's own Line refuses values that are not finite, and a loss that
// became NaN is when one looks at the curve: here the line breaks there.
type polyline struct {
	x, y      []float64
	low, high []float64 // nil: no band
	color     color.Color
	bandColor color.Color
	width     float64
	dashes    []float64
	points    bool // mark each point
	errorBars bool // low to high as a whisker at each point, in place of a band
}

func (l polyline) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	if l.low != nil && l.errorBars {
		style := draw.LineStyle{Color: l.color, Width: px(1.4)}
		for i, x := range l.x {
			if !finite(l.low[i]) || !finite(l.high[i]) {
				continue
			}
			at, y0, y1 := tx(x), ty(l.low[i]), ty(l.high[i])
			for _, w := range [][4]vg.Length{{at, y0, at, y1}, {at - px(3), y0, at + px(3), y0}, {at - px(3), y1, at + px(3), y1}} {
				c.StrokeLines(style, c.ClipLinesXY([]vg.Point{{X: w[0], Y: w[1]}, {X: w[2], Y: w[3]}})...)
			}
		}
	} else if l.low != nil {
		for _, run := range finiteRuns(l.x, l.low, l.high) {
			var outline []vg.Point
			for i := run[0]; i < run[1]; i++ {
				outline = append(outline, vg.Point{X: tx(l.x[i]), Y: ty(l.high[i])})
			}
			for i := run[1] - 1; i >= run[0]; i-- {
				outline = append(outline, vg.Point{X: tx(l.x[i]), Y: ty(l.low[i])})
			}
			c.FillPolygon(l.bandColor, c.ClipPolygonXY(outline))
		}
	}
	style := draw.LineStyle{Color: l.color, Width: px(l.width)}
	for _, d := range l.dashes {
		style.Dashes = append(style.Dashes, px(d))
	}
	for _, run := range finiteRuns(l.x, l.y, l.y) {
		var line []vg.Point
		for i := run[0]; i < run[1]; i++ {
			line = append(line, vg.Point{X: tx(l.x[i]), Y: ty(l.y[i])})
		}
		if len(line) > 1 && l.width > 0 {
			c.StrokeLines(style, c.ClipLinesXY(line)...)
		}
		if l.points || len(line) == 1 { // a lone point has no line: without a mark it would not be seen
			for _, q := range line {
				c.DrawGlyph(draw.GlyphStyle{Color: l.color, Radius: px(3), Shape: draw.CircleGlyph{}}, q)
			}
		}
	}
}

// finiteRuns returns the index ranges [i, j) in which all three are finite.
func finiteRuns(x, a, b []float64) [][2]int {
	var runs [][2]int
	start := -1
	for i := range len(x) + 1 {
		ok := i < len(x) && finite(x[i]) && finite(a[i]) && finite(b[i])
		switch {
		case ok && start < 0:
			start = i
		case !ok && start >= 0:
			runs = append(runs, [2]int{start, i})
			start = -1
		}
	}
	return runs
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// thin keeps about limit points of a long line: the least and greatest of each stretch, so that no spike is lost.
func thin(x, y []float64, limit int) (tx, ty []float64) {
	if len(x) <= limit {
		return x, y
	}
	buckets := limit / 2
	for b := range buckets {
		from, to := b*len(x)/buckets, (b+1)*len(x)/buckets
		lowest, highest := from, from
		for i := from; i < to; i++ {
			if !finite(y[i]) { // keep the break
				lowest, highest = i, i
				break
			}
			if y[i] < y[lowest] {
				lowest = i
			}
			if y[i] > y[highest] {
				highest = i
			}
		}
		first, second := min(lowest, highest), max(lowest, highest)
		tx, ty = append(tx, x[first]), append(ty, y[first])
		if second != first {
			tx, ty = append(tx, x[second]), append(ty, y[second])
		}
	}
	return tx, ty
}
