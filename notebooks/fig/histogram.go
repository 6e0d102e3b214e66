package fig

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A Sample is the values of one distribution. Values that are not finite are left out, and the key says how many they are.
type Sample struct {
	Name   string
	Values []float64
	// Color is the palette's next when left out.
	Color color.Color
}

// HistogramOptions describes Histogram. The zero value is useful.
type HistogramOptions struct {
	Title, Caption string
	// Label names the axis of values, with the unit.
	Label string
	// Bins of equal width, common to all samples; 0 chooses by the rule of Freedman and Diaconis (1981), 8 to 60.
	Bins int
	// Range of the values that are counted; {0, 0} takes all. The key says how many lie outside.
	Range [2]float64
	// Density makes each sample's area 1, so that samples of different sizes can be compared; else bins are counted.
	Density bool
	// LogY shows tails, whose bins would be too low to be seen.
	LogY bool
	// Width and Height of the plot in CSS pixels; 0 means 560×260.
	Width, Height int
}

// Histogram draws how often values occur: outlines over light areas, so that samples which overlap stay readable.
//
// It panics when there is no sample, or when one has no finite value in the range.
func Histogram(o HistogramOptions, samples ...Sample) *Figure {
	const function = "Histogram"
	if len(samples) == 0 {
		fail(function, "no samples: pass at least one")
	}
	if o.Bins < 0 || o.Range[0] > o.Range[1] {
		fail(function, "%d bins over the range %v: want a positive number, and the lower end first", o.Bins, o.Range)
	}
	var all []float64
	kept := make([][]float64, len(samples))
	names := make([]string, len(samples))
	for i, s := range samples {
		bad, outside := 0, 0
		for _, v := range s.Values {
			switch {
			case !finite(v):
				bad++
			case o.Range != [2]float64{} && (v < o.Range[0] || v > o.Range[1]):
				outside++
			default:
				kept[i] = append(kept[i], v)
			}
		}
		if len(kept[i]) == 0 {
			fail(function, "sample %d (%q) has no finite value in the range", i, s.Name)
		}
		all = append(all, kept[i]...)
		var notes []string
		if bad > 0 {
			notes = append(notes, fmt.Sprintf("%d not finite", bad))
		}
		if outside > 0 {
			notes = append(notes, fmt.Sprintf("%d outside", outside))
		}
		names[i] = s.Name
		if len(notes) > 0 {
			names[i] = strings.TrimSpace(fmt.Sprintf("%s (%s of %d not shown)", s.Name, strings.Join(notes, " and "), len(s.Values)))
		}
	}
	slices.Sort(all)
	low, high := all[0], all[len(all)-1]
	if o.Range != [2]float64{} {
		low, high = o.Range[0], o.Range[1]
	}
	if low == high {
		low, high = low-0.5, high+0.5
	}
	bins := o.Bins
	if bins == 0 {
		bins = freedmanDiaconis(all, low, high)
	}

	p := newPlot()
	p.X.Label.Text, p.Y.Label.Text = o.Label, "count"
	if o.Density {
		p.Y.Label.Text = "density"
	}
	width, height := float64(orDefault(o.Width, 560)), float64(orDefault(o.Height, 260))
	step := (high - low) / float64(bins)
	least, most := math.Inf(1), 0.0
	var outlines []stairs
	var items []legendItem
	var text strings.Builder
	for i, s := range samples {
		c := s.Color
		if c == nil {
			c = paletteColor(i)
		}
		line := stairs{low: low, step: step, heights: make([]float64, bins), color: color.RGBAModel.Convert(c).(color.RGBA)}
		unit := 1.0
		if o.Density {
			unit = 1 / (float64(len(kept[i])) * step)
		}
		for _, v := range kept[i] {
			line.heights[min(int((v-low)/step), bins-1)] += unit // the last bin holds its upper end
		}
		for _, h := range line.heights {
			most = max(most, h)
			if h > 0 {
				least = min(least, h)
			}
		}
		outlines = append(outlines, line)
		if names[i] != "" {
			items = append(items, legendItem{name: names[i], color: c, square: true})
		}
		mean, deviation := meanDeviation(kept[i])
		sorted := slices.Sorted(slices.Values(kept[i]))
		fmt.Fprintf(&text, "%s  %s  %d values, %s … %s, median %s, mean %s, standard deviation %s\n", names[i], sparkline(line.heights, 40),
			len(kept[i]), number(sorted[0]), number(sorted[len(sorted)-1]), number(percentile(sorted, 50)), number(mean), number(deviation))
	}
	p.X.Min, p.X.Max = low, high
	p.Y.Min, p.Y.Max = 0, most*1.05
	p.X.Tick.Marker, p.Y.Tick.Marker = ticks{max(int(width/75), 3)}, ticks{max(int(height/45), 3)}
	if o.LogY {
		p.Y.Min, p.Y.Max = least/2, most*1.3 // the lowest bin stands above the axis
		p.Y.Tick.Marker, p.Y.Scale = logTicks{}, plot.LogScale{}
	}
	p.Add(gridLines{y: true})
	for _, l := range outlines {
		p.Add(l)
	}
	body := block{width, height, func(c *canvas) { c.plot(p, 0, 0, width, height) }}
	if len(items) > 0 {
		body = stack(4, legend(items, width), body)
	}
	return newFigure(o.Title, o.Caption, body, text.String())
}

// freedmanDiaconis is the number of bins of width 2·IQR/∛n, in bounds that a figure of a page's width can show.
func freedmanDiaconis(sorted []float64, low, high float64) int {
	width := 2 * (percentile(sorted, 75) - percentile(sorted, 25)) / math.Cbrt(float64(len(sorted)))
	if !(width > 0) {
		return 8
	}
	return int(min(max(math.Ceil((high-low)/width), 8), 60))
}

func meanDeviation(v []float64) (mean, deviation float64) {
	mean, se := meanError(v)
	return mean, se * math.Sqrt(float64(len(v)))
}

// stairs is the outline of bins over a light area.
type stairs struct {
	low, step float64
	heights   []float64
	color     color.RGBA
}

func (s stairs) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	ground := ty(p.Y.Min)
	at := func(h float64) vg.Length { return ty(max(h, p.Y.Min)) }
	line := []vg.Point{{X: tx(s.low), Y: ground}}
	for i, h := range s.heights {
		line = append(line, vg.Point{X: tx(s.low + float64(i)*s.step), Y: at(h)}, vg.Point{X: tx(s.low + float64(i+1)*s.step), Y: at(h)})
	}
	line = append(line, vg.Point{X: line[len(line)-1].X, Y: ground})
	c.FillPolygon(withAlpha(s.color, 0.25), line)
	c.StrokeLines(draw.LineStyle{Color: s.color, Width: px(1.6)}, line)
}
