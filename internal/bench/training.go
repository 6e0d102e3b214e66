package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"

	"fovea/internal/backend"
)

// A networkReport is what training steps cost.
type networkReport struct {
	Backend string   `json:"backend"`
	Batch   int      `json:"batch"`
	Steps   []result `json:"training_step"`
}

// A result is one way to train one variant. Times are milliseconds a step.
type result struct {
	Variant string  `json:"variant"`
	Arm     string  `json:"arm"`
	Median  float64 `json:"median_ms"`
	Fastest float64 `json:"fastest_ms"`
	Slowest float64 `json:"slowest_ms"`
	// Ratio is the median over rounds of this arm's time divided by that of plain GoMLX in the same round, which
	// is steadier than the ratio of the medians on a machine that others use too.
	Ratio float64 `json:"ratio_to_plain"`
}

// measureNetworks trains each variant in all ways.
func measureNetworks(ctx context.Context, batch int, quick bool) (*networkReport, error) {
	b, _, err := backend.New(ctx, backend.Options{Progress: os.Stderr})
	if err != nil {
		return nil, err
	}
	rounds, perRound := 15, 6
	if quick {
		rounds, perRound = 3, 2
	}
	if b.Name() == "go" {
		rounds, perRound = 3, 1 // each step takes seconds there
	}
	r := &networkReport{Backend: b.Name(), Batch: batch}
	for _, v := range variants {
		results, err := measure(ctx, b, v, batch, rounds, perRound)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.name, err)
		}
		r.Steps = append(r.Steps, results...)
	}
	return r, nil
}

func (r *networkReport) print() {
	fmt.Printf("one training step, 32×32×3, batch %d, Adam, %s, %d CPUs\n", r.Batch, r.Backend, runtime.NumCPU())
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "network\tthrough\tmedian ms\tfastest\tslowest\tto plain\t")
	for _, s := range r.Steps {
		fmt.Fprintf(w, "%s\t%s\t%.1f\t%.1f\t%.1f\t%.3f\t\n", s.Variant, s.Arm, s.Median, s.Fastest, s.Slowest, s.Ratio)
	}
	w.Flush()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
