package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
)

const (
	torchArm = "PyTorch" // channels_last
	jaxArm   = "JAX"
)

// A networkReport is what training steps and inference cost.
type networkReport struct {
	Versions map[string]string  `json:"versions"`
	Start    map[string]float64 `json:"start_seconds"` // of the process, its library and its device
	Missing  []string           `json:"missing,omitempty"`
	Cases    []caseReport       `json:"cases"`
}

// A caseReport is one network at one batch size, trained or used.
type caseReport struct {
	Network    string      `json:"network"`
	Batch      int         `json:"batch"`
	Train      bool        `json:"train"`
	Method     string      `json:"method,omitempty"` // of attribution
	Depth      int         `json:"depth,omitempty"`  // convolutions, where compile times are compared by them
	Parameters int         `json:"parameters"`
	Arms       []armResult `json:"arms"`
}

// An armResult is one library's. Times are milliseconds a step, or a batch of inference.
type armResult struct {
	Arm     string  `json:"arm"`
	Median  float64 `json:"median_ms"`
	Fastest float64 `json:"fastest_ms"`
	Slowest float64 `json:"slowest_ms"`
	Compile float64 `json:"compile_s"` // until the first step was done; the median where it was done more than once
	Peak    int64   `json:"peak_bytes"`
	// Ratios are the medians over rounds of this arm's time divided by another's in the same round, which is steadier
	// than the ratio of the medians on a machine that others use too.
	Ratios map[string]float64 `json:"ratios"`

	times, compiles []float64
}

// A workload is what is measured: every network as a training step, and some as inference; or an attribution method.
type workload struct {
	network network
	batch   int
	train   bool
	method  string
	depth   int // convolutions, where they are what differs
	builds  int // how often it is built, to measure that; 0: once
	steps   int // a turn is a multiple of so many; 0: one
}

// wants reports whether an arm is worth measuring: where a network has no recipe, its inference is that of the layers; and variations are
// of training as classification is trained.
func (l workload) wants(arm string) bool {
	if v, ok := variations[arm]; ok {
		return l.train && l.network.Target == nil && (v.fits == nil || v.fits(l.network))
	}
	_, own := recipe(l.network)
	return arm != recipesArm || l.train || own
}

func (l workload) String() string {
	return fmt.Sprintf("%s, batch %d, %s", l.network.Name, l.batch, kind(l.train, l.method))
}

func kind(train bool, method string) string {
	switch {
	case train:
		return "training step, Adam"
	case method != "":
		return method
	}
	return "inference"
}

// imageBatch is the largest batch in the training of networks whose output is an image: as super-resolution is trained with, since
// its images stay large to the end.
const imageBatch = 16

// usualBatch is what networks train with where nothing else is asked for, and the batch of the single operations.
const usualBatch = 64

// workloads are training and inference of the networks with each batch; without any, training alone with the usual one.
func workloads(names []string, batches []int) (all []workload) {
	training := batches
	if len(training) == 0 {
		training = []int{usualBatch}
	}
	for _, n := range named(names) {
		var done []int
		for _, batch := range training {
			if n.Target != nil {
				batch = min(batch, imageBatch)
			}
			if !slices.Contains(done, batch) {
				done = append(done, batch)
				all = append(all, workload{network: n, batch: batch, train: true})
			}
		}
	}
	for _, n := range named(names) {
		for _, batch := range batches {
			all = append(all, workload{network: n, batch: batch})
		}
	}
	return all
}

// measureNetworks measures each workload in all arms, in turns.
func measureNetworks(ctx context.Context, part string, arms []string, loads []workload, rounds int, budget float64) (*networkReport, error) {
	processes, missing, err := launchAll(ctx, arms)
	if err != nil {
		return nil, err
	}
	defer closeAll(processes)
	r := &networkReport{Versions: map[string]string{}, Start: map[string]float64{}, Missing: missing}
	for _, p := range processes {
		r.Versions[p.name], r.Start[p.name] = p.version, p.start
	}
	for i, load := range loads {
		fmt.Fprintf(os.Stderr, "bench: %s, %d of %d: %s …\n", part, i+1, len(loads), load)
		c, err := measureCase(ctx, processes, load, rounds, budget)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", load.network.Name, err)
		}
		c.print(os.Stdout)
		r.Cases = append(r.Cases, c)
	}
	return r, nil
}

// measureCase builds one workload everywhere, and then takes turns. A turn is as many steps as take about budget seconds.
func measureCase(ctx context.Context, processes []*process, load workload, rounds int, budget float64) (c caseReport, err error) {
	c = caseReport{Network: load.network.Name, Batch: load.batch, Train: load.train, Method: load.method, Depth: load.depth}
	processes = slices.DeleteFunc(slices.Clone(processes), func(p *process) bool { return !load.wants(p.name) })
	for _, p := range processes {
		c.Arms = append(c.Arms, armResult{Arm: p.name})
	}
	for range max(1, load.builds) {
		for i, p := range processes {
			built, err := p.ask(request{Op: "build", Network: &load.network, Batch: load.batch, Train: load.train, Method: load.method})
			if err != nil {
				return c, err
			}
			if c.Parameters == 0 {
				c.Parameters = built.Parameters
			}
			if built.Parameters != c.Parameters {
				return c, fmt.Errorf("%s has %d parameters, %s %d: they are not the same network", p.name, built.Parameters, processes[0].name, c.Parameters)
			}
			c.Arms[i].compiles = append(c.Arms[i].compiles, built.Compile)
		}
	}
	n := 1 << 20
	for _, p := range processes {
		warm, err := p.ask(request{Op: "run", N: 2})
		if err != nil {
			return c, err
		}
		n = min(n, max(1, int(budget/(warm.Seconds/2))))
	}
	if load.steps > 0 {
		n = (n + load.steps - 1) / load.steps * load.steps
	}
	for round := range rounds {
		for i := range processes {
			j := (i + round) % len(processes) // nobody is always first
			if err := ctx.Err(); err != nil {
				return c, err
			}
			took, err := processes[j].ask(request{Op: "run", N: n})
			if err != nil {
				return c, err
			}
			c.Arms[j].times = append(c.Arms[j].times, took.Seconds*1e3/float64(n))
		}
	}
	for i, p := range processes {
		a := &c.Arms[i]
		memory, err := p.ask(request{Op: "memory"})
		if err != nil {
			return c, err
		}
		a.Peak, a.Compile = memory.Peak, median(a.compiles)
		a.Median, a.Fastest, a.Slowest = median(a.times), slices.Min(a.times), slices.Max(a.times)
		a.Ratios = map[string]float64{}
		for _, other := range c.Arms {
			ratios := make([]float64, len(a.times))
			for k := range ratios {
				ratios[k] = a.times[k] / other.times[k]
			}
			a.Ratios[other.Arm] = median(ratios)
		}
	}
	return c, nil
}

// print writes a table of one case.
func (c caseReport) print(out io.Writer) {
	fmt.Fprintf(out, "\n%s, %d parameters, batch %d, %s, %d CPUs\n", c.Network, c.Parameters, c.Batch, kind(c.Train, c.Method), runtime.NumCPU())
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "through\tmedian ms\tfastest\tslowest\tfirst s\tpeak MB\t")
	for _, a := range c.Arms {
		fmt.Fprintf(w, "/ %s\t", a.Arm)
	}
	fmt.Fprintln(w)
	for _, a := range c.Arms {
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f\t%.1f\t%.0f\t", a.Arm, a.Median, a.Fastest, a.Slowest, a.Compile, float64(a.Peak)/1e6)
		for _, other := range c.Arms {
			fmt.Fprintf(w, "%.3f\t", a.Ratios[other.Arm])
		}
		fmt.Fprintln(w)
	}
	w.Flush()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
