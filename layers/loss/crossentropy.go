// Package loss has the losses of classification in the form that the trainer of GoMLX takes.
package loss

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/train"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// SoftmaxCrossEntropy is the mean over a batch of the cross-entropy between labels and the softmax of logits, a scalar.
//
// smoothing ε mixes the target with the uniform distribution: 1−ε+ε/K for the label and ε/K for the others (Szegedy
// et al. 2016, section 7). 0 is plain cross-entropy.
//
// Labels are integers [B] or [B 1], of which negative ones are left out of the mean, so that a last batch can be
// padded; or probabilities [B K] in floating point, as mixing of examples makes them. Logits are [B K].
func SoftmaxCrossEntropy(smoothing float64) train.LossFn {
	if smoothing < 0 || smoothing >= 1 {
		Panicf("loss.SoftmaxCrossEntropy: smoothing %g, want 0 ≤ smoothing < 1", smoothing)
	}
	return func(labels, predictions []*Node) *Node {
		if len(labels) != 1 || len(predictions) == 0 {
			Panicf("loss.SoftmaxCrossEntropy: %d label and %d prediction tensors, want one of labels [B], and logits [B K] first", len(labels), len(predictions))
		}
		each, counted := PerExample(labels[0], predictions[0], smoothing)
		return Div(ReduceAllSum(each), MaxScalar(ReduceAllSum(counted), 1))
	}
}

// PerExample is the cross-entropy of each example, [B] in float32, and whether it counts, [B] of 1 and 0: examples with
// a negative label have loss 0 and do not count. See SoftmaxCrossEntropy.
func PerExample(labels, logits *Node, smoothing float64) (each, counted *Node) {
	if logits.Rank() != 2 {
		Panicf("loss: logits %s, want [B K]", logits.Shape())
	}
	batch, classes := logits.Shape().Dimensions[0], logits.Shape().Dimensions[1]
	if d := logits.DType(); d == dtypes.Float16 || d == dtypes.BFloat16 {
		logits = ConvertDType(logits, dtypes.Float32) // exponentials of sums need the precision
	}
	var target *Node // [B K]
	switch {
	case labels.DType().IsInt():
		if labels.Shape().Size() != batch {
			Panicf("loss: labels %s for logits %s, want [B] or [B 1]", labels.Shape(), logits.Shape())
		}
		labels = Reshape(labels, batch)
		target = OneHot(labels, classes, logits.DType())
		counted = ConvertDType(GreaterOrEqual(labels, ScalarZero(labels.Graph(), labels.DType())), logits.DType())
	case labels.Shape().EqualDimensions(logits.Shape()):
		target = ConvertDType(labels, logits.DType())
		counted = Ones(logits.Graph(), shapes.Make(logits.DType(), batch))
	default:
		Panicf("loss: labels %s for logits %s, want integers [B] or probabilities [B K]", labels.Shape(), logits.Shape())
	}
	if smoothing > 0 {
		target = AddScalar(MulScalar(target, 1-smoothing), smoothing/float64(classes))
	}
	// The largest logit is taken out, so that no exponential overflows; it cancels, hence needs no gradient.
	shifted := Sub(logits, StopGradient(ReduceAndKeep(logits, ReduceMax, -1)))
	logPartition := Log(ReduceSum(Exp(shifted), -1)) // [B]
	each = Sub(Mul(logPartition, ReduceSum(target, -1)), ReduceSum(Mul(target, shifted), -1))
	return Mul(each, counted), counted
}
