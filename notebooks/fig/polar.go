package fig

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"
)

// PolarOptions describes Polar. The zero value is useful.
type PolarOptions struct {
	Title, Caption string
	// Label says what the distance from the middle is, with the unit.
	Label string
	// Range is the value in the middle and at the rim; {0, 0} goes from zero (or the least value, when negative) to what
	// the data needs. Values below the middle's are drawn in the middle.
	Range [2]float64
	// Clockwise puts 0° at the top and turns as a clock and a compass do; else 0° is at the right and angles turn against it.
	Clockwise bool
	// Size of the circle's square in CSS pixels, labels included; 0 means 340.
	Size int
}

// Polar draws values over angles, such as accuracy over the rotation of the image: X of each series in degrees, Y the
// distance from the middle. A line is closed when its samples go around the whole circle. Bands, dashes and points are as
// in Curves.
//
// It panics when there is no series, when lengths differ, or when a series has no finite value.
func Polar(o PolarOptions, series ...Series) *Figure {
	const function = "Polar"
	if len(series) == 0 {
		fail(function, "no series: pass at least one")
	}
	low, high := 0.0, math.Inf(-1)
	var items []legendItem
	var text strings.Builder
	lines := make([]Series, len(series))
	for i, s := range series {
		if s.X == nil {
			fail(function, "series %d (%q) has no X: give an angle in degrees for each value", i, s.Name)
		}
		s = s.checked(function, i, CurveOptions{})
		if s.Color == nil {
			s.Color = paletteColor(i)
		}
		l, h := finiteLimits(s.Y, s.Low, s.High)
		low, high = min(low, l), max(high, h)
		text.WriteString(s.describe())
		if name := s.label(); name != "" {
			items = append(items, legendItem{name: name, color: s.Color, dashes: s.dashes(), band: s.Low != nil})
		}
		lines[i] = s.closed()
	}
	if o.Range != [2]float64{} {
		low, high = o.Range[0], o.Range[1]
	}
	if !(high > low) {
		high = low + 1
	}
	const margin = 30.0 // for the angles' labels
	size := float64(orDefault(o.Size, 340))
	radius := size/2 - margin
	place := func(degrees, value float64) [2]float64 {
		r := radius * min(max((value-low)/(high-low), 0), 1)
		a := degrees * math.Pi / 180
		if o.Clockwise {
			a = math.Pi/2 - a
		}
		return [2]float64{size/2 + r*math.Cos(a), size/2 - r*math.Sin(a)}
	}
	body := block{size, size, func(c *canvas) {
		rings := ticks{4}.Ticks(low, high)
		for _, t := range rings {
			if r := radius * (t.Value - low) / (high - low); r > 1 {
				c.circle(size/2, size/2, r, 1, rule)
			}
		}
		for degrees := 0.0; degrees < 360; degrees += 30 {
			c.line(1, faint, place(degrees, low), place(degrees, high))
			// Beyond the rim, centred on the spoke's own line.
			at := place(degrees, high)
			at = [2]float64{size/2 + (at[0]-size/2)*(radius+16)/radius, size/2 + (at[1]-size/2)*(radius+13)/radius}
			c.text(fmt.Sprintf("%.0f°", degrees), tickStyle, at[0], at[1], 0.5)
		}
		c.circle(size/2, size/2, radius, 1, muted)
		for _, s := range lines {
			if s.Low == nil {
				continue
			}
			solid := color.RGBAModel.Convert(s.Color).(color.RGBA)
			for _, run := range finiteRuns(s.X, s.Low, s.High) {
				outline := arc(place, s.X[run[0]:run[1]], s.High[run[0]:run[1]])
				inner := arc(place, s.X[run[0]:run[1]], s.Low[run[0]:run[1]])
				slices.Reverse(inner)
				c.fill(withAlpha(solid, 0.22), append(outline, inner...)...)
			}
		}
		for _, s := range lines {
			for _, run := range finiteRuns(s.X, s.Y, s.Y) {
				if run[1]-run[0] > 1 && !s.NoLine {
					c.lineStyle(2, s.Color, s.dashes()...)
					c.vg.Stroke(c.path(arc(place, s.X[run[0]:run[1]], s.Y[run[0]:run[1]])...))
				}
				for i := run[0]; i < run[1] && (s.Points || s.NoLine || run[1]-run[0] == 1); i++ {
					at := place(s.X[i], s.Y[i])
					c.disc(at[0], at[1], 3, s.Color)
				}
			}
		}
		for _, t := range rings { // over the data, which may run along the rings
			if r := radius * (t.Value - low) / (high - low); t.Value > low && r < radius*0.97 {
				at := place(75, t.Value)
				c.haloText(t.Label, tickStyle, at[0], at[1], 0.5)
			}
		}
	}}
	if o.Label != "" {
		body = stack(2, body, paragraph("distance from the middle: "+o.Label, captionStyle, max(size, 320)))
	}
	if len(items) > 0 {
		body = stack(4, legend(items, max(size, 320)), body)
	}
	return newFigure(o.Title, o.Caption, body, text.String())
}

func (s Series) dashes() []float64 {
	if s.Dashed {
		return []float64{6, 4}
	}
	return nil
}

// closed repeats the first sample a turn later when the samples go around: the gap is no longer than the widest between
// two neighbours.
func (s Series) closed() Series {
	n := len(s.X)
	if n < 3 {
		return s
	}
	widest := 0.0
	for i := 1; i < n; i++ {
		widest = max(widest, math.Abs(s.X[i]-s.X[i-1]))
	}
	turn := math.Copysign(360, s.X[n-1]-s.X[0])
	if left := math.Abs(s.X[0] + turn - s.X[n-1]); left < 1e-9 || left > widest*1.01 {
		return s
	}
	s.X, s.Y = append(s.X, s.X[0]+turn), append(s.Y, s.Y[0])
	if s.Low != nil {
		s.Low, s.High = append(s.Low, s.Low[0]), append(s.High, s.High[0])
	}
	return s
}

// arc goes from sample to sample in steps of at most 2°: a straight line between distant angles would cut the circle.
func arc(place func(degrees, value float64) [2]float64, degrees, values []float64) [][2]float64 {
	points := [][2]float64{place(degrees[0], values[0])}
	for i := 1; i < len(degrees); i++ {
		steps := max(int(math.Ceil(math.Abs(degrees[i]-degrees[i-1])/2)), 1)
		for k := 1; k <= steps; k++ {
			t := float64(k) / float64(steps)
			points = append(points, place(degrees[i-1]+t*(degrees[i]-degrees[i-1]), values[i-1]+t*(values[i]-values[i-1])))
		}
	}
	return points
}

func (c *canvas) circle(x, y, radius, width float64, lineColor color.Color) {
	var p vg.Path
	center := c.point(x, y)
	p.Move(vg.Point{X: center.X + px(radius), Y: center.Y})
	p.Arc(center, px(radius), 0, 2*math.Pi)
	p.Close()
	c.lineStyle(width, lineColor)
	c.vg.Stroke(p)
}

// haloText is text with a rim of paper, to be read on top of data.
func (c *canvas) haloText(t string, s textStyle, x, y, alignX float64) {
	rim := s
	rim.color = withAlpha(paper, 0.85)
	for i := range 8 {
		a := float64(i) * math.Pi / 4
		c.text(t, rim, x+1.6*math.Cos(a), y+1.6*math.Sin(a), alignX)
	}
	c.text(t, s, x, y, alignX)
}
