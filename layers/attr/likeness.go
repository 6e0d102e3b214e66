package attr

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Spearman is the rank correlation of two maps: 1 if they put the pixels in the same order, 0 for no relation. Equal values
// share the mean of their ranks; a constant map has the correlation 0 with all. It panics on different lengths.
func Spearman(a, b []float64) float64 {
	if len(a) != len(b) {
		panic(fmt.Sprintf("attr.Spearman: maps of %d and %d values", len(a), len(b)))
	}
	return correlation(ranks(a), ranks(b))
}

func ranks(values []float64) []float64 {
	index := make([]int, len(values))
	for i := range index {
		index[i] = i
	}
	slices.SortFunc(index, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	r := make([]float64, len(values))
	for i := 0; i < len(index); {
		end := i
		for end < len(index) && values[index[end]] == values[index[i]] {
			end++
		}
		for k := i; k < end; k++ {
			r[index[k]] = float64(i+end-1) / 2
		}
		i = end
	}
	return r
}

func correlation(a, b []float64) float64 {
	meanA, meanB := mean(a), mean(b)
	var aa, ab, bb float64
	for i := range a {
		aa += (a[i] - meanA) * (a[i] - meanA)
		ab += (a[i] - meanA) * (b[i] - meanB)
		bb += (b[i] - meanB) * (b[i] - meanB)
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

// SSIM is the structural similarity of two maps of h×w, each scaled to 0…1 first (Wang et al. 2004, eq. 13, over windows of 7×7
// with even weights): 1 for the same picture, about 0 for unrelated ones. Maps must be 7×7 or more; it panics on others.
func SSIM(a, b []float64, h, w int) float64 {
	const side = 7
	if len(a) != h*w || len(b) != h*w || h < side || w < side {
		panic(fmt.Sprintf("attr.SSIM: maps of %d and %d values as %d×%d, want 7×7 or more", len(a), len(b), h, w))
	}
	const c1, c2 = 0.01 * 0.01, 0.03 * 0.03
	a, b = unitRange(a), unitRange(b)
	sum, n := 0.0, 0.0
	for y := range h - side + 1 {
		for x := range w - side + 1 {
			var sa, sb, aa, ab, bb float64
			for v := y; v < y+side; v++ {
				for u := x; u < x+side; u++ {
					p, q := a[v*w+u], b[v*w+u]
					sa, sb, aa, ab, bb = sa+p, sb+q, aa+p*p, ab+p*q, bb+q*q
				}
			}
			const k = side * side
			meanA, meanB := sa/k, sb/k
			// Variances over k−1, as the paper's.
			varA, varB, both := (aa-k*meanA*meanA)/(k-1), (bb-k*meanB*meanB)/(k-1), (ab-k*meanA*meanB)/(k-1)
			sum += (2*meanA*meanB + c1) * (2*both + c2) / ((meanA*meanA + meanB*meanB + c1) * (varA + varB + c2))
			n++
		}
	}
	return sum / n
}

// unitRange scales values to 0…1; constant ones become 0.
func unitRange(values []float64) []float64 {
	low, high := slices.Min(values), slices.Max(values)
	scaled := make([]float64, len(values))
	if high > low {
		for i, v := range values {
			scaled[i] = (v - low) / (high - low)
		}
	}
	return scaled
}
