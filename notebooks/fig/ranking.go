package fig

import (
	"cmp"
	"fmt"
	"slices"
)

// Scores are one classifier's answers to a yes-or-no question, and the truth.
type Scores struct {
	Name   string
	Values []float64 // higher means yes
	Truth  []bool
}

// RankingOptions describes ROC, PrecisionRecall and Calibration. The zero value is useful.
type RankingOptions struct {
	Title, Caption string
	// Bins of Calibration; 0 means 15, as in Guo et al. 2017.
	Bins int
	// Size of the square plot in CSS pixels; 0 means 320.
	Size int
}

// counted is one threshold: examples at or above it, by truth.
type counted struct{ truePositives, falsePositives int }

// thresholds counts at each distinct score, from the highest down. Equal scores fall together: their order means nothing.
func (s Scores) thresholds(function string) (steps []counted, positives, negatives int) {
	if len(s.Values) == 0 || len(s.Values) != len(s.Truth) {
		fail(function, "%q has %d scores and %d truths: pass one truth for each of at least one score", s.Name, len(s.Values), len(s.Truth))
	}
	order := make([]int, len(s.Values))
	for i, v := range s.Values {
		order[i] = i
		if !finite(v) {
			fail(function, "score %d of %q is %v", i, s.Name, v)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.Values[b], s.Values[a]) })
	at := counted{}
	for k, i := range order {
		if s.Truth[i] {
			at.truePositives++
		} else {
			at.falsePositives++
		}
		if k == len(order)-1 || s.Values[order[k+1]] != s.Values[i] {
			steps = append(steps, at)
		}
	}
	if at.truePositives == 0 || at.falsePositives == 0 {
		fail(function, "%q has %d positive and %d negative examples: both are needed", s.Name, at.truePositives, at.falsePositives)
	}
	return steps, at.truePositives, at.falsePositives
}

// ROC draws true against false positive rate, and writes the area under each curve (AUC, by trapezoids) into the key.
// It panics when scores and truths differ in number, when either class is missing, or on scores that are not finite.
func ROC(o RankingOptions, scores ...Scores) *Figure {
	var series []Series
	for i, s := range scores {
		steps, positives, negatives := s.thresholds("ROC")
		line := Series{X: []float64{0}, Y: []float64{0}, Color: paletteColor(i)}
		area := 0.0
		for _, c := range steps {
			x, y := float64(c.falsePositives)/float64(negatives), float64(c.truePositives)/float64(positives)
			last := len(line.X) - 1
			area += (x - line.X[last]) * (y + line.Y[last]) / 2
			line.X, line.Y = append(line.X, x), append(line.Y, y)
		}
		line.Name, line.Note = s.Name, fmt.Sprintf("AUC %.3f", area)
		series = append(series, line)
	}
	return ranking("ROC", o, "false positive rate", "true positive rate", series, chance(0, 0, 1, 1))
}

// PrecisionRecall draws precision against recall, and writes each average precision, Σ (Rₙ − Rₙ₋₁) Pₙ without
// interpolation, into the key. It panics as ROC does.
func PrecisionRecall(o RankingOptions, scores ...Scores) *Figure {
	var series []Series
	base := 0.0
	for i, s := range scores {
		steps, positives, negatives := s.thresholds("PrecisionRecall")
		base = float64(positives) / float64(positives+negatives)
		line := Series{Color: paletteColor(i)}
		average, recall := 0.0, 0.0
		for k, c := range steps {
			r, p := float64(c.truePositives)/float64(positives), float64(c.truePositives)/float64(c.truePositives+c.falsePositives)
			average += (r - recall) * p
			if k == 0 {
				line.X, line.Y = append(line.X, 0), append(line.Y, p)
			}
			line.X, line.Y, recall = append(line.X, r), append(line.Y, p), r
		}
		line.Name, line.Note = s.Name, fmt.Sprintf("AP %.3f", average)
		series = append(series, line)
	}
	return ranking("PrecisionRecall", o, "recall", "precision", series, chance(0, base, 1, base))
}

func chance(x0, y0, x1, y1 float64) Series {
	return Series{Name: "chance", X: []float64{x0, x1}, Y: []float64{y0, y1}, Color: muted, Dashed: true}
}

func ranking(function string, o RankingOptions, xLabel, yLabel string, series []Series, base Series) *Figure {
	if len(series) == 0 {
		fail(function, "no scores: pass at least one classifier's")
	}
	size := orDefault(o.Size, 320)
	b, text := curves(function, CurveOptions{XLabel: xLabel, YLabel: yLabel, XRange: [2]float64{0, 1}, YRange: [2]float64{0, 1}, Width: size, Height: size},
		append(series, base))
	return newFigure(o.Title, o.Caption, b, text)
}

// Confidences are the probabilities that a network gave to its predicted classes, and whether it was right.
type Confidences struct {
	Name    string
	Values  []float64 // 0 … 1
	Correct []bool
}

// Calibration draws accuracy against confidence in bins of equal width, and writes each expected calibration error
// (Guo et al. 2017, equation 3) into the key. On the diagonal, a network is right as often as it says. It panics when
// numbers differ, or on values outside 0 … 1.
func Calibration(o RankingOptions, confidences ...Confidences) *Figure {
	const function = "Calibration"
	bins := orDefault(o.Bins, 15)
	if bins < 1 {
		fail(function, "%d bins", bins)
	}
	var series []Series
	for i, c := range confidences {
		if len(c.Values) == 0 || len(c.Values) != len(c.Correct) {
			fail(function, "%q has %d confidences and %d answers: pass one answer for each of at least one", c.Name, len(c.Values), len(c.Correct))
		}
		sums, rights, counts := make([]float64, bins), make([]float64, bins), make([]float64, bins)
		for j, v := range c.Values {
			if !(v >= 0 && v <= 1) {
				fail(function, "confidence %d of %q is %v, want 0 … 1: apply the softmax first", j, c.Name, v)
			}
			b := min(int(v*float64(bins)), bins-1)
			sums[b], counts[b] = sums[b]+v, counts[b]+1
			if c.Correct[j] {
				rights[b]++
			}
		}
		line := Series{Name: c.Name, Color: paletteColor(i), Points: true}
		expected := 0.0
		for b, n := range counts {
			if n > 0 {
				line.X, line.Y = append(line.X, sums[b]/n), append(line.Y, rights[b]/n)
				expected += max(rights[b]-sums[b], sums[b]-rights[b]) / float64(len(c.Values))
			}
		}
		line.Note = fmt.Sprintf("ECE %.3f", expected)
		series = append(series, line)
	}
	diagonal := chance(0, 0, 1, 1)
	diagonal.Name = "calibrated"
	return ranking(function, o, "confidence", "accuracy", series, diagonal)
}
