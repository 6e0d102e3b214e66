package vgg

import (
	"fmt"
	"math/rand/v2"

	"fovea/datasets"
)

// ScaleJitter enlarges each image by a factor drawn evenly between from and to, crops a window of the image's own size at a
// random place, and mirrors half of them: the paper's "multi-scale" training (section 3.1). Where the factor is below
// 1 the image is smaller than the window, and its edge pixels fill the rest. It panics unless 0 < from ≤ to.
func ScaleJitter(from, to float64) datasets.Augment {
	if !(from > 0 && from <= to) {
		panic(fmt.Sprintf("vgg: scales from %g to %g", from, to))
	}
	return func(dst, src []uint8, h, w, c int, r *rand.Rand) {
		scale := from + (to-from)*r.Float64()
		// Where the window lies on the enlarged image; for a smaller image the same numbers are negative.
		y0 := (scale*float64(h) - float64(h)) * r.Float64()
		x0 := (scale*float64(w) - float64(w)) * r.Float64()
		resample(dst, src, h, w, c, scale, y0, x0, r.Uint32N(2) == 1)
	}
}

// Rescaled returns images seen at another scale: enlarged around the centre, or made smaller with their edge pixels
// around them, in windows of the old size.
func Rescaled(im *datasets.Images, scale float64) *datasets.Images {
	out := *im
	out.Pixels = make([]uint8, len(im.Pixels))
	out.Masks, out.Boxes = nil, nil
	n := im.H * im.W * im.C
	for i := range im.N {
		y0, x0 := (scale-1)*float64(im.H)/2, (scale-1)*float64(im.W)/2
		resample(out.Pixels[i*n:(i+1)*n], im.Pixels[i*n:(i+1)*n], im.H, im.W, im.C, scale, y0, x0, false)
	}
	return &out
}

// resample fills dst with a window of src enlarged by scale, bilinearly; (y0, x0) is the window's corner on the enlarged
// image. Pixel centres are at halves.
func resample(dst, src []uint8, h, w, c int, scale, y0, x0 float64, flip bool) {
	for y := range h {
		fy := min(max((float64(y)+0.5+y0)/scale-0.5, 0), float64(h-1))
		ya := min(int(fy), h-2)
		ty := fy - float64(ya)
		for x := range w {
			fx := min(max((float64(x)+0.5+x0)/scale-0.5, 0), float64(w-1))
			xa := min(int(fx), w-2)
			tx := fx - float64(xa)
			out := x
			if flip {
				out = w - 1 - x
			}
			at := (ya*w + xa) * c
			for k := range c {
				top := float64(src[at+k])*(1-tx) + float64(src[at+c+k])*tx
				bottom := float64(src[at+w*c+k])*(1-tx) + float64(src[at+w*c+c+k])*tx
				dst[(y*w+out)*c+k] = uint8(top*(1-ty) + bottom*ty + 0.5)
			}
		}
	}
}
