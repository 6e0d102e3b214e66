package layers

import (
	"slices"

	"github.com/gomlx/gomlx/core/graph"
)

// customGradient builds y = build(inputs) with another way back: back gets the gradient of y, and gives those of the inputs in
// their order; nil stands for what autodiff finds for that input. Back works on the inputs, not on nodes that build made: the way
// back from those ends at the inputs' custom gradient, and a second derivative would be lost.
//
// Autodiff comes to y before it comes to the inputs. What it brings to y is kept, and what follows from it is given out in place
// of what it brings to each input; the part of its own way that is then unused is dropped by the compiler.
func customGradient(build func(inputs []*graph.Node) *graph.Node, back func(v *graph.Node) []*graph.Node, inputs ...*graph.Node) *graph.Node {
	if plainForms(inputs[0].Graph()) {
		return build(inputs)
	}
	var gradients []*graph.Node
	inner := slices.Clone(inputs)
	for i, x := range inputs {
		inner[i] = graph.IdentityWithCustomGradient(x, func(_, auto *graph.Node) *graph.Node {
			if gradients == nil || gradients[i] == nil { // nil altogether where autodiff did not come by y
				return auto
			}
			return gradients[i]
		})
	}
	return graph.IdentityWithCustomGradient(build(inner), func(_, v *graph.Node) *graph.Node {
		gradients = back(v)
		return v
	})
}
