package metric_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"fovea/layers/metric"
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestRanking(t *testing.T) {
	for name, test := range map[string]struct {
		scores   []float64
		positive []bool
		roc, pr  float64
	}{
		"perfect":    {[]float64{4, 3, 2, 1}, []bool{true, true, false, false}, 1, 1},
		"backwards":  {[]float64{4, 3, 2, 1}, []bool{false, false, true, true}, 0, 0.5*1.0/3 + 0.5*2.0/4},
		"all equal":  {[]float64{1, 1, 1, 1}, []bool{true, false, false, false}, 0.5, 0.25},
		"one off":    {[]float64{0.9, 0.8, 0.7, 0.6}, []bool{true, false, true, false}, 0.75, 0.5 + 0.5*2.0/3},
		"tie across": {[]float64{2, 1, 1, 0}, []bool{true, true, false, false}, 0.875, 0.5 + 0.5*2.0/3},
	} {
		r, err := metric.NewRanking(test.scores, test.positive)
		if err != nil {
			t.Fatal(err)
		}
		if !near(r.ROCAUC(), test.roc) || !near(r.PRAUC(), test.pr) {
			t.Errorf("%s: areas %g and %g, want %g and %g", name, r.ROCAUC(), r.PRAUC(), test.roc, test.pr)
		}
	}
	for says, err := range map[string]error{
		"not a number": rankError([]float64{math.NaN(), 1}, []bool{true, false}),
		"at least one": rankError([]float64{1, 2}, []bool{true, true}),
		"2 scores":     rankError([]float64{1, 2}, []bool{true}),
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one with %q", err, says)
		}
	}
	r, err := metric.OneAgainstRest([][]float32{{0.1, 0.9}, {0.8, 0.2}, {0.4, 0.6}, {0, 1}}, []int32{1, 0, 0, -1}, 1)
	if err != nil || r.Positives != 1 || r.Negatives != 2 || r.ROCAUC() != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func rankError(scores []float64, positive []bool) error {
	_, err := metric.NewRanking(scores, positive)
	return err
}

// The area is the share of pairs in the right order.
func TestROCAUCCountsPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	scores, positive := make([]float64, 60), make([]bool, 60)
	for i := range scores {
		positive[i] = r.IntN(3) == 0
		scores[i] = float64(r.IntN(8)) // many ties
		if positive[i] {
			scores[i]++
		}
	}
	pairs, right := 0.0, 0.0
	for i := range scores {
		for j := range scores {
			if positive[i] && !positive[j] {
				pairs++
				switch {
				case scores[i] > scores[j]:
					right++
				case scores[i] == scores[j]:
					right += 0.5
				}
			}
		}
	}
	got, err := metric.NewRanking(scores, positive)
	if err != nil || !near(got.ROCAUC(), right/pairs) {
		t.Errorf("area %g, want %g, %v", got.ROCAUC(), right/pairs, err)
	}
}

func TestCalibration(t *testing.T) {
	// Says 0.8 and is right in 3 of 5, says 0.6 and is right in 1 of 5.
	var p [][]float32
	var labels []int32
	for i := range 10 {
		row, right := []float32{0.8, 0.2}, 3
		if i >= 5 {
			row, right = []float32{0.4, 0.6}, 1
		}
		best := int32(0)
		if i >= 5 {
			best = 1
		}
		if i%5 >= right {
			best = 1 - best
		}
		p, labels = append(p, row), append(labels, best)
	}
	c, err := metric.NewCalibration(append(p, []float32{1, 0}), append(labels, -1), 10)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(c.Expected-(0.5*0.2+0.5*0.4)) > 1e-6 || math.Abs(c.Maximum-0.4) > 1e-6 {
		t.Errorf("errors %g and %g, want 0.3 and 0.4", c.Expected, c.Maximum)
	}
	brier := (3*2*0.2*0.2 + 2*2*0.8*0.8 + 1*2*0.4*0.4 + 4*2*0.6*0.6) / 10
	likelihood := -(3*math.Log(0.8) + 2*math.Log(0.2) + math.Log(0.6) + 4*math.Log(0.4)) / 10
	if math.Abs(c.Brier-brier) > 1e-6 || math.Abs(c.Likelihood-likelihood) > 1e-6 {
		t.Errorf("Brier %g and likelihood %g, want %g and %g", c.Brier, c.Likelihood, brier, likelihood)
	}
	for says, err := range map[string]error{
		"not logits":      calibrationError([][]float32{{3, -2}}, []int32{0}),
		"label 2":         calibrationError([][]float32{{1, 0}}, []int32{2}),
		"no labelled":     calibrationError([][]float32{{1, 0}}, []int32{-1}),
		"for 2 labels in": calibrationError([][]float32{{1, 0}}, []int32{0, 1}),
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one with %q", err, says)
		}
	}
}

func calibrationError(p [][]float32, labels []int32) error {
	_, err := metric.NewCalibration(p, labels, 5)
	return err
}
