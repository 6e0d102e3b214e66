package fig

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot"
)

// A Cloud is a set of points with one colour and one name.
type Cloud struct {
	Name string
	X, Y []float64
	// Images, one for each point, are drawn in place of dots; all points or none.
	Images []Image
	// Labels, one for each point, are written beside the dots.
	Labels []string
	// Values, one for each point, colour the dots through ScatterOptions.Colormap, with a colour bar; all clouds or none.
	Values []float64
	// Color is the palette's next when left out.
	Color color.Color
}

// ScatterOptions describes Scatter. The zero value is useful.
type ScatterOptions struct {
	Title, Caption string
	XLabel, YLabel string
	LogX, LogY     bool
	// NoAxes leaves out the axes, whose numbers mean nothing in an embedding.
	NoAxes bool
	// Equal gives both axes one scale.
	Equal bool
	// NamesInside writes each cloud's name at its middle in place of a key.
	NamesInside bool
	// Colormap of Cloud.Values, Viridis when left out; Range its ends, {0, 0} for what the values span; ValueLabel its name.
	Colormap   Colormap
	Range      [2]float64
	ValueLabel string
	// Radius of dots in CSS pixels; 0 chooses by the number of points.
	Radius float64
	// ImageSize is the greater side of image markers in CSS pixels; 0 means 32.
	ImageSize int
	// Width and Height of the plot in CSS pixels; 0 means 480×400.
	Width, Height int
}

// Scatter draws points, as dots or as small images framed in their cloud's colour.
//
// It panics when there are no points, when lengths differ, on points that are not finite, and on points that a logarithmic
// axis cannot show.
func Scatter(o ScatterOptions, clouds ...Cloud) *Figure {
	const function = "Scatter"
	points := 0
	for _, k := range clouds {
		points += len(k.X)
	}
	if points == 0 {
		fail(function, "no points: pass at least one")
	}
	xlow, xhigh := math.Inf(1), math.Inf(-1)
	ylow, yhigh := xlow, xhigh
	var items []legendItem
	var text strings.Builder
	type mark struct {
		x, y    float64
		picture image.Image
		w, h    float64
		label   string
		color   color.RGBA
	}
	var marks []mark
	colors := o.Colormap.or(Viridis)
	valueLow, valueHigh := valueRange(o.Range, clouds)
	size := float64(orDefault(o.ImageSize, 32))
	for i, k := range clouds {
		if len(k.X) != len(k.Y) || k.Images != nil && len(k.Images) != len(k.X) || k.Labels != nil && len(k.Labels) != len(k.X) {
			fail(function, "cloud %d (%q) has %d x, %d y, %d images and %d labels", i, k.Name, len(k.X), len(k.Y), len(k.Images), len(k.Labels))
		}
		if (k.Values != nil) != (clouds[0].Values != nil) || k.Values != nil && len(k.Values) != len(k.X) {
			fail(function, "cloud %d (%q) has %d values for %d points: give one for each point of each cloud, or none", i, k.Name, len(k.Values), len(k.X))
		}
		c := orColor(k.Color, i)
		for j := range k.X {
			if !finite(k.X[j]) || !finite(k.Y[j]) || o.LogX && k.X[j] <= 0 || o.LogY && k.Y[j] <= 0 {
				fail(function, "point %d of cloud %d (%q) is (%v, %v), which can't be drawn on these axes", j, i, k.Name, k.X[j], k.Y[j])
			}
			m := mark{x: k.X[j], y: k.Y[j], color: color.RGBAModel.Convert(c).(color.RGBA)}
			if k.Images != nil {
				im := k.Images[j]
				im.check(function, fmt.Sprintf("image %d of cloud %d", j, i))
				f := size / float64(max(im.W, im.H))
				m.picture, m.w, m.h = im.natural(), math.Round(float64(im.W)*f), math.Round(float64(im.H)*f)
			}
			if k.Labels != nil {
				m.label = k.Labels[j]
			}
			if k.Values != nil {
				m.color = colors.At((k.Values[j] - valueLow) / (valueHigh - valueLow))
			}
			marks = append(marks, m)
		}
		l, h := finiteLimits(k.X)
		xlow, xhigh = min(xlow, l), max(xhigh, h)
		l, h = finiteLimits(k.Y)
		ylow, yhigh = min(ylow, l), max(yhigh, h)
		if k.Name != "" && !o.NamesInside && k.Values == nil {
			items = append(items, legendItem{name: k.Name, color: c, square: true})
		}
		fmt.Fprintf(&text, "%s  %d points\n", k.Name, len(k.X))
	}
	width, height := float64(orDefault(o.Width, 480)), float64(orDefault(o.Height, 400))
	radius := o.Radius
	if radius == 0 {
		radius = min(max(60/math.Sqrt(float64(points)), 1.5), 4)
	}
	p := newPlot()
	p.X.Label.Text, p.Y.Label.Text = o.XLabel, o.YLabel
	margin := 0.04
	if marks[0].picture != nil {
		margin = size / 2 / (min(width, height) - 40)
	}
	setRange(&p.X, [2]float64{}, xlow, xhigh, o.LogX, margin)
	setRange(&p.Y, [2]float64{}, ylow, yhigh, o.LogY, margin)
	if o.Equal && !o.LogX && !o.LogY {
		perPixel := max((p.X.Max-p.X.Min)/width, (p.Y.Max-p.Y.Min)/height)
		widen := func(low, high *float64, want float64) {
			extra := (want - (*high - *low)) / 2
			*low, *high = *low-extra, *high+extra
		}
		widen(&p.X.Min, &p.X.Max, perPixel*width)
		widen(&p.Y.Min, &p.Y.Max, perPixel*height)
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = ticks{max(int(width/75), 3)}, ticks{max(int(height/50), 3)}
	if o.LogX {
		p.X.Tick.Marker, p.X.Scale = logTicks{}, plot.LogScale{}
	}
	if o.LogY {
		p.Y.Tick.Marker, p.Y.Scale = logTicks{}, plot.LogScale{}
	}
	p.Add(gridLines{true, true})
	if o.NoAxes {
		p.HideAxes()
	}
	// Clouds are shuffled by a fixed rule: else the last cloud hides the others where they mix.
	order := make([]int, len(marks))
	for i := range order {
		order[i] = int((uint64(i) * 0x9E3779B1) % uint64(len(marks)))
	}
	if !isPermutation(order) {
		for i := range order {
			order[i] = i
		}
	}
	var centers []mark
	for i, k := range clouds {
		if o.NamesInside && k.Name != "" && len(k.X) > 0 {
			centers = append(centers, mark{x: median(k.X), y: median(k.Y), label: k.Name, color: color.RGBAModel.Convert(orColor(k.Color, i)).(color.RGBA)})
		}
	}
	body := block{width, height, func(c *canvas) {
		c.plot(p, 0, 0, width, height)
		area := c.draw(0, 0, width, height)
		data := p.DataCanvas(area)
		tx, ty := p.Transforms(&data)
		// From gonum's points, y upwards, to our pixels.
		at := func(m mark) (x, y float64) {
			return float64(tx(m.x)-area.Min.X) / 0.75, height - float64(ty(m.y)-area.Min.Y)/0.75
		}
		for _, i := range order {
			m := marks[i]
			x, y := at(m)
			if m.picture != nil {
				x, y = math.Round(x-m.w/2), math.Round(y-m.h/2)
				c.fillRect(x-2, y-2, m.w+4, m.h+4, m.color)
				c.image(m.picture, x, y, m.w, m.h)
				continue
			}
			if relativeLuminance(m.color) > 0.6 && clouds[0].Values == nil { // yellow alone is hardly seen on white
				c.disc(x, y, radius+0.75, darkened(m.color))
				c.disc(x, y, radius, m.color)
				continue
			}
			c.disc(x, y, radius, withAlpha(m.color, 0.75))
		}
		for _, m := range marks {
			if x, y := at(m); m.label != "" {
				s := tickStyle
				if w := s.width(m.label); x+radius+4+w > width {
					c.text(m.label, s, x-radius-4, y, 1)
				} else {
					c.text(m.label, s, x+radius+4, y, 0)
				}
			}
		}
		for _, m := range centers {
			x, y := at(m)
			s := headStyle
			s.color = darkened(m.color)
			half := s.width(m.label)/2 + 2
			c.haloText(m.label, s, min(max(x, half), width-half), y, 0.5)
		}
	}}
	if clouds[0].Values != nil {
		bar := colorBar(colors, valueLow, valueHigh, height-40)
		if o.ValueLabel != "" {
			bar = stack(4, paragraph(o.ValueLabel, captionStyle, 90), bar)
		}
		body = row(14, body, bar)
		fmt.Fprintf(&text, "colours %s %s … %s\n", o.ValueLabel, number(valueLow), number(valueHigh))
	}
	if len(items) > 0 {
		body = stack(4, legend(items, width), body)
	}
	return newFigure(o.Title, o.Caption, body, text.String())
}

// valueRange returns the ends of the colours of all clouds' values; it panics on values that are not finite.
func valueRange(fixed [2]float64, clouds []Cloud) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for i, k := range clouds {
		for j, v := range k.Values {
			if !finite(v) {
				fail("Scatter", "value %d of cloud %d (%q) is %v", j, i, k.Name, v)
			}
			low, high = min(low, v), max(high, v)
		}
	}
	if fixed != [2]float64{} {
		low, high = fixed[0], fixed[1]
	}
	if !(high > low) {
		low, high = low-0.5, high+0.5
	}
	return low, high
}

func isPermutation(order []int) bool {
	seen := make([]bool, len(order))
	for _, i := range order {
		if seen[i] {
			return false
		}
		seen[i] = true
	}
	return true
}
