package dcnfis

import (
	"math"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/layers"
)

// Head says what makes classes of features.
type Head string

const (
	Fuzzy   Head = "fuzzy"   // one rule for each class, in logarithms
	Dense   Head = "dense"   // a linear layer: the network that the fuzzy one is compared with
	Product Head = "product" // the fuzzy head without logarithms, as a negative control
)

// build makes the head: features [B N] → logits [B K].
func (h Head) build(s *model.Scope, v *graph.Node, c Config) *graph.Node {
	switch h {
	case Dense:
		return layers.Dense(s, v, c.Classes)
	case Fuzzy, Product:
		logFiring := Firing(s, v, c.Classes, c.Width) // [B K]
		if h == Product {
			logFiring = withoutLogarithms(logFiring)
		}
		if !c.Consequents {
			return logFiring
		}
		// Each rule's linear function of the features counts as much as the rule fires.
		rules := layers.Dense(s.In("consequents"), v, c.Classes) // [B K]
		return graph.Mul(graph.Softmax(logFiring, -1), rules)
	}
	Panicf("dcnfis: there is no head %q", h)
	return nil
}

// Firing is the logarithm of how strongly each of K rules fires: v [B N] → [B K]. A feature's membership in a rule is a Gaussian,
//
//	μ_kj = exp(−(v_j − c_kj)² / 2σ_kj²),
//
// and a rule's antecedent their product over all features, here the sum of their logarithms: with a thousand features the
// product itself is 0 in any precision. A softmax over the rules gives the normalised firing strengths.
//
// Variables: "centres" [K N] and "log_widths" [K N], ln σ.
func Firing(s *model.Scope, v *graph.Node, rules int, width float64) *graph.Node {
	if v.Rank() != 2 || rules < 1 || !(width > 0) {
		Panicf("dcnfis.Firing in scope %q: %d rules of width %g on %s: want one or more, a positive width, and [B N]", s.Scope(), rules, width, v.Shape())
	}
	shape := shapes.Make(v.DType(), rules, v.Shape().Dimensions[1])
	// Features come from a ReLU: their centres start where they are.
	centres := s.WithInitializer(initializer.RandomUniformFn(s, 0, 1)).VariableWithShape("centres", shape).NodeValue(v.Graph())
	sameWidth := func(g *graph.Graph, shape shapes.Shape) *graph.Node {
		return graph.BroadcastToShape(graph.Scalar(g, shape.DType, math.Log(width)), shape)
	}
	logWidths := s.WithInitializer(sameWidth).VariableWithShape("log_widths", shape).NodeValue(v.Graph())
	return logFiring(v, centres, logWidths)
}

func logFiring(v, centres, logWidths *graph.Node) *graph.Node {
	away := graph.Sub(graph.InsertAxes(v, 1), graph.InsertAxes(centres, 0))                              // [B K N]
	away = graph.Mul(graph.Square(away), graph.InsertAxes(graph.Exp(graph.MulScalar(logWidths, -2)), 0)) // in widths, squared
	return graph.MulScalar(graph.ReduceSum(away, -1), -0.5)                                              // [B K]
}

// withoutLogarithms takes the detour through the strengths themselves. Where all of them are 0 nothing is left to normalise; without
// epsilon it would be 0/0.
func withoutLogarithms(logFiring *graph.Node) *graph.Node {
	const epsilon = 1e-12
	strengths := graph.Exp(logFiring)
	normalised := graph.Div(strengths, graph.AddScalar(graph.ReduceAndKeep(strengths, graph.ReduceSum, -1), epsilon))
	return graph.Log(graph.AddScalar(normalised, epsilon))
}
