package fig

import (
	"fmt"
	"image"
	"image/color"
	"math"

	"github.com/gomlx/gomlx/core/tensors"
)

// Normalize says how values become brightness.
type Normalize int

const (
	// Natural draws bytes (0 … 255) and floats in [0, 1] as they are, and other values as PerGrid does. The default.
	Natural Normalize = iota
	// PerImage stretches each image from its least to its greatest value: shows structure, hides relative strength.
	PerImage
	// PerGrid stretches all images by one common range: strengths can be compared.
	PerGrid
	// None clips floats to [0, 1] and bytes to 0 … 255.
	None
	// Signed is PerGrid with zero in the middle of the colour map, for a diverging map.
	Signed
)

func (n Normalize) String() string {
	return [...]string{"natural range", "each image stretched", "one common range", "clipped to [0, 1]", "zero in the middle"}[n]
}

// GridOptions describes a Grid. The zero value is useful.
type GridOptions struct {
	Title, Caption string
	// Titles stand above the images, one each; "" and missing ones stay empty.
	Titles []string
	// Marks colours the titles: true a match (green), false a mismatch (vermilion). Empty: black.
	Marks []bool
	// Columns of the grid; 0 chooses.
	Columns int
	// Scale is the width of an image pixel in CSS pixels, without smoothing; 0 chooses a whole number that fills the
	// page, or, for images larger than their place, shrinks them with a filter.
	Scale int
	// Normalize says how values become brightness.
	Normalize Normalize
	// Colormap draws images of one channel; Gray when left out, BWR for Signed.
	Colormap Colormap
	// Padding between the images, in CSS pixels; 0 means 8, negative none.
	Padding int
}

// Grid draws images of one size in rows and columns, with a title each.
//
// It panics when there are no images, when their sizes differ, or when they have neither 1, 3 nor 4 channels.
func Grid(images []Image, o GridOptions) *Figure {
	return grid("Grid", "images", images, o)
}

func grid(function, noun string, images []Image, o GridOptions) *Figure {
	if len(images) == 0 {
		fail(function, "no %s: pass at least one", noun)
	}
	if len(o.Titles) > len(images) || len(o.Marks) > len(images) {
		fail(function, "%d titles and %d marks for %d images", len(o.Titles), len(o.Marks), len(images))
	}
	if o.Normalize < Natural || o.Normalize > Signed {
		fail(function, "unknown Normalize %d", int(o.Normalize))
	}
	first := images[0]
	for i, m := range images {
		m.check(function, fmt.Sprintf("image %d", i))
		if m.H != first.H || m.W != first.W {
			fail(function, "image %d is %d×%d and image 0 is %d×%d: all must have one size (Row puts different figures beside each other)",
				i, m.H, m.W, first.H, first.W)
		}
	}
	pictures := gridPictures(images, o)
	space := float64(o.Padding)
	if o.Padding == 0 {
		space = gap
	}
	space = max(space, 0)

	columns, cellWidth, cellHeight := gridCells(len(images), first.W, first.H, o.Columns, o.Scale, space)
	titleHeight := 0.0
	style := labelStyle
	if len(o.Titles) > 0 {
		if cellWidth < 60 {
			style.size = smallSize
		}
		titleHeight = style.lineHeight() + 2
		space = max(space, 6)
	}
	rows := (len(images) + columns - 1) / columns
	width := float64(columns)*(cellWidth+space) - space
	height := float64(rows)*(cellHeight+titleHeight+space) - space
	body := block{width, height, func(c *canvas) {
		for i, p := range pictures {
			x := float64(i%columns) * (cellWidth + space)
			y := float64(i/columns) * (cellHeight + titleHeight + space)
			if i < len(o.Titles) {
				s := style
				if i < len(o.Marks) {
					s.color = map[bool]color.RGBA{true: {0x00, 0x7a, 0x59, 0xff}, false: {0xb8, 0x4c, 0x00, 0xff}}[o.Marks[i]]
				}
				c.text(s.fit(o.Titles[i], cellWidth), s, x+cellWidth/2, y+titleHeight/2-1, 0.5)
			}
			c.image(p, x, y+titleHeight, cellWidth, cellHeight)
			if o.Normalize == Signed { // zero is white: without a frame, where does the map end?
				c.strokeRect(x, y+titleHeight, cellWidth, cellHeight, 0.75, rule)
			}
		}
	}}
	low, high := limits(images...)
	text := fmt.Sprintf("%s of %d×%d, %s, %s; values %s … %s (%s)", plural(len(images), noun), first.H, first.W,
		channelsText(first.C), plural(columns, "columns"), number(low), number(high), o.Normalize)
	for i, t := range o.Titles {
		if t == fmt.Sprint(i) {
			continue // the number says it
		}
		mark := ""
		if i < len(o.Marks) && !o.Marks[i] {
			mark = " ✗"
		}
		if t != "" {
			text += fmt.Sprintf("\n%4d  %s%s", i, t, mark)
		}
	}
	return newFigure(o.Title, o.Caption, body, text)
}

func channelsText(c int) string {
	return map[int]string{1: "one channel", 3: "RGB", 4: "RGBA"}[c]
}

// gridPictures turns values into colours.
func gridPictures(images []Image, o GridOptions) []image.Image {
	colormap := o.Colormap
	low, high := naturalLimits(images...)
	switch o.Normalize {
	case PerGrid:
		low, high = limits(images...)
	case None:
		low, high = 0, 1
	case Signed:
		low, high = limits(images...)
		high = max(math.Abs(low), math.Abs(high))
		low = -high
		colormap = colormap.or(BWR)
	}
	pictures := make([]image.Image, len(images))
	for i, m := range images {
		l, h := low, high
		if o.Normalize == PerImage {
			l, h = limits(m)
		} else if o.Normalize == None && m.bytes {
			l, h = 0, 255
		}
		pictures[i] = m.picture(l, h, colormap)
	}
	return pictures
}

// gridCells chooses the columns and the size of a cell in CSS pixels.
func gridCells(n, w, h, columns, scale int, space float64) (cols int, cellWidth, cellHeight float64) {
	if columns < 0 || scale < 0 {
		fail("Grid", "Columns is %d and Scale is %d: neither may be negative", columns, scale)
	}
	if columns == 0 {
		// Cells of 64 to 128 pixels are large enough to see and small enough to compare.
		want := 96.0
		if scale > 0 {
			want = float64(w * scale)
		} else if n <= 4 {
			want = 170
		}
		most := max(int((pageWidth+space)/(want+space)), 1)
		columns = fullRows(n, most)
	}
	columns = min(columns, n)
	if scale > 0 {
		return columns, float64(w * scale), float64(h * scale)
	}
	room := (pageWidth+space)/float64(columns) - space
	switch {
	case room >= float64(w):
		// Small grids stay small: one 28×28 image needs no 700 pixels.
		limit := 96.0
		if n <= 8 {
			limit = 160
		}
		zoom := max(math.Floor(min(min(room, limit)/float64(w), 2*limit/float64(h))), 1)
		return columns, float64(w) * zoom, float64(h) * zoom
	default:
		room = max(math.Floor(room), 4)
		return columns, room, math.Max(math.Round(room*float64(h)/float64(w)), 1)
	}
}

// FilterOptions describes Filters. The zero value is useful.
type FilterOptions struct {
	Title, Caption string
	Columns, Scale int
	// Max is the greatest number of filters drawn; 0 means 64.
	Max int
	// Input chooses the input channel that is drawn where there are neither 1 nor 3; the default is the first.
	Input int
	// Normalize; PerImage when left out (Natural), since filters differ in strength by orders of magnitude; PerGrid for
	// kernels of 1×1.
	Normalize Normalize
	// Colormap draws filters of one channel: Gray when left out.
	Colormap Colormap
}

// Filters draws the kernels of a convolution, weights [kh kw cin cout], each from its least to its greatest value:
// in colour when cin is 3, else one input channel of each.
func Filters(weights *tensors.Tensor, o FilterOptions) *Figure {
	if weights == nil {
		fail("Filters", "the tensor is nil")
	}
	dims := weights.Shape().Dimensions
	if len(dims) != 4 {
		fail("Filters", "the weights have dimensions %v, want [kh kw cin cout]", dims)
	}
	kh, kw, cin, cout := dims[0], dims[1], dims[2], dims[3]
	if o.Input < 0 || o.Input >= cin {
		fail("Filters", "input channel %d of %d", o.Input, cin)
	}
	all := FromTensor(weights) // a "batch" of kh rows [kw cin cout]: only the finite check and the flat values matter
	flat := make([]float32, 0, kh*kw*cin*cout)
	for _, r := range all {
		flat = append(flat, r.Pix...)
	}
	n := cout
	if limit := orDefault(o.Max, 64); n > limit {
		n = limit
	}
	var images []Image
	for f := range n {
		m := Image{H: kh, W: kw, C: 1}
		if cin == 3 {
			m.C = 3
		}
		for at := range kh * kw {
			for ch := range m.C {
				from := ch
				if m.C == 1 {
					from = o.Input
				}
				m.Pix = append(m.Pix, flat[(at*cin+from)*cout+f])
			}
		}
		images = append(images, m)
	}
	if o.Normalize == Natural {
		o.Normalize = PerImage
		if kh*kw == 1 && cin != 3 { // one value has no range of its own
			o.Normalize = PerGrid
		}
	}
	if o.Caption == "" {
		switch {
		case n < cout:
			o.Caption = fmt.Sprintf("%d of %d filters of %d×%d", n, cout, kh, kw)
		default:
			o.Caption = fmt.Sprintf("%d filters of %d×%d", cout, kh, kw)
		}
		if cin != 3 && cin != 1 {
			o.Caption += fmt.Sprintf(", input channel %d of %d", o.Input, cin)
		}
		o.Caption += ", " + o.Normalize.String()
	}
	if o.Columns == 0 {
		o.Columns = fullRows(n, 16)
	}
	if o.Scale == 0 {
		// Few weights make a filter: large pixels, small gaps.
		room := (pageWidth+4)/float64(o.Columns) - 4
		o.Scale = max(int(min(room, 64)/float64(kw)), 1)
	}
	return grid("Filters", "filters", images, GridOptions{Title: o.Title, Caption: o.Caption, Columns: o.Columns, Scale: o.Scale,
		Normalize: o.Normalize, Colormap: o.Colormap, Padding: 4})
}

// FeatureMapOptions describes FeatureMaps. The zero value is useful.
type FeatureMapOptions struct {
	Title, Caption string
	Columns, Scale int
	// Max is the greatest number of channels drawn; 0 means 32.
	Max int
	// Channels chooses the channels; the first ones when left out.
	Channels []int
	// Normalize; PerGrid when left out (Natural).
	Normalize Normalize
	// Colormap; Viridis when left out.
	Colormap Colormap
	// Numbers writes each channel's number above it.
	Numbers bool
}

// FeatureMaps draws the channels of an activation, [H W C] or [1 H W C], one by one.
func FeatureMaps(activation *tensors.Tensor, o FeatureMapOptions) *Figure {
	images := FromTensor(activation)
	if len(images) != 1 || activation.Rank() < 3 {
		fail("FeatureMaps", "the activation has dimensions %v, want [H W C] or [1 H W C]: choose one image of the batch",
			activation.Shape().Dimensions)
	}
	m := images[0]
	channels := o.Channels
	if len(channels) == 0 {
		for i := range min(m.C, orDefault(o.Max, 32)) {
			channels = append(channels, i)
		}
	}
	var maps []Image
	var titles []string
	for _, ch := range channels {
		if ch < 0 || ch >= m.C {
			fail("FeatureMaps", "channel %d of %d", ch, m.C)
		}
		maps = append(maps, m.Channel(ch))
		if o.Numbers {
			titles = append(titles, fmt.Sprint(ch))
		}
	}
	if o.Normalize == Natural {
		o.Normalize = PerGrid
	}
	if o.Caption == "" {
		low, high := limits(maps...)
		o.Caption = fmt.Sprintf("%d of %d channels of %d×%d, %s … %s, %s", len(maps), m.C, m.H, m.W, number(low), number(high), o.Normalize)
	}
	most, size := 8, 88
	if len(maps) > 32 {
		most, size = 16, 43
	}
	if o.Columns == 0 {
		o.Columns = fullRows(len(maps), most)
	}
	if o.Scale == 0 && max(m.W, m.H) <= size && o.Columns <= most {
		o.Scale = size / max(m.W, m.H)
	}
	return grid("FeatureMaps", "feature maps", maps, GridOptions{Title: o.Title, Caption: o.Caption, Titles: titles, Columns: o.Columns,
		Scale: o.Scale, Normalize: o.Normalize, Colormap: o.Colormap.or(Viridis), Padding: 4})
}

// fullRows returns how many columns, at most most and more than 2/3 of that, leave the fewest places of the last row empty.
func fullRows(n, most int) int {
	if n <= most { // one row
		return n
	}
	best, bestEmpty := most, most
	for c := most; 3*c > 2*most; c-- {
		if empty := (c - n%c) % c; empty < bestEmpty {
			best, bestEmpty = c, empty
		}
	}
	return best
}

func orDefault(v, otherwise int) int {
	if v == 0 {
		return otherwise
	}
	return v
}
