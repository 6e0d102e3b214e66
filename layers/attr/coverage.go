package attr

import (
	"slices"
	"strings"

	. "github.com/gomlx/gomlx/core/graph"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// A coverage knows the layers that were built by a method's rules, and refuses a network in which anything else lies between
// the image and the outputs that the method would silently get wrong.
type coverage struct {
	method string
	inputs map[*Node]*Node // output of a layer that was built by a rule → its input
	// kinks are right between the layers: the derivative of a maximum or a choice is what the method asks for.
	kinks bool
}

// linearIn are operations that are linear in all their inputs together.
var linearIn = []NodeType{
	NodeTypeAdd, NodeTypeSub, NodeTypeNeg, NodeTypeReshape, NodeTypeTranspose, NodeTypeBroadcastInDim, NodeTypeSlice, NodeTypePad,
	NodeTypeConcatenate, NodeTypeConvertDType, NodeTypeReduceSum, NodeTypeReverse, NodeTypeSplitNode,
}

// productOf are operations that are linear in one of their inputs, while the others are constant.
var productOf = []NodeType{NodeTypeMul, NodeTypeDiv, NodeTypeGather}

// weightedSums are linear too, but a composite has rules for them that they escape.
var weightedSums = []NodeType{NodeTypeConvGeneral, NodeTypeDotGeneral, NodeTypeFusedDense}

// choices are piecewise linear.
var choices = []NodeType{NodeTypeWhere, NodeTypeMax, NodeTypeMin, NodeTypeAbs, NodeTypeReduceMax, NodeTypeReduceMin}

// check panics unless all that is computed from x on the way to y is covered.
func (c *coverage) check(x, y *Node) {
	depends := dependents(x)
	if !depends[y] {
		Panicf("attr.%s: no path leads from the image to the output", c.method)
	}
	seen, reached := map[*Node]bool{}, false
	stack := []*Node{y}
	for len(stack) > 0 {
		node := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !depends[node] || seen[node] {
			continue
		}
		seen[node] = true
		if node == x {
			reached = true
			continue
		}
		if input, ok := c.inputs[node]; ok {
			stack = append(stack, input)
			continue
		}
		stack = append(stack, c.through(node, depends)...)
	}
	if !reached {
		Panicf("attr.%s: no differentiable path leads from the image to the output", c.method)
	}
}

// through returns the inputs that a node's gradient goes to.
func (c *coverage) through(node *Node, depends map[*Node]bool) []*Node {
	inputs, n := node.Inputs(), 0
	for _, input := range inputs {
		if depends[input] {
			n++
		}
	}
	switch t := node.Type(); {
	case node.StopGradient() || node.CustomGradient() != nil:
		c.refuse(node, "it has a gradient of its own")
	case slices.Contains(linearIn, t):
	case slices.Contains(productOf, t) || slices.Contains(weightedSums, t):
		switch {
		case n > 1:
			c.refuse(node, "both of its sides depend on the image, as in gates, attention and normalisation by the image's own statistics")
		case t == NodeTypeDiv && depends[inputs[1]]:
			c.refuse(node, "it divides by what depends on the image")
		case c.kinks && slices.Contains(weightedSums, t):
			c.refuse(node, "it is not of layers.Conv, layers.Convolution or layers.Dense, so no rule of the composite reaches it")
		}
	case slices.Contains(choices, t):
		if !c.kinks {
			c.refuse(node, "only layers.ReLU, layers.LeakyReLU and layers.MaxPool are covered")
		}
		if t == NodeTypeWhere {
			return inputs[1:] // no gradient goes to the condition
		}
	default:
		c.refuse(node, "it is not linear")
	}
	return inputs
}

func (c *coverage) refuse(node *Node, why string) {
	after, place := NodeId(-1), "before the first tap"
	for alias, tapped := range node.Graph().IterAliasedNodes() {
		if id := tapped.Id(); id <= node.Id() && id > after {
			_, tap, _ := strings.Cut(strings.TrimPrefix(alias, AliasScopeSeparator), AliasScopeSeparator) // without the pass's scope
			after, place = id, "after tap "+tap
		}
	}
	Panicf("attr.%s has no rule for the operation %s (%s, output %s): %s", c.method, node.Type(), place, node.Shape(), why)
}

// dependents are the nodes that are computed from x, with x.
func dependents(x *Node) map[*Node]bool {
	depends := map[*Node]bool{x: true}
	for _, node := range x.Graph().Nodes() { // in the order in which they were made: inputs first
		if slices.ContainsFunc(node.Inputs(), func(input *Node) bool { return depends[input] }) {
			depends[node] = true
		}
	}
	return depends
}
