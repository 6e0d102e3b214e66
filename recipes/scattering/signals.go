package scattering

import (
	"math"
	"math/rand/v2"
)

// A Signal is a periodic real function on [0, H)×[0, W), in samples; one of dimension 1 ignores y.
type Signal func(y, x float64) float64

// Class is a class of signals with its own sensitivity to deformations.
type Class string

const (
	BandLimited Class = "band-limited" // a trigonometric polynomial: error ∝ ‖τ‖
	Lipschitz   Class = "Lipschitz"    // kinks, no jumps: error ∝ ‖τ‖
	Cartoon     Class = "cartoon"      // smooth pieces with jumps between them: error ∝ ‖τ‖^½
)

// Classes are the classes of section 4.
var Classes = []Class{BandLimited, Lipschitz, Cartoon}

// cycles is the band R of band-limited signals, in cycles over the width.
const cycles = 8

// NewSignal draws a signal of a class on a grid of h×w.
func NewSignal(class Class, h, w int, r *rand.Rand) Signal {
	high, wide := float64(h), float64(w)
	var parts []Signal
	for range 12 {
		a, cx, cy := r.NormFloat64(), r.Float64()*wide, r.Float64()*high
		switch class {
		case BandLimited:
			fx, fy := float64(1+r.IntN(cycles))/wide, 0.0
			if h > 1 {
				fy = float64(r.IntN(2*cycles+1)-cycles) / high
			}
			parts = append(parts, func(y, x float64) float64 { return a * math.Cos(2*math.Pi*(fx*(x-cx)+fy*(y-cy))) })
		case Lipschitz: // tents and cones
			radius := wide * (0.06 + 0.1*r.Float64())
			parts = append(parts, func(y, x float64) float64 { return a * max(0, 1-distance(y, x, cy, cx, high, wide)/radius) })
		default: // intervals and disks
			radius := wide * (0.06 + 0.1*r.Float64())
			parts = append(parts, func(y, x float64) float64 {
				if distance(y, x, cy, cx, high, wide) < radius {
					return a
				}
				return 0
			})
		}
	}
	return func(y, x float64) (sum float64) {
		for _, part := range parts {
			sum += part(y, x)
		}
		return sum
	}
}

// distance on the torus.
func distance(y, x, cy, cx, h, w float64) float64 {
	if h == 1 {
		y = cy
	}
	return math.Hypot(math.Remainder(y-cy, h), math.Remainder(x-cx, w))
}

// Deformation is the field τ: a point shows what was at x − τ(x).
type Deformation func(y, x float64) (dy, dx float64)

// Bend is a smooth field with ‖τ‖∞ = size. Its derivative stays below 1/(2d) as the theorem wants, for sizes up to w/32.
func Bend(size float64, h, w int, r *rand.Rand) Deformation {
	phase := [2]float64{2 * math.Pi * r.Float64(), 2 * math.Pi * r.Float64()}
	if h == 1 {
		return func(_, x float64) (float64, float64) { return 0, size * math.Sin(4*math.Pi*x/float64(w)+phase[0]) }
	}
	size /= math.Sqrt2 // of each component, so that the field's greatest length is the size
	return func(y, x float64) (float64, float64) {
		return size * math.Sin(2*math.Pi*x/float64(w)+phase[0]), size * math.Sin(2*math.Pi*y/float64(h)+phase[1])
	}
}

// Sample takes the signal's values on the grid after a deformation (nil: none). Each is the mean of points in between, as a camera's
// is, without which jumps would move by whole samples only.
func Sample(f Signal, tau Deformation, h, w int) []float64 {
	points := 16
	down := 1
	if h > 1 {
		points, down = 3, 3
	}
	values := make([]float64, h*w)
	for i := range values {
		var sum float64
		for v := range down {
			for u := range points {
				y, x := float64(i/w)+(float64(v)+0.5)/float64(down), float64(i%w)+(float64(u)+0.5)/float64(points)
				var dy, dx float64
				if tau != nil {
					dy, dx = tau(y, x)
				}
				sum += f(y-dy, x-dx)
			}
		}
		values[i] = sum / float64(down*points)
	}
	return values
}

// Translate moves samples [h w] by t along the width, around the edge.
func Translate(values []float64, w, t int) []float64 {
	moved := make([]float64, len(values))
	for i, v := range values {
		moved[i/w*w+((i+t)%w+w)%w] = v
	}
	return moved
}

func norm(a []float64) float64 { return difference(a, nil) }

// difference is ‖a − b‖, b nil for 0.
func difference(a, b []float64) float64 {
	var sum float64
	for i, v := range a {
		if b != nil {
			v -= b[i]
		}
		sum += v * v
	}
	return math.Sqrt(sum)
}

// slope is that of the least squares line through log y against log x.
func slope(x, y []float64) float64 {
	var mx, my, xx, xy float64
	n := float64(len(x))
	for i := range x {
		mx, my = mx+math.Log(x[i])/n, my+math.Log(y[i])/n
	}
	for i := range x {
		dx := math.Log(x[i]) - mx
		xx, xy = xx+dx*dx, xy+dx*(math.Log(y[i])-my)
	}
	return xy / xx
}
