package untrainable

import (
	"fmt"
	"math"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/ml/train"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/layers/attr"
	"fovea/recipes"
)

// Similarity is the linear CKA of two representations of the same examples, x [B …] and y [B …]: a scalar from 0 to 1 that turning or
// scaling a representation doesn't change. Two examples give 1 always: batches must be large.
func Similarity(x, y *graph.Node) *graph.Node { return attr.LinearCKA(scaled(x), scaled(y)) }

// scaled is x over its largest value: deep networks let values vanish, and the squares of squares of such are 0 in float32. That
// the factor is taken as a constant changes no gradient, since CKA doesn't feel it.
func scaled(x *graph.Node) *graph.Node {
	size := graph.StopGradient(graph.ReduceAllMax(graph.Abs(graph.Sub(x, graph.ReduceAndKeep(x, graph.ReduceMean, 0)))))
	return graph.Div(x, graph.MaxScalar(size, 1e-30))
}

// Pair is the layer of the target, of that many, that layer i of the guide is compared with: evenly from the first to the last.
func Pair(i, guides, targets int) int {
	if guides == 1 {
		return targets - 1
	}
	return int(math.Round(float64(i) * float64(targets-1) / float64(guides-1)))
}

// Distance is Σ(1 − CKA) over the layers of the guide and those of the target that they are paired with, a scalar.
func Distance(target, guide []*graph.Node) *graph.Node {
	var sum *graph.Node
	for i, g := range guide {
		d := graph.OneMinus(Similarity(target[Pair(i, len(guide), len(target))], g))
		if sum == nil {
			sum = d
		} else {
			sum = graph.Add(sum, d)
		}
	}
	return sum
}

// guideTaps are the guide's layers on the images, as constants.
func guideTaps(s *model.Scope, x *graph.Node, c Config) []*graph.Node {
	g, store := x.Graph(), s.Store()
	training := s.IsTraining(g)
	if c.Noise && training {
		x = s.RandomNormal(g, x.Shape())
	}
	// The target may be built of the same parts: its taps keep their plain names.
	g.PushAliasScope("guide")
	store.SetTraining(g, false)
	_, taps := c.Guide.build(s.In("guide"), graph.StopGradient(x))
	store.SetTraining(g, training)
	g.PopAliasScope()
	for v := range store.IterVariables() {
		if strings.HasPrefix(v.Path(), guidePath) {
			v.SetTrainable(false)
		}
	}
	if len(taps) == 0 {
		Panicf("untrainable: the guide has no layers to compare with")
	}
	for i := range taps {
		taps[i] = graph.StopGradient(taps[i])
	}
	return taps
}

const guidePath = "/guide/"

// guidance adds α·Distance to the losses, for the first Until steps if that is not 0.
func guidance(s *model.Scope, target, guide []*graph.Node, c Config) {
	loss := graph.MulScalar(Distance(target, guide), c.Alpha)
	if c.Until > 0 {
		g := loss.Graph()
		counter := s.In("guidance").WithInitializer(initializer.Zero).VariableWithShape("steps", shapes.Make(dtypes.Float32)).SetTrainable(false)
		done := counter.NodeValue(g)
		counter.SetNodeValue(graph.AddScalar(done, 1))
		loss = graph.Where(graph.LessThan(done, graph.ConstAs(done, float64(c.Until))), loss, graph.ZerosLike(loss))
	}
	train.AddRegularizationLoss(loss)
}

// SetGuide gives the guide inside a trainer of Model the weights of a trainer of GuideModel. The first must have seen images.
func SetGuide(target, guide *recipes.Trainer) error {
	found := 0
	for _, v := range guide.Variables() {
		to := target.Store().GetVariable(strings.TrimSuffix(guidePath, "/") + v.Path())
		if to == nil {
			continue // the guide's own last layer
		}
		value, err := v.Value()
		if err != nil {
			return err
		}
		if value, err = value.LocalClone(); err != nil {
			return err
		}
		if err := to.SetValue(value); err != nil {
			return err
		}
		found++
	}
	if found == 0 {
		return fmt.Errorf("the target has no guide with such weights: has it seen an image?")
	}
	return nil
}
