package scattering

import (
	"math"
	"math/rand/v2"
)

// Kind says how the atoms of a frame come about.
type Kind string

const (
	// Wavelets are Morlet wavelets, an octave apart: Gaussians in the frequency plane without a mean.
	Wavelets Kind = "wavelets"
	// Random are filters of 7 taps along each axis, drawn from a normal distribution.
	Random Kind = "random"
)

// A Frame holds the frequency responses of a module's atoms on a grid of h×w, in the order of the discrete Fourier transform.
type Frame struct {
	Height, Width int
	Low           []float64 // of the output-generating atom χ: real and even
	Bands         []Band    // of the atoms g_λ
	Real          bool      // all atoms are real: so is what they make of a real signal
}

// A Band is the response of one atom.
type Band struct{ Re, Im []float64 }

// frequency is that of coefficient k of n in cycles a sample, from −1/2 on.
func frequency(k, n int) float64 {
	if 2*k >= n {
		k -= n
	}
	return float64(k) / float64(n)
}

// NewFrame makes the frame of a module on a grid. Its upper bound is 1: its energy is divided by the largest, or with Tight, or
// at random, by that at each frequency.
func NewFrame(m Module, h, w int) *Frame {
	f := &Frame{Height: h, Width: w, Low: make([]float64, h*w), Real: m.Activation != Modulus}
	lowest := 0.375 / math.Exp2(float64(m.Scales-1)) // centre of the largest wavelets, cycles a sample
	f.each(func(i int, y, x float64) { f.Low[i] = meyer(math.Hypot(y, x), 0.3*lowest, lowest) })
	switch m.Frame {
	case Random:
		f.Real = true
		r := rand.New(rand.NewPCG(m.Seed, 34))
		for range m.Scales * m.orientations(h) {
			f.Bands = append(f.Bands, f.random(r))
		}
	default:
		for j := range m.Scales {
			for l := range m.orientations(h) {
				f.Bands = append(f.Bands, f.morlet(0.375/math.Exp2(float64(j)), math.Pi*float64(l)/float64(m.orientations(h))))
			}
		}
	}
	f.normalize(m.Tight)
	return f
}

func (m Module) orientations(h int) int {
	if h == 1 {
		return 1
	}
	return max(m.Orientations, 1)
}

// each goes through the frequencies of the grid.
func (f *Frame) each(use func(i int, y, x float64)) {
	for i := range f.Low {
		use(i, frequency(i/f.Width, f.Height), frequency(i%f.Width, f.Width))
	}
}

// meyer is 1 up to pass and 0 from stop on, and as smooth between as Meyer's scaling function.
func meyer(frequency, pass, stop float64) float64 {
	t := min(max((frequency-pass)/(stop-pass), 0), 1)
	return math.Cos(math.Pi / 2 * t * t * t * t * (35 - 84*t + 70*t*t - 20*t*t*t))
}

// morlet is a wavelet with its centre at a frequency in a direction. On one side of the plane alone it is analytic, which is what the
// modulus wants; where the atoms must be real it is the real part.
func (f *Frame) morlet(centre, angle float64) Band {
	b := Band{Re: make([]float64, len(f.Low)), Im: make([]float64, len(f.Low))}
	sin, cos := math.Sincos(angle)
	along, across := 0.35*centre, 0.45*centre // deviations in frequency
	bump := make([]float64, len(f.Low))       // the same Gaussian around 0
	f.each(func(i int, y, x float64) {
		for _, dx := range []float64{-1, 0, 1} { // a grid cannot tell frequencies apart that are a whole number away
			for _, dy := range []float64{-1, 0, 1} {
				if f.Height == 1 && dy != 0 {
					continue
				}
				u, v := (x+dx)*cos+(y+dy)*sin, (y+dy)*cos-(x+dx)*sin
				gauss := func(u float64) float64 { return math.Exp(-u*u/(2*along*along) - v*v/(2*across*across)) }
				b.Re[i] += gauss(u - centre)
				bump[i] += gauss(u)
				if f.Real { // the mirror image too
					b.Re[i] += gauss(u + centre)
				}
			}
		}
	})
	mean := b.Re[0] / bump[0]
	for i := range b.Re {
		b.Re[i] -= mean * bump[i] // nothing of a constant is left
	}
	return b
}

// random is a real filter of 7 taps along each axis.
func (f *Frame) random(r *rand.Rand) Band {
	const taps = 7
	high, wide := min(taps, f.Height), min(taps, f.Width)
	h := make([]float64, high*wide)
	for i := range h {
		h[i] = r.NormFloat64()
	}
	b := Band{Re: make([]float64, len(f.Low)), Im: make([]float64, len(f.Low))}
	f.each(func(i int, y, x float64) {
		for k, v := range h {
			sin, cos := math.Sincos(-2 * math.Pi * (y*float64(k/wide) + x*float64(k%wide)))
			b.Re[i] += v * cos
			b.Im[i] += v * sin
		}
	})
	return b
}

// Energy is |χ̂(ω)|² + Σ|ĝ_λ(ω)|² for each frequency: what the frame makes of its energy in a real signal, in which a frequency and
// its opposite are the same. So an analytic wavelet stands for its mirror image too.
func (f *Frame) Energy() []float64 {
	one := make([]float64, len(f.Low))
	for i, v := range f.Low {
		one[i] = v * v
		for _, b := range f.Bands {
			one[i] += b.Re[i]*b.Re[i] + b.Im[i]*b.Im[i]
		}
	}
	both := make([]float64, len(one))
	for i := range both {
		y, x := i/f.Width, i%f.Width
		both[i] = (one[i] + one[(f.Height-y)%f.Height*f.Width+(f.Width-x)%f.Width]) / 2
	}
	return both
}

// Bounds are the frame bounds A and B: the least and the greatest energy.
func (f *Frame) Bounds() (a, b float64) {
	a = math.Inf(1)
	for _, e := range f.Energy() {
		a, b = min(a, e), max(b, e)
	}
	return a, b
}

// normalize makes 1 the upper bound, and with tight the lower too.
func (f *Frame) normalize(tight bool) {
	energy := f.Energy()
	_, greatest := f.Bounds()
	for i, e := range energy {
		if !tight {
			e = greatest
		}
		scale := 1 / math.Sqrt(e)
		f.Low[i] *= scale
		for _, b := range f.Bands {
			b.Re[i] *= scale
			b.Im[i] *= scale
		}
	}
}

// Decay is K, the greatest |χ̂(ω)|·|ω|, in the decay condition of theorem 1.
func (f *Frame) Decay() (k float64) {
	f.each(func(i int, y, x float64) { k = max(k, math.Abs(f.Low[i])*math.Hypot(y, x)) })
	return k
}
