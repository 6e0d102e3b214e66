package datasets

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Then applies augmentations one after the other: Then(CropFlip(4), Cutout(8)).
func Then(steps ...Augment) Augment {
	return func(dst, src []uint8, h, w, c int, r *rand.Rand) {
		if len(steps) == 0 {
			copy(dst, src)
			return
		}
		steps[0](dst, src, h, w, c, r)
		for _, step := range steps[1:] {
			step(dst, slices.Clone(dst), h, w, c, r)
		}
	}
}

// Flip mirrors half of the images left to right.
func Flip() Augment {
	return func(dst, src []uint8, h, w, c int, r *rand.Rand) {
		copy(dst, src)
		if r.Uint32N(2) == 1 {
			for y := range h {
				mirror(dst[y*w*c:(y+1)*w*c], w, c)
			}
		}
	}
}

// Cutout blackens a square of the given side, centred on a random pixel; what lies outside of the image is cut off
// (DeVries, Taylor 2017). It panics if side is less than 1.
func Cutout(side int) Augment {
	if side < 1 {
		panic("datasets: Cutout needs a side of 1 or more")
	}
	return func(dst, src []uint8, h, w, c int, r *rand.Rand) {
		copy(dst, src)
		top, left := r.IntN(h)-side/2, r.IntN(w)-side/2
		from, to := max(left, 0), min(left+side, w)
		for y := max(top, 0); y < min(top+side, h); y++ {
			clear(dst[(y*w+from)*c : (y*w+to)*c])
		}
	}
}

// AffineOptions has the ranges of a random affine map; each is drawn uniformly and anew for each image.
type AffineOptions struct {
	Rotate float64 // degrees, from −Rotate to Rotate
	Shift  float64 // share of the image's size, along each axis
	Scale  float64 // from 1−Scale to 1+Scale
	Shear  float64 // degrees
}

// Affine turns, moves, scales and shears images about their centre, with bilinear interpolation and black around them. It
// panics on ranges that make no sense: negative ones, or a scale of 1 and more.
func Affine(o AffineOptions) Augment {
	if o.Rotate < 0 || o.Shift < 0 || o.Shear < 0 || o.Shear >= 90 || o.Scale < 0 || o.Scale >= 1 {
		panic(fmt.Sprintf("datasets: Affine with %+v", o))
	}
	between := func(r *rand.Rand, width float64) float64 { return width * (2*r.Float64() - 1) }
	return func(dst, src []uint8, h, w, c int, r *rand.Rand) {
		angle, shear := between(r, o.Rotate)*math.Pi/180, between(r, o.Shear)*math.Pi/180
		scale := 1 + between(r, o.Scale)
		dx, dy := between(r, o.Shift)*float64(w), between(r, o.Shift)*float64(h)
		// A point p of the result comes from A⁻¹(p − centre − shift) + centre, A = scale · rotation · shear.
		sin, cos := math.Sincos(angle)
		tan := math.Tan(shear)
		a := [4]float64{scale * cos, scale * (cos*tan - sin), scale * sin, scale * (sin*tan + cos)}
		det := a[0]*a[3] - a[1]*a[2]
		inverse := [4]float64{a[3] / det, -a[1] / det, -a[2] / det, a[0] / det}
		cx, cy := float64(w-1)/2, float64(h-1)/2
		for y := range h {
			for x := range w {
				px, py := float64(x)-cx-dx, float64(y)-cy-dy
				bilinear(dst[(y*w+x)*c:(y*w+x+1)*c], src, h, w, c,
					inverse[0]*px+inverse[1]*py+cx, inverse[2]*px+inverse[3]*py+cy)
			}
		}
	}
}

// bilinear writes the pixel at (x, y) of src, mixed from its four neighbours; outside of the image all is black.
func bilinear(pixel, src []uint8, h, w, c int, x, y float64) {
	x0, y0 := int(math.Floor(x)), int(math.Floor(y))
	fx, fy := x-float64(x0), y-float64(y0)
	for k := range c {
		sum := 0.0
		for i, weight := range [4]float64{(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy} {
			u, v := x0+(i&1), y0+(i>>1)
			if weight != 0 && u >= 0 && u < w && v >= 0 && v < h {
				sum += weight * float64(src[(v*w+u)*c+k])
			}
		}
		pixel[k] = uint8(sum + 0.5)
	}
}

// ResizedCrop cuts out a rectangle of minArea to all of the image's area, with sides in a ratio from 3:4 to 4:3, anywhere,
// and stretches it to the image's size: the augmentation of Inception's training (Szegedy et al. 2015, section 6), whose
// minArea is 0.08. It panics unless 0 < minArea ≤ 1.
func ResizedCrop(minArea float64) Augment {
	if !(minArea > 0 && minArea <= 1) {
		panic(fmt.Sprintf("datasets: ResizedCrop of at least %g of the area", minArea))
	}
	return func(dst, src []uint8, h, w, c int, r *rand.Rand) {
		height, width := float64(h), float64(w)
		for range 10 { // rectangles that do not fit are drawn again, as in torchvision
			area := (minArea + (1-minArea)*r.Float64()) * height * width
			ratio := math.Exp((2*r.Float64() - 1) * math.Log(4.0/3))
			if y, x := math.Sqrt(area/ratio), math.Sqrt(area*ratio); y <= height && x <= width {
				height, width = y, x
				break
			}
		}
		top, left := r.Float64()*(float64(h)-height), r.Float64()*(float64(w)-width)
		for y := range h {
			for x := range w {
				// The middles of pixels are mapped to each other; beyond the border its own pixels go on.
				u := left + (float64(x)+0.5)*width/float64(w) - 0.5
				v := top + (float64(y)+0.5)*height/float64(h) - 0.5
				bilinear(dst[(y*w+x)*c:(y*w+x+1)*c], src, h, w, c, min(max(u, 0), float64(w-1)), min(max(v, 0), float64(h-1)))
			}
		}
	}
}
