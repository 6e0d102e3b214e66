package scattering

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Linear is a linear classifier: a least squares support vector machine (Suykens, Vandewalle 1999) for each class against the
// rest, on features that are centred and divided by their deviations.
type Linear struct {
	mean, scale []float64
	weights     *mat.Dense // [n K]
}

// FitLinear fits classifiers on features x [N][n] for several penalties at once and keeps the one that is right most often on the
// validation features.
func FitLinear(x [][]float64, labels []int32, classes int, penalties []float64, validX [][]float64, validLabels []int32) (*Linear, error) {
	if len(x) == 0 || len(x) != len(labels) || len(penalties) == 0 {
		return nil, errors.New("a linear classifier needs examples, a label for each and a penalty")
	}
	l := &Linear{}
	l.standardize(x)
	a, y := l.matrix(x), mat.NewDense(len(x), classes, nil)
	for i, label := range labels {
		for k := range classes {
			y.Set(i, k, -1)
		}
		y.Set(i, int(label), 1)
	}
	// The smaller of the two normal equations: (AᵀA + λ)w = Aᵀy, or w = Aᵀ(AAᵀ + λ)⁻¹y.
	wide := len(l.mean) > len(x)
	var gram mat.SymDense
	var right mat.Dense
	if wide {
		gram.SymOuterK(1, a)
		right.CloneFrom(y)
	} else {
		gram.SymOuterK(1, a.T())
		right.Mul(a.T(), y)
	}
	best := -1.0
	valid := l.matrix(validX)
	for _, penalty := range penalties {
		ridge := mat.NewSymDense(gram.SymmetricDim(), nil)
		ridge.CopySym(&gram)
		for i := range gram.SymmetricDim() {
			ridge.SetSym(i, i, ridge.At(i, i)+penalty*float64(len(x)))
		}
		var cholesky mat.Cholesky
		if !cholesky.Factorize(ridge) {
			return nil, errors.New("the features' second moments are not positive definite: take a larger penalty")
		}
		var solution mat.Dense
		if err := cholesky.SolveTo(&solution, &right); err != nil {
			return nil, err
		}
		weights := &solution
		if wide {
			weights = new(mat.Dense)
			weights.Mul(a.T(), &solution)
		}
		if accuracy := accuracy(valid, weights, validLabels); accuracy > best {
			best, l.weights = accuracy, weights
		}
	}
	return l, nil
}

func (l *Linear) standardize(x [][]float64) {
	n := len(x[0])
	l.mean, l.scale = make([]float64, n), make([]float64, n)
	for _, row := range x {
		for j, v := range row {
			l.mean[j] += v / float64(len(x))
		}
	}
	for _, row := range x {
		for j, v := range row {
			l.scale[j] += (v - l.mean[j]) * (v - l.mean[j]) / float64(len(x))
		}
	}
	for j, v := range l.scale {
		l.scale[j] = 1 / math.Sqrt(v+1e-12)
		if v < 1e-12 { // the same in all examples
			l.scale[j] = 0
		}
	}
}

// matrix is [N n+1]: standardised features and a one.
func (l *Linear) matrix(x [][]float64) *mat.Dense {
	a := mat.NewDense(max(len(x), 1), len(l.mean)+1, nil)
	for i, row := range x {
		to := a.RawRowView(i)
		for j, v := range row {
			to[j] = (v - l.mean[j]) * l.scale[j]
		}
		to[len(row)] = 1
	}
	return a
}

// Accuracy is the share of examples that the classifier is right about.
func (l *Linear) Accuracy(x [][]float64, labels []int32) float64 {
	return accuracy(l.matrix(x), l.weights, labels)
}

func accuracy(a, weights *mat.Dense, labels []int32) float64 {
	var scores mat.Dense
	scores.Mul(a, weights)
	hits := 0
	for i, label := range labels {
		best := 0
		for k, v := range scores.RawRowView(i) {
			if v > scores.At(i, best) {
				best = k
			}
		}
		if best == int(label) {
			hits++
		}
	}
	return float64(hits) / float64(max(len(labels), 1))
}
