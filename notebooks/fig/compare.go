package fig

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// A CompareRow is one example in several states: before and after, or under several methods.
type CompareRow struct {
	Name   string
	Images []Image
	// Notes stand below the images: a metric such as "30.4 dB". Missing ones stay empty.
	Notes []string
	// Bold sets the notes of these images in bold: the best.
	Bold []int
}

// CompareOptions describes Compare. The zero value is useful.
type CompareOptions struct {
	Title, Caption string
	// Width of each picture in CSS pixels; 0 fills the page.
	Width int
	// Crop shows this part of each image, enlarged, in the lower right corner: details decide such comparisons.
	// Coordinates are pixels of the first image; images of other sizes are cut at the same place.
	Crop *Box
}

// Compare draws rows of images under common headings, with notes. Images of a row may differ in size, as low and high
// resolution do; they are drawn at one size.
//
// It panics when there are no rows, when a row has not one image for each heading, or when the crop is not inside.
func Compare(heads []string, rows []CompareRow, o CompareOptions) *Figure {
	const function = "Compare"
	if len(heads) == 0 || len(rows) == 0 {
		fail(function, "%d headings and %d rows: pass at least one of each", len(heads), len(rows))
	}
	width := o.Width
	if width == 0 {
		width = min((pageWidth-100)/len(heads)-gap, 220)
	}
	var names []string
	var cells [][]block
	var text strings.Builder
	for i, r := range rows {
		if len(r.Images) != len(heads) || len(r.Notes) > len(heads) {
			fail(function, "row %d (%q) has %d images and %d notes for %d headings", i, r.Name, len(r.Images), len(r.Notes), len(heads))
		}
		fmt.Fprintf(&text, "%-16s", r.Name)
		var line []block
		for j, m := range r.Images {
			m.check(function, fmt.Sprintf("image %d of row %d", j, i))
			first := r.Images[0]
			w, h := pictureSize(first, width)
			if first.W > width { // not a whole factor
				w, h = float64(width), math.Round(float64(width)*float64(first.H)/float64(first.W))
			}
			b := pictureBlock(m.natural(), w, h)
			if o.Crop != nil {
				b = withCrop(function, b, m, first, *o.Crop)
			}
			note := ""
			if j < len(r.Notes) {
				note = r.Notes[j]
			}
			fmt.Fprintf(&text, "  %s %s", heads[j], note)
			if len(r.Notes) > 0 {
				s := captionStyle
				if slices.Contains(r.Bold, j) {
					s.bold, s.color = true, ink
				}
				b = noted(b, note, s)
			}
			line = append(line, b)
		}
		text.WriteByte('\n')
		names, cells = append(names, r.Name), append(cells, line)
	}
	return newFigure(o.Title, o.Caption, table(heads, names, cells), text.String())
}

func noted(b block, note string, s textStyle) block {
	line := s.lineHeight() + 2
	return block{b.width, b.height + line, func(c *canvas) {
		b.paint(c)
		c.text(s.fit(note, b.width), s, b.width/2, b.height+line/2+1, 0.5)
	}}
}

// withCrop lays an enlarged part of m over the lower right corner of its picture.
func withCrop(function string, b block, m, first Image, part Box) block {
	fx, fy := float64(m.W)/float64(first.W), float64(m.H)/float64(first.H)
	x0, y0 := int(part.X0*fx), int(part.Y0*fy)
	x1, y1 := int(math.Ceil(part.X1*fx)), int(math.Ceil(part.Y1*fy))
	if x0 < 0 || y0 < 0 || x1 > m.W || y1 > m.H || x1 <= x0 || y1 <= y0 {
		fail(function, "the crop %v,%v–%v,%v is not inside of the first image, %d×%d", part.X0, part.Y0, part.X1, part.Y1, first.W, first.H)
	}
	detail := Image{H: y1 - y0, W: x1 - x0, C: m.C, bytes: m.bytes}
	for y := y0; y < y1; y++ {
		detail.Pix = append(detail.Pix, m.Pix[(y*m.W+x0)*m.C:(y*m.W+x1)*m.C]...)
	}
	low, high := naturalLimits(m)
	picture := detail.picture(low, high, Gray)
	w := math.Round(b.width * 0.45)
	h := math.Round(w * (part.Y1 - part.Y0) / (part.X1 - part.X0))
	scale := b.width / float64(first.W)
	frame := Palette[4]
	return block{b.width, b.height, func(c *canvas) {
		b.paint(c)
		c.strokeRect(part.X0*scale, part.Y0*scale, (part.X1-part.X0)*scale, (part.Y1-part.Y0)*scale, 1.5, frame)
		c.image(picture, b.width-w, b.height-h, w, h)
		c.strokeRect(b.width-w+0.75, b.height-h+0.75, w-1.5, h-1.5, 1.5, frame)
	}}
}
