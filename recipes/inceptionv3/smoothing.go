package inceptionv3

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/train"

	"fovea/layers"
	"fovea/layers/loss"
)

// Loss is cross-entropy with labels smoothed by epsilon (section 7), of the logits and, weighted by auxiliary, of the auxiliary
// head's where the network has one. It finds those by their tap, so any Trainer of Model can have it as Fit.Loss.
func Loss(epsilon, auxiliary float64) train.LossFn {
	each := loss.SoftmaxCrossEntropy(epsilon)
	return func(labels, predictions []*graph.Node) *graph.Node {
		total := each(labels, predictions)
		if aux, err := layers.TapNode(predictions[0].Graph(), "AuxLogits"); err == nil {
			total = graph.Add(total, graph.MulScalar(each(labels, []*graph.Node{aux}), auxiliary))
		}
		return total
	}
}

// Gap is how much larger than the others the right class's logit is where smoothed cross-entropy is least, ln(K(1−ε)/ε + 1): hard labels
// have no such place, their gap grows for ever.
func Gap(classes int, epsilon float64) float64 {
	return math.Log(float64(classes)*(1-epsilon)/epsilon + 1)
}

// Floor is the least smoothed cross-entropy, the entropy H(q′) of the target: with it in mind a loss that stops falling is no surprise.
func Floor(classes int, epsilon float64) float64 {
	k := float64(classes)
	right, other := 1-epsilon+epsilon/k, epsilon/k
	return -right*math.Log(right) - (k-1)*other*math.Log(other)
}
