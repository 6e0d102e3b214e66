package attr

import (
	"fmt"
	"strings"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/layers"
)

// A pass is one building of a network in a graph. Methods that look at several versions of an image build the network
// more than once, always with the same weights; each building has its taps in an alias scope of its own.
type pass struct {
	outputs *Node   // of the network
	scores  *Node   // [B], the target's
	taps    []*Node // those that were asked for
}

type passesKey struct{}

// A sight notes what the network says of the images themselves, where a method looks at them.
type sight struct{ images, outputs *Node }

type sightKey struct{}

// forward builds the network on x and asks the target for its scores. It panics with what is wrong if the network does
// not take such images, has no such tap, or the target does not give a score for each image.
func forward(s *model.Scope, network Network, x *Node, target Target, taps ...string) pass {
	g := x.Graph()
	n, _ := g.State(passesKey{}).(int)
	g.AttachState(passesKey{}, n+1)
	scope := fmt.Sprintf("attr%d", n+1)
	g.PushAliasScope(scope)
	defer g.PopAliasScope()

	var p pass
	if err := TryCatch[error](func() { p.outputs = network(s.ResetVisited(), x) }); err != nil {
		Panicf("the network cannot be built for images %s: %v", x.Shape(), err)
	}
	if seen, ok := g.State(sightKey{}).(*sight); ok && seen.images == x {
		seen.outputs = p.outputs
	}
	for _, name := range taps {
		p.taps = append(p.taps, tapOf(g, scope, name))
	}
	p.scores = target(p.outputs)
	if p.scores.Rank() != 1 || p.scores.Shape().Dimensions[0] != x.Shape().Dimensions[0] {
		Panicf("attr: the target gives %s for images %s, want a score for each image, [B]", p.scores.Shape(), x.Shape())
	}
	return p
}

// tapOf finds a tap of the pass that is being built. The panic for an unknown name lists the taps there are.
func tapOf(g *Graph, scope, name string) *Node {
	name = strings.TrimPrefix(name, AliasScopeSeparator)
	if node := g.GetNodeByAlias(name); node != nil {
		return node
	}
	var names []string
	for _, tap := range layers.Taps(g) {
		if _, own, ok := strings.Cut(tap, scope+AliasScopeSeparator); ok {
			names = append(names, own)
		}
	}
	if len(names) == 0 {
		Panicf("no tap %q: the network has no taps; name a value with layers.Tap(x, %q)", name, name)
	}
	Panicf("no tap %q: the network has %s", name, strings.Join(names, ", "))
	return nil
}

// gradientOf differentiates the sum of all scores: examples do not see one another in evaluation, so each gets the
// gradient of its own. GoMLX's gradient of what the scores do not depend on is zero, which would look like a map that
// explains nothing: here it panics.
func gradientOf(scores, at *Node, what string) *Node {
	if !reaches(scores, at) {
		Panicf("no differentiable path from %s to the score: the gradient would be zero everywhere. "+
			"Does the score depend on it, and is there a StopGradient or a comparison on the way?", what)
	}
	return Gradient(ReduceAllSum(scores), at)[0]
}

// reaches says whether a gradient can flow from y back to x.
func reaches(y, x *Node) bool {
	seen := map[*Node]bool{}
	for stack := []*Node{y}; len(stack) > 0; {
		node := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[node] || node.StopGradient() || node.NumOutputs() == 1 && !node.DType().IsFloat() {
			continue
		}
		if node == x {
			return true
		}
		seen[node] = true
		stack = append(stack, node.Inputs()...)
	}
	return false
}
