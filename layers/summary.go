package layers

import "github.com/gomlx/gomlx/core/graph"

type macsKey struct{ id graph.NodeId }

// noteMACs remembers how many multiply-accumulates y stands for, where its own node does not show it.
func noteMACs(y *graph.Node, macs int64) *graph.Node {
	y.Graph().AttachState(macsKey{y.Id()}, macs)
	return y
}
