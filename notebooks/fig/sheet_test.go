package fig

import (
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"path/filepath"
	"testing"

	"fovea/internal/atomicfile"

	xdraw "golang.org/x/image/draw"
)

var sheet = flag.String("sheet", "", "folder for contact sheets: all kinds of figures at notebook width and as thumbnails, on a light and on a dark page")

// pageGrounds are what a figure stands on in JupyterLab's light and dark themes.
var pageGrounds = map[string]color.RGBA{"light": {0xff, 0xff, 0xff, 0xff}, "dark": {0x11, 0x11, 0x11, 0xff}}

// TestContactSheet writes all kinds of figures to be looked at, and their SVG and text forms: a test can tell that a picture has changed, not that it is readable.
//
//	go test ./notebooks/fig -run TestContactSheet -sheet /tmp/sheet
func TestContactSheet(t *testing.T) {
	if *sheet == "" {
		t.Skip("there is no -sheet to write to")
	}
	var full, thumbnails []image.Image
	for _, d := range drawings {
		f := d.draw()
		for _, ext := range []string{".svg", ".txt"} {
			if err := f.Save(filepath.Join(*sheet, "each", d.name+ext)); err != nil {
				t.Fatal(err)
			}
		}
		w, _ := f.Size()
		full, thumbnails = append(full, shrunk(f.Image(), w)), append(thumbnails, shrunk(f.Image(), 160))
	}
	for page, ground := range pageGrounds {
		for i, m := range sheets(full, 1240, 1100, ground) {
			write(t, filepath.Join(*sheet, fmt.Sprintf("%s_%d.png", page, i)), m)
		}
		write(t, filepath.Join(*sheet, "thumbnails_"+page+".png"), sheets(thumbnails, 1240, 2000, ground)[0])
	}
}

func shrunk(m image.Image, width int) image.Image {
	b := m.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, width, max(b.Dy()*width/b.Dx(), 1)))
	xdraw.CatmullRom.Scale(out, out.Bounds(), m, b, xdraw.Src, nil)
	return out
}

// sheets sets pictures in rows on sheets of the given width and about the given height.
func sheets(pictures []image.Image, width, height int, ground color.RGBA) []image.Image {
	const space = 12
	var all []image.Image
	newSheet := func() *image.RGBA {
		m := image.NewRGBA(image.Rect(0, 0, width, height+1000)) // a row may reach beyond
		draw.Draw(m, m.Bounds(), image.NewUniform(ground), image.Point{}, draw.Src)
		return m
	}
	m, x, y, tallest := newSheet(), space, space, 0
	finish := func() {
		all = append(all, m.SubImage(image.Rect(0, 0, width, y+tallest+space)))
	}
	for _, p := range pictures {
		size := p.Bounds().Size()
		if x+size.X+space > width && x > space {
			x, y, tallest = space, y+tallest+space, 0
		}
		if y+size.Y > height && y > space {
			finish()
			m, x, y, tallest = newSheet(), space, space, 0
		}
		draw.Draw(m, image.Rectangle{image.Pt(x, y), image.Pt(x, y).Add(size)}, p, p.Bounds().Min, draw.Over)
		x, tallest = x+size.X+space, max(tallest, size.Y)
	}
	finish()
	return all
}

func write(t *testing.T, path string, m image.Image) {
	t.Helper()
	if err := atomicfile.WriteFile(path, func(w io.Writer) error { return png.Encode(w, m) }); err != nil {
		t.Fatal(err)
	}
}
