package attr

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"

	"github.com/gomlx/gomlx/core/tensors"
)

// TSNEOptions configures TSNE.
type TSNEOptions struct {
	Perplexity   float64 // about how many neighbours count; 0: 30, or less for few points
	Steps        int     // 0: 750
	Rate         float64 // 0: N/48, at least 50 (Belkina et al. 2019)
	Exaggeration float64 // of the neighbours' pull in the first quarter of the steps; 0: 12
	Seed         uint64
	Progress     func(done, total int, note string)
}

// TSNE lays features [N …] out in the plane so that neighbours stay neighbours (van der Maaten, Hinton 2008): [N][2], and
// the Kullback–Leibler divergence that is left. It starts from the first two principal components, so that the layout of
// the whole means something, too (Kobak, Berens 2019). Distances between groups and their sizes mean little.
//
// It is exact: each step looks at all pairs, about 4 ns for a pair on one core. For more than a few thousand points take
// a sample, and for features of many numbers project them with PCA to 50 first.
func TSNE(ctx context.Context, features *tensors.Tensor, o TSNEOptions) (layout [][]float64, divergence float64, err error) {
	x, _, err := rows(features)
	if err != nil {
		return nil, 0, fmt.Errorf("t-SNE: %w", err)
	}
	n, _ := x.Dims()
	if n < 5 {
		return nil, 0, fmt.Errorf("t-SNE: %d examples; it takes 5 or more", n)
	}
	if o.Perplexity == 0 {
		o.Perplexity = math.Min(30, float64(n-1)/3)
	}
	if o.Perplexity < 1 || o.Perplexity > float64(n-1)/3 {
		return nil, 0, fmt.Errorf("t-SNE: a perplexity of %g for %d examples; it must be at least 1 and at most a third of their number", o.Perplexity, n)
	}
	if o.Steps == 0 {
		o.Steps = 750
	}
	if o.Rate == 0 {
		o.Rate = math.Max(50, float64(n)/48)
	}
	if o.Exaggeration == 0 {
		o.Exaggeration = 12
	}
	p := affinities(squaredDistances(x), o.Perplexity)

	// The start has a standard deviation of 1e-4 along the first axis; a little noise parts points that are equal.
	points := make([][2]float64, n)
	random := rand.New(rand.NewPCG(o.Seed, 0))
	components, err := PCA(features, 2)
	if err != nil {
		return nil, 0, fmt.Errorf("t-SNE: %w", err)
	}
	start, err := components.Project(features)
	if err != nil {
		return nil, 0, err
	}
	for i, at := range start {
		for axis := range at {
			points[i][axis] = 1e-4 * at[axis] / math.Sqrt(components.Variance[0])
		}
		points[i][0] += 1e-6 * random.NormFloat64()
		points[i][1] += 1e-6 * random.NormFloat64()
	}

	velocity, gains := make([][2]float64, n), make([][2]float64, n)
	for i := range gains {
		gains[i] = [2]float64{1, 1}
	}
	early := o.Steps / 4
	for step := range o.Steps {
		if err := ctx.Err(); err != nil {
			return nil, 0, fmt.Errorf("t-SNE: stopped after %d of %d steps: %w", step, o.Steps, err)
		}
		pull, momentum := 1.0, 0.8
		if step < early {
			pull, momentum = o.Exaggeration, 0.5
		}
		measure := step == o.Steps-1 || step%25 == 0
		gradient, now := slope(points, p, pull, measure)
		if measure {
			divergence = now
		}
		var mean [2]float64
		for i := range points {
			for axis := range 2 {
				// A gain grows while the slope keeps its direction (Jacobs 1988).
				if g := &gains[i][axis]; gradient[i][axis] > 0 == (velocity[i][axis] > 0) {
					*g = math.Max(0.01, *g*0.8)
				} else {
					*g += 0.2
				}
				velocity[i][axis] = momentum*velocity[i][axis] - o.Rate*gains[i][axis]*gradient[i][axis]
				points[i][axis] += velocity[i][axis]
				mean[axis] += points[i][axis] / float64(n)
			}
		}
		for i := range points {
			points[i][0], points[i][1] = points[i][0]-mean[0], points[i][1]-mean[1]
		}
		if o.Progress != nil {
			o.Progress(step+1, o.Steps, fmt.Sprintf("divergence %.3g", divergence))
		}
	}
	for _, p := range points {
		layout = append(layout, p[:])
	}
	return layout, divergence, nil
}

// affinities makes, of squared distances [N N], the probabilities p_ij that i and j are neighbours (eq. 1 and section 3.1):
// each point's Gaussian is as wide as gives it the perplexity.
func affinities(distances [][]float64, perplexity float64) [][]float64 {
	n, goal := len(distances), math.Log(perplexity)
	p := make([][]float64, n)
	parallel(n, func(i int) {
		row := make([]float64, n)
		p[i] = row
		nearest := math.Inf(1)
		for j, d := range distances[i] {
			if j != i {
				nearest = math.Min(nearest, d)
			}
		}
		beta, low, high := 1.0, 0.0, math.Inf(1) // the precision, 1/2σ²
		for range 200 {
			sum, weighted := 0.0, 0.0
			for j, d := range distances[i] {
				if j == i {
					continue
				}
				row[j] = math.Exp(-beta * (d - nearest)) // a common factor falls out below
				sum += row[j]
				weighted += row[j] * (d - nearest)
			}
			entropy := math.Log(sum) + beta*weighted/sum
			for j := range row {
				row[j] /= sum
			}
			if math.Abs(entropy-goal) < 1e-6 {
				break
			}
			if entropy > goal { // too many neighbours
				low = beta
				if math.IsInf(high, 1) {
					beta *= 2
				} else {
					beta = (low + high) / 2
				}
			} else {
				high = beta
				beta = (low + high) / 2
			}
		}
	})
	for i := range n {
		for j := range i {
			both := math.Max((p[i][j]+p[j][i])/float64(2*n), 1e-12)
			p[i][j], p[j][i] = both, both
		}
	}
	return p
}

// slope is the gradient of the divergence (eq. 5) with neighbours pulling so many times as much, and, if measure
// says so, the divergence itself: the logarithms cost more than all the rest.
func slope(points [][2]float64, p [][]float64, pull float64, measure bool) (gradient [][2]float64, divergence float64) {
	n := len(points)
	// Σ (pull p_ij − q_ij) k_ij (y_i − y_j), where q_ij = k_ij/Σk: the sum Σk is known only after all pairs, so the
	// attracting and the repelling parts are added up apart.
	attract, repel := make([][2]float64, n), make([][2]float64, n)
	sums, logs := make([]float64, n), make([]float64, n)
	parallel(n, func(i int) {
		yi, row := points[i], p[i]
		var a, r [2]float64
		sum, log := 0.0, 0.0
		for j, yj := range points {
			if j == i {
				continue
			}
			dx, dy := yi[0]-yj[0], yi[1]-yj[1]
			k := 1 / (1 + dx*dx + dy*dy)
			pk, kk := row[j]*k, k*k
			a[0], a[1] = a[0]+pk*dx, a[1]+pk*dy
			r[0], r[1] = r[0]+kk*dx, r[1]+kk*dy
			sum += k
			if measure {
				log += row[j] * math.Log(row[j]/k)
			}
		}
		attract[i], repel[i], sums[i], logs[i] = a, r, sum, log
	})
	total := 0.0
	for _, sum := range sums {
		total += sum
	}
	gradient = make([][2]float64, n)
	for i := range gradient {
		divergence += logs[i]
		for axis := range 2 {
			gradient[i][axis] = 4 * (pull*attract[i][axis] - repel[i][axis]/total)
		}
	}
	return gradient, divergence + math.Log(total) // Σp = 1
}

// parallel calls f for 0 to n−1 from as many goroutines as there are processors.
func parallel(n int, f func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for i := worker; i < n; i += workers {
				f(i)
			}
		})
	}
	group.Wait()
}
