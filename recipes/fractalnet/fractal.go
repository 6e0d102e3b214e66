package fractalnet

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
)

// The expansion rule (section 3, equation 1) makes f of C+1 columns from f of C columns, with ⊕ for a join:
//
//	f₁(z) = conv(z)        f_{C+1}(z) = f_C(f_C(z)) ⊕ conv(z)
//
// Unrolled, a block is 2^(C−1) steps long. Column k is made of 2^(k−1) convolutions, each of which spans the same number of steps;
// the deepest column, C, has a convolution at each step. After a step, what has ended there is joined, and the mean is what
// every column that begins there goes on with. Each column stands at its own beginning whenever a longer convolution
// ends, so joins nest: that is what makes each column a whole network.

// length is the number of steps that one convolution of a column spans.
func length(c Config, column int) int { return 1 << (c.Columns - column) }

// ending lists the columns that have a convolution ending after this many steps, the deepest first.
func ending(c Config, step int) []int {
	var columns []int
	for column := c.Columns; column >= 1 && step%length(c, column) == 0; column-- {
		if c.Column == 0 || c.Column == column {
			columns = append(columns, column)
		}
	}
	return columns
}

// block is f_C: [B H W C] → [B H W filters]. keep is the share of the running averages that stays at each step.
func block(s *model.Scope, x *graph.Node, c Config, filters int, paths *sampler, name string, keep float64) *graph.Node {
	// at[column] is where the column's next convolution begins: the last join that it took part in.
	at := map[int]*graph.Node{}
	for column := 1; column <= c.Columns; column++ {
		at[column] = x
	}
	var joined *graph.Node
	for step := 1; step <= 1<<(c.Columns-1); step++ {
		columns := ending(c, step)
		if len(columns) == 0 {
			continue // a column that was taken out is on its way
		}
		var outputs []*graph.Node
		for _, column := range columns {
			conv := convName(column, step/length(c, column))
			in := s.At("column%d", column).In("conv%d", step/length(c, column))
			y := layers.Conv(in, at[column], layers.ConvOptions{Filters: filters, NoBias: true}) // [B H W filters]
			y = layers.ReLU(layers.BatchNorm(in.In("norm"), y, layers.BatchNormOptions{Momentum: keep}))
			outputs = append(outputs, layers.Tap(y, name+"/"+conv))
		}
		joined = paths.join(outputs, columns)
		for _, column := range columns {
			at[column] = joined
		}
	}
	return joined // all columns end with the last step
}
