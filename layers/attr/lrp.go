package attr

import (
	"maps"
	"slices"
	"strings"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/layers"
)

// A Composite says which rule each linear layer follows. The zero value is Epsilon{0} everywhere.
type Composite struct {
	First PropagationRule // layers that see the image itself; nil: as the others of their kind
	Conv  PropagationRule // convolutions; nil: Epsilon{0}
	Dense PropagationRule // nil: Epsilon{0}
	// Scopes has rules for parts of the network, by the path of scopes without the leading "/": "stage1" stands for all layers
	// within. The longest path that fits wins, before the kinds.
	Scopes map[string]PropagationRule
	// PassBatchNorm lets all relevance pass batch normalisations. Otherwise each is a part of the linear layer right before it,
	// as if it had been folded into its weights, and one that follows none is a linear layer with Epsilon{0}.
	PassBatchNorm bool
}

// The composites that zennit's users know, with their ε of 1e-6. Those with Flat give smoother maps.
var (
	EpsilonPlus            = Composite{Conv: ZPlus{}, Dense: Epsilon{1e-6}}
	EpsilonPlusFlat        = Composite{First: Flat{}, Conv: ZPlus{}, Dense: Epsilon{1e-6}}
	EpsilonAlpha2Beta1     = Composite{Conv: AlphaBeta{2, 1}, Dense: Epsilon{1e-6}}
	EpsilonAlpha2Beta1Flat = Composite{First: Flat{}, Conv: AlphaBeta{2, 1}, Dense: Epsilon{1e-6}}
)

// EpsilonGammaBox is the composite of Montavon et al. 2019, section 10.3, for images whose values lie between low and high: one
// value, or one a channel, in the units that the network sees.
func EpsilonGammaBox(low, high []float64) Composite {
	return Composite{First: ZBox{low, high}, Conv: Gamma{Gamma: 0.25, Epsilon: 1e-6}, Dense: Epsilon{1e-6}}
}

// LRP is layer-wise relevance propagation (Bach et al. 2015), [B H W C]: the score is handed back from layer to layer, each
// sharing what it has among its inputs by a rule, until it lies on the image. Positive relevance speaks for the score.
//
// The network may consist of layers.Conv, Convolution, Dense, BatchNorm, ReLU, LeakyReLU and the poolings, of sums, joins,
// slices, factors and other operations that are piecewise linear. Anything else is refused: a rule is wanted there. Scores
// should be logits.
func LRP(c Composite) Method {
	return func(s *model.Scope, network Network, x *Node, target Target) *Node {
		p := &propagation{composite: c, coverage: coverage{method: "LRP", inputs: map[*Node]*Node{}, kinks: true},
			linear: map[*Node]layers.Application{}, image: x, used: map[string]bool{}}
		var built pass
		layers.WithRule(x.Graph(), p.build, func() { built = forward(s, network, x, target) })
		p.check(x, built.outputs)
		(&coverage{method: "LRP", kinks: true}).check(built.outputs, built.scores)
		for _, scope := range slices.Sorted(maps.Keys(c.Scopes)) {
			if !p.used[scope] {
				Panicf("attr.LRP: the composite has a rule for scope %q, in which no layer follows it", scope)
			}
		}
		return asFloat32(Mul(lift(x), gradientOf(built.scores, x, "the image")))
	}
}

// A propagation is the state of one network that is being built under a composite.
type propagation struct {
	coverage
	composite Composite
	image     *Node
	linear    map[*Node]layers.Application // linear layers by their outputs, for the normalisations that follow
	used      map[string]bool              // scopes of the composite that a layer has followed
}

// build is the layers.Rule.
func (p *propagation) build(a layers.Application) *Node {
	var y *Node
	switch a.Kind {
	case layers.KindConv, layers.KindDense:
		y = redistribute(a, p.ruleFor(a))
		p.linear[y] = a
	case layers.KindBatchNorm:
		before, ok := p.linear[a.X]
		switch {
		case p.composite.PassBatchNorm:
			y = passed(a.X, a.Build())
		case ok:
			a = folded(before, a)
			y = redistribute(a, p.ruleFor(a))
			p.linear[y] = a
		default:
			y = redistribute(a, Epsilon{})
		}
	case layers.KindReLU:
		y = passed(a.X, a.Build())
	default: // the winner takes all, as in calculus
		y = a.Build()
	}
	p.inputs[y] = a.X
	return y
}

// folded is a linear layer together with the normalisation of its outputs: (x·W + b)·f + s = x·(W·f) + (b·f + s).
func folded(a, norm layers.Application) layers.Application {
	factor := ExpandLeftToRank(norm.Weights, a.Weights.Rank()) // the outputs are the last axis of all weights
	b := norm.Biases
	if a.Biases != nil {
		b = Add(b, Mul(a.Biases, norm.Weights))
	}
	a.Weights, a.Biases = Mul(a.Weights, factor), b
	return a
}

// ruleFor is the rule of a linear layer.
func (p *propagation) ruleFor(a layers.Application) PropagationRule {
	c, best := p.composite, ""
	path := strings.TrimPrefix(a.Scope, "/")
	for scope := range c.Scopes {
		if path == scope || strings.HasPrefix(path, scope+"/") {
			p.used[scope] = true
			if len(scope) > len(best) {
				best = scope
			}
		}
	}
	rule := c.Dense
	switch {
	case best != "":
		rule = c.Scopes[best]
	case c.First != nil && p.first(a.X):
		rule = c.First
	case a.Kind == layers.KindConv:
		rule = c.Conv
	}
	if rule == nil {
		rule = Epsilon{}
	}
	return rule
}

// first says whether x comes from the image without a linear layer between.
func (p *propagation) first(x *Node) bool {
	seen, stack := map[*Node]bool{}, []*Node{x}
	for len(stack) > 0 {
		node := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if _, ok := p.linear[node]; ok {
			return false
		}
		if !seen[node] {
			seen[node] = true
			stack = append(stack, node.Inputs()...)
		}
	}
	return true
}
