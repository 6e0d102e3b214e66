package kernelheterogeneity

import (
	"math"
	"math/rand/v2"
)

// LogGabor is a bank of kernels [K n n] of unit norm: for each orientation and bandwidth one that is even about its middle and one that
// is odd. In the Fourier domain a kernel is
//
//	exp(−½·(log(f/f₀)/σ)²) · exp((cos(θ−θ₀)−1)/b²)
//
// of the frequency f in cycles a pixel and the orientation θ, b in radians about the deviation of θ (Fischer et al. 2007).
func LogGabor(c Config) []float32 {
	var bank []float32
	for i := range c.Orientations {
		for _, degrees := range c.Bandwidths {
			theta := math.Pi * float64(i) / float64(c.Orientations)
			for _, phase := range []float64{0, math.Pi / 2} {
				bank = append(bank, unit(logGabor(c.Kernel, c.Frequency, theta, degrees*math.Pi/180, phase))...)
			}
		}
	}
	return bank
}

// octaves is σ: the deviation of the logarithm of frequency.
const octaves = 0.4

// logGabor samples a kernel by summing waves on a grid of frequencies that is fine enough for the window [n n].
func logGabor(n int, frequency, theta, b, phase float64) []float64 {
	grid := 4 * n
	k := make([]float64, n*n)
	middle := float64(n-1) / 2
	for u := -grid / 2; u < grid/2; u++ {
		for v := -grid / 2; v < grid/2; v++ {
			fx, fy := float64(u)/float64(grid), float64(v)/float64(grid)
			f := math.Hypot(fx, fy)
			if f == 0 {
				continue // the logarithm of no frequency: images without a mean have none
			}
			radial := math.Log(f/frequency) / octaves
			envelope := math.Exp(-radial*radial/2) * math.Exp((math.Cos(math.Atan2(fy, fx)-theta)-1)/(b*b))
			if envelope < 1e-6 {
				continue
			}
			for y := range n {
				for x := range n {
					k[y*n+x] += envelope * math.Cos(2*math.Pi*(fx*(float64(x)-middle)+fy*(float64(y)-middle))+phase)
				}
			}
		}
	}
	return k
}

// unit scales a kernel to unit norm.
func unit(k []float64) []float32 {
	var squares float64
	for _, v := range k {
		squares += v * v
	}
	out := make([]float32, len(k))
	for i, v := range k {
		out[i] = float32(v / math.Sqrt(squares))
	}
	return out
}

// randomKernels are of normal numbers, as many as the bank's.
func randomKernels(c Config, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 0x6ab0))
	var bank []float32
	k := make([]float64, c.Kernel*c.Kernel)
	for range c.Atoms() {
		for i := range k {
			k[i] = r.NormFloat64()
		}
		bank = append(bank, unit(k)...)
	}
	return bank
}
