package dcnfis

import (
	"fmt"
	"math"
	"slices"
)

// Rows are examples in feature space, [N][features].
type Rows [][]float32

func (r Rows) distance(i, j int) float64 {
	var sum float64
	for k, v := range r[i] {
		d := float64(v - r[j][k])
		sum += d * d
	}
	return math.Sqrt(sum)
}

// Medoids are the examples that stand for the rules: of those for which rule k fires most, the one that is nearest to all of them
// together. A rule that is nobody's first has −1. firing is [N][K].
func Medoids(features Rows, firing Rows) ([]int, error) {
	if len(features) == 0 || len(features) != len(firing) {
		return nil, fmt.Errorf("medoids of %d examples with the firing strengths of %d", len(features), len(firing))
	}
	members := make([][]int, len(firing[0]))
	for i, row := range firing {
		k := slices.Index(row, slices.Max(row))
		if k < 0 {
			return nil, fmt.Errorf("a firing strength of example %d is not a number", i)
		}
		members[k] = append(members[k], i)
	}
	medoids := make([]int, len(members))
	for k, cluster := range members {
		medoids[k] = -1
		least := math.Inf(1)
		for _, i := range cluster {
			var sum float64
			for _, j := range cluster {
				sum += features.distance(i, j)
			}
			if sum < least {
				medoids[k], least = i, sum
			}
		}
	}
	return medoids, nil
}

// Silhouette is the mean over all examples of (b − a)/max(a, b): a is the mean distance to the others of the same class, b that to
// the nearest other class (Rousseeuw 1987). 1 is far apart, 0 mixed. A class's only example counts 0.
func Silhouette(features Rows, labels []int32, classes int) float64 {
	var mean float64
	sums, counts := make([]float64, classes), make([]int, classes)
	for _, label := range labels {
		counts[label]++
	}
	for i, own := range labels {
		clear(sums)
		for j, label := range labels {
			sums[label] += features.distance(i, j)
		}
		if counts[own] < 2 {
			continue
		}
		a, b := sums[own]/float64(counts[own]-1), math.Inf(1)
		for k, sum := range sums {
			if k != int(own) && counts[k] > 0 {
				b = min(b, sum/float64(counts[k]))
			}
		}
		if m := max(a, b); m > 0 && !math.IsInf(b, 0) {
			mean += (b - a) / m / float64(len(labels))
		}
	}
	return mean
}
