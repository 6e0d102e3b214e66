package main

import (
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/ml/train/optimizer"
)

// vectorAdam is Adam with the moments of all weights in one vector each: one update, after which the weights are cut out again.
type vectorAdam struct{ rate float64 }

func (o vectorAdam) UpdateGraph(s *model.Scope, g *graph.Graph, loss *graph.Node) {
	const beta1, beta2, epsilon = 0.9, 0.999, 1e-7 // those of GoMLX's
	gradients := s.BuildTrainableVariablesGradientsGraph(loss)
	var variables []*model.Variable
	var weights []*graph.Node
	for v := range s.IterVariables() {
		if v.Trainable && v.InUseByGraph(g) {
			variables = append(variables, v)
			weights = append(weights, graph.Reshape(v.NodeValue(g), -1))
		}
	}
	for i, d := range gradients {
		gradients[i] = graph.Reshape(d, -1)
	}
	w, d := graph.Concatenate(weights, 0), graph.Concatenate(gradients, 0) // [parameters]
	optimizer.IncrementGlobalStep(g, loss.DType())
	own := s.At("vector_adam").WithInitializer(initializer.Zero)
	step := optimizer.IncrementCounter(own, g, "step", loss.DType())
	moment := func(name string, beta float64, value *graph.Node) *graph.Node {
		v := own.VariableWithShape(name, shapes.Make(w.DType(), w.Shape().Size())).SetTrainable(false)
		m := graph.Add(graph.MulScalar(v.NodeValue(g), beta), graph.MulScalar(value, 1-beta))
		v.SetNodeValue(m)
		return graph.Div(m, graph.OneMinus(graph.Pow(graph.Scalar(g, loss.DType(), beta), step)))
	}
	first, second := moment("first", beta1, d), moment("second", beta2, graph.Square(d))
	w = graph.Sub(w, graph.MulScalar(graph.Div(first, graph.AddScalar(graph.Sqrt(second), epsilon)), o.rate))
	from := 0
	for _, v := range variables {
		to := from + v.Shape().Size()
		v.SetNodeValue(graph.Reshape(graph.Slice(w, graph.AxisRange(from, to)), v.Shape().Dimensions...))
		from = to
	}
}

func (vectorAdam) Clear(*model.Scope) error { return nil }
