package layers

import "github.com/gomlx/gomlx/core/graph"

// A ReLURule says how gradients pass a ReLU on their way back. Attribution methods differ from the plain gradient in
// this one place (Simonyan et al. 2014, section 4; Springenberg et al. 2015, figure 1).
type ReLURule int

const (
	// ReLUGradient is calculus: the gradient passes where the input was positive.
	ReLUGradient ReLURule = iota
	// ReLUDeconvnet passes the gradient where the gradient itself is positive (Zeiler, Fergus 2014).
	ReLUDeconvnet
	// ReLUGuided passes it where both are positive (Springenberg et al. 2015).
	ReLUGuided
)

func (r ReLURule) String() string {
	switch r {
	case ReLUDeconvnet:
		return "deconvnet"
	case ReLUGuided:
		return "guided"
	}
	return "gradient"
}

type reluRuleKey struct{}

// WithReLURule builds with the rule: every ReLU that build makes in the graph follows it. Nothing outside is touched,
// so one graph can hold the same network under several rules (with s.ResetVisited and an alias scope for each).
func WithReLURule(g *graph.Graph, rule ReLURule, build func()) {
	before := g.State(reluRuleKey{})
	g.AttachState(reluRuleKey{}, rule)
	defer g.AttachState(reluRuleKey{}, before)
	build()
}

// ReLU is max(x, 0), any shape.
//
// Its gradient at 0 is 0, as in PyTorch and TensorFlow (GoMLX's own, a maximum, has 1 there), and it has a second
// derivative (zero), so it can stand in gradient penalties and Hessian-vector products.
func ReLU(x *graph.Node) *graph.Node {
	return Application{Kind: KindReLU, X: x, Apply: func(x, _ *graph.Node) *graph.Node { return relu(x) }}.underRule()
}

func relu(x *graph.Node) *graph.Node {
	zero := graph.ScalarZero(x.Graph(), x.DType())
	positive := func(v *graph.Node) *graph.Node { return graph.Where(graph.GreaterThan(v, zero), v, zero) }
	rule, _ := x.Graph().State(reluRuleKey{}).(ReLURule)
	switch rule {
	case ReLUDeconvnet:
		// The value of ReLU, the gradient of the identity; the rule then acts on that gradient alone.
		y := graph.Add(graph.Sub(x, graph.StopGradient(x)), graph.StopGradient(positive(x)))
		return graph.IdentityWithCustomGradient(y, func(_, v *graph.Node) *graph.Node { return positive(v) })
	case ReLUGuided:
		return graph.IdentityWithCustomGradient(positive(x), func(_, v *graph.Node) *graph.Node { return positive(v) })
	}
	return positive(x)
}

// LeakyReLU is x where x > 0 and slope·x elsewhere (Maas et al. 2013), any shape.
func LeakyReLU(x *graph.Node, slope float64) *graph.Node {
	return Application{Kind: KindReLU, X: x, Apply: func(x, _ *graph.Node) *graph.Node {
		return graph.Where(graph.GreaterThan(x, graph.ScalarZero(x.Graph(), x.DType())), x, graph.MulScalar(x, slope))
	}}.underRule()
}
