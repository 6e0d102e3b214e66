// Bench measures what a training step costs through this project's layers, through the trainer of the recipes, and
// through plain GoMLX, side by side in one process. `make bench` runs it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"fovea/internal/atomicfile"
	"fovea/internal/backend"
)

// A report is what the JSON file holds.
type report struct {
	Date    time.Time `json:"date"`
	Backend string    `json:"backend"`
	Go      string    `json:"go"`
	CPUs    int       `json:"cpus"`
	Batch   int       `json:"batch"`
	Quick   bool      `json:"quick,omitempty"`
	Steps   []result  `json:"training_step"`
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

func main() {
	out := flag.String("o", "", "write the measurements as JSON to this `file`")
	quick := flag.Bool("quick", false, "few rounds: a look, not a measurement")
	batch := flag.Int("batch", 64, "images a step")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *out, *batch, *quick); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string, batch int, quick bool) error {
	b, _, err := backend.New(ctx, backend.Options{Progress: os.Stderr})
	if err != nil {
		return err
	}
	rounds, perRound := 15, 6
	if quick {
		rounds, perRound = 3, 2
	}
	if b.Name() == "go" {
		rounds, perRound = 3, 1 // each step takes seconds there
	}
	r := report{Date: time.Now().UTC().Truncate(time.Second), Backend: b.Name(), Go: runtime.Version(), CPUs: runtime.NumCPU(), Batch: batch, Quick: quick}
	for _, v := range variants {
		results, err := measure(ctx, b, v, batch, rounds, perRound)
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		r.Steps = append(r.Steps, results...)
	}
	r.print()
	if out == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	return atomicfile.WriteBytes(out, append(data, '\n'))
}

func (r report) print() {
	fmt.Printf("one training step, 32×32×3, batch %d, Adam, %s, %d CPUs\n", r.Batch, r.Backend, r.CPUs)
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
