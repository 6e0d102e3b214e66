package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"strings"
)

// logo is the drawing that frontends show beside the kernel: the fovea, the pit of the retina where sight is sharpest,
// as rings that narrow towards the centre. Radii are parts of half the picture's width.
var logo = []struct {
	radius float64
	fill   color.NRGBA
}{
	{0.96, color.NRGBA{0x0b, 0x2e, 0x3f, 0xff}},
	{0.76, color.NRGBA{0x12, 0x63, 0x74, 0xff}},
	{0.56, color.NRGBA{0x1f, 0x9a, 0xa6, 0xff}},
	{0.36, color.NRGBA{0x8a, 0xd6, 0xcf, 0xff}},
	{0.16, color.NRGBA{0xff, 0xc8, 0x57, 0xff}},
}

// logoFiles are the files of the logo by the names that Jupyter looks for.
func logoFiles() (map[string][]byte, error) {
	files := map[string][]byte{"logo-svg.svg": logoSVG()}
	for _, size := range []int{32, 64} {
		var out bytes.Buffer
		if err := png.Encode(&out, logoImage(size)); err != nil {
			return nil, err
		}
		files[fmt.Sprintf("logo-%dx%[1]d.png", size)] = out.Bytes()
	}
	return files, nil
}

func logoSVG() []byte {
	var out strings.Builder
	out.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="-1 -1 2 2">`)
	for _, ring := range logo {
		fmt.Fprintf(&out, `<circle r="%g" fill="#%02x%02x%02x"/>`, ring.radius, ring.fill.R, ring.fill.G, ring.fill.B)
	}
	out.WriteString("</svg>\n")
	return []byte(out.String())
}

// logoImage draws the rings with edges that fade over a pixel.
func logoImage(size int) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, size, size))
	half := float64(size) / 2
	for y := range size {
		for x := range size {
			distance := math.Hypot(float64(x)+0.5-half, float64(y)+0.5-half)
			var c color.NRGBA
			for _, ring := range logo {
				cover := min(max(ring.radius*half-distance+0.5, 0), 1)
				c = over(c, ring.fill, cover)
			}
			img.SetNRGBA(x, y, c)
		}
	}
	return img
}

// over lays a colour on another, covering it in part.
func over(below, above color.NRGBA, cover float64) color.NRGBA {
	if below.A == 0 {
		above.A = uint8(math.Round(255 * cover))
		return above
	}
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a)*(1-cover) + float64(b)*cover)) }
	return color.NRGBA{mix(below.R, above.R), mix(below.G, above.G), mix(below.B, above.B), below.A}
}
