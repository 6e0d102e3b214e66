package attr

import (
	"fmt"
	"math"

	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"
)

// ProbeOptions configures NewProbe.
type ProbeOptions struct {
	Classes int // 0: one more than the largest label
	// Ridge is λ, the weight of ‖W‖² against the mean squared error. 0: the one of a range of powers of ten that
	// generalised cross-validation likes best, which looks at nothing but the features and labels given.
	Ridge float64
}

// A Probe is a linear classifier on features: how well it does tells how openly a tap holds the classes (Alain, Bengio 2016).
type Probe struct {
	Weights *mat.Dense // [D K]
	Bias    []float64  // [K]
	Ridge   float64    // λ
}

// NewProbe fits a probe to features [N …] with labels [N], by ridge regression of one-hot labels: a closed form, so that
// probes of different taps differ in nothing but the features. Its work grows with the cube of the smaller one of N and D.
func NewProbe(features *tensors.Tensor, labels []int32, o ProbeOptions) (*Probe, error) {
	x, mean, err := rows(features)
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	n, d := x.Dims()
	if len(labels) != n {
		return nil, fmt.Errorf("probe: %d labels for %d examples", len(labels), n)
	}
	for _, label := range labels {
		if label < 0 || o.Classes > 0 && int(label) >= o.Classes {
			return nil, fmt.Errorf("probe: label %d, with %d classes", label, o.Classes)
		}
	}
	k := o.Classes
	if k == 0 {
		for _, label := range labels {
			k = max(k, int(label)+1)
		}
	}
	share := make([]float64, k) // of each class: the mean of the one-hot labels
	for _, label := range labels {
		share[label] += 1 / float64(n)
	}
	y := mat.NewDense(n, k, nil)
	for i, label := range labels {
		for c := range k {
			y.Set(i, c, -share[c])
		}
		y.Set(i, int(label), 1-share[label])
	}

	squares, v, err := spectrum(x)
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	var xy, along mat.Dense
	xy.Mul(x.T(), y)      // [D K]
	along.Mul(v.T(), &xy) // [r K]: s uᵀy
	p := &Probe{Ridge: o.Ridge, Bias: share}
	if p.Ridge == 0 {
		p.Ridge = crossValidated(squares, &along, mat.Norm(y, 2), n)
	}
	for j, square := range squares {
		for c := range k {
			along.Set(j, c, along.At(j, c)/(square+p.Ridge*float64(n)))
		}
	}
	p.Weights = mat.NewDense(d, k, nil)
	p.Weights.Mul(v, &along)
	for c := range k {
		for i := range d {
			p.Bias[c] -= mean[i] * p.Weights.At(i, c)
		}
	}
	return p, nil
}

// crossValidated is the λ of least generalised cross-validation error ‖y − ŷ‖²/(1 − tr H/n)² (Golub, Heath, Wahba 1979),
// from 1e-6 to 10 times the greatest variance. along [r K] is s uᵀy.
func crossValidated(squares []float64, along *mat.Dense, lengthOfY float64, n int) float64 {
	_, k := along.Dims()
	best, least := 0.0, math.Inf(1)
	for power := -6; power <= 1; power++ {
		ridge := math.Pow(10, float64(power)) * squares[0] / float64(n)
		rest, trace := lengthOfY*lengthOfY, 1.0 // 1: the bias
		for j, square := range squares {
			kept := square / (square + ridge*float64(n))
			trace += kept
			for c := range k {
				rest -= (1 - (1-kept)*(1-kept)) * along.At(j, c) * along.At(j, c) / square
			}
		}
		free := 1 - trace/float64(n)
		if free <= 0 {
			continue
		}
		if score := rest / (free * free); score < least {
			best, least = ridge, score
		}
	}
	if best == 0 { // as many directions as examples, at each λ
		return 0.1 * squares[0] / float64(n)
	}
	return best
}

// Predict returns the likeliest class of each of features [N …].
func (p *Probe) Predict(features *tensors.Tensor) ([]int32, error) {
	d, k := p.Weights.Dims()
	shape := features.Shape()
	if shape.Rank() < 2 || shape.Size() == 0 || shape.Size()/shape.Dimensions[0] != d {
		return nil, fmt.Errorf("probe: features of shape %s for a probe of %d numbers", shape, d)
	}
	n := shape.Dimensions[0]
	var scores mat.Dense
	scores.Mul(mat.NewDense(n, d, float64s(features)), p.Weights)
	classes := make([]int32, n)
	for i := range classes {
		for c := 1; c < k; c++ {
			if best := int(classes[i]); scores.At(i, c)+p.Bias[c] > scores.At(i, best)+p.Bias[best] {
				classes[i] = int32(c)
			}
		}
	}
	return classes, nil
}

// Accuracy is the share of features [N …] whose class is predicted as labels say.
func (p *Probe) Accuracy(features *tensors.Tensor, labels []int32) (float64, error) {
	classes, err := p.Predict(features)
	if err != nil {
		return 0, err
	}
	if len(labels) != len(classes) {
		return 0, fmt.Errorf("probe: %d labels for %d examples", len(labels), len(classes))
	}
	right := 0.0
	for i, class := range classes {
		if class == labels[i] {
			right++
		}
	}
	return right / float64(len(classes)), nil
}
