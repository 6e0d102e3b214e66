package layers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/core/graph"
)

// Tap names a value of the forward pass and returns it unchanged. Feature maps, attribution, probes and summaries all
// find values by these names. By convention a tap has the name of the scope whose output it is.
//
// A name may stand once in a graph. A network that is built twice in one graph needs g.PushAliasScope("second") and
// g.PopAliasScope around its second building: its taps are then "second/name". Tap panics on a name that is taken.
func Tap(x *graph.Node, name string) *graph.Node {
	if edit, ok := x.Graph().State(tapEditKey{name}).(func(x *graph.Node) *graph.Node); ok && edit != nil {
		x = edit(x)
	}
	return x.WithAlias(name)
}

type tapEditKey struct{ name string }

// WithTapEdit builds with the value of a tap replaced by what edit makes of it: what would the network say without this
// feature map? The tap then names the new value. Nothing outside of build is touched.
func WithTapEdit(g *graph.Graph, name string, edit func(x *graph.Node) *graph.Node, build func()) {
	key := tapEditKey{strings.TrimPrefix(name, graph.AliasScopeSeparator)}
	before := g.State(key)
	g.AttachState(key, edit)
	defer g.AttachState(key, before)
	build()
}

// Taps lists the names of the taps in g, in the order of the forward pass.
func Taps(g *graph.Graph) []string {
	type tap struct {
		name string
		id   graph.NodeId
	}
	var taps []tap
	for alias, node := range g.IterAliasedNodes() {
		taps = append(taps, tap{strings.TrimPrefix(alias, graph.AliasScopeSeparator), node.Id()})
	}
	slices.SortStableFunc(taps, func(a, b tap) int { return int(a.id) - int(b.id) })
	names := make([]string, len(taps))
	for i, t := range taps {
		names[i] = t.name
	}
	return names
}

// TapNode returns the value that Tap named in g. The error of an unknown name lists the taps there are.
func TapNode(g *graph.Graph, name string) (*graph.Node, error) {
	absolute := graph.AliasScopeSeparator + strings.TrimPrefix(name, graph.AliasScopeSeparator)
	if node := g.GetNodeByAlias(absolute); node != nil {
		return node, nil
	}
	taps := Taps(g)
	if len(taps) == 0 {
		return nil, fmt.Errorf("no tap %q: the network has no taps; name a value with layers.Tap(x, %q)", name, name)
	}
	return nil, fmt.Errorf("no tap %q: the network has %s", name, strings.Join(taps, ", "))
}
