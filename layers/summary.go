package layers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/support/exceptions"
)

// A Summary tells what a network is made of: a row for each layer, in the order of the forward pass.
type Summary struct {
	Rows    []SummaryRow
	Inputs  []shapes.Shape
	Outputs []shapes.Shape
	// Uncounted lists operations that multiply but whose multiplications are not counted in MACs, such as fused ones.
	Uncounted []string
}

// A SummaryRow is one layer: a scope that has variables, or a pooling.
type SummaryRow struct {
	Scope      string       // path of the scope, without the leading "/"; empty for layers without variables
	Kind       string       // "Conv 3×3", "BatchNorm", …
	Taps       []string     // names of the taps on its output, or on what is computed from that before the next row
	Output     shapes.Shape // its last output
	Parameters int          // trainable numbers
	Buffers    int          // numbers that are not trained: running averages
	MACs       int64        // multiply-accumulates of convolutions and products of matrices, for the batch of the inputs
}

// Summarize builds network in evaluation, without weights and without compiling or running anything, and reads the
// table off its graph. Give a batch of 1 to have MACs for one image:
//
//	summary, err := layers.Summarize(backend, network, shapes.Make(dtypes.Float32, 1, 224, 224, 3))
//
// It works for every graph function, of these layers or others: rows come from the scopes of the variables. MACs
// count convolutions and products of matrices only, as is usual; additions, activations and normalisations are not
// counted.
func Summarize(backend compute.Backend, network func(s *model.Scope, x *graph.Node) *graph.Node, input shapes.Shape) (*Summary, error) {
	return SummarizeModel(backend, func(s *model.Scope, inputs []*graph.Node) []*graph.Node {
		return []*graph.Node{network(s, inputs[0])}
	}, input)
}

// SummarizeModel is Summarize for a network with several inputs or outputs.
func SummarizeModel(backend compute.Backend, network func(s *model.Scope, inputs []*graph.Node) []*graph.Node, inputs ...shapes.Shape) (*Summary, error) {
	store := model.NewStore()
	g := graph.NewGraph(backend, "summary")
	defer g.Finalize()
	model.SetStore(g, store)
	var outputs []*graph.Node
	if err := exceptions.TryCatch[error](func() {
		nodes := make([]*graph.Node, len(inputs))
		for i, shape := range inputs {
			nodes[i] = graph.Parameter(g, fmt.Sprintf("input %d", i), shape)
		}
		outputs = network(store.RootScope(), nodes)
	}); err != nil {
		return nil, fmt.Errorf("summary: the network cannot be built for input %v: %w", inputs, err)
	}
	w := newWalk(g, store)
	for _, node := range reachable(g, outputs) {
		w.visit(node)
	}
	summary := w.summary()
	summary.Inputs = inputs
	for _, output := range outputs {
		summary.Outputs = append(summary.Outputs, output.Shape())
	}
	return summary, nil
}

// Parameters is the number of trainable numbers.
func (s *Summary) Parameters() (n int) {
	for _, row := range s.Rows {
		n += row.Parameters
	}
	return n
}

// Buffers is the number of numbers that are stored but not trained.
func (s *Summary) Buffers() (n int) {
	for _, row := range s.Rows {
		n += row.Buffers
	}
	return n
}

// MACs is the number of multiply-accumulates.
func (s *Summary) MACs() (n int64) {
	for _, row := range s.Rows {
		n += row.MACs
	}
	return n
}

// Bytes is the memory of the layers' outputs together: about what training keeps for the way back.
func (s *Summary) Bytes() (n int64) {
	for _, row := range s.Rows {
		n += int64(row.Output.ByteSize())
	}
	return n
}

// Table gives the rows as text, under a row of headings.
func (s *Summary) Table() [][]string {
	table := [][]string{{"layer", "kind", "output", "parameters", "MACs"}}
	for _, row := range s.Rows {
		name := row.Scope
		if name == "" {
			name = strings.Join(row.Taps, ", ")
		}
		table = append(table, []string{name, row.Kind, dims(row.Output), thousands(int64(row.Parameters)), strings.TrimSpace(scaled(row.MACs))})
	}
	return table
}

// String writes the table and the totals.
func (s *Summary) String() string {
	var b strings.Builder
	table := s.Table()
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range table {
		fmt.Fprintf(&b, "%-*s  %-*s  %-*s  %*s  %*s\n", widths[0], row[0], widths[1], row[1], widths[2], row[2], widths[3], row[3], widths[4], row[4])
	}
	fmt.Fprintf(&b, "%s parameters (%s)", thousands(int64(s.Parameters())), mebibytes(4*int64(s.Parameters())))
	if n := s.Buffers(); n > 0 {
		fmt.Fprintf(&b, ", %s not trained", thousands(int64(n)))
	}
	fmt.Fprintf(&b, "; %sMACs and %s of layer outputs", scaled(s.MACs()), mebibytes(s.Bytes()))
	for i, input := range s.Inputs {
		fmt.Fprintf(&b, "%s %s", []string{" for input", " and"}[min(i, 1)], dims(input))
	}
	b.WriteByte('\n')
	if len(s.Uncounted) > 0 {
		fmt.Fprintf(&b, "not counted: %s\n", strings.Join(s.Uncounted, ", "))
	}
	return b.String()
}

func dims(s shapes.Shape) string { return fmt.Sprint(s.Dimensions) }

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// thousands writes 1234567 as 1,234,567.
func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// scaled writes 1234567 as "1.23 M", ready for a unit.
func scaled(n int64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if float64(n) >= unit.size {
			return fmt.Sprintf("%.3g %s", float64(n)/unit.size, unit.name)
		}
	}
	return strconv.FormatInt(n, 10) + " "
}

// reachable lists the nodes that outputs depend on, inputs before what is computed from them.
func reachable(g *graph.Graph, outputs []*graph.Node) []*graph.Node {
	seen := map[*graph.Node]bool{}
	stack := slices.Clone(outputs)
	for len(stack) > 0 {
		node := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !seen[node] {
			seen[node] = true
			stack = append(stack, node.Inputs()...)
		}
	}
	return slices.DeleteFunc(slices.Clone(g.Nodes()), func(n *graph.Node) bool { return !seen[n] })
}
