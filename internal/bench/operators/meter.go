package operators

import (
	"context"
	"math"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// An operation is what a graph is built of, in training.
type operation func(s *model.Scope, in []*graph.Node) *graph.Node

// A cost is what an operation cannot do without.
type cost struct {
	operations float64 // of arithmetic
	bytes      float64 // read or written
}

// A meter measures until the first error, which it keeps. Where a machine's speed changes by the second, times of different
// seconds say nothing beside each other: so a row's times are of calls in turns, those of the limits among them.
type meter struct {
	ctx          context.Context
	backend      compute.Backend
	product, sum *program // what the limits are made of
	err          error

	peak, bandwidth float64 // the highest so far, 10⁹ a second
}

// Sizes of what the limits are made of.
const side = 1024

var large = []int{batch, 32, 32, 64}

func newMeter(ctx context.Context, b compute.Backend) *meter {
	m := &meter{ctx: ctx, backend: b}
	m.product = m.program(func(_ *model.Scope, in []*graph.Node) *graph.Node { return graph.Dot(in[0], in[1]).Product() }, random(1, side, side), random(2, side, side))
	m.sum = m.program(func(_ *model.Scope, in []*graph.Node) *graph.Node { return graph.Add(in[0], in[1]) }, random(3, large...), random(4, large...))
	return m
}

func (m *meter) close() {
	m.product.close()
	m.sum.close()
}

// row fills in the times of an operation, and the limit of the same moments.
func (m *meter) row(r Row, f operation, work cost, inputs ...*tensors.Tensor) Row {
	engine, own := m.program(plain(f), inputs...), m.program(f, inputs...)
	defer engine.close()
	defer own.close()
	times := m.times(engine, own, m.product, m.sum)
	if m.err != nil {
		return r
	}
	peak, bandwidth := 2*math.Pow(side, 3)/times[2]/1e6, 3*bytes(large)/times[3]/1e6
	m.peak, m.bandwidth = max(m.peak, peak), max(m.bandwidth, bandwidth)
	r.Plain, r.Ours, r.Limit = times[0], times[1], max(work.operations/peak, work.bytes/bandwidth)/1e6
	return r
}

// times are the fastest calls of programs that take turns, in milliseconds.
func (m *meter) times(programs ...*program) []float64 {
	fastest := make([]float64, len(programs))
	for i := range fastest {
		fastest[i] = math.Inf(1)
	}
	for begin, n := time.Now(), 0; n < 5 || (n < 60 && time.Since(begin) < 1500*time.Millisecond); n++ {
		for i, p := range programs {
			if m.err == nil {
				m.err = m.ctx.Err()
			}
			if m.err != nil {
				return nil
			}
			var took float64
			if took, m.err = p.call(); n > 1 { // compiled and warm
				fastest[i] = min(fastest[i], took)
			}
		}
	}
	return fastest
}

// A program is compiled when it is first called.
type program struct {
	exec  *model.Exec
	store *model.Store
	args  []any
}

func (m *meter) program(f operation, inputs ...*tensors.Tensor) *program {
	p := &program{store: model.NewStore()}
	for _, x := range inputs {
		p.args = append(p.args, x)
	}
	exec, err := model.NewExec(m.backend, p.store, func(s *model.Scope, in []*graph.Node) []*graph.Node {
		p.store.SetTraining(in[0].Graph(), true)
		return []*graph.Node{corner(in[0]), f(s, in)}
	})
	if err != nil && m.err == nil {
		m.err = err
	}
	p.exec = exec
	return p
}

// call takes the milliseconds of a call. The result stays on the device; the call is done when a single value beside it can be read.
func (p *program) call() (float64, error) {
	start := time.Now()
	outputs, err := p.exec.Call(p.args...)
	if err != nil {
		return 0, err
	}
	_, err = tensors.CopyFlatData[float32](outputs[0])
	took := time.Since(start).Seconds() * 1e3
	for _, y := range outputs {
		y.FinalizeAll()
	}
	return took, err
}

func (p *program) close() {
	if p.exec != nil {
		p.exec.Finalize()
	}
	p.store.Finalize()
}
