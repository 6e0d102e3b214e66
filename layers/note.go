package layers

import "github.com/gomlx/gomlx/core/graph"

// A note tells a summary what a node is, where the graph alone does not show it.
type note struct {
	kind  string
	macs  int64 // multiply-accumulates that the node's own operations hide
	opens bool  // a layer without variables, which has a row of its own all the same
}

type noteKey struct{ id graph.NodeId }

// noted attaches a note to y, the output of a layer, and returns y.
func noted(y *graph.Node, about note) *graph.Node {
	y.Graph().AttachState(noteKey{y.Id()}, about)
	return y
}

func noteOf(n *graph.Node) (note, bool) {
	v, ok := n.Graph().State(noteKey{n.Id()}).(note)
	return v, ok
}
