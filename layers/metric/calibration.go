package metric

import (
	"fmt"
	"math"
	"slices"
)

// A ConfidenceBin holds the predictions whose confidence lies in (Low, High].
type ConfidenceBin struct {
	Low, High            float64
	Count                int
	Accuracy, Confidence float64 // means; 0 in an empty bin
}

// Calibration compares what a classifier says of its own certainty with how often it is right (Guo et al. 2017). The
// confidence of a prediction is the probability of the likeliest class.
type Calibration struct {
	Bins []ConfidenceBin
	// Expected is the expected calibration error Σ n/N·|accuracy − confidence| (eq. 3), Maximum the largest gap (eq. 5).
	Expected, Maximum float64
	// Brier is the mean of Σ (p − target)² over the classes (Brier 1950), Likelihood the mean of −log p of the right class.
	Brier, Likelihood float64
}

// NewCalibration sorts predictions, [N][K] probabilities, into bins of equal width; 15 is usual. Negative labels are left out.
func NewCalibration(probabilities [][]float32, labels []int32, bins int) (*Calibration, error) {
	if len(probabilities) != len(labels) || bins < 1 {
		return nil, fmt.Errorf("calibration: %d rows of probabilities for %d labels in %d bins", len(probabilities), len(labels), bins)
	}
	c, n := &Calibration{Bins: make([]ConfidenceBin, bins)}, 0
	for i := range c.Bins {
		c.Bins[i].Low, c.Bins[i].High = float64(i)/float64(bins), float64(i+1)/float64(bins)
	}
	for i, row := range probabilities {
		label := int(labels[i])
		if label < 0 {
			continue
		}
		if label >= len(row) {
			return nil, fmt.Errorf("calibration: example %d has label %d of %d classes", i, label, len(row))
		}
		best, sum := 0, 0.0
		for k, p := range row {
			if sum += float64(p); p > row[best] {
				best = k
			}
			target := 0.0
			if k == label {
				target = 1
			}
			c.Brier += (float64(p) - target) * (float64(p) - target)
		}
		if !(math.Abs(sum-1) < 1e-3) || slices.Min(row) < 0 {
			return nil, fmt.Errorf("calibration: the values of example %d are %v: want probabilities, not logits", i, row)
		}
		c.Likelihood -= math.Log(math.Max(float64(row[label]), 1e-38))
		confidence := float64(row[best])
		bin := &c.Bins[min(max(int(math.Ceil(confidence*float64(bins)))-1, 0), bins-1)]
		bin.Count++
		bin.Confidence += confidence
		if best == label {
			bin.Accuracy++
		}
		n++
	}
	if n == 0 {
		return nil, fmt.Errorf("calibration: there are no labelled examples")
	}
	c.Brier, c.Likelihood = c.Brier/float64(n), c.Likelihood/float64(n)
	for i := range c.Bins {
		bin := &c.Bins[i]
		if bin.Count == 0 {
			continue
		}
		bin.Accuracy, bin.Confidence = bin.Accuracy/float64(bin.Count), bin.Confidence/float64(bin.Count)
		gap := math.Abs(bin.Accuracy - bin.Confidence)
		c.Expected += gap * float64(bin.Count) / float64(n)
		c.Maximum = max(c.Maximum, gap)
	}
	return c, nil
}
