package attr

import (
	. "github.com/gomlx/gomlx/core/graph"

	"fovea/layers"
)

// Relevance goes back through a network as a gradient does. What autodiff carries for a value x is not its relevance R but
// c = R/x. In this form the rule for all that stands between the linear layers is calculus:
//
//	a sum s = a + b shares by proportion:    R_a = a·R_s/s,  so  c_a = c_s
//	a mean, a factor, a join, a slice:       likewise
//	a maximum gives all to the winner:       R_a = R_m where a = m,  so  c_a = c_m there
//	a ReLU passes all that it has:           R_z = R_a,  so  c_z = c_a where z > 0
//
// Only the linear layers' own rules need code, and no division by x ever shows: input × gradient is the case without any.

// tiny is what lift adds. A power of two: where x is 0, multiplying by it and dividing by it are exact.
const tiny = 1.0 / (1 << 30)

// lift moves x away from 0, so that R = lift(x)·c holds even where x is 0: rules for the first layer (Flat, WSquare, ZBox) give
// relevance to pixels that are.
func lift(x *Node) *Node { return stabilised(x, 0) }

// stabilised is x + (ε + tiny)·sign x, where 0 counts as positive.
func stabilised(x *Node, epsilon float64) *Node {
	e := Scalar(x.Graph(), x.DType(), epsilon+tiny)
	return Where(LessThan(x, ScalarZero(x.Graph(), x.DType())), Sub(x, e), Add(x, e))
}

// redistribute builds a linear layer whose outputs' relevance goes back by the rule.
func redistribute(a layers.Application, rule PropagationRule) *Node {
	z := a.Build()
	if e, ok := rule.(Epsilon); ok { // the sum of its terms is z itself
		e.shares(a)
		if e.Epsilon == 0 {
			return z
		}
		return IdentityWithCustomGradient(z, func(z, c *Node) *Node { return Mul(c, Div(lift(z), stabilised(z, e.Epsilon))) })
	}
	y := StopGradient(z)
	for _, s := range rule.shares(a) {
		sum := s.sum(a)
		back := IdentityWithCustomGradient(sum, func(sum, c *Node) *Node {
			c = Div(Mul(c, lift(z)), stabilised(sum, s.epsilon)) // R_k / Σ_j term_j
			if s.sign != 0 {
				zero := ZerosLike(c)
				if s.sign > 0 {
					c = Where(GreaterThan(z, zero), c, zero)
				} else {
					c = Where(LessThan(z, zero), c, zero)
				}
			}
			return MulScalar(c, s.factor)
		})
		y = Add(y, onlyGradient(back))
	}
	return y
}

// sum builds Σ_j term_j, [… K], with gradients to a.X.
func (s share) sum(a layers.Application) *Node {
	var sum *Node
	for _, t := range s.terms {
		y := a.Apply(instead(t.input, a.X), t.weights)
		if t.minus {
			y = Neg(y)
		}
		if sum == nil {
			sum = y
		} else {
			sum = Add(sum, y)
		}
	}
	if s.biases != nil {
		sum = Add(sum, ExpandLeftToRank(s.biases, sum.Rank()))
	}
	return sum
}

// instead has the value of input, and gives x the relevance of what comes back for it: v·input = R = c·x.
func instead(input, x *Node) *Node {
	if input == x {
		return x
	}
	ratio := Div(input, lift(x))
	back := IdentityWithCustomGradient(x, func(_, v *Node) *Node { return Mul(v, ratio) })
	return Add(StopGradient(input), onlyGradient(back))
}

// passed has the value of y and gives x all of y's relevance.
func passed(x, y *Node) *Node {
	back := IdentityWithCustomGradient(x, func(x, c *Node) *Node { return Div(Mul(c, lift(y)), lift(x)) })
	return Add(StopGradient(y), onlyGradient(back))
}

// onlyGradient is zero, with the gradient of x.
func onlyGradient(x *Node) *Node { return Sub(x, StopGradient(x)) }
