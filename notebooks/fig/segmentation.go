package fig

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"
	"strings"
)

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
	// Mask has H×W values; above 0.5 is object. It is outlined, and tinted unless seeds are shown.
	Mask []float32
	// Truth is a second mask: what is right, outlined in a second colour.
	Truth []float32
	Boxes []Box
	// Foreground and Background are seeds, as a segmentation by graph cut takes them: their pixels are tinted.
	Foreground, Background []image.Point
	Points                 []Marker
	// Links joins points by their indices, as the bones of a pose.
	Links [][2]int
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
		for _, l := range r.Links {
			if min(l[0], l[1]) < 0 || max(l[0], l[1]) >= len(r.Points) {
				fail(function, "link %v of image %d: there are %d points", l, i, len(r.Points))
			}
		}
		for _, p := range slices.Concat(r.Foreground, r.Background) {
			if !p.In(image.Rect(0, 0, r.Image.W, r.Image.H)) {
				fail(function, "seed %v of image %d lies outside of its %d×%d pixels", p, i, r.Image.W, r.Image.H)
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
	scale := w / float64(r.Image.W)
	switch seeds := r.seedColors(scale); {
	case seeds != nil:
		for i, seed := range seeds {
			if seed != nil {
				tint(picture.Pix[4*i:], *seed, 0.55)
			}
		}
	case r.Mask != nil:
		for i, v := range r.Mask {
			if v > 0.5 {
				tint(picture.Pix[4*i:], foundColor, 0.35)
			}
		}
	}
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
		for _, l := range r.Links {
			from, to := r.Points[l[0]], r.Points[l[1]]
			bone := [][2]float64{{from.X * scale, from.Y * scale}, {to.X * scale, to.Y * scale}}
			c.line(4, withAlpha(paper, 0.8), bone...)
			c.line(2, paletteColor(l[1]), bone...)
		}
		for i, p := range r.Points {
			dot(p.X, p.Y, paletteColor(i))
			if p.Label != "" {
				c.tag(p.Label, color.RGBAModel.Convert(paletteColor(i)).(color.RGBA), p.X*scale+6, p.Y*scale-smallSize, w, h)
			}
		}
	}}
}

// seedColors has the tint of each pixel [H×W], nil where there is none; it is nil without seeds. A seed is one pixel, and in
// a picture so small that one would hardly be seen, the square around it that is at least 2.5 CSS pixels wide.
func (r SegmentationRow) seedColors(scale float64) []*color.RGBA {
	if len(r.Foreground)+len(r.Background) == 0 {
		return nil
	}
	h, w := r.Image.H, r.Image.W
	colors := make([]*color.RGBA, h*w)
	reach := max(0, int(math.Ceil((2.5/scale-1)/2)))
	paint := func(seeds []image.Point, seedColor *color.RGBA) {
		for _, p := range seeds {
			for y := max(0, p.Y-reach); y <= min(h-1, p.Y+reach); y++ {
				for x := max(0, p.X-reach); x <= min(w-1, p.X+reach); x++ {
					colors[y*w+x] = seedColor
				}
			}
		}
	}
	paint(r.Background, &backgroundColor)
	paint(r.Foreground, &foregroundColor)
	return colors
}

// tint mixes a share of a colour into the pixel that begins at pix[0].
func tint(pix []uint8, with color.RGBA, share float64) {
	for i, q := range []uint8{with.R, with.G, with.B} {
		pix[i] = uint8(float64(pix[i])*(1-share) + float64(q)*share)
	}
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
