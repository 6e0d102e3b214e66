package metric

import (
	"fmt"
	"math"
	"strings"
	"text/tabwriter"
)

// A ConfusionMatrix counts predictions of K classes on the host. Make one with NewConfusionMatrix.
type ConfusionMatrix struct {
	Classes []string  // names, or "0", "1", …
	Counts  [][]int64 // [true class][predicted class]
}

// NewConfusionMatrix makes an empty one for the classes with these names.
func NewConfusionMatrix(classes []string) *ConfusionMatrix {
	m := &ConfusionMatrix{Classes: classes, Counts: make([][]int64, len(classes))}
	for i := range m.Counts {
		m.Counts[i] = make([]int64, len(classes))
	}
	return m
}

// Add counts examples. Negative labels are left out. On an error nothing is counted.
func (m *ConfusionMatrix) Add(labels, predicted []int32) error {
	if len(labels) != len(predicted) {
		return fmt.Errorf("confusion matrix: %d labels and %d predictions", len(labels), len(predicted))
	}
	k := int32(len(m.Classes))
	for i, label := range labels {
		if label >= k || predicted[i] < 0 || predicted[i] >= k {
			return fmt.Errorf("confusion matrix: example %d has label %d and prediction %d, there are %d classes", i, label, predicted[i], k)
		}
	}
	for i, label := range labels {
		if label >= 0 {
			m.Counts[label][predicted[i]]++
		}
	}
	return nil
}

// Total is the number of examples that were counted.
func (m *ConfusionMatrix) Total() int64 {
	var n int64
	for _, row := range m.Counts {
		n += sum(row)
	}
	return n
}

// Accuracy is the share of examples on the diagonal, NaN when there are none.
func (m *ConfusionMatrix) Accuracy() float64 {
	var hits int64
	for i := range m.Counts {
		hits += m.Counts[i][i]
	}
	return ratio(hits, m.Total())
}

// Recall is, for each class, the share of its examples that were found, NaN for a class without examples.
func (m *ConfusionMatrix) Recall() []float64 {
	recall := make([]float64, len(m.Counts))
	for i, row := range m.Counts {
		recall[i] = ratio(row[i], sum(row))
	}
	return recall
}

// Precision is, for each class, the share of right ones among its predictions, NaN for a class never predicted.
func (m *ConfusionMatrix) Precision() []float64 {
	precision := make([]float64, len(m.Counts))
	for j := range m.Counts {
		var column int64
		for _, row := range m.Counts {
			column += row[j]
		}
		precision[j] = ratio(m.Counts[j][j], column)
	}
	return precision
}

// String writes the matrix as a table: a row for each true class, a column for each predicted one.
func (m *ConfusionMatrix) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "true \\ predicted\t%s\trecall\t\n", strings.Join(m.Classes, "\t"))
	for i, recall := range m.Recall() {
		fmt.Fprintf(w, "%s\t", m.Classes[i])
		for _, n := range m.Counts[i] {
			fmt.Fprintf(w, "%d\t", n)
		}
		fmt.Fprintf(w, "%.1f%%\t\n", 100*recall)
	}
	w.Flush()
	return b.String() + fmt.Sprintf("accuracy %.2f%% of %d\n", 100*m.Accuracy(), m.Total())
}

func sum(values []int64) (n int64) {
	for _, v := range values {
		n += v
	}
	return n
}

func ratio(part, whole int64) float64 {
	if whole == 0 {
		return math.NaN()
	}
	return float64(part) / float64(whole)
}
