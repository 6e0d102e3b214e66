package attr

import (
	"fmt"

	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"
)

// PrincipalComponents are the directions in which features vary most.
type PrincipalComponents struct {
	Mean       []float64   // [D]
	Directions [][]float64 // orthonormal, [components][D], the one of greatest variance first
	Variance   []float64   // along each direction, over N−1
	Total      float64     // the variance along all directions there are
}

// PCA finds the first principal components of features [N …]; fewer than asked for if the features vary in fewer
// directions. The sign of a direction is such that its largest number is positive.
func PCA(features *tensors.Tensor, components int) (*PrincipalComponents, error) {
	x, mean, err := rows(features)
	if err != nil {
		return nil, fmt.Errorf("PCA: %w", err)
	}
	if components < 1 {
		return nil, fmt.Errorf("PCA: %d components", components)
	}
	squares, v, err := spectrum(x)
	if err != nil {
		return nil, fmt.Errorf("PCA: %w", err)
	}
	n, d := x.Dims()
	p := &PrincipalComponents{Mean: mean}
	for j, square := range squares {
		p.Total += square / float64(n-1)
		if j >= components {
			continue
		}
		direction, largest := make([]float64, d), 0.0
		for i := range direction {
			direction[i] = v.At(i, j)
			if direction[i] > largest || -direction[i] > largest {
				largest = max(direction[i], -direction[i])
			}
		}
		for _, value := range direction {
			if value == -largest { // the largest one is negative
				for i := range direction {
					direction[i] = -direction[i]
				}
				break
			}
			if value == largest {
				break
			}
		}
		p.Directions = append(p.Directions, direction)
		p.Variance = append(p.Variance, square/float64(n-1))
	}
	return p, nil
}

// Project returns the coordinates of features [N …] along the directions: [N][components].
func (p *PrincipalComponents) Project(features *tensors.Tensor) ([][]float64, error) {
	shape := features.Shape()
	if shape.Rank() < 2 || shape.Size() == 0 || shape.Size()/shape.Dimensions[0] != len(p.Mean) {
		return nil, fmt.Errorf("PCA: features of shape %s for components of %d numbers", shape, len(p.Mean))
	}
	values, d := float64s(features), len(p.Mean)
	for i := range values {
		values[i] -= p.Mean[i%d]
	}
	directions := mat.NewDense(len(p.Directions), d, nil)
	for j, direction := range p.Directions {
		directions.SetRow(j, direction)
	}
	var projected mat.Dense
	projected.Mul(mat.NewDense(len(values)/d, d, values), directions.T())
	points := make([][]float64, len(values)/d)
	for i := range points {
		points[i] = mat.Row(nil, i, &projected)
	}
	return points, nil
}
