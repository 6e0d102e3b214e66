package filterdesign

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// Learner says where a layer's filters come from.
type Learner string

const (
	Random     Learner = "random"     // normal directions, as long as typical patches
	KMeans     Learner = "k-means"    // centres of clusters of patches
	SOM        Learner = "SOM"        // a self-organising map: centres whose neighbours on a grid are alike
	Principal  Learner = "PCA"        // the strongest principal components, at most as many as a patch has values
	Supervised Learner = "supervised" // not from patches at all: trained with labels
)

// Learn makes k filters [k d] from patches [n d].
func (l Learner) Learn(x *mat.Dense, k int, r *rand.Rand) (*mat.Dense, error) {
	n, d := x.Dims()
	if k < 1 || k > n {
		return nil, fmt.Errorf("%d filters from %d patches", k, n)
	}
	switch l {
	case Random:
		length := mat.Norm(x, 2) / math.Sqrt(float64(n*d)) // of one value
		f := mat.NewDense(k, d, nil)
		f.Apply(func(int, int, float64) float64 { return length * r.NormFloat64() }, f)
		return f, nil
	case KMeans:
		f, _, err := Cluster(x, k, 15, r)
		return f, err
	case SOM:
		return Map(x, k, r), nil
	case Principal:
		if k > d {
			return nil, fmt.Errorf("%d principal components of patches of %d values", k, d)
		}
		b, err := PCA(x)
		if err != nil {
			return nil, err
		}
		return mat.DenseCopyOf(b.Components.Slice(0, d, 0, k).T()), nil
	}
	return nil, fmt.Errorf("filters cannot be learnt by %q from patches", l)
}

// Cluster is k-means, Lloyd's algorithm from k random patches: centres [k d], and the mean squared distance of a patch from its centre
// before each round and after the last. That never grows. A cluster that has lost its patches begins again at the patch that is
// furthest from its own centre.
func Cluster(x *mat.Dense, k, rounds int, r *rand.Rand) (centres *mat.Dense, objective []float64, err error) {
	n, d := x.Dims()
	if k < 1 || k > n {
		return nil, nil, errors.New("k-means needs at least one cluster, and a patch for each")
	}
	centres = mat.NewDense(k, d, nil)
	for i, j := range r.Perm(n)[:k] {
		centres.SetRow(i, x.RawRowView(j))
	}
	squares := make([]float64, n)
	for i := range n {
		for _, v := range x.RawRowView(i) {
			squares[i] += v * v
		}
	}
	products := mat.NewDense(n, k, nil)
	nearest, distance := make([]int, n), make([]float64, n)
	for round := range rounds + 1 {
		products.Mul(x, centres.T())
		var mean float64
		lengths := make([]float64, k)
		for c := range k {
			for _, v := range centres.RawRowView(c) {
				lengths[c] += v * v
			}
		}
		for i := range n {
			distance[i] = math.Inf(1)
			for c, p := range products.RawRowView(i) {
				if s := squares[i] - 2*p + lengths[c]; s < distance[i] {
					nearest[i], distance[i] = c, s
				}
			}
			mean += distance[i] / float64(n)
		}
		objective = append(objective, mean)
		if round == rounds {
			break
		}
		centres.Zero()
		counts := make([]float64, k)
		for i, c := range nearest {
			counts[c]++
			row := centres.RawRowView(c)
			for j, v := range x.RawRowView(i) {
				row[j] += v
			}
		}
		for c, count := range counts {
			row := centres.RawRowView(c)
			if count == 0 {
				far := 0
				for i, v := range distance {
					if v > distance[far] {
						far = i
					}
				}
				copy(row, x.RawRowView(far))
				distance[far] = 0 // not for two clusters
				continue
			}
			for j := range row {
				row[j] /= count
			}
		}
	}
	return centres, objective, nil
}

// Map is a self-organising map of k units on a grid (Kohonen 1982): each patch draws the nearest unit and, less, its neighbours
// towards itself; reach and rate fall over one pass.
func Map(x *mat.Dense, k int, r *rand.Rand) *mat.Dense {
	n, d := x.Dims()
	columns := int(math.Ceil(math.Sqrt(float64(k))))
	units := mat.NewDense(k, d, nil)
	for i, j := range r.Perm(n)[:k] {
		units.SetRow(i, x.RawRowView(j))
	}
	for step, i := range r.Perm(n) {
		left := 1 - float64(step)/float64(n)
		rate, reach := 0.3*left+0.01, float64(columns)/2*left+0.5
		patch := x.RawRowView(i)
		best, least := 0, math.Inf(1)
		for u := range k {
			var sum float64
			for j, v := range units.RawRowView(u) {
				sum += (v - patch[j]) * (v - patch[j])
			}
			if sum < least {
				best, least = u, sum
			}
		}
		for u := range k {
			dy, dx := float64(u/columns-best/columns), float64(u%columns-best%columns)
			pull := rate * math.Exp(-(dy*dy+dx*dx)/(2*reach*reach))
			if pull < 1e-4 {
				continue
			}
			for j, v := range units.RawRowView(u) {
				units.RawRowView(u)[j] += pull * (patch[j] - v)
			}
		}
	}
	return units
}
