// Bench measures what a training step costs through this project's layers, through the trainer of the recipes, and
// through plain GoMLX, side by side in one process; and what cells cost in this project's kernel beside GoNB's. `make
// bench` runs it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"fovea/internal/atomicfile"
	"fovea/internal/bench/kernels"
)

// A report is what the JSON file holds.
type report struct {
	Date    time.Time       `json:"date"`
	Go      string          `json:"go"`
	CPUs    int             `json:"cpus"`
	Quick   bool            `json:"quick,omitempty"`
	Network *networkReport  `json:"network,omitempty"`
	Kernel  *kernels.Report `json:"kernel,omitempty"`
}

// Parts of the benchmark.
const (
	networkPart = "network"
	kernelPart  = "kernel"
)

type options struct {
	out   string
	parts []string
	quick bool
	batch int
	cells kernels.Options
}

func main() {
	var o options
	flag.StringVar(&o.out, "o", "", "write the measurements as JSON to this `file`")
	flag.BoolVar(&o.quick, "quick", false, "few rounds: a look, not a measurement")
	parts := flag.String("parts", networkPart+","+kernelPart, "what to measure: network, kernel or both")
	flag.IntVar(&o.batch, "batch", 64, "images a training step")
	flag.IntVar(&o.cells.Rounds, "rounds", 20, "measurements of each cell")
	flag.IntVar(&o.cells.Starts, "starts", 10, "measurements of a kernel's start")
	flag.IntVar(&o.cells.Cells, "late", 300, "number of the late cell; Fovea goes on to twice that")
	cases := flag.String("cases", "", "measure the cells whose names match this `expression`")
	flag.StringVar(&o.cells.Fovea, "fovea", filepath.Join("build", "fovea"), "the command whose kernel is measured")
	flag.StringVar(&o.cells.Python, "python", filepath.Join("build", "jupyter", "bin", "python"), "an interpreter that has jupyter_client")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o.parts = strings.Split(*parts, ",")
	o.cells.Log = os.Stderr
	err := o.check(*cases)
	if err == nil {
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// check looks at what was asked for before anything is measured.
func (o *options) check(cases string) (err error) {
	for _, part := range o.parts {
		if part != networkPart && part != kernelPart {
			return fmt.Errorf("-parts %s: there are %s and %s", part, networkPart, kernelPart)
		}
	}
	if o.quick {
		o.cells.Rounds, o.cells.Starts, o.cells.Cells = 3, 2, 20
	}
	if o.cells.Rounds < 1 || o.cells.Starts < 1 {
		return fmt.Errorf("-rounds %d -starts %d: both are at least 1", o.cells.Rounds, o.cells.Starts)
	}
	if least := o.cells.Rounds + 3; o.cells.Cells < least {
		return fmt.Errorf("-late %d: with %d rounds it is at least %d", o.cells.Cells, o.cells.Rounds, least)
	}
	o.cells.Match, err = regexp.Compile(cases)
	return err
}

func run(ctx context.Context, o options) (err error) {
	r := report{Date: time.Now().UTC().Truncate(time.Second), Go: runtime.Version(), CPUs: runtime.NumCPU(), Quick: o.quick}
	if slices.Contains(o.parts, networkPart) {
		if r.Network, err = measureNetworks(ctx, o.batch, o.quick); err != nil {
			return err
		}
		r.Network.print()
	}
	if slices.Contains(o.parts, kernelPart) {
		if r.Kernel, err = kernels.Run(ctx, o.cells); err != nil {
			return err
		}
		fmt.Println()
		if err := r.Kernel.Print(os.Stdout); err != nil {
			return err
		}
	}
	if o.out == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.out), 0o755); err != nil {
		return err
	}
	return atomicfile.WriteBytes(o.out, append(data, '\n'))
}
