package firstlayer

import "math"

// LinearProfile is the energy profile of a linear network with first weights of zero after steps of gradient descent at a rate: for
// each component of variance λ, |c|·(1 − (1 − rate·λ)ᵗ)/λ, where c is the correlation of component and target. Each component is a
// regression of its own, since the components are uncorrelated. Where λ is zero nothing is learned but what c drives: rate·t·|c|.
func LinearProfile(variance, correlation []float64, rate float64, steps int) []float64 {
	profile := make([]float64, len(variance))
	for i, v := range variance {
		if v == 0 {
			profile[i] = rate * float64(steps) * math.Abs(correlation[i])
			continue
		}
		// Of 1−(1−x)ᵗ the difference is taken in logarithms, since components of small variance lose all digits otherwise.
		grown := 1 - math.Pow(1-rate*v, float64(steps))
		if x := rate * v; x < 0.5 {
			grown = -math.Expm1(float64(steps) * math.Log1p(-x))
		}
		profile[i] = math.Abs(correlation[i]) * grown / v
	}
	return profile
}

// Whitening is LinearProfile up to a factor, for targets that are independent of the images: |c| is then √λ on average. Time is
// rate·steps for small rates: e = (1 − exp(−time·λ))/√λ. It grows as √λ at first and ends as 1/√λ, which whitens: eᵢ√λᵢ = 1.
func Whitening(variance []float64, time float64) []float64 {
	profile := make([]float64, len(variance))
	for i, v := range variance {
		if v > 0 {
			profile[i] = -math.Expm1(-time*v) / math.Sqrt(v)
		}
	}
	return profile
}

// FitTime finds the time at which Whitening correlates best with a profile, the formula's only free number: a search over
// orders of magnitude around the inverse variances, then finer around the best.
func FitTime(variance, profile []float64) (time, correlation float64) {
	low, high := math.Inf(1), 0.0
	for _, v := range variance {
		if v > 0 {
			low, high = min(low, v), max(high, v)
		}
	}
	from, to := math.Log(0.01/high), math.Log(100/low)
	best := (from + to) / 2
	for range 4 {
		const points = 60
		step := (to - from) / points
		correlation = math.Inf(-1)
		for i := range points + 1 {
			at := from + float64(i)*step
			if r := Correlation(Whitening(variance, math.Exp(at)), profile); r > correlation {
				best, correlation = at, r
			}
		}
		from, to = best-step, best+step
	}
	return math.Exp(best), correlation
}
