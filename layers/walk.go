package layers

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// A walk goes through the nodes of a graph in order and finds the layers in it.
//
// A node computed from variables alone belongs to the scope of these variables: a cast or reshaped weight is still a
// weight. A node that meets a weight and the data opens, or continues, the row of that weight's scope. Every other node
// belongs to the latest row among its inputs.
type walk struct {
	g      *graph.Graph
	store  *model.Store
	rows   []*SummaryRow
	scopes map[string]int         // row of each scope
	weight map[*graph.Node]string // scope of nodes computed from variables alone
	row    map[*graph.Node]int    // row of nodes computed from the data; −1: before the first
	fused  map[string]bool
}

func newWalk(g *graph.Graph, store *model.Store) *walk {
	return &walk{g: g, store: store, scopes: map[string]int{}, weight: map[*graph.Node]string{},
		row: map[*graph.Node]int{}, fused: map[string]bool{}}
}

func (w *walk) visit(node *graph.Node) {
	if node.Type() == graph.NodeTypeParameter {
		if v := w.store.GetVariable(node.GetParameterName()); v != nil && v.InUseByGraph(w.g) {
			w.weight[node] = v.Scope()
		} else {
			w.row[node] = -1
		}
		return
	}
	data, latest, scope := false, -1, ""
	for _, input := range node.Inputs() {
		if row, ok := w.row[input]; ok {
			data, latest = true, max(latest, row)
		}
		if s, ok := w.weight[input]; ok && scope == "" {
			scope = s
		}
	}
	macs := w.macs(node)
	switch {
	case !data && scope == "":
		return // constants
	case !data:
		w.weight[node] = scope
		if macs > 0 {
			w.rows[w.rowOf(scope)].MACs += macs
		}
		return
	}

	about, isNoted := noteOf(node)
	switch {
	case scope != "":
		latest = w.rowOf(scope)
	case about.opens, macs > 0, node.Type() == graph.NodeTypeReduceWindow:
		w.rows = append(w.rows, &SummaryRow{})
		latest = len(w.rows) - 1
	}
	w.row[node] = latest
	if latest < 0 {
		return
	}
	row := w.rows[latest]
	row.MACs += macs + about.macs
	if scope != "" || isNoted || macs > 0 {
		row.Output = node.Shape().Clone()
	}
	switch {
	case isNoted:
		row.Kind = about.kind
	case row.Kind == "":
		row.Kind = kindOf(node)
	}
	if alias := node.GetAlias(); alias != "" {
		row.Taps = append(row.Taps, strings.TrimPrefix(alias, graph.AliasScopeSeparator))
	}
}

func (w *walk) rowOf(scope string) int {
	if i, ok := w.scopes[scope]; ok {
		return i
	}
	w.rows = append(w.rows, &SummaryRow{Scope: strings.TrimPrefix(scope, "/")})
	w.scopes[scope] = len(w.rows) - 1
	return len(w.rows) - 1
}

// summary counts the variables of each row, also of scopes that only the weights of others are computed from.
func (w *walk) summary() *Summary {
	for v := range w.store.IterVariables() {
		if !v.InUseByGraph(w.g) {
			continue
		}
		row := w.rows[w.rowOf(v.Scope())]
		if row.Kind == "" {
			row.Kind, row.Output = "weights", v.Shape()
		}
		if v.Trainable {
			row.Parameters += v.Shape().Size()
		} else {
			row.Buffers += v.Shape().Size()
		}
	}
	s := &Summary{}
	for _, row := range w.rows {
		s.Rows = append(s.Rows, *row)
	}
	for name := range w.fused {
		s.Uncounted = append(s.Uncounted, name)
	}
	slices.Sort(s.Uncounted)
	return s
}

// macs counts the multiply-accumulates of one node.
func (w *walk) macs(node *graph.Node) int64 {
	inputs := node.Inputs()
	switch t := node.Type(); t {
	case graph.NodeTypeConvGeneral: // kernel [… C/Groups K]: each output value takes kernel/K of them
		kernel := inputs[1].Shape()
		return int64(node.Shape().Size()) * int64(kernel.Size()/max(1, kernel.Dimensions[kernel.Rank()-1]))
	case graph.NodeTypeDotGeneral:
		return int64(node.Shape().Size()) * int64(contracted(node))
	case graph.NodeTypeFusedDense:
		x := inputs[0].Shape()
		return int64(node.Shape().Size()) * int64(x.Dimensions[x.Rank()-1])
	default:
		if strings.HasPrefix(t.String(), "Fused") && t != graph.NodeTypeFusedGelu && t != graph.NodeTypeFusedSoftmax && t != graph.NodeTypeFusedLayerNorm {
			w.fused[t.String()] = true
		}
		return 0
	}
}

var contractingAxes = regexp.MustCompile(`lhsContractingAxes=\[([\d ]*)\]`)

// contracted is the number of products that a value of a DotGeneral sums.
func contracted(node *graph.Node) int {
	lhs, rhs := node.Inputs()[0].Shape(), node.Inputs()[1].Shape()
	// GoMLX shows which axes are contracted only in the node's description.
	if match := contractingAxes.FindStringSubmatch(node.String()); match != nil {
		n := 1
		for _, axis := range strings.Fields(match[1]) {
			i, _ := strconv.Atoi(axis)
			n *= lhs.Dimensions[i]
		}
		return n
	}
	// Without batch axes lhs·rhs = output·contracted².
	return int(math.Round(math.Sqrt(float64(lhs.Size()) * float64(rhs.Size()) / float64(max(1, node.Shape().Size())))))
}

func kindOf(node *graph.Node) string {
	switch node.Type() {
	case graph.NodeTypeConvGeneral:
		kernel := node.Inputs()[1].Shape()
		return "Conv " + windowName(kernel.Dimensions[:kernel.Rank()-2])
	case graph.NodeTypeDotGeneral, graph.NodeTypeFusedDense:
		return "Dense"
	case graph.NodeTypeReduceWindow:
		return "Pool"
	}
	return node.Type().String()
}

// windowName writes window sizes as "3×3".
func windowName(sizes []int) string {
	parts := make([]string, len(sizes))
	for i, size := range sizes {
		parts[i] = fmt.Sprint(size)
	}
	return strings.Join(parts, "×")
}
