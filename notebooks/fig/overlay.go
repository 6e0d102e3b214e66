package fig

import (
	"fmt"
	"image"
	"image/color"
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

// pictureSize returns the place of m on the page: about target wide, a whole factor for small images.
func pictureSize(m Image, target int) (w, h float64) {
	f := float64(target) / float64(m.W)
	if f >= 1 {
		f = math.Round(f)
	}
	return math.Round(float64(m.W) * f), max(math.Round(float64(m.H)*f), 1)
}

func pictureBlock(p image.Image, w, h float64) block {
	return block{w, h, func(c *canvas) { c.image(p, 0, 0, w, h) }}
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
	const width = 12.0
	if !(high > low) {
		low, high = low-0.5, high+0.5
	}
	marks := ticks{max(int(height/50), 2)}.Ticks(low, high)
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

// A Box is a rectangle in pixels of an image: X0, Y0 inside, X1, Y1 just outside.
type Box struct {
	X0, Y0, X1, Y1 float64
	Label          string
	// Color is the palette's next when left out.
	Color color.Color
}

// A Marker is a key point in pixels of an image; (0.5, 0.5) is the middle of the first pixel.
type Marker struct {
	X, Y  float64
	Label string
}

// A SegmentationRow is one image with what was found in it. All but Image may be left out.
type SegmentationRow struct {
	Name  string
	Image Image
	// Mask has H×W values; above 0.5 is object. It is tinted and outlined.
	Mask []float32
	// Truth is a second mask: what is right, outlined in a second colour.
	Truth []float32
	Boxes []Box
	// Foreground and Background are seeds, as a segmentation by graph cut takes them.
	Foreground, Background []image.Point
	Points                 []Marker
}

// SegmentationOptions describes Segmentation. The zero value is useful.
type SegmentationOptions struct {
	Title, Caption string
	// Width of each picture in CSS pixels; 0 chooses.
	Width int
	// Plain draws each image without marks beside the marked one.
	Plain bool
	// Columns of images, when no plain image stands beside; 0 chooses.
	Columns int
}

// Segmentation draws images with masks, boxes, seeds and key points. Outlines are light inside dark, so that they are seen
// on any image.
func Segmentation(rows []SegmentationRow, o SegmentationOptions) *Figure {
	const function = "Segmentation"
	if len(rows) == 0 {
		fail(function, "no rows: pass at least one image")
	}
	seeds, truths, masks := false, false, false
	var cells [][]block
	var names []string
	var text strings.Builder
	for i, r := range rows {
		r.Image.check(function, fmt.Sprintf("image %d", i))
		n := r.Image.H * r.Image.W
		for what, mask := range map[string][]float32{"Mask": r.Mask, "Truth": r.Truth} {
			if mask != nil && len(mask) != n {
				fail(function, "the %s of image %d has %d values, want %d×%d", what, i, len(mask), r.Image.H, r.Image.W)
			}
		}
		w, h := pictureSize(r.Image, orDefault(o.Width, 220))
		marked := markedBlock(r, w, h)
		if o.Plain {
			cells = append(cells, []block{pictureBlock(r.Image.natural(), w, h), marked})
		} else {
			if r.Name != "" {
				marked = labelled(r.Name, marked)
			}
			cells = append(cells, []block{marked})
		}
		names = append(names, r.Name)
		seeds = seeds || len(r.Foreground)+len(r.Background) > 0
		truths, masks = truths || r.Truth != nil, masks || r.Mask != nil
		fmt.Fprintf(&text, "%-16s %s\n", r.Name, r.describe())
	}
	var body block
	if o.Plain {
		body = table([]string{"image", "found"}, names, cells)
	} else {
		width := cells[0][0].width
		columns := o.Columns
		if columns <= 0 {
			columns = fullRows(len(cells), max(int((pageWidth+gap)/(width+gap)), 1))
		}
		var lines []block
		for chunk := range slices.Chunk(cells, columns) {
			var line []block
			for _, c := range chunk {
				line = append(line, c[0])
			}
			lines = append(lines, row(gap, line...))
		}
		body = stack(gap, lines...)
	}
	var key []legendItem
	if masks && truths {
		key = append(key, legendItem{name: "found", color: foundColor, square: true}, legendItem{name: "truth", color: truthColor, square: true})
	}
	if seeds {
		key = append(key, legendItem{name: "foreground seeds", color: foregroundColor, square: true},
			legendItem{name: "background seeds", color: backgroundColor, square: true})
	}
	if len(key) > 0 {
		body = stack(6, legend(key, max(body.width, 260)), body)
	}
	return newFigure(o.Title, o.Caption, body, text.String())
}

var (
	foundColor      = Palette[4]
	truthColor      = Palette[2]
	foregroundColor = Palette[1]
	backgroundColor = Palette[5]
)

func (r SegmentationRow) describe() string {
	parts := []string{fmt.Sprintf("%d×%d", r.Image.H, r.Image.W)}
	if r.Mask != nil {
		parts = append(parts, fmt.Sprintf("mask %.1f %%", 100*share(r.Mask)))
	}
	if r.Mask != nil && r.Truth != nil {
		both, either := 0, 0
		for i := range r.Mask {
			a, b := r.Mask[i] > 0.5, r.Truth[i] > 0.5
			if a && b {
				both++
			}
			if a || b {
				either++
			}
		}
		if either > 0 {
			parts = append(parts, fmt.Sprintf("IoU %.3f", float64(both)/float64(either)))
		}
	}
	for _, b := range r.Boxes {
		parts = append(parts, fmt.Sprintf("box %s %s,%s–%s,%s", b.Label, number(b.X0), number(b.Y0), number(b.X1), number(b.Y1)))
	}
	if n := len(r.Foreground) + len(r.Background); n > 0 {
		parts = append(parts, fmt.Sprintf("%d + %d seeds", len(r.Foreground), len(r.Background)))
	}
	if len(r.Points) > 0 {
		parts = append(parts, fmt.Sprintf("%d points", len(r.Points)))
	}
	return strings.Join(parts, ", ")
}

func share(mask []float32) float64 {
	n := 0
	for _, v := range mask {
		if v > 0.5 {
			n++
		}
	}
	return float64(n) / float64(len(mask))
}

func markedBlock(r SegmentationRow, w, h float64) block {
	picture := r.Image.natural()
	if r.Mask != nil {
		for i, v := range r.Mask {
			if v > 0.5 {
				for j, q := range []uint8{foundColor.R, foundColor.G, foundColor.B} {
					p := &picture.Pix[4*i+j]
					*p = uint8(float64(*p)*0.65 + float64(q)*0.35)
				}
			}
		}
	}
	scale := w / float64(r.Image.W)
	return block{w, h, func(c *canvas) {
		c.image(picture, 0, 0, w, h)
		outline := func(mask []float32, lineColor color.Color) {
			for _, e := range maskEdges(mask, r.Image.H, r.Image.W) {
				c.line(2, lineColor, [2]float64{e[0] * scale, e[1] * scale}, [2]float64{e[2] * scale, e[3] * scale})
			}
		}
		if r.Truth != nil {
			outline(r.Truth, truthColor)
		}
		if r.Mask != nil {
			outline(r.Mask, foundColor)
		}
		dot := func(x, y float64, fillColor color.Color) {
			radius := min(max(scale*0.4, 2.5), 4)
			c.disc(x*scale, y*scale, radius+1, paper)
			c.disc(x*scale, y*scale, radius, fillColor)
		}
		for _, p := range r.Background {
			dot(float64(p.X)+0.5, float64(p.Y)+0.5, backgroundColor)
		}
		for _, p := range r.Foreground {
			dot(float64(p.X)+0.5, float64(p.Y)+0.5, foregroundColor)
		}
		for i, p := range r.Points {
			dot(p.X, p.Y, paletteColor(i))
			if p.Label != "" {
				c.tag(p.Label, color.RGBAModel.Convert(paletteColor(i)).(color.RGBA), p.X*scale+6, p.Y*scale-smallSize, w, h)
			}
		}
		for i, b := range r.Boxes {
			boxColor := b.Color
			if boxColor == nil {
				boxColor = paletteColor(i + 1)
			}
			x0, y0, x1, y1 := max(b.X0*scale, 1), max(b.Y0*scale, 1), min(b.X1*scale, w-1), min(b.Y1*scale, h-1)
			c.strokeRect(x0, y0, x1-x0, y1-y0, 3.5, withAlpha(paper, 0.8))
			c.strokeRect(x0, y0, x1-x0, y1-y0, 2, boxColor)
			if b.Label != "" {
				c.tag(b.Label, color.RGBAModel.Convert(boxColor).(color.RGBA), x0-1, y0-smallSize-5, w, h)
			}
		}
	}}
}

// tag sets a short text on a coloured ground, its top left corner at (x, y) or where it fits into w×h.
func (c *canvas) tag(t string, ground color.RGBA, x, y, w, h float64) {
	s := smallStyle
	s.color, s.bold = readableOn(ground), true
	t = s.fit(t, w-8)
	width, height := s.width(t)+8, s.size+5
	x, y = max(min(x, w-width), 0), max(min(y, h-height), 0)
	c.fillRound(x, y, width, height, 2, ground)
	c.text(t, s, x+4, y+height/2, 0)
}

// maskEdges returns the lines, in pixels x0, y0, x1, y1, between what is inside and outside a mask, joined where straight.
func maskEdges(mask []float32, h, w int) [][4]float64 {
	in := func(x, y int) bool { return x >= 0 && y >= 0 && x < w && y < h && mask[y*w+x] > 0.5 }
	var edges [][4]float64
	for y := 0; y <= h; y++ {
		start := -1
		for x := 0; x <= w; x++ {
			edge := x < w && in(x, y-1) != in(x, y)
			if edge && start < 0 {
				start = x
			}
			if !edge && start >= 0 {
				edges = append(edges, [4]float64{float64(start), float64(y), float64(x), float64(y)})
				start = -1
			}
		}
	}
	for x := 0; x <= w; x++ {
		start := -1
		for y := 0; y <= h; y++ {
			edge := y < h && in(x-1, y) != in(x, y)
			if edge && start < 0 {
				start = y
			}
			if !edge && start >= 0 {
				edges = append(edges, [4]float64{float64(x), float64(start), float64(x), float64(y)})
				start = -1
			}
		}
	}
	return edges
}
