package attr

import (
	"math/rand/v2"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// RISEOptions configures RISE.
type RISEOptions struct {
	Masks int     // 0: 1000; the paper has 4000 to 8000 for photographs
	Grid  int     // cells of a mask along each side of the image; 0: 7
	Keep  float64 // probability that a cell is seen; 0: 0.5
	// Logits weighs masks by the target's score as it is. Otherwise it is that of the softmax of the outputs, as in the paper:
	// a probability is near zero for a useless mask, while a logit has no meaningful zero.
	Logits bool
	Seed   uint64
}

// RISE is the mean of random masks, each weighed by the score of the image seen through it (Petsiuk et al. 2018, equation
// 6), [B H W]. It asks nothing of the network but outputs, and takes a forward pass for each mask. All images of a batch are
// seen through the same masks.
//
// A mask is a grid of ones and zeros, resized bilinearly and shifted by part of a cell at random, so that it has neither
// hard edges nor the grid's own pattern.
func RISE(o RISEOptions) Method {
	if o.Masks == 0 {
		o.Masks = 1000
	}
	if o.Grid == 0 {
		o.Grid = 7
	}
	if o.Keep == 0 {
		o.Keep = 0.5
	}
	return func(s *model.Scope, network Network, x *Node, target Target) *Node {
		if o.Masks < 1 || o.Grid < 1 || o.Keep <= 0 || o.Keep > 1 {
			Panicf("attr.RISE: %d masks of %d×%d cells kept with probability %g", o.Masks, o.Grid, o.Grid, o.Keep)
		}
		score := target
		if !o.Logits {
			score = func(outputs *Node) *Node { return target(Softmax(outputs, -1)) }
		}
		dims, cells := x.Shape().Dimensions, o.Grid+1 // one more, to have something to shift
		r := rand.New(rand.NewPCG(o.Seed, 0))
		downs, rights := shiftedGrids(x, dims[1], o.Grid), shiftedGrids(x, dims[2], o.Grid) // [shifts H cells]
		var sum *Node
		for from, to := range chunks(o.Masks, dims[0]) {
			k := to - from
			grid, down, right := make([]float64, k*cells*cells), make([]int32, k), make([]int32, k)
			for i := range grid {
				if r.Float64() < o.Keep {
					grid[i] = 1
				}
			}
			for i := range k {
				down[i] = r.Int32N(int32(downs.Shape().Dimensions[0]))
				right[i] = r.Int32N(int32(rights.Shape().Dimensions[0]))
			}
			g := x.Graph()
			masks := Einsum("khp,kpq->khq", Gather(downs, Reshape(Const(g, down), k, 1)), constant(x, grid, k, cells, cells))
			masks = Einsum("khq,kwq->khw", masks, Gather(rights, Reshape(Const(g, right), k, 1))) // [k H W]
			seen := flat(Mul(InsertAxes(x, 0), InsertAxes(masks, 1, -1)))                         // [k·B H W C]
			scores := unflat(forward(s, network, seen, score).scores, k)                          // [k B]
			sum = sumUp(sum, Einsum("kb,khw->bhw", asFloat32(scores), asFloat32(masks)))
		}
		return DivScalar(sum, float64(o.Masks)*o.Keep)
	}
}

// shiftedGrids are the matrices that resize grid+1 cells to a range of that length, shifted by each number of pixels less
// than a cell: [shifts length grid+1].
func shiftedGrids(x *Node, length, grid int) *Node {
	cell := (length + grid - 1) / grid
	var values []float64
	for shift := range cell {
		matrix := resizeMatrix(grid+1, (grid+1)*cell)
		values = append(values, matrix[shift*(grid+1):(shift+length)*(grid+1)]...)
	}
	return constant(x, values, cell, length, grid+1)
}
