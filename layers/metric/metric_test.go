package metric_test

import (
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers/layertest"
	"fovea/layers/metric"
)

func TestTopKAccuracy(t *testing.T) {
	nan := float32(math.NaN())
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		for _, test := range []struct {
			name   string
			k      int
			labels any
			logits [][]float32
			want   float64
		}{
			{"first", 1, []int32{1, 0}, [][]float32{{1, 5, 3}, {1, 5, 3}}, 0.5},
			{"second", 2, []int32{2, 0}, [][]float32{{1, 5, 3}, {1, 5, 3}}, 0.5},
			{"all", 3, [][]int64{{2}, {0}}, [][]float32{{1, 5, 3}, {1, 5, 3}}, 1},
			{"padded", 1, []int32{1, -1, 0}, [][]float32{{1, 5, 3}, {9, 0, 0}, {1, 5, 3}}, 0.5},
			{"constant output is right for one class only", 1, []int32{0, 1, 2}, [][]float32{{4, 4, 4}, {4, 4, 4}, {4, 4, 4}}, 1. / 3},
			{"NaN is never right", 1, []int32{0, 1, 2}, [][]float32{{nan, nan, nan}, {nan, 1, 0}, {0, 0, nan}}, 0},
			{"infinite", 1, []int32{0, 1}, [][]float32{{float32(math.Inf(1)), 0}, {float32(math.Inf(-1)), 0}}, 1},
		} {
			y, err := CallOnce(b, func(labels, logits *Node) *Node { return metric.TopKAccuracy(labels, logits, test.k) }, test.labels, test.logits)
			if err != nil {
				t.Fatal(err)
			}
			if got := layertest.Floats(y)[0]; math.Abs(got-test.want) > 1e-6 {
				t.Errorf("%s: %g, want %g", test.name, got, test.want)
			}
		}
	})
}

// Batches of different sizes and padding count by their examples.
func TestMeanOverBatches(t *testing.T) {
	b, store, m := layertest.Go(), model.NewStore(), metric.MeanAccuracy()
	m.Reset(store.RootScope())
	exec, err := model.NewExec(b, store, func(s *model.Scope, labels, logits *Node) *Node {
		return m.UpdateGraph(s, []*Node{labels}, []*Node{logits})
	})
	if err != nil {
		t.Fatal(err)
	}
	add := func(labels []int32, logits [][]float32) string {
		outputs, err := exec.Call(labels, logits)
		if err != nil {
			t.Fatal(err)
		}
		return m.PrettyPrint(outputs[0])
	}
	add([]int32{1}, [][]float32{{0, 1}})
	if got := add([]int32{0, 0, -1}, [][]float32{{0, 1}, {0, 1}, {0, 1}}); got != "33.33%" {
		t.Errorf("accuracy %s, want 33.33%%: one of three", got)
	}
	m.Reset(store.RootScope())
	if got := add([]int32{1}, [][]float32{{0, 1}}); got != "100.00%" {
		t.Errorf("after a reset %s, want 100.00%%", got)
	}
}

func TestConfusionMatrix(t *testing.T) {
	m := metric.NewConfusionMatrix([]string{"cat", "dog", "owl"})
	if err := m.Add([]int32{0, 0, 0, 1, -1}, []int32{0, 0, 1, 1, 2}); err != nil {
		t.Fatal(err)
	}
	if m.Total() != 4 || m.Accuracy() != 0.75 {
		t.Errorf("accuracy %g of %d, want 0.75 of 4", m.Accuracy(), m.Total())
	}
	recall, precision := m.Recall(), m.Precision()
	if recall[0] != 2./3 || recall[1] != 1 || !math.IsNaN(recall[2]) {
		t.Errorf("recall %v", recall)
	}
	if precision[0] != 1 || precision[1] != 0.5 || !math.IsNaN(precision[2]) {
		t.Errorf("precision %v", precision)
	}
	if text := m.String(); !strings.Contains(text, "66.7%") || !strings.Contains(text, "accuracy 75.00% of 4") {
		t.Errorf("table:\n%s", text)
	}
	for _, bad := range [][2][]int32{{{0}, {0, 1}}, {{3}, {0}}, {{0}, {-1}}, {{0, 1}, {0, 7}}} {
		if err := m.Add(bad[0], bad[1]); err == nil {
			t.Errorf("labels %v with predictions %v are counted", bad[0], bad[1])
		}
	}
	if m.Total() != 4 {
		t.Errorf("bad examples were counted")
	}
}
