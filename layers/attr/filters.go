package attr

import (
	. "github.com/gomlx/gomlx/core/graph"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// NormalizeFilters scales each filter of weights [h w in out] by its own largest magnitude, to 0…1 with 0.5 for a weight
// of zero: so one sees the form of weak filters too, and signs can be told.
func NormalizeFilters(weights *Node) *Node {
	if weights.Rank() != 4 {
		Panicf("attr.NormalizeFilters: weights %s, want [h w in out]", weights.Shape())
	}
	largest := ReduceAndKeep(Abs(weights), ReduceMax, 0, 1, 2) // [1 1 1 out]
	return AddScalar(MulScalar(Div(weights, MaxScalar(largest, 1e-12)), 0.5), 0.5)
}
