package attr

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// EigenCAM projects the feature maps onto their first principal component (Muhammad, Yeasin 2020, equation 3): with A seen
// as a matrix of places by channels, A = UΣVᵀ, the map is A·V₁. It asks for no class and no gradient: what the tap sees
// most of. The sign of V₁ is the one with which the map has a positive sum.
func EigenCAM(tap string) Method {
	return func(s *model.Scope, network Network, x *Node, target Target) *Node {
		a := forward(s, network, x, target, tap).taps[0]
		checkFeatures(tap, a)
		dims := a.Shape().Dimensions
		a = Reshape(asFloat32(a), dims[0], -1, dims[3]) // [B n C]
		var first *Node                                 // A·V₁ up to a factor, [B n]
		if n := dims[1] * dims[2]; n <= dims[3] {
			first = leading(Einsum("bnc,bmc->bnm", a, a)) // A·V₁ = σ₁U₁
		} else {
			first = Einsum("bnc,bc->bn", a, leading(Einsum("bnc,bnd->bcd", a, a)))
		}
		// Scaled as A·V₁ is: ‖A·V₁‖ = σ₁ = ‖Aᵀu‖ for the unit vector u along it.
		unit := divideByNorm(first)
		sigma := Sqrt(ReduceAndKeep(Square(Einsum("bnc,bn->bc", a, unit)), ReduceSum, -1)) // [B 1]
		sum := BroadcastToShape(ReduceAndKeep(unit, ReduceSum, -1), unit.Shape())
		unit = Where(LessThan(sum, ZerosLike(sum)), Neg(unit), unit)
		return toImage(positive(Reshape(Mul(unit, sigma), dims[:3]...)), x)
	}
}

// leading is the eigenvector of the largest eigenvalue of positive semidefinite matrices m [B n n], up to a factor: [B n].
//
// Squaring k times raises eigenvalues to the power 2ᵏ, after which only the largest is left; power iteration would take 2ᵏ
// products of a matrix and a vector, one after another.
func leading(m *Node) *Node {
	n := m.Shape().Dimensions[1]
	diagonal := BroadcastToShape(InsertAxes(ConvertDType(Diagonal(m.Graph(), n), m.DType()), 0), m.Shape()) // [B n n]
	trace := func(m *Node) *Node { return ReduceAndKeep(Mul(m, diagonal), ReduceSum, 1, 2) }
	for range 12 {
		m = divide(m, BroadcastToShape(trace(m), m.Shape())) // lest it overflows
		m = Einsum("bij,bjk->bik", m, m)
	}
	// m is now v·vᵀ up to a factor: any column will do, so take the one with the largest norm.
	largest := ArgMax(ReduceSum(Mul(m, diagonal), 1), -1) // [B]
	return Einsum("bij,bj->bi", m, OneHot(largest, n, m.DType()))
}

func divideByNorm(v *Node) *Node {
	return divide(v, BroadcastToShape(Sqrt(ReduceAndKeep(Square(v), ReduceSum, -1)), v.Shape()))
}
