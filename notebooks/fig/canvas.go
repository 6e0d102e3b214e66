package fig

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"regexp"

	xdraw "golang.org/x/image/draw"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	vgdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// density is the number of picture pixels per CSS pixel.
const density = 2

// A canvas is the surface that figures are painted on: CSS pixels, y downwards, over a gonum/plot canvas.
// A picture on a raster goes past gonum/plot, whose interpolation would blur it, and lands on whole device pixels.
type canvas struct {
	vg     vg.Canvas
	height float64     // of the whole surface
	dx, dy float64     // where (0, 0) is
	raster draw.Image  // nil when the surface is SVG
	images *[]svgImage // of an SVG, in painting order
}

type svgImage struct{ pixelated bool }

// at returns c with its origin moved.
func (c *canvas) at(x, y float64) *canvas {
	moved := *c
	moved.dx += x
	moved.dy += y
	return &moved
}

func (c *canvas) point(x, y float64) vg.Point {
	return vg.Point{X: px(c.dx + x), Y: px(c.height - c.dy - y)}
}

// text sets t with its alignment point at (x, y): alignX 0 left, ½ middle, 1 right; y is the middle of the line of capitals.
func (c *canvas) text(t string, s textStyle, x, y, alignX float64) {
	if t == "" {
		return
	}
	// Centring on the capitals' height and not on the font's box keeps labels level with swatches and ticks.
	p := c.point(x-alignX*s.width(t), y+s.size*0.36)
	c.vg.SetColor(s.color)
	face := plainText.Fonts.Lookup(s.font(), px(s.size))
	c.vg.FillString(face, p, t)
}

// textUp sets t turned a quarter left, reading upwards; (x, y) is the middle of the line at its start (align 0), middle or end (1).
func (c *canvas) textUp(t string, s textStyle, x, y, align float64) {
	c.vg.Push()
	c.vg.Translate(c.point(x, y))
	c.vg.Rotate(math.Pi / 2)
	c.vg.SetColor(s.color)
	c.vg.FillString(plainText.Fonts.Lookup(s.font(), px(s.size)), vg.Point{X: px(-align * s.width(t)), Y: px(-s.size * 0.36)}, t)
	c.vg.Pop()
}

func (c *canvas) path(points ...[2]float64) vg.Path {
	var p vg.Path
	for i, q := range points {
		if i == 0 {
			p.Move(c.point(q[0], q[1]))
		} else {
			p.Line(c.point(q[0], q[1]))
		}
	}
	return p
}

func (c *canvas) fill(fillColor color.Color, points ...[2]float64) {
	p := c.path(points...)
	p.Close()
	c.vg.SetColor(fillColor)
	c.vg.Fill(p)
}

func (c *canvas) fillRect(x, y, w, h float64, fillColor color.Color) {
	c.fill(fillColor, [2]float64{x, y}, [2]float64{x + w, y}, [2]float64{x + w, y + h}, [2]float64{x, y + h})
}

// fillRound fills a rectangle with round corners.
func (c *canvas) fillRound(x, y, w, h, radius float64, fillColor color.Color) {
	c.vg.SetColor(fillColor)
	c.vg.Fill(c.round(x, y, w, h, radius))
}

func (c *canvas) strokeRound(x, y, w, h, radius, width float64, lineColor color.Color) {
	c.lineStyle(width, lineColor)
	c.vg.Stroke(c.round(x, y, w, h, radius))
}

func (c *canvas) round(x, y, w, h, radius float64) vg.Path {
	const k = 0.5523 // of the radius: where a cubic's control points stand to trace a quarter circle
	r, s := radius, radius*(1-k)
	var p vg.Path
	p.Move(c.point(x+r, y))
	p.Line(c.point(x+w-r, y))
	p.CubeTo(c.point(x+w-s, y), c.point(x+w, y+s), c.point(x+w, y+r))
	p.Line(c.point(x+w, y+h-r))
	p.CubeTo(c.point(x+w, y+h-s), c.point(x+w-s, y+h), c.point(x+w-r, y+h))
	p.Line(c.point(x+r, y+h))
	p.CubeTo(c.point(x+s, y+h), c.point(x, y+h-s), c.point(x, y+h-r))
	p.Line(c.point(x, y+r))
	p.CubeTo(c.point(x, y+s), c.point(x+s, y), c.point(x+r, y))
	p.Close()
	return p
}

func (c *canvas) lineStyle(width float64, lineColor color.Color, dashes ...float64) {
	c.vg.SetColor(lineColor)
	c.vg.SetLineWidth(px(width))
	var pattern []vg.Length
	for _, d := range dashes {
		pattern = append(pattern, px(d))
	}
	c.vg.SetLineDash(pattern, 0)
}

func (c *canvas) line(width float64, lineColor color.Color, points ...[2]float64) {
	c.lineStyle(width, lineColor)
	c.vg.Stroke(c.path(points...))
}

func (c *canvas) strokeRect(x, y, w, h, width float64, lineColor color.Color) {
	p := c.path([2]float64{x, y}, [2]float64{x + w, y}, [2]float64{x + w, y + h}, [2]float64{x, y + h})
	p.Close()
	c.lineStyle(width, lineColor)
	c.vg.Stroke(p)
}

func (c *canvas) disc(x, y, radius float64, fillColor color.Color) {
	var p vg.Path
	center := c.point(x, y)
	p.Move(vg.Point{X: center.X + px(radius), Y: center.Y})
	p.Arc(center, px(radius), 0, 2*math.Pi)
	p.Close()
	c.vg.SetColor(fillColor)
	c.vg.Fill(p)
}

// draw returns the rectangle as a gonum/plot drawing area.
func (c *canvas) draw(x, y, w, h float64) vgdraw.Canvas {
	return vgdraw.Canvas{Canvas: c.vg, Rectangle: vg.Rectangle{Min: c.point(x, y+h), Max: c.point(x+w, y)}}
}

// plot draws p into the rectangle.
func (c *canvas) plot(p *plot.Plot, x, y, w, h float64) { p.Draw(c.draw(x, y, w, h)) }

// image draws m over the rectangle. Small pictures are enlarged with hard pixel edges, since pixels are what one looks at;
// large ones are filtered, since dropping or doubling pixels would invent texture.
func (c *canvas) image(m image.Image, x, y, w, h float64) {
	b := m.Bounds()
	x0, y0 := int(math.Round((c.dx+x)*density)), int(math.Round((c.dy+y)*density))
	dst := image.Rect(x0, y0, x0+int(math.Round(w*density)), y0+int(math.Round(h*density)))
	enlarged := hardEdges(b.Dx(), dst.Dx()) && hardEdges(b.Dy(), dst.Dy())
	var scaler xdraw.Scaler = xdraw.NearestNeighbor
	if !enlarged {
		scaler = xdraw.CatmullRom
	}
	if c.raster != nil {
		scaler.Scale(c.raster, dst, m, b, xdraw.Over, nil)
		return
	}
	*c.images = append(*c.images, svgImage{pixelated: enlarged})
	if !enlarged {
		small := image.NewRGBA(image.Rect(0, 0, dst.Dx(), dst.Dy()))
		scaler.Scale(small, small.Bounds(), m, b, xdraw.Src, nil)
		m = small
	}
	c.vg.DrawImage(vg.Rectangle{Min: c.point(x, y+h), Max: c.point(x+w, y)}, m)
}

// hardEdges tells whether from pixels that become to are drawn as squares: at whole factors, and at factors so large that
// squares which differ by one device pixel look alike. In between, squares of one and two pixels would mix.
func hardEdges(from, to int) bool { return to%from == 0 || to >= 5*from }

// cardSize returns the whole CSS pixels that body with its padding takes.
func cardSize(body block) (w, h int) {
	return int(math.Ceil(body.width)) + 2*cardPadding, int(math.Ceil(body.height)) + 2*cardPadding
}

func paintRaster(body block) *image.RGBA {
	w, h := cardSize(body)
	surface := vgimg.NewWith(vgimg.UseWH(px(float64(w)), px(float64(h))), vgimg.UseDPI(96*density),
		vgimg.UseBackgroundColor(color.Transparent))
	c := &canvas{vg: surface, height: float64(h), raster: surface.Image()}
	c.fillRound(0, 0, float64(w), float64(h), cardRadius, paper)
	body.paint(c.at(cardPadding, cardPadding))
	return surface.Image().(*image.RGBA)
}

func paintVector(body block) []byte {
	w, h := cardSize(body)
	surface := vgsvg.New(px(float64(w)), px(float64(h)))
	var images []svgImage
	c := &canvas{vg: surface, height: float64(h), images: &images}
	c.fillRound(0, 0, float64(w), float64(h), cardRadius, paper)
	body.paint(c.at(cardPadding, cardPadding))
	var out bytes.Buffer
	if _, err := surface.WriteTo(&out); err != nil {
		panic(fmt.Sprintf("fig: write an SVG: %v", err)) // not reached: memory doesn't fail
	}
	return mendSVG(out.Bytes(), images)
}

var (
	svgImageTag   = regexp.MustCompile(`(<image [^>]*xlink:href=")data:image/jpg;`)
	svgFontFamily = regexp.MustCompile(`font-family:Liberation (Sans|Mono)`)
)

// mendSVG adds what vgsvg leaves out: the right media type of pictures, hard pixel edges where they are enlarged, and
// fonts of the same widths for machines without Liberation.
func mendSVG(svg []byte, images []svgImage) []byte {
	n := 0
	svg = svgImageTag.ReplaceAllFunc(svg, func(tag []byte) []byte {
		style := ""
		if images[n].pixelated {
			style = ` style="image-rendering:pixelated" preserveAspectRatio="none" `
		}
		n++
		tag = bytes.Replace(tag, []byte("<image "), []byte("<image "+style), 1)
		return bytes.Replace(tag, []byte("data:image/jpg;"), []byte("data:image/png;"), 1)
	})
	svg = svgFontFamily.ReplaceAllFunc(svg, func(family []byte) []byte {
		if bytes.HasSuffix(family, []byte("Mono")) {
			return []byte("font-family:'Liberation Mono','Courier New',monospace")
		}
		return []byte("font-family:'Liberation Sans',Arial,Helvetica,sans-serif")
	})
	return bytes.ReplaceAll(svg, []byte("font-variant:none;"), nil)
}
