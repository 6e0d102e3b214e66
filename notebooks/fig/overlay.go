package fig

import (
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
)

// OverlayOptions describes how a heat map lies over an image. The zero value is useful.
type OverlayOptions struct {
	Title, Caption string
	// Alpha is the opacity of the heat, 0 … 1; 0 means 0.5. Where the heat is weak it is more transparent still, so that
	// the image shows through.
	Alpha float64
	// Uniform gives the heat the same opacity everywhere.
	Uniform bool
	// Clip is the percentile, 0 … 100, of the heat (of its magnitude, when signed) at which colours end, so that one
	// outlier doesn't blacken the rest; 0 means 99.5. 100 clips nothing.
	Clip float64
	// Signed draws negative and positive heat in two colours with zero in the middle.
	Signed bool
	// Colormap is Turbo when left out, in Saliency's maps Magma, and BWR for signed heat.
	Colormap Colormap
	// Width of each picture in CSS pixels; 0 chooses.
	Width int
}

func (o OverlayOptions) check(function string) OverlayOptions {
	if !(o.Alpha >= 0 && o.Alpha <= 1) || !(o.Clip >= 0 && o.Clip <= 100) {
		fail(function, "Alpha is %v, want 0 … 1, and Clip is %v, want 0 … 100", o.Alpha, o.Clip)
	}
	if o.Alpha == 0 {
		o.Alpha = 0.5
	}
	if o.Clip == 0 {
		o.Clip = 99.5
	}
	return o
}

// checkHeat panics unless heat can lie over m.
func checkHeat(function string, i int, m, heat Image) {
	m.check(function, fmt.Sprintf("image %d", i))
	heat.check(function, fmt.Sprintf("the map of image %d", i))
	if heat.C != 1 {
		fail(function, "the map of image %d has %d channels, want 1: reduce them first (Image.Channel takes one)", i, heat.C)
	}
}

// Overlay draws heat over image, with a colour bar. A map of a lower resolution than the image, such as Grad-CAM's, is
// enlarged bilinearly. Values are shown from 0 to the clipping percentile, and negative ones like 0; signed ones from
// minus to plus the percentile of their magnitude.
func Overlay(m, heat Image, o OverlayOptions) *Figure {
	o = o.check("Overlay")
	checkHeat("Overlay", 0, m, heat)
	low, high := heatRange(heat, o)
	colormap := o.Colormap.or(Turbo)
	if o.Signed {
		colormap = o.Colormap.or(BWR)
	}
	w, h := pictureSize(m, orDefault(o.Width, 320))
	body := row(12,
		pictureBlock(blend(m, heat, low, high, colormap, o), w, h),
		colorBar(colormap, low, high, h))
	return newFigure(o.Title, o.Caption, body, fmt.Sprintf("heat map %d×%d over an image of %d×%d; %s", heat.H, heat.W, m.H, m.W, heatText(heat, low, high)))
}

// A SaliencyRow is one image with its attribution map.
type SaliencyRow struct {
	Name  string
	Image Image
	Map   Image // one channel, of any resolution
}

// Saliency draws a row for each image: the image, its map, and the map over the image.
func Saliency(rows []SaliencyRow, o OverlayOptions) *Figure {
	const function = "Saliency"
	o = o.check(function)
	if len(rows) == 0 {
		fail(function, "no rows: pass at least one image with its map")
	}
	mapColors, overColors := o.Colormap.or(Magma), o.Colormap.or(Turbo)
	if o.Signed {
		mapColors, overColors = o.Colormap.or(BWR), o.Colormap.or(BWR)
	}
	var lines [][]block
	var names []string
	var text strings.Builder
	for i, r := range rows {
		checkHeat(function, i, r.Image, r.Map)
		low, high := heatRange(r.Map, o)
		w, h := pictureSize(r.Image, orDefault(o.Width, 160))
		lines = append(lines, []block{
			pictureBlock(r.Image.natural(), w, h),
			pictureBlock(resized(r.Map, r.Image.H, r.Image.W).picture(low, high, mapColors), w, h),
			pictureBlock(blend(r.Image, r.Map, low, high, overColors, o), w, h),
		})
		names = append(names, r.Name)
		fmt.Fprintf(&text, "%-16s %s\n", r.Name, heatText(r.Map, low, high))
	}
	return newFigure(o.Title, o.Caption, table([]string{"image", "map", "overlay"}, names, lines), text.String())
}

// An Attribution is a map that one method made of an image.
type Attribution struct {
	Method string
	Map    Image
	Signed bool // has negative values that mean something
}

// Attributions draws one image and, beside it, the maps of several methods; with over, each lies over the image.
// Each map has its own range, since methods have no common unit.
func Attributions(m Image, maps []Attribution, over bool, o OverlayOptions) *Figure {
	const function = "Attributions"
	o = o.check(function)
	if len(maps) == 0 {
		fail(function, "no maps: pass at least one")
	}
	width := orDefault(o.Width, 140)
	w, h := pictureSize(m, width)
	cells := []block{labelled("image", pictureBlock(m.natural(), w, h))}
	var text strings.Builder
	for i, a := range maps {
		checkHeat(function, i, m, a.Map)
		own := o
		own.Signed = own.Signed || a.Signed
		low, high := heatRange(a.Map, own)
		colormap := o.Colormap.or(Magma)
		if own.Signed {
			colormap = BWR
		} else if over {
			colormap = o.Colormap.or(Turbo)
		}
		var p image.Image = resized(a.Map, m.H, m.W).picture(low, high, colormap)
		if over {
			p = blend(m, a.Map, low, high, colormap, own)
		}
		cells = append(cells, labelled(a.Method, pictureBlock(p, w, h)))
		fmt.Fprintf(&text, "%-20s %s\n", a.Method, heatText(a.Map, low, high))
	}
	columns := fullRows(len(cells), max(int((pageWidth+gap)/(w+gap)), 1))
	var rows []block
	for chunk := range slices.Chunk(cells, columns) {
		rows = append(rows, row(gap, chunk...))
	}
	return newFigure(o.Title, o.Caption, stack(gap, rows...), text.String())
}

func heatText(heat Image, low, high float64) string {
	l, h := limits(heat)
	return fmt.Sprintf("values %s … %s, colours %s … %s", number(l), number(h), number(low), number(high))
}

// heatRange returns the values at which the colours begin and end.
func heatRange(heat Image, o OverlayOptions) (low, high float64) {
	values := make([]float64, len(heat.Pix))
	for i, v := range heat.Pix {
		values[i] = float64(v)
		if o.Signed {
			values[i] = math.Abs(values[i])
		}
	}
	slices.Sort(values)
	high = percentile(values, o.Clip)
	if high <= 0 { // sparse maps: the percentile may fall on the zeros
		high = values[len(values)-1]
	}
	if o.Signed {
		return -high, high
	}
	if high > 0 {
		return 0, high
	}
	return values[0], high
}

// percentile interpolates between the closest ranks of sorted values, as NumPy's default does.
func percentile(sorted []float64, p float64) float64 {
	at := p / 100 * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-1)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (at-float64(i))*(sorted[j]-sorted[i])
}

// blend lays the heat's colours over m.
func blend(m, heat Image, low, high float64, colormap Colormap, o OverlayOptions) *image.RGBA {
	under := m.natural()
	heat = resized(heat, m.H, m.W)
	for i, v := range heat.Pix {
		t := 0.5
		if high > low {
			t = min(max((float64(v)-low)/(high-low), 0), 1)
		}
		strength := t
		if o.Signed {
			strength = math.Abs(2*t - 1)
		}
		alpha := o.Alpha
		if !o.Uniform { // the square root lets medium heat be seen
			alpha = min(1, o.Alpha*1.5) * math.Sqrt(strength)
		}
		c := colormap.At(t)
		p := under.Pix[4*i : 4*i+3]
		for j, q := range []uint8{c.R, c.G, c.B} {
			p[j] = uint8(float64(p[j])*(1-alpha) + float64(q)*alpha + 0.5)
		}
	}
	return under
}

// resized samples a map bilinearly at pixel centres, edges repeated.
func resized(m Image, h, w int) Image {
	if m.H == h && m.W == w {
		return m
	}
	out := Image{H: h, W: w, C: 1, Pix: make([]float32, h*w)}
	at := func(i, n, size int) (a, b int, t float32) {
		p := min(max((float64(i)+0.5)*float64(size)/float64(n)-0.5, 0), float64(size-1))
		a = int(p)
		return a, min(a+1, size-1), float32(p - float64(a))
	}
	for y := range h {
		y0, y1, ty := at(y, h, m.H)
		for x := range w {
			x0, x1, tx := at(x, w, m.W)
			top := m.Pix[y0*m.W+x0]*(1-tx) + m.Pix[y0*m.W+x1]*tx
			bottom := m.Pix[y1*m.W+x0]*(1-tx) + m.Pix[y1*m.W+x1]*tx
			out.Pix[y*w+x] = top*(1-ty) + bottom*ty
		}
	}
	return out
}
