// Package metric measures classifiers: on the device while a network trains or is evaluated, and on the host from
// its predictions.
package metric

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/metric"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// Correct tells for each example whether its label is among the k classes with the largest logits, [B] of 1 and 0 in
// float32, and whether it counts: examples with a negative label do not.
//
// Labels are integers [B] or [B 1], logits (or probabilities) [B K]. Of equal logits the class with the smaller index
// is the larger, and a comparison with NaN never speaks for the label: a network that puts out constants or NaN is not
// taken for a good one.
func Correct(labels, logits *Node, k int) (correct, counted *Node) {
	if logits.Rank() != 2 || !labels.DType().IsInt() || labels.Shape().Size() != logits.Shape().Dimensions[0] {
		Panicf("metric: labels %s and logits %s, want integers [B] or [B 1] and [B K]", labels.Shape(), logits.Shape())
	}
	g, batch, classes := logits.Graph(), logits.Shape().Dimensions[0], logits.Shape().Dimensions[1]
	if k < 1 {
		Panicf("metric: top-%d of %d classes, want at least 1", k, classes)
	}
	labels = ConvertDType(Reshape(labels, batch, 1), dtypes.Int32) // [B 1]
	index := Iota(g, shapes.Make(dtypes.Int32, batch, classes), 1) // [B K]
	own := Equal(index, BroadcastToDims(labels, batch, classes))   // [B K], one true in a row
	score := ReduceAndKeep(Where(own, logits, ZerosLike(logits)), ReduceSum, -1)
	score = BroadcastToDims(score, batch, classes)
	behind := LogicalOr(GreaterThan(score, logits),
		LogicalAnd(Equal(score, logits), LessOrEqual(BroadcastToDims(labels, batch, classes), index)))
	ahead := ReduceSum(ConvertDType(LogicalNot(behind), dtypes.Int32), -1) // [B]
	counted = ConvertDType(GreaterOrEqual(Reshape(labels, batch), Scalar(g, dtypes.Int32, 0)), dtypes.Float32)
	correct = ConvertDType(LessThan(ahead, Scalar(g, dtypes.Int32, k)), dtypes.Float32)
	return Mul(correct, counted), counted
}

// TopKAccuracy is the share of a batch whose label is among the k largest logits, a float32 scalar. See Correct.
func TopKAccuracy(labels, logits *Node, k int) *Node {
	correct, counted := Correct(labels, logits, k)
	return Div(ReduceAllSum(correct), MaxScalar(ReduceAllSum(counted), 1))
}

// Accuracy is TopKAccuracy with k = 1.
func Accuracy(labels, logits *Node) *Node { return TopKAccuracy(labels, logits, 1) }

// A share is the metric of a share of correct examples over all batches since its last reset.
type share struct {
	name, short string
	k           int
}

var _ metric.Interface = share{}

// MeanAccuracy is the accuracy over a whole data set, for the trainer of GoMLX.
func MeanAccuracy() metric.Interface { return share{name: "Accuracy", short: "acc", k: 1} }

// MeanTopK is the top-k accuracy over a whole data set, for the trainer of GoMLX. The top-k error is 1 minus it.
func MeanTopK(k int) metric.Interface {
	return share{name: fmt.Sprintf("Top-%d accuracy", k), short: fmt.Sprintf("top%d", k), k: k}
}

// MovingAccuracy is the accuracy of the last batches: each new batch weighs weight, such as 0.02.
func MovingAccuracy(weight float64) metric.Interface {
	return metric.NewExponentialMovingAverageMetric("Moving accuracy", "~acc", metric.AccuracyMetricType,
		func(_ *model.Scope, labels, predictions []*Node) *Node { return Accuracy(labels[0], predictions[0]) },
		share{}.PrettyPrint, weight)
}

func (m share) Name() string       { return m.name }
func (m share) ShortName() string  { return m.short }
func (m share) MetricType() string { return metric.AccuracyMetricType }
func (m share) ScopeName() string  { return fmt.Sprintf("top%d", m.k) }

// PrettyPrint writes the share as a percentage.
func (m share) PrettyPrint(value *tensors.Tensor) string {
	return fmt.Sprintf("%.2f%%", 100*tensors.ToScalar[float32](value))
}

// UpdateGraph adds a batch and returns the share so far. Examples are counted one by one, since GoMLX's own mean
// counts a padded batch as a full one.
func (m share) UpdateGraph(s *model.Scope, labels, predictions []*Node) *Node {
	g := predictions[0].Graph()
	correct, counted := Correct(labels[0], predictions[0], m.k)
	add := func(name string, more *Node) *Node {
		v := m.variable(s, name)
		v.SetNodeValue(Add(v.NodeValue(g), ReduceAllSum(more)))
		return v.NodeValue(g)
	}
	return Div(add("correct", correct), MaxScalar(add("counted", counted), 1))
}

// Reset forgets all batches.
func (m share) Reset(s *model.Scope) {
	for _, name := range []string{"correct", "counted"} {
		if err := m.variable(s, name).SetValue(tensors.FromScalar(float32(0))); err != nil {
			panic(err) // the interface has no error to return
		}
	}
}

func (m share) variable(s *model.Scope, name string) *model.Variable {
	scope := s.Store().Scope(model.JoinPath("/", metric.Scope, m.ScopeName()))
	return scope.VariableWithValue(name, float32(0)).SetTrainable(false)
}
