package layers

import "github.com/gomlx/gomlx/core/graph"

// A note tells a summary what a node is, where the graph alone does not show it.
type note struct {
	kind  string
	macs  int64 // multiply-accumulates that the node's own operations hide
	opens bool  // a layer without variables, which has a row of its own all the same
}

type noteKey struct{ id graph.NodeId }

// noted attaches a note to y, the output of a layer, and returns y. What an inner layer has noted of the same node as hidden
// work stays: a depthwise convolution without a bias ends at the node that Conv notes too.
func noted(y *graph.Node, about note) *graph.Node {
	if inner, ok := noteOf(y); ok {
		about.macs += inner.macs
		about.opens = about.opens || inner.opens
	}
	y.Graph().AttachState(noteKey{y.Id()}, about)
	return y
}

func noteOf(n *graph.Node) (note, bool) {
	v, ok := n.Graph().State(noteKey{n.Id()}).(note)
	return v, ok
}
