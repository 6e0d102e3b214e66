package deepinside

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// A mixture is a mixture of Gaussians over colours.
type mixture []gaussian

type gaussian struct {
	weight  float64
	mean    [3]float64
	inverse [3][3]float64 // of the covariance
	norm    float64       // log of weight / √((2π)³ det)
}

// variance floor of each colour channel, in units of 255²: a patch of one colour must not become a needle.
const colourFloor = 25

// fitMixture fits k Gaussians to colours by expectation maximisation from k-means++ starts (Arthur, Vassilvitskii 2007). With fewer colours than
// k there are fewer Gaussians. It panics without any colour.
func fitMixture(colours [][3]float64, k int, r *rand.Rand) mixture {
	if len(colours) == 0 {
		panic("deepinside: a colour model needs colours")
	}
	centres := spread(colours, k, r)
	share := make([][]float64, len(colours)) // responsibilities
	for i, c := range colours {
		share[i] = make([]float64, len(centres))
		nearest := 0
		for j := range centres {
			if squared(c, centres[j]) < squared(c, centres[nearest]) {
				nearest = j
			}
		}
		share[i][nearest] = 1
	}
	var m mixture
	for range 8 {
		m = maximise(colours, share)
		for i, c := range colours {
			share[i] = share[i][:len(m)]
			total := 0.0
			for j := range m {
				share[i][j] = math.Exp(m[j].log(c))
				total += share[i][j]
			}
			for j := range m {
				if total > 0 {
					share[i][j] /= total
				} else {
					share[i][j] = 1 / float64(len(m))
				}
			}
		}
	}
	return m
}

// spread draws k start centres, each with a probability that grows with the squared distance from those before.
func spread(colours [][3]float64, k int, r *rand.Rand) [][3]float64 {
	centres := [][3]float64{colours[r.IntN(len(colours))]}
	for len(centres) < k {
		distances := make([]float64, len(colours))
		total := 0.0
		for i, c := range colours {
			distances[i] = math.Inf(1)
			for _, centre := range centres {
				distances[i] = min(distances[i], squared(c, centre))
			}
			total += distances[i]
		}
		if total == 0 {
			break // all colours are centres
		}
		at := r.Float64() * total
		i := 0
		for ; i < len(colours)-1 && at >= distances[i]; i++ {
			at -= distances[i]
		}
		centres = append(centres, colours[i])
	}
	return centres
}

// maximise fits each Gaussian to the colours that it is responsible for; one without any is left out.
func maximise(colours [][3]float64, share [][]float64) mixture {
	var m mixture
	for j := range share[0] {
		var g gaussian
		total := 0.0
		for i, c := range colours {
			total += share[i][j]
			for a := range 3 {
				g.mean[a] += share[i][j] * c[a]
			}
		}
		if total < 1e-6 {
			continue
		}
		for a := range 3 {
			g.mean[a] /= total
		}
		covariance := mat.NewSymDense(3, nil)
		for a := range 3 {
			for b := a; b < 3; b++ {
				sum := 0.0
				for i, c := range colours {
					sum += share[i][j] * (c[a] - g.mean[a]) * (c[b] - g.mean[b])
				}
				if a == b {
					sum += total * colourFloor
				}
				covariance.SetSym(a, b, sum/total)
			}
		}
		var chol mat.Cholesky
		if !chol.Factorize(covariance) {
			continue // not reached: the floor makes it positive definite
		}
		var inverse mat.SymDense
		if err := chol.InverseTo(&inverse); err != nil {
			continue
		}
		for a := range 3 {
			for b := range 3 {
				g.inverse[a][b] = inverse.At(a, b)
			}
		}
		g.weight = total / float64(len(colours))
		g.norm = math.Log(g.weight) - 0.5*(3*math.Log(2*math.Pi)+chol.LogDet())
		m = append(m, g)
	}
	return m
}

func (g gaussian) log(c [3]float64) float64 {
	q := 0.0
	for a := range 3 {
		for b := range 3 {
			q += (c[a] - g.mean[a]) * g.inverse[a][b] * (c[b] - g.mean[b])
		}
	}
	return g.norm - q/2
}

// log is the logarithm of the density at a colour.
func (m mixture) log(c [3]float64) float64 {
	largest := math.Inf(-1)
	logs := make([]float64, len(m))
	for j := range m {
		logs[j] = m[j].log(c)
		largest = max(largest, logs[j])
	}
	sum := 0.0
	for _, l := range logs {
		sum += math.Exp(l - largest)
	}
	return largest + math.Log(sum)
}

func squared(a, b [3]float64) float64 {
	return (a[0]-b[0])*(a[0]-b[0]) + (a[1]-b[1])*(a[1]-b[1]) + (a[2]-b[2])*(a[2]-b[2])
}
