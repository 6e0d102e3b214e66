package fig

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/color/palette"
	"image/gif"

	xdraw "golang.org/x/image/draw"
)

// Animation draws a clip that moves in a notebook: its HTML form holds a GIF, and Save writes one to a path that ends in
// .gif. Where nothing can move (PNG, SVG) it is the FilmStrip of the frames. Rate is the number of frames a second; 0
// means 10; GIF players show no more than 50. Maps keep 256 colours, their colour map; pictures are dithered to 256.
func Animation(frames []Image, o FilmOptions) *Figure {
	const function = "Animation"
	if o.Rate < 0 || o.Rate > 50 {
		fail(function, "a rate of %v frames a second: GIF players show at most 50", o.Rate)
	}
	if o.Rate == 0 {
		o.Rate = 10
	}
	f := FilmStrip(frames, o)
	pictures := gridPictures(frames, GridOptions{Normalize: o.Normalize, Colormap: o.Colormap})
	first := frames[0]
	zoom := max(240/max(first.W, first.H), 1)
	place := image.Rect(0, 0, first.W*zoom, first.H*zoom)

	colors := color.Palette(palette.Plan9)
	var drawer xdraw.Drawer = xdraw.FloydSteinberg
	if first.C == 1 {
		colormap := o.Colormap
		if o.Normalize == Signed {
			colormap = colormap.or(BWR)
		}
		colors, drawer = nil, xdraw.Src
		for i := range 256 {
			colors = append(colors, colormap.At(float64(i)/255))
		}
	}
	clip := gif.GIF{}
	for _, p := range pictures {
		small := image.NewPaletted(image.Rect(0, 0, first.W, first.H), colors)
		drawer.Draw(small, small.Bounds(), p, image.Point{}) // dithered before it is enlarged: the pixels stay whole
		frame := image.NewPaletted(place, colors)
		for y := range place.Dy() {
			for x := range place.Dx() {
				frame.Pix[y*frame.Stride+x] = small.Pix[y/zoom*small.Stride+x/zoom]
			}
		}
		clip.Image, clip.Delay = append(clip.Image, frame), append(clip.Delay, max(int(100/o.Rate+0.5), 2))
	}
	var out bytes.Buffer
	if err := gif.EncodeAll(&out, &clip); err != nil {
		fail(function, "frames of %d×%d can't be a GIF: %v", first.W, first.H, err)
	}
	f.gif = out.Bytes()
	f.html = fmt.Sprintf(`<figure style="margin:0"><figcaption>%s</figcaption><img alt=%q width="%d" height="%d" style="image-rendering:pixelated" src="data:image/gif;base64,%s"></figure>`,
		html.EscapeString(o.Title), fmt.Sprintf("%d frames", len(frames)), place.Dx(), place.Dy(), base64.StdEncoding.EncodeToString(f.gif))
	return f
}
