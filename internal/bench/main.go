// Bench measures what training and inference cost through this project's layers and the trainer of its recipes beside plain
// GoMLX, JAX and PyTorch; and what cells cost in this project's kernel beside GoNB's. `make bench` runs it.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"fovea/internal/backend"
	"fovea/internal/bench/kernels"
	"fovea/internal/bench/operators"
)

// turn is about how many seconds a library computes before it is another's turn.
const turn = 0.25

type options struct {
	out      string
	parts    []string
	quick    bool
	arms     []string
	networks []string
	batches  []int
	turns    int
	cells    kernels.Options
}

func main() {
	var o options
	flag.StringVar(&o.out, "o", "", "write the measurements as JSON to this `file`, which keeps what it has of parts that are not measured")
	page := flag.Bool("page", false, "measure nothing: write README.md and its plots beside the measurements of -o, or of "+resultsFile)
	flag.BoolVar(&o.quick, "quick", false, "few rounds: a look, not a measurement")
	parts := flag.String("parts", strings.Join(allParts, ","), "what to measure")
	arms := flag.String("arms", strings.Join([]string{plainArm, layersArm, recipesArm, jaxArm, torchArm}, ","), "what is compared; ratios are to each")
	networks := flag.String("networks", "", "only these networks, by name")
	batches := flag.String("batches", "1,64,256", "batch sizes of training and inference; empty: training with 64 alone")
	arm := flag.String("work", "", "be the process that measures this `arm`, for requests on standard input")
	flag.IntVar(&o.turns, "turns", 5, "measurements of each library on each network")
	flag.IntVar(&o.cells.Rounds, "rounds", 12, "measurements of each cell")
	flag.IntVar(&o.cells.Starts, "starts", 6, "measurements of a kernel's start")
	flag.IntVar(&o.cells.Cells, "late", 100, "number of the late cell; Fovea goes on to twice that")
	cases := flag.String("cases", "", "measure the cells whose names match this `expression`")
	flag.StringVar(&o.cells.Fovea, "fovea", filepath.Join("build", "fovea"), "the command whose kernel is measured")
	flag.StringVar(&o.cells.Python, "python", filepath.Join("build", "jupyter", "bin", "python"), "an interpreter that has jupyter_client")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o.parts, o.arms, o.networks = list(*parts), list(*arms), list(*networks)
	o.cells.Log = os.Stderr
	var err error
	if *arm != "" {
		backend.Restart() // as fovea train and the kernel's sessions run
		err = work(ctx, *arm, os.Stdin, os.Stdout)
	} else if *page {
		err = writePage(cmp.Or(o.out, resultsFile))
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
		o.turns, o.batches = 3, nil
		o.cells.Rounds, o.cells.Starts, o.cells.Cells = 3, 2, 20
	}
	if o.turns < 1 || o.cells.Rounds < 1 || o.cells.Starts < 1 {
		return fmt.Errorf("-turns %d -rounds %d -starts %d: all are at least 1", o.turns, o.cells.Rounds, o.cells.Starts)
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

func run(ctx context.Context, o options) error {
	r, err := readReport(o.out)
	if err != nil {
		return err
	}
	state := session{Date: time.Now().UTC().Truncate(time.Second), Machine: kernels.ThisMachine(), Flags: goFlags(), Quick: o.quick, Turns: o.turns}
	state.Machine.Versions = modules()
	for _, part := range []struct {
		name    string
		into    **networkReport
		measure func() (*networkReport, error)
	}{
		{networkPart, &r.Network, func() (*networkReport, error) {
			return measureNetworks(ctx, networkPart, o.arms, workloads(o.networks, o.batches), o.turns, turn)
		}},
		{growthPart, &r.Growth, func() (*networkReport, error) { return measureGrowth(ctx, o) }},
		{attributionPart, &r.Attribution, func() (*networkReport, error) { return measureAttribution(ctx, o.turns) }},
		{variationsPart, &r.Variations, func() (*networkReport, error) { return measureVariations(ctx, o) }},
	} {
		if !slices.Contains(o.parts, part.name) {
			continue
		}
		if *part.into, err = part.measure(); err != nil {
			return err
		}
		for _, why := range (*part.into).Missing {
			fmt.Fprintln(os.Stderr, "bench:", why)
		}
		if err := r.save(o.out, part.name, state); err != nil {
			return err
		}
	}
	if slices.Contains(o.parts, operatorsPart) {
		if r.Operators, err = measureOperators(ctx); err != nil {
			return err
		}
		if err := r.save(o.out, operatorsPart, state); err != nil {
			return err
		}
	}
	if !slices.Contains(o.parts, kernelPart) {
		return nil
	}
	if r.Kernel, err = kernels.Run(ctx, o.cells); err != nil {
		return err
	}
	fmt.Println()
	if err := r.Kernel.Print(os.Stdout); err != nil {
		return err
	}
	return r.save(o.out, kernelPart, state)
}

// measureOperators measures in this process: nothing else computes by then.
func measureOperators(ctx context.Context) (*operators.Report, error) {
	b, _, err := backend.New(ctx, backend.Options{Progress: os.Stderr})
	if err != nil {
		return nil, err
	}
	return operators.Measure(ctx, b, os.Stdout)
}

// goFlags are the flags of the go command that may bear on speed: what names a file does not, and stays out of reports.
func goFlags() string {
	return strings.Join(slices.DeleteFunc(strings.Fields(os.Getenv("GOFLAGS")), func(f string) bool {
		return strings.ContainsAny(f, `/\`)
	}), " ")
}

// modules names what computes here, with versions.
func modules() (all []string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	for _, name := range []string{"gomlx", "compute", "go-xla"} {
		for _, m := range info.Deps {
			if m.Path == "github.com/gomlx/"+name {
				all = append(all, name+" "+m.Version)
			}
		}
	}
	return all
}
