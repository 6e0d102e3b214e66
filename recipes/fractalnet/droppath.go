package fractalnet

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// sampler draws which paths a mini-batch trains (section 3.1, drop-path). Local sampling drops each input of each join with a
// probability, but never all of them. Global sampling keeps one column through the whole network.
type sampler struct {
	s      *model.Scope
	g      *graph.Graph
	c      Config
	global *graph.Node // whether this mini-batch trains one column; bool, a scalar
	chosen *graph.Node // [Columns], 1 for that column and 0 for the others
	active bool
}

func newSampler(s *model.Scope, g *graph.Graph, c Config) *sampler {
	if c.DropPath < 0 || c.DropPath >= 1 || c.Global < 0 || c.Global > 1 {
		Panicf("fractalnet: drop-path %g and global share %g: want 0 ≤ dropPath < 1 and 0 ≤ global ≤ 1", c.DropPath, c.Global)
	}
	p := &sampler{s: s, g: g, c: c, active: s.IsTraining(g) && c.Column == 0 && (c.DropPath > 0 || c.Global > 0)}
	if p.active {
		p.global = graph.LessThan(p.uniform(), graph.Scalar(g, dtypes.Float32, c.Global))
		p.chosen = p.oneOf(c.Columns)
	}
	return p
}

func (p *sampler) uniform(dimensions ...int) *graph.Node {
	return p.s.RandomUniform(p.g, shapes.Make(dtypes.Float32, dimensions...))
}

// oneOf is 1 at one of n places, drawn evenly, and 0 at the others: [n].
func (p *sampler) oneOf(n int) *graph.Node {
	place := graph.MulScalar(p.uniform(), float64(n))
	from := graph.Iota(p.g, shapes.Make(dtypes.Float32, n), 0)
	inside := graph.LogicalAnd(graph.GreaterOrEqual(place, from), graph.LessThan(place, graph.AddScalar(from, 1)))
	return graph.ConvertDType(inside, dtypes.Float32)
}

// join is the mean of the outputs that are not dropped, which in evaluation are all of them: [B H W C] each → [B H W C]. Since it
// is a mean and not a sum, its scale doesn't depend on how many there are.
func (p *sampler) join(outputs []*graph.Node, columns []int) *graph.Node {
	n := len(outputs)
	if n == 1 {
		return outputs[0]
	}
	var sum *graph.Node
	add := func(term *graph.Node) {
		if sum == nil {
			sum = term
		} else {
			sum = graph.Add(sum, term)
		}
	}
	if !p.active {
		for _, y := range outputs {
			add(y)
		}
		return graph.MulScalar(sum, 1/float64(n))
	}
	weights := p.weights(columns) // [n]
	for i, y := range outputs {
		weight := graph.Reshape(graph.Slice(weights, graph.AxisElem(i))) // a scalar
		add(graph.Mul(y, graph.ConvertDType(weight, y.DType())))
	}
	return sum
}

// weights are those of the mean over the columns that meet in a join, 0 for dropped ones: [len(columns)].
func (p *sampler) weights(columns []int) *graph.Node {
	n := len(columns)
	kept := graph.ConvertDType(graph.GreaterOrEqual(p.uniform(n), graph.Scalar(p.g, dtypes.Float32, p.c.DropPath)), dtypes.Float32) // [n]
	none := graph.Equal(graph.ReduceAllSum(kept), graph.ScalarZero(p.g, dtypes.Float32))
	kept = graph.Where(none, p.oneOf(n), kept)

	var alone []*graph.Node
	for _, column := range columns {
		alone = append(alone, graph.Slice(p.chosen, graph.AxisElem(column-1))) // [1]
	}
	single := graph.Concatenate(alone, 0) // [n]
	// Where the chosen column is still on its way, the join feeds only columns that a later one drops: any mean will do.
	away := graph.Equal(graph.ReduceAllSum(single), graph.ScalarZero(p.g, dtypes.Float32))
	kept = graph.Where(graph.LogicalAnd(p.global, graph.LogicalNot(away)), single, kept)
	return graph.Div(kept, graph.ReduceAllSum(kept))
}
