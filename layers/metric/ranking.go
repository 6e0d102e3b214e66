package metric

import (
	"fmt"
	"math"
	"slices"
)

// A RankPoint is what a detector does when it says yes to all scores from Threshold on.
type RankPoint struct {
	Threshold         float64
	TruePositiveRate  float64 // share of the positives that are found; recall
	FalsePositiveRate float64 // share of the negatives that are taken for positives
	Precision         float64 // share of what is said yes to that is positive
}

// Ranking is how well scores tell positives from negatives, whatever the threshold. Make one with NewRanking.
type Ranking struct {
	Points               []RankPoint // one for each distinct score, the largest first
	Positives, Negatives int
}

// NewRanking sorts scores, the larger the more likely positive. Examples of equal scores come in together, so that ties
// give no credit for the order in which they stand.
func NewRanking(scores []float64, positive []bool) (*Ranking, error) {
	if len(scores) != len(positive) {
		return nil, fmt.Errorf("ranking: %d scores for %d examples", len(scores), len(positive))
	}
	r, order := &Ranking{}, make([]int, len(scores))
	for i, s := range scores {
		if math.IsNaN(s) {
			return nil, fmt.Errorf("ranking: the score of example %d is not a number", i)
		}
		order[i] = i
		if positive[i] {
			r.Positives++
		}
	}
	r.Negatives = len(scores) - r.Positives
	if r.Positives == 0 || r.Negatives == 0 {
		return nil, fmt.Errorf("ranking: %d positives and %d negatives: want at least one of each", r.Positives, r.Negatives)
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case scores[a] > scores[b]:
			return -1
		case scores[a] < scores[b]:
			return 1
		}
		return 0
	})
	found, wrong := 0, 0
	for k, i := range order {
		if positive[i] {
			found++
		} else {
			wrong++
		}
		if k+1 < len(order) && scores[order[k+1]] == scores[i] {
			continue
		}
		r.Points = append(r.Points, RankPoint{
			Threshold: scores[i], TruePositiveRate: ratio(int64(found), int64(r.Positives)),
			FalsePositiveRate: ratio(int64(wrong), int64(r.Negatives)), Precision: ratio(int64(found), int64(k+1)),
		})
	}
	return r, nil
}

// ROCAUC is the area under the curve of true against false positive rates: the probability that a random positive has a
// larger score than a random negative, ties counting half. 0.5 is chance.
func (r *Ranking) ROCAUC() float64 {
	var area, x, y float64
	for _, p := range r.Points {
		area += (p.FalsePositiveRate - x) * (p.TruePositiveRate + y) / 2
		x, y = p.FalsePositiveRate, p.TruePositiveRate
	}
	return area
}

// PRAUC is the average precision Σ (Rₙ − Rₙ₋₁)·Pₙ, the area under precision against recall in steps: lines between its
// points would promise what no threshold reaches (Davis, Goadrich 2006). Chance is the share of positives.
func (r *Ranking) PRAUC() float64 {
	var area, recall float64
	for _, p := range r.Points {
		area += (p.TruePositiveRate - recall) * p.Precision
		recall = p.TruePositiveRate
	}
	return area
}

// OneAgainstRest ranks the examples of a classifier by the probability of one class, [N][K]. Negative labels are left out.
func OneAgainstRest(probabilities [][]float32, labels []int32, class int) (*Ranking, error) {
	if len(probabilities) != len(labels) {
		return nil, fmt.Errorf("ranking: %d rows of probabilities for %d labels", len(probabilities), len(labels))
	}
	var scores []float64
	var positive []bool
	for i, row := range probabilities {
		if class < 0 || class >= len(row) {
			return nil, fmt.Errorf("ranking: example %d has %d classes, there is no class %d", i, len(row), class)
		}
		if labels[i] < 0 {
			continue
		}
		scores = append(scores, float64(row[class]))
		positive = append(positive, int(labels[i]) == class)
	}
	return NewRanking(scores, positive)
}
