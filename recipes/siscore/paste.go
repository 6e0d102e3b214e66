package siscore

import (
	"fmt"
	"image"
	"math"

	"golang.org/x/image/draw"
	"golang.org/x/image/math/f64"

	"fovea/datasets"
)

// Factors say how a foreground lies on its background.
type Factors struct {
	Area     float64 // of the foreground's upright box, as a share of the background's
	X, Y     float64 // the middle of the turned box, from 0 to 1
	Rotation float64 // degrees, counter-clockwise
}

// Rotations are the angles of SI-Score: 1°, 21° … 341°. Multiples of 90° are left out on purpose: they alone would need no interpolation.
func Rotations() (angles []float64) {
	for a := 1; a < 360; a += 20 {
		angles = append(angles, float64(a))
	}
	return angles
}

// Product combines areas, places (X, Y) and rotations: each with each, the rotation changing fastest.
func Product(areas []float64, places [][2]float64, rotations []float64) (all []Factors) {
	for _, p := range places {
		for _, a := range areas {
			for _, r := range rotations {
				all = append(all, Factors{a, p[0], p[1], r})
			}
		}
	}
	return all
}

// Places is a square grid of n×n places from lo to hi, row by row.
func Places(n int, lo, hi float64) (places [][2]float64) {
	at := func(i int) float64 { return lo + (hi-lo)*float64(i)/float64(max(n-1, 1)) }
	for y := range n {
		for x := range n {
			places = append(places, [2]float64{at(x), at(y)})
		}
	}
	return places
}

// Paste draws a foreground on a copy of a background, as SI-Score's generator does: enlarged bilinearly until its box has the wanted
// area, then turned bicubically with a box that grows, then pasted with its own alpha. box is where the turned box lies, which
// may leave the image, and inside the share of it that doesn't. It panics unless both have an extent and the area is above 0.
func Paste(background, foreground *image.NRGBA, f Factors) (out *image.NRGBA, box image.Rectangle, inside float64) {
	fg, bg := foreground.Bounds(), background.Bounds()
	if fg.Empty() || bg.Empty() || !(f.Area > 0) {
		panic(fmt.Sprintf("siscore: foreground %v on background %v with area %g", fg, bg, f.Area))
	}
	factor := math.Sqrt(f.Area * float64(bg.Dx()*bg.Dy()) / float64(fg.Dx()*fg.Dy()))
	sized := image.NewNRGBA(image.Rect(0, 0, max(1, int(float64(fg.Dx())*factor)), max(1, int(float64(fg.Dy())*factor))))
	draw.BiLinear.Scale(sized, sized.Rect, foreground, fg, draw.Src, nil)
	turned := rotate(sized, f.Rotation)

	w, h := turned.Rect.Dx(), turned.Rect.Dy()
	box = turned.Rect.Add(image.Pt(
		int(float64(int(f.X*float64(bg.Dx())))-float64(w)*0.5), int(float64(int(f.Y*float64(bg.Dy())))-float64(h)*0.5)))
	out = image.NewNRGBA(image.Rectangle{Max: bg.Size()})
	draw.Copy(out, image.Point{}, background, bg, draw.Src, nil)
	draw.Draw(out, box, turned, image.Point{}, draw.Over)
	seen := box.Intersect(out.Rect)
	return out, box, float64(seen.Dx()*seen.Dy()) / float64(w*h)
}

// rotate turns an image counter-clockwise in a box that holds all of it.
func rotate(src *image.NRGBA, degrees float64) *image.NRGBA {
	if math.Mod(degrees, 360) == 0 {
		return src
	}
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	w, h := float64(src.Rect.Dx()), float64(src.Rect.Dy())
	width, height := int(math.Ceil(math.Abs(w*cos)+math.Abs(h*sin)-1e-9)), int(math.Ceil(math.Abs(w*sin)+math.Abs(h*cos)-1e-9))
	dst := image.NewNRGBA(image.Rect(0, 0, width, height))
	cx, cy := float64(width)/2, float64(height)/2
	// y points down, so counter-clockwise to the eye is (x, y) → (x·cos + y·sin, −x·sin + y·cos).
	draw.CatmullRom.Transform(dst, f64.Aff3{
		cos, sin, cx - cos*w/2 - sin*h/2,
		-sin, cos, cy + sin*w/2 - cos*h/2,
	}, src, src.Rect, draw.Src, nil)
	return dst
}

// scale fills dst with src, bilinearly.
func scale(dst, src *image.NRGBA) { draw.BiLinear.Scale(dst, dst.Rect, src, src.Rect, draw.Src, nil) }

// store puts a picture into a set of images. It panics if their sizes differ.
func store(im *datasets.Images, i int, picture *image.NRGBA) {
	if picture.Rect.Dx() != im.W || picture.Rect.Dy() != im.H {
		panic(fmt.Sprintf("siscore: a picture of %v among images of %d×%d", picture.Rect, im.H, im.W))
	}
	pixels := im.PixelsAt(i)
	for p := range im.H * im.W {
		copy(pixels[3*p:3*p+3], picture.Pix[4*p:4*p+3])
	}
}
