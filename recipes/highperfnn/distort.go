package highperfnn

import (
	"math"
	"math/rand/v2"

	"fovea/datasets"
)

// Distort is the paper's distortion of digits: moved by up to 5 %, turned by up to 15°, scaled by up to 15 %, and then deformed by
// an elastic field of σ = 6 and α = 36 (section 3.1). Each image is drawn anew in each epoch.
var Distort = datasets.Then(datasets.Affine(datasets.AffineOptions{Rotate: 15, Shift: 0.05, Scale: 0.15}), Elastic(6, 36))

// Elastic moves each pixel by a smooth random field: numbers from −1 to 1, smoothed by a Gaussian of deviation sigma pixels and
// multiplied with alpha (Simard et al. 2003). Outside of the image all is black. An alpha of 0 is the identity.
func Elastic(sigma, alpha float64) datasets.Augment {
	kernel := gaussian(sigma)
	return func(dst, src []uint8, h, w, c int, r *rand.Rand) {
		dx, dy := field(h, w, kernel, alpha, r), field(h, w, kernel, alpha, r)
		at := func(y, x, k int) float64 {
			if y < 0 || y >= h || x < 0 || x >= w {
				return 0
			}
			return float64(src[(y*w+x)*c+k])
		}
		for i := range h * w {
			y, x := float64(i/w)+dy[i], float64(i%w)+dx[i]
			top, left := math.Floor(y), math.Floor(x)
			fy, fx, y0, x0 := y-top, x-left, int(top), int(left)
			for k := range c {
				upper := (1-fx)*at(y0, x0, k) + fx*at(y0, x0+1, k)
				lower := (1-fx)*at(y0+1, x0, k) + fx*at(y0+1, x0+1, k)
				dst[i*c+k] = uint8((1-fy)*upper + fy*lower + 0.5)
			}
		}
	}
}

// gaussian is a kernel of weights that sum to 1, out to three deviations.
func gaussian(sigma float64) []float64 {
	radius := int(3 * sigma)
	kernel, sum := make([]float64, 2*radius+1), 0.0
	for i := range kernel {
		d := float64(i - radius)
		kernel[i] = math.Exp(-d * d / (2 * sigma * sigma))
		sum += kernel[i]
	}
	for i := range kernel {
		kernel[i] /= sum
	}
	return kernel
}

// field draws one coordinate of the displacements, in pixels. Noise goes on beyond the image, so borders move as much as the middle.
func field(h, w int, kernel []float64, alpha float64, r *rand.Rand) []float64 {
	n := len(kernel) - 1
	noise, lines, out := make([]float64, (h+n)*(w+n)), make([]float64, (h+n)*w), make([]float64, h*w)
	for i := range noise {
		noise[i] = alpha * (2*r.Float64() - 1)
	}
	for y := range h + n {
		for x := range w {
			var sum float64
			for i, v := range kernel {
				sum += v * noise[y*(w+n)+x+i]
			}
			lines[y*w+x] = sum
		}
	}
	for i, v := range kernel {
		for p := range out {
			out[p] += v * lines[p+i*w]
		}
	}
	return out
}
