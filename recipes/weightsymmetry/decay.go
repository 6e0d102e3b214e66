package weightsymmetry

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/layers/optim"
)

// DecaySGD is SGD whose weight decay has a schedule of its own, for all that is trained: forward and backward matrices must forget at
// one rate for the difference between them to vanish.
type DecaySGD struct {
	optim.SGD
	Decay optim.Schedule
}

var _ optimizer.Interface = DecaySGD{}

// UpdateGraph implements optimizer.Interface.
func (o DecaySGD) UpdateGraph(s *model.Scope, g *graph.Graph, loss *graph.Node) {
	gradients := s.BuildTrainableVariablesGradientsGraph(loss)
	step := graph.ConvertDType(optimizer.GetGlobalStepVar(s).NodeValue(g), dtypes.Float32) // 0 for the first update
	decay := o.Decay.Rate(step)
	i := 0
	for v := range s.IterVariables() {
		if v.Trainable && v.InUseByGraph(g) {
			gradients[i] = graph.Add(gradients[i], graph.Mul(decay, v.NodeValue(g)))
			i++
		}
	}
	o.UpdateGraphWithGradients(s, gradients, loss.DType())
}
