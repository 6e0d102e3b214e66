// Package operators measures the operations that training a convolutional network is made of one by one: as the engine has
// them and in the forms of package layers, beside what the machine could do at best.
package operators

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
)

// A Report has the limits of the machine and a row for each operation.
type Report struct {
	Peak      float64 `json:"peak_gflops"`    // of the product of two matrices of 1024×1024, 10⁹ operations a second
	Bandwidth float64 `json:"bandwidth_gbps"` // of adding two large tensors, 10⁹ bytes a second
	Rows      []Row   `json:"rows"`
}

// A Row is one operation on one shape. Times are milliseconds, the fastest of many.
type Row struct {
	Operation string  `json:"operation"` // "3×3, 32→64, stride 2"
	Input     []int   `json:"input"`
	Pass      string  `json:"pass"` // forward, gradient for the input, gradient for the kernel
	Plain     float64 `json:"plain_ms"`
	Ours      float64 `json:"ours_ms"`
	Limit     float64 `json:"limit_ms"` // arithmetic at the machine's peak, or memory at its bandwidth, whichever takes longer
}

// A conv is a convolution with half of its window as padding.
type conv struct{ size, window, in, out, stride int }

// convolutions are those of the benchmark's networks of four convolutions and of VGG-11, batch 64.
var convolutions = []conv{
	{32, 3, 3, 32, 1}, {16, 3, 32, 64, 1}, {8, 3, 64, 128, 1}, {4, 3, 128, 128, 1}, // 4-conv, max-pool
	{32, 3, 3, 32, 2}, {16, 3, 32, 64, 2}, {8, 3, 64, 128, 2}, // 4-conv, strided
	{16, 3, 64, 128, 1}, {8, 3, 256, 256, 1}, {4, 3, 512, 512, 1}, {2, 3, 512, 512, 1}, // VGG-11
	{32, 3, 32, 64, 2}, {4, 3, 256, 256, 2}, {16, 1, 64, 64, 1}, {4, 5, 64, 64, 1},
}

const batch = 64

// Passes of an operation.
const (
	forward = "forward"
	ToInput = "gradient for the input"
	toOwn   = "gradient for the kernel"
	both    = "forward and back"
)

// Measure runs all operations and prints a table of them. What is compared takes turns, and so does what the limits are made of: a
// second or two goes to each row.
func Measure(ctx context.Context, b compute.Backend, out io.Writer) (*Report, error) {
	m := newMeter(ctx, b)
	defer m.close()
	r := &Report{}
	add := func(rows ...Row) {
		r.Rows = append(r.Rows, rows...)
		r.Peak, r.Bandwidth = m.peak, m.bandwidth
	}
	for _, c := range convolutions {
		add(m.convolution(c)...)
	}
	for _, dims := range [][]int{{batch, 32, 32, 32}, {batch, 16, 16, 64}, {batch, 8, 8, 128}} {
		add(m.elementwise("max-pool 2×2", dims, 2.5, func(_ *model.Scope, x *graph.Node) *graph.Node { return layers.MaxPool(x, layers.PoolOptions{}) }))
	}
	for _, dims := range [][]int{{batch, 32, 32, 16}, {batch, 16, 16, 32}, {batch, 8, 8, 64}, {batch, 8, 8, 256}} {
		// x twice, y, the gradient twice, x̂ and dx.
		add(m.elementwise("batch norm", dims, 7, func(s *model.Scope, x *graph.Node) *graph.Node {
			return layers.BatchNorm(s.In("norm"), x, layers.BatchNormOptions{})
		}))
	}
	if m.err != nil {
		return nil, m.err
	}
	r.Print(out)
	return r, nil
}

// Print writes the table.
func (r *Report) Print(out io.Writer) {
	fmt.Fprintf(out, "\noperations one by one, batch %d; peak %.0f GFLOP/s (product of matrices), %.1f GB/s (sum of tensors)\n", batch, r.Peak, r.Bandwidth)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "operation\tinput\tpass\tplain ms\tours ms\tours / plain\tlimit ms\tlimit / ours")
	for _, x := range r.Rows {
		fmt.Fprintf(w, "%s\t%v\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\n", x.Operation, x.Input, x.Pass, x.Plain, x.Ours, x.Ours/x.Plain, x.Limit, x.Limit/x.Ours)
	}
	w.Flush()
}

// convolution measures the three passes of a convolution.
func (m *meter) convolution(c conv) (rows []Row) {
	outputs := (c.size + c.stride - 1) / c.stride
	x, k := []int{batch, c.size, c.size, c.in}, []int{c.window, c.window, c.in, c.out}
	y := []int{batch, outputs, outputs, c.out}
	work := cost{operations: 2 * float64(batch*outputs*outputs*c.window*c.window*c.in*c.out), bytes: bytes(x) + bytes(k) + bytes(y)}
	name := fmt.Sprintf("%d×%d, %d→%d", c.window, c.window, c.in, c.out)
	if c.stride > 1 {
		name += fmt.Sprintf(", stride %d", c.stride)
	}
	apply := func(in []*graph.Node) *graph.Node {
		return layers.Convolution(in[0], in[1], layers.ConvOptions{Stride: c.stride})
	}
	passes := map[string]operation{
		forward: func(_ *model.Scope, in []*graph.Node) *graph.Node { return apply(in) },
		ToInput: func(_ *model.Scope, in []*graph.Node) *graph.Node { return against(apply(in), in[2], in[0]) },
		toOwn:   func(_ *model.Scope, in []*graph.Node) *graph.Node { return against(apply(in), in[2], in[1]) },
	}
	inputs := []*tensors.Tensor{random(1, x...), random(2, k...), random(3, y...)}
	for _, pass := range []string{forward, ToInput, toOwn} {
		f, in := passes[pass], inputs
		if pass == forward {
			in = inputs[:2]
		}
		rows = append(rows, m.row(Row{Operation: name, Input: x, Pass: pass}, f, work, in...))
	}
	return rows
}

// elementwise measures an operation forward and back that is a matter of memory: tensors of the input's size are read or
// written so often at least.
func (m *meter) elementwise(name string, dims []int, tensorsMoved float64, f func(s *model.Scope, x *graph.Node) *graph.Node) Row {
	x := random(1, dims...)
	pass := func(s *model.Scope, in []*graph.Node) *graph.Node {
		y := f(s, in[0])
		return against(y, graph.Sin(y), in[0])
	}
	return m.row(Row{Operation: name, Input: dims, Pass: both}, pass, cost{bytes: tensorsMoved * bytes(dims)}, x)
}

// plain builds as the engine has it.
func plain(f operation) operation {
	return func(s *model.Scope, in []*graph.Node) (y *graph.Node) {
		layers.WithPlainForms(in[0].Graph(), func() { y = f(s, in) })
		return y
	}
}

// against is the gradient of Σ y·v for x.
func against(y, v, x *graph.Node) *graph.Node {
	return graph.Gradient(graph.ReduceAllSum(graph.Mul(y, graph.StopGradient(v))), x)[0]
}

// corner is the first value.
func corner(x *graph.Node) *graph.Node {
	return graph.Slice(x, slices.Repeat([]graph.SliceAxisSpec{graph.AxisRange(0, 1)}, x.Rank())...)
}

// bytes is the size of a float32 tensor.
func bytes(dims []int) float64 {
	return float64(shapes.Make(dtypes.Float32, dims...).ByteSize())
}

// random has values between −½ and ½ of a fixed pattern.
func random(seed int, dims ...int) *tensors.Tensor {
	values := make([]float32, shapes.Make(dtypes.Float32, dims...).Size())
	for i := range values {
		values[i] = float32((i*7919+seed*104729)%1000)/1000 - 0.5
	}
	return tensors.FromFlatDataAndDimensions(values, dims...)
}
