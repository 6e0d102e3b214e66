// Bench measures what training and inference cost through this project's layers and the trainer of its recipes beside plain
// GoMLX, JAX and PyTorch; and what cells cost in this project's kernel beside GoNB's. `make bench` runs it.
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
	"strconv"
	"strings"
	"time"

	"fovea/internal/atomicfile"
	"fovea/internal/bench/kernels"
)

// A report is what the JSON file holds.
type report struct {
	Date        time.Time       `json:"date"`
	Go          string          `json:"go"`
	CPUs        int             `json:"cpus"`
	Quick       bool            `json:"quick,omitempty"`
	Network     *networkReport  `json:"network,omitempty"`
	Attribution *networkReport  `json:"attribution,omitempty"`
	Kernel      *kernels.Report `json:"kernel,omitempty"`
}

// Parts of the benchmark.
const (
	networkPart     = "network"
	attributionPart = "attribution"
	kernelPart      = "kernel"
)

var allParts = []string{networkPart, attributionPart, kernelPart}

type options struct {
	out      string
	parts    []string
	quick    bool
	arms     []string
	networks []string
	batches  []int
	rounds   int
	cells    kernels.Options
}

func main() {
	var o options
	flag.StringVar(&o.out, "o", "", "write the measurements as JSON to this `file`")
	flag.BoolVar(&o.quick, "quick", false, "few rounds: a look, not a measurement")
	parts := flag.String("parts", strings.Join(allParts, ","), "what to measure")
	arms := flag.String("arms", strings.Join([]string{plainArm, layersArm, recipesArm, jaxArm, torchArm}, ","), "what is compared; ratios are to each")
	networks := flag.String("networks", "", "only these networks, by name")
	batches := flag.String("batches", "1,64,256", "batch sizes of inference; empty: none")
	arm := flag.String("work", "", "be the process that measures this `arm`, for requests on standard input")
	flag.IntVar(&o.cells.Rounds, "rounds", 20, "measurements of each cell")
	flag.IntVar(&o.cells.Starts, "starts", 10, "measurements of a kernel's start")
	flag.IntVar(&o.cells.Cells, "late", 300, "number of the late cell; Fovea goes on to twice that")
	cases := flag.String("cases", "", "measure the cells whose names match this `expression`")
	flag.StringVar(&o.cells.Fovea, "fovea", filepath.Join("build", "fovea"), "the command whose kernel is measured")
	flag.StringVar(&o.cells.Python, "python", filepath.Join("build", "jupyter", "bin", "python"), "an interpreter that has jupyter_client")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o.parts, o.arms, o.networks = list(*parts), list(*arms), list(*networks)
	o.cells.Log, o.rounds = os.Stderr, o.cells.Rounds
	var err error
	if *arm != "" {
		err = work(ctx, *arm, os.Stdin, os.Stdout)
	} else if err = o.check(*cases, list(*batches)); err == nil {
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// check looks at what was asked for before anything is measured.
func (o *options) check(cases string, batches []string) (err error) {
	for _, part := range o.parts {
		if !slices.Contains(allParts, part) {
			return fmt.Errorf("-parts %s: there are %s", part, strings.Join(allParts, ", "))
		}
	}
	for _, text := range batches {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("-batches %s: want whole numbers", text)
		}
		o.batches = append(o.batches, n)
	}
	if len(named(o.networks)) == 0 || len(named(o.networks)) < len(o.networks) {
		var names []string
		for _, n := range networks() {
			names = append(names, n.Name)
		}
		return fmt.Errorf("-networks %s: there are %s", strings.Join(o.networks, ","), strings.Join(names, ", "))
	}
	if o.quick {
		o.rounds, o.batches = 3, nil
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

// list splits at commas; nothing is an empty list.
func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func run(ctx context.Context, o options) (err error) {
	r := report{Date: time.Now().UTC().Truncate(time.Second), Go: runtime.Version(), CPUs: runtime.NumCPU(), Quick: o.quick}
	if slices.Contains(o.parts, networkPart) {
		if r.Network, err = measureNetworks(ctx, o.arms, workloads(o.networks, o.batches), o.rounds, 0.5); err != nil {
			return err
		}
		for _, why := range r.Network.Missing {
			fmt.Fprintln(os.Stderr, "bench:", why)
		}
	}
	if slices.Contains(o.parts, attributionPart) {
		if r.Attribution, err = measureAttribution(ctx, o.rounds); err != nil {
			return err
		}
		for _, why := range r.Attribution.Missing {
			fmt.Fprintln(os.Stderr, "bench:", why)
		}
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
