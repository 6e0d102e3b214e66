package attr

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/layers"
)

// A PropagationRule says how the relevance of a linear layer's outputs z_k = Σ_j x_j·w_jk + b_k is shared among its inputs.
// The rules are Epsilon, Gamma, ZPlus, AlphaBeta, Flat, WSquare and ZBox.
//
// All have one form (Montavon et al. 2019, table 10.1 and eq. 10.2): input j has from output k a share of R_k that is as large as
// a term of j in a sum over all inputs, for some terms in place of x_j·w_jk. Where that sum has a share of the bias, that share of
// the relevance stays with the bias: it belongs to no input.
type PropagationRule interface {
	fmt.Stringer
	shares(a layers.Application) []share
}

// A share is a part of the relevance that is distributed in proportion to one sum: factor·R_k·term_j / Σ_j term_j.
type share struct {
	factor  float64
	terms   []term
	biases  *Node   // [K], in the sum only; nil: none
	epsilon float64 // moves the sum away from 0
	sign    int     // of the z_k that the share is for; 0: all
}

// A term is one input and one weight in place of the layer's own: sign·input_j·weight_jk.
type term struct {
	input, weights *Node // of the shapes of X and Weights
	minus          bool
}

// Epsilon is the basic rule (Bach et al. 2015, eq. 58): R_j = Σ_k x_j·w_jk / (z_k + ε·sign z_k) · R_k. What ε takes from weak
// outputs is lost, which makes the map less noisy. Without ε, in a network of ReLUs, it is input × gradient.
type Epsilon struct{ Epsilon float64 }

// Gamma favours what speaks for an output (Montavon et al. 2019): w + γ·w⁺ in place of w. For inputs and outputs of either
// sign, as zennit has it: what has the sign of z_k counts 1+γ times.
type Gamma struct{ Gamma, Epsilon float64 }

// ZPlus follows what speaks for an output alone (Montavon et al. 2017, eq. 19), and is AlphaBeta{1, 0}. NoBias gives the bias no
// share, so that relevance is conserved in networks with biases too.
type ZPlus struct{ NoBias bool }

// AlphaBeta treats what speaks for and against an output apart, with Alpha − Beta = 1 (Bach et al. 2015, eq. 60):
//
//	R_j = Σ_k (α·(x_j·w_jk)⁺/Σ(x·w)⁺ − β·(x_j·w_jk)⁻/Σ(x·w)⁻)·R_k
//
// Relevance is conserved where an output has inputs of both kinds.
type AlphaBeta struct{ Alpha, Beta float64 }

// Flat shares evenly among all inputs that an output sees: for the first layer, to get a map that is smooth (Lapuschkin et al. 2019).
type Flat struct{}

// WSquare shares by w², whatever the input: for a first layer whose inputs can have any value (Montavon et al. 2017, eq. 12).
type WSquare struct{}

// ZBox is for a first layer whose inputs lie between Low and High: one value, or one a channel, in the units that the network
// sees (Montavon et al. 2017, eq. 17): x_j·w_jk − l_j·w_jk⁺ − h_j·w_jk⁻ in place of x_j·w_jk.
type ZBox struct{ Low, High []float64 }

func (r Epsilon) String() string   { return fmt.Sprintf("ε %g", r.Epsilon) }
func (r Gamma) String() string     { return fmt.Sprintf("γ %g", r.Gamma) }
func (r ZPlus) String() string     { return "z⁺" }
func (r AlphaBeta) String() string { return fmt.Sprintf("α %g β %g", r.Alpha, r.Beta) }
func (r Flat) String() string      { return "flat" }
func (r WSquare) String() string   { return "w²" }
func (r ZBox) String() string      { return fmt.Sprintf("zB %v to %v", r.Low, r.High) }

func (r Epsilon) shares(a layers.Application) []share {
	if r.Epsilon < 0 {
		Panicf("attr.Epsilon{%g}: ε must not be negative", r.Epsilon)
	}
	return []share{{factor: 1, terms: []term{{input: a.X, weights: a.Weights}}, biases: a.Biases, epsilon: r.Epsilon}}
}

func (r Gamma) shares(a layers.Application) []share {
	if r.Gamma < 0 || r.Epsilon < 0 {
		Panicf("attr.%#v: neither may be negative", r)
	}
	raised := func(part func(*Node) *Node, v *Node) *Node { // v, with one sign of it counting more
		if v == nil {
			return nil
		}
		return Add(v, MulScalar(part(v), r.Gamma))
	}
	up, down := raised(positivePart, a.Weights), raised(negativePart, a.Weights)
	in, out := positivePart(a.X), negativePart(a.X)
	return []share{
		{factor: 1, sign: 1, terms: []term{{input: in, weights: up}, {input: out, weights: down}}, biases: raised(positivePart, a.Biases), epsilon: r.Epsilon},
		{factor: 1, sign: -1, terms: []term{{input: in, weights: down}, {input: out, weights: up}}, biases: raised(negativePart, a.Biases), epsilon: r.Epsilon},
	}
}

func (r ZPlus) shares(a layers.Application) []share {
	if r.NoBias {
		a.Biases = nil
	}
	return AlphaBeta{Alpha: 1}.shares(a)
}

func (r AlphaBeta) shares(a layers.Application) []share {
	if d := r.Alpha - r.Beta - 1; d > 1e-9 || d < -1e-9 || r.Beta < 0 {
		Panicf("attr.%#v: want Alpha − Beta = 1 and no negative Beta, such as 1 and 0 or 2 and 1", r)
	}
	up, down, in, out := positivePart(a.Weights), negativePart(a.Weights), positivePart(a.X), negativePart(a.X)
	bias := func(part func(*Node) *Node) *Node {
		if a.Biases == nil {
			return nil
		}
		return part(a.Biases)
	}
	all := []share{{factor: r.Alpha, terms: []term{{input: in, weights: up}, {input: out, weights: down}}, biases: bias(positivePart)}}
	if r.Beta > 0 {
		all = append(all, share{factor: -r.Beta, terms: []term{{input: in, weights: down}, {input: out, weights: up}}, biases: bias(negativePart)})
	}
	return all
}

func (r Flat) shares(a layers.Application) []share {
	return []share{{factor: 1, terms: []term{{input: OnesLike(a.X), weights: OnesLike(a.Weights)}}}}
}

func (r WSquare) shares(a layers.Application) []share {
	return []share{{factor: 1, terms: []term{{input: OnesLike(a.X), weights: Square(a.Weights)}}}}
}

func (r ZBox) shares(a layers.Application) []share {
	bound := func(name string, values []float64) *Node {
		channels := a.X.Shape().Dimensions[a.X.Rank()-1]
		if len(values) != 1 && len(values) != channels {
			Panicf("attr.ZBox: %s has %d values, want one, or one for each of %d channels", name, len(values), channels)
		}
		row := ConstAsDType(a.X.Graph(), a.X.DType(), values) // [1] or [C]
		return BroadcastToDims(ExpandLeftToRank(row, a.X.Rank()), a.X.Shape().Dimensions...)
	}
	return []share{{factor: 1, terms: []term{
		{input: a.X, weights: a.Weights},
		{input: bound("Low", r.Low), weights: positivePart(a.Weights), minus: true},
		{input: bound("High", r.High), weights: negativePart(a.Weights), minus: true},
	}}}
}

func positivePart(x *Node) *Node {
	return Where(GreaterThan(x, ScalarZero(x.Graph(), x.DType())), x, ZerosLike(x))
}

func negativePart(x *Node) *Node {
	return Where(LessThan(x, ScalarZero(x.Graph(), x.DType())), x, ZerosLike(x))
}
