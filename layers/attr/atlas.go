package attr

import (
	"fmt"
	"math"

	"github.com/gomlx/gomlx/core/tensors"
)

// An AtlasCell is a cell of an activation atlas: the features that a map of them puts there.
type AtlasCell struct {
	Row, Column int
	Members     []int     // which features
	Mean        []float64 // of the members, [D]: what Direction takes
}

// Atlas lays a grid of side×side cells over a map of features [N D], such as TSNE or PCA makes, and averages what lies in each
// cell (Carter et al. 2019, "Activation Atlas"). Cells with fewer than least members are left out. Rows count from the top,
// where y is greatest.
//
// One Visualize with Each of the cells' Directions makes the atlas's pictures; features there are single places of a tap.
func Atlas(points [][]float64, features *tensors.Tensor, side, least int) ([]AtlasCell, error) {
	shape := features.Shape()
	if shape.Rank() != 2 || shape.Dimensions[0] != len(points) || len(points) == 0 {
		return nil, fmt.Errorf("atlas: features of shape %s for %d points, want [N D]", shape, len(points))
	}
	if side < 1 || least < 1 {
		return nil, fmt.Errorf("atlas: a grid of side %d with at least %d members a cell", side, least)
	}
	var low, high [2]float64
	for i, p := range points {
		if len(p) != 2 {
			return nil, fmt.Errorf("atlas: point %d has %d coordinates, want 2", i, len(p))
		}
		if i == 0 {
			low, high = [2]float64(p), [2]float64(p)
		}
		for axis, v := range p {
			low[axis], high[axis] = math.Min(low[axis], v), math.Max(high[axis], v)
		}
	}
	values, d := float64s(features), shape.Dimensions[1]
	cells := make([]AtlasCell, side*side)
	cell := func(v, low, high float64) int {
		if high == low {
			return 0
		}
		return min(int(float64(side)*(v-low)/(high-low)), side-1)
	}
	for i, p := range points {
		row, column := side-1-cell(p[1], low[1], high[1]), cell(p[0], low[0], high[0])
		c := &cells[row*side+column]
		c.Row, c.Column, c.Members = row, column, append(c.Members, i)
		if c.Mean == nil {
			c.Mean = make([]float64, d)
		}
		for j, v := range values[i*d : (i+1)*d] {
			c.Mean[j] += v
		}
	}
	var kept []AtlasCell
	for _, c := range cells {
		if len(c.Members) < least {
			continue
		}
		for j := range c.Mean {
			c.Mean[j] /= float64(len(c.Members))
		}
		kept = append(kept, c)
	}
	return kept, nil
}
