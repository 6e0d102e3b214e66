package layers

import "github.com/gomlx/gomlx/core/graph"

// A LayerKind is what a Rule tells layers apart by.
type LayerKind string

const (
	KindConv      LayerKind = "Conv"
	KindDense     LayerKind = "Dense"
	KindBatchNorm LayerKind = "BatchNorm" // in evaluation: X·Weights + Biases, a weight and a bias a channel
	KindReLU      LayerKind = "ReLU"      // and LeakyReLU
	KindMaxPool   LayerKind = "MaxPool"
)

// An Application is a layer that is about to be built: y = Apply(X, Weights) + Biases.
type Application struct {
	Kind    LayerKind
	Scope   string                                   // path of its variables; "" without any
	X       *graph.Node                              // [B … C]
	Weights *graph.Node                              // nil: a layer without weights
	Biases  *graph.Node                              // [K]; nil: none
	Apply   func(x, weights *graph.Node) *graph.Node // linear in both for the kinds that have weights
}

// Build builds the layer as it is without a rule.
func (a Application) Build() *graph.Node {
	y := a.Apply(a.X, a.Weights)
	if a.Biases != nil {
		y = addLast(y, a.Biases)
	}
	return y
}

// A Rule builds a layer in place of its own code. The value must be that of a.Build; what a rule changes is the way back:
// layer-wise relevance propagation and DeepLift have other derivatives than calculus. It holds for Conv, Convolution, Dense,
// ReLU, LeakyReLU, MaxPool and, in evaluation, BatchNorm. The poolings that average need none.
type Rule func(a Application) *graph.Node

type ruleKey struct{}

// WithRule builds with the rule, and with no rule where it is nil, as WithReLURule does for ReLUs alone.
func WithRule(g *graph.Graph, rule Rule, build func()) {
	before := g.State(ruleKey{})
	g.AttachState(ruleKey{}, rule)
	defer g.AttachState(ruleKey{}, before)
	build()
}

// underRule builds by the rule of the graph, if it has one.
func (a Application) underRule() *graph.Node {
	if rule := ruleOf(a.X.Graph()); rule != nil {
		return rule(a)
	}
	return a.Build()
}

func ruleOf(g *graph.Graph) Rule {
	rule, _ := g.State(ruleKey{}).(Rule)
	return rule
}
