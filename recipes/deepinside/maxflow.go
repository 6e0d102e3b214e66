package deepinside

import "math"

// flowGraph is a directed graph with capacities for Dinic's algorithm. Arcs come in pairs: arc i goes against arc i^1.
type flowGraph struct {
	head  []int32 // first arc of each node, −1: none
	next  []int32 // the next arc of the same node
	to    []int32
	rest  []float64 // residual capacity
	level []int32
	turn  []int32 // the arc that a node's search goes on with
}

func newFlowGraph(nodes int) *flowGraph {
	g := &flowGraph{head: make([]int32, nodes), level: make([]int32, nodes), turn: make([]int32, nodes)}
	for i := range g.head {
		g.head[i] = -1
	}
	return g
}

// edge adds an arc from a to b and one back.
func (g *flowGraph) edge(a, b int, capacity, back float64) {
	for _, arc := range [][2]int{{a, b}, {b, a}} {
		g.to = append(g.to, int32(arc[1]))
		g.next = append(g.next, g.head[arc[0]])
		g.head[arc[0]] = int32(len(g.to) - 1)
	}
	g.rest = append(g.rest, capacity, back)
}

// flowEpsilon is what counts as no capacity: sums of floating point flows leave crumbs.
const flowEpsilon = 1e-9

// maxFlow sends as much as it can from source to sink (Dinic 1970). Afterwards reachable tells the source's side of a
// minimum cut.
func (g *flowGraph) maxFlow(source, sink int) float64 {
	total := 0.0
	for g.levels(source, sink) {
		copy(g.turn, g.head)
		for {
			sent := g.augment(source, sink)
			if sent == 0 {
				break
			}
			total += sent
		}
	}
	return total
}

// levels numbers the nodes by their distance from the source in the residual graph, and says whether the sink has one.
func (g *flowGraph) levels(source, sink int) bool {
	for i := range g.level {
		g.level[i] = -1
	}
	g.level[source] = 0
	queue := []int32{int32(source)}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		for a := g.head[n]; a >= 0; a = g.next[a] {
			if to := g.to[a]; g.rest[a] > flowEpsilon && g.level[to] < 0 {
				g.level[to] = g.level[n] + 1
				queue = append(queue, to)
			}
		}
	}
	return g.level[sink] >= 0
}

// augment sends flow along one path of rising levels. It walks with a stack of its own: paths through an image are too
// long for comfortable recursion.
func (g *flowGraph) augment(source, sink int) float64 {
	var path []int32 // arcs
	n := int32(source)
	for {
		if int(n) == sink {
			least := math.Inf(1)
			for _, a := range path {
				least = min(least, g.rest[a])
			}
			for _, a := range path {
				g.rest[a] -= least
				g.rest[a^1] += least
			}
			return least
		}
		a := g.turn[n]
		for a >= 0 && !(g.rest[a] > flowEpsilon && g.level[g.to[a]] == g.level[n]+1) {
			a = g.next[a]
		}
		g.turn[n] = a
		if a >= 0 {
			path = append(path, a)
			n = g.to[a]
			continue
		}
		if len(path) == 0 {
			return 0
		}
		// A dead end: step back and let that node try its next arc.
		last := path[len(path)-1]
		path = path[:len(path)-1]
		n = g.to[last^1]
		g.turn[n] = g.next[last]
	}
}

// reachable says whether a node is on the source's side of the minimum cut. Only valid after maxFlow.
func (g *flowGraph) reachable(n int) bool { return g.level[n] >= 0 }
