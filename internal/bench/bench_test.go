package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"fovea/internal/backend/backendtest"
	"fovea/internal/bench/kernels"
	"fovea/internal/bench/operators"
	"fovea/layers"
)

func TestMain(m *testing.M) {
	backendtest.CompileQuickly() // no test measures
	os.Exit(m.Run())
}

// Every arm computes the same network: as many parameters and multiply-adds, in whatever library.
func TestArmsAreTheSameNetwork(t *testing.T) {
	b := backendtest.ForTest(t)
	for _, n := range networks() {
		own, _ := recipe(n)
		size := map[string][2]int64{}
		for arm, net := range map[string]builder{plainArm: gomlx.build(n), layersArm: ours.build(n), recipesArm: own} {
			summary, err := layers.Summarize(b, net, shapes.Make(dtypes.Float32, append([]int{2}, n.Input...)...))
			if err != nil {
				t.Fatalf("%s, %s: %v", n.Name, arm, err)
			}
			want := []int{2, 10}
			if n.Target != nil {
				want = append([]int{2}, n.Target...)
			}
			if got := summary.Outputs[0].Dimensions; !slices.Equal(got, want) {
				t.Errorf("%s, %s: outputs %v, want %v", n.Name, arm, got, want)
			}
			size[arm] = [2]int64{int64(summary.Parameters()), summary.MACs()}
		}
		if size[plainArm] != size[layersArm] || size[plainArm] != size[recipesArm] {
			t.Errorf("%s: parameters and multiply-adds %v", n.Name, size)
		}
	}
}

// A process that measures answers each line, and an error of one request does not end it.
func TestWork(t *testing.T) {
	backendtest.ForTest(t)
	small := network{Name: "small", Input: []int{8, 8, 3}, Blocks: []block{conv(4, 2, false), normalise, relu, mean, dense(10)}}
	var in, out bytes.Buffer
	requests := json.NewEncoder(&in)
	for _, r := range []request{
		{Op: "build", Network: &small, Batch: 2, Train: true}, {Op: "run", N: 6}, {Op: "memory"},
		{Op: "build", Network: &network{Name: "wrong", Input: []int{8, 8, 3}, Blocks: []block{{Op: "wavelet"}}}, Batch: 2},
		{Op: "build", Network: &small, Batch: 4}, {Op: "run", N: 1},
	} {
		if err := requests.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := work(context.Background(), recipesArm, &in, &out); err != nil {
		t.Fatal(err)
	}
	var answers []answer
	for d := json.NewDecoder(&out); d.More(); {
		var a answer
		if err := d.Decode(&a); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	const parameters = 3*3*3*4 + 2*4 + 4*10 + 10
	switch {
	case len(answers) != 7:
		t.Fatalf("%d answers: %s", len(answers), out.String())
	case answers[0].Version == "" || answers[1].Parameters != parameters || answers[5].Parameters != parameters:
		t.Errorf("version %q, parameters %d and %d, want %d", answers[0].Version, answers[1].Parameters, answers[5].Parameters, parameters)
	case answers[2].Seconds <= 0 || answers[2].Value <= 0 || answers[3].Peak <= 0 || answers[6].Seconds <= 0:
		t.Errorf("measurements %+v", answers)
	case !strings.Contains(answers[4].Error, "wavelet"):
		t.Errorf("error %q", answers[4].Error)
	}
}

// operations are small networks that together have every operation, with their numbers of parameters.
func operations() map[int]network {
	images, sound := []int{8, 8, 3}, []int{64, 1}
	wide := conv(4, 4, true)
	wide.Size = 9
	return map[int]network{
		9*4 + 4 + 3*4*4 + 4 + 4*10 + 10: {Name: "sound", Input: sound, Blocks: []block{wide, relu, conv(4, 1, true), mean, dense(10)}},
		9*3*8 + 8:                       {Name: "pixels", Input: images, Target: []int{16, 16, 2}, Blocks: []block{conv(8, 1, true), {Op: "shuffle", Size: 2}}},
		2 * (9*3*3 + 3):                 {Name: "units", Input: images, Target: images, Blocks: []block{plus(conv(3, 1, true), relu, conv(3, 1, true))}},
		48*6 + 6 + 4*6 + 2*6 + 4*(6*6+6) + 6*10 + 10: {Name: "patches", Input: images, Blocks: []block{
			{Op: "patches", Size: 4, Filters: 6}, {Op: "positions"}, plus(layerNorm, block{Op: "attention", Heads: 2}), gelu, mean, dense(10)}},
		9*3*4 + 2*4 + 9*4*6 + 6*10 + 10: {Name: "images", Input: images, Blocks: []block{conv(4, 1, false), normalise, relu,
			{Op: "residual", Filters: 6, Stride: 2, Body: []block{conv(6, 2, false)}}, maxPool, maxPool, flatten, dense(10)}},
	}
}

// Each operation is built by the Go arms with as many parameters, and has a loss that training lowers.
func TestOperations(t *testing.T) {
	b := backendtest.SkipWithoutXLA(t) // GoMLX's batch normalisation trains on no other
	for want, n := range operations() {
		for _, arm := range []string{plainArm, layersArm, recipesArm} {
			r, err := newRunner(context.Background(), b, arm, request{Network: &n, Batch: 4, Train: true})
			if err != nil {
				t.Fatalf("%s, %s: %v", n.Name, arm, err)
			}
			first, err := r.run(12) // the trainer of the recipes reads the loss every six steps
			if err != nil {
				t.Fatalf("%s, %s: %v", n.Name, arm, err)
			}
			last, err := r.run(60)
			if err != nil || !(last < first) {
				t.Errorf("%s, %s: the loss went from %g to %g, %v", n.Name, arm, first, last, err)
			}
			if r.parameters != want {
				t.Errorf("%s, %s: %d parameters, want %d", n.Name, arm, r.parameters, want)
			}
			r.close()
		}
	}
}

// The Python arms build the same networks, and train and use them.
func TestPeers(t *testing.T) {
	if os.Getenv(peersVariable) == "" {
		t.Skipf("%s names no Python environment with PyTorch and JAX", peersVariable)
	}
	processes, _, err := launchAll(context.Background(), []string{jaxArm, torchArm})
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(processes)
	for want, n := range operations() {
		for _, p := range processes {
			ask := func(r request) answer {
				a, err := p.ask(r)
				if err != nil {
					t.Fatalf("%s: %v", n.Name, err)
				}
				return a
			}
			built := ask(request{Op: "build", Network: &n, Batch: 4, Train: true})
			if built.Parameters != want {
				t.Errorf("%s, %s: %d parameters, want %d", n.Name, p.name, built.Parameters, want)
			}
			first, last := ask(request{Op: "run", N: 6}), ask(request{Op: "run", N: 60})
			if !(last.Value < first.Value) {
				t.Errorf("%s, %s: the loss went from %g to %g", n.Name, p.name, first.Value, last.Value)
			}
			ask(request{Op: "build", Network: &n, Batch: 1})
			if used := ask(request{Op: "run", N: 1}); used.Seconds <= 0 {
				t.Errorf("%s, %s: inference %+v", n.Name, p.name, used)
			}
		}
	}
}

// The shuffle puts the channels of a pixel where its square is: rows, then columns, then what stays a channel.
func TestShuffle(t *testing.T) {
	b := backendtest.ForTest(t)
	x := tensors.FromFlatDataAndDimensions([]float32{0, 1, 2, 3, 10, 11, 12, 13}, 1, 1, 2, 4)
	y, err := graph.CallOnce(b, func(x *graph.Node) *graph.Node { return shuffle(x, 2) }, x)
	if err != nil {
		t.Fatal(err)
	}
	want := []float32{0, 1, 10, 11, 2, 3, 12, 13}
	if got := tensors.MustCopyFlatData[float32](y); !slices.Equal(got, want) {
		t.Errorf("shuffled %v, want %v", got, want)
	}
}

// The page has what was measured, the part written by hand, and its plots; it can lack whole parts.
func TestPage(t *testing.T) {
	dir := t.TempDir()
	arms := func(times ...float64) (all []armResult) {
		for i, name := range []string{plainArm, layersArm, jaxArm} {
			a := armResult{Arm: name, Median: times[i], Compile: 1.5, Peak: 123e6, Ratios: map[string]float64{}}
			for j, other := range []string{plainArm, layersArm, jaxArm} {
				a.Ratios[other] = times[i] / times[j]
			}
			all = append(all, a)
		}
		return all
	}
	day := func(n int) time.Time { return time.Date(2030, 1, n, 0, 0, 0, 0, time.UTC) }
	r := report{
		Sessions: map[string]session{
			networkPart:   {Date: day(1), Machine: kernels.Machine{CPU: "Some Processor", CPUs: 2}},
			growthPart:    {Date: day(3), Machine: kernels.Machine{CPU: "Some Processor", CPUs: 2}},
			operatorsPart: {Date: day(2), Machine: kernels.Machine{CPU: "Another", CPUs: 4}},
		},
		Network: &networkReport{Versions: map[string]string{jaxArm: "jax 1.2.3"}, Cases: []caseReport{
			{Network: "net-a", Batch: 64, Train: true, Parameters: 42, Arms: arms(80, 40, 32)},
			{Network: "net-a", Batch: 1, Arms: arms(3, 2, 1)}, {Network: "net-a", Batch: 64, Arms: arms(9, 8, 7)},
		}},
		Growth: &networkReport{Cases: []caseReport{
			{Network: "net-a", Batch: 1, Arms: arms(2, 1, 3)}, {Network: "net-a", Batch: 256, Arms: arms(200, 128, 300)},
			{Network: "net-4", Batch: 8, Train: true, Depth: 4, Arms: arms(2, 1, 3)}, {Network: "net-8", Batch: 8, Train: true, Depth: 8, Arms: arms(4, 2, 6)},
		}},
	}
	r.Network.Cases = append(r.Network.Cases, // the estimate below is of the one with the operations' batch
		caseReport{Network: "4-conv-strided", Batch: 1, Train: true, Arms: arms(3, 2, 3)},
		caseReport{Network: "4-conv-strided", Batch: usualBatch, Train: true, Arms: arms(30, 20, 30)})
	r.Operators = &operators.Report{Peak: 100, Bandwidth: 10, Rows: []operators.Row{
		{Operation: "3×3, 3→32, stride 2", Input: []int{64, 32, 32, 3}, Pass: operators.ToInput, Plain: 1, Ours: 1, Limit: 1},
		{Operation: "3×3, 32→64, stride 2", Input: []int{64, 16, 16, 32}, Pass: operators.ToInput, Plain: 9, Ours: 8, Limit: 3},
		{Operation: "3×3, 2→3", Input: []int{64, 8, 8, 2}, Pass: "forward", Plain: 4, Ours: 2, Limit: 1},
	}}
	r.Variations = &networkReport{Cases: []caseReport{{Network: "net-a", Batch: 64, Train: true, Arms: []armResult{
		{Arm: layersArm, Median: 40}, {Arm: bfloat16Arm, Ratios: map[string]float64{layersArm: 1.2}}, {Arm: fastMathArm, Ratios: map[string]float64{layersArm: 0.9}}}}}}
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	results := filepath.Join(dir, "results.json")
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	write("results.json", data)
	write(operatorsFile, []byte("## By hand\n\nas it is: 100 %s\n"))
	if err := writePage(results); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"DO NOT EDIT", "Measured: network, growth.\n\n- processor: Some Processor", "Measured: operators.\n\n- processor: Another", "jax 1.2.3", "## By hand\n\nas it is: 100 %s\n",
		"| net-a, batch 64 | 42 | 80.0 | 40.0 | 32.0 | 0.50 | 1.25 |", // layers over GoMLX and JAX
		"| net-a | 256 | 0.78 | 0.50 | 1.17 |",                        // a sample's time
		"| 8 | 0 | 1.50 |",
		"Of the 20.0 ms of a training step of 4-conv-strided, 8.0 are", "3.0, and the step 15.0: 0.50 of JAX's 30.0.",
		"| network | layers, ms | fast-math | bfloat16 |\n| --- | ---: | ---: | ---: |\n| net-a, batch 64 | 40.0 | 0.90 | 1.20 |", "- *fast-math*: ",
		"| 3×3, 2→3 | [64 8 8 2] | forward | 4.00 | 2.00 | 0.50 | 1.00 | 0.50 |",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
	for _, plot := range []string{"training.png", "inference.png", "batches.png", "compile.png"} {
		if _, err := os.Stat(filepath.Join(dir, plot)); err != nil || !strings.Contains(string(text), "("+plot+")") {
			t.Errorf("%s: %v", plot, err)
		}
	}
	write("results.json", []byte(`{}`))
	if err := writePage(results); err == nil || !strings.Contains(err.Error(), "make bench") {
		t.Errorf("a page of nothing: %v", err)
	}
}

// A file keeps what it has of parts that are not measured again, with their time.
func TestReportKeepsOtherParts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	measure := func(day int, parts ...string) {
		t.Helper()
		r, err := readReport(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range parts {
			switch part {
			case networkPart:
				r.Network = &networkReport{Missing: []string{fmt.Sprint(day)}}
			case operatorsPart:
				r.Operators = &operators.Report{Peak: float64(day)}
			}
			if err := r.save(file, part, session{Date: time.Date(2030, 1, day, 0, 0, 0, 0, time.UTC)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	measure(1, networkPart, operatorsPart)
	measure(2, operatorsPart)
	r, err := readReport(file)
	if err != nil {
		t.Fatal(err)
	}
	if r.Network == nil || r.Network.Missing[0] != "1" || r.Operators == nil || r.Operators.Peak != 2 {
		t.Errorf("network %+v and operators %+v, want those of day 1 and day 2", r.Network, r.Operators)
	}
	if a, b := r.Sessions[networkPart].Date.Day(), r.Sessions[operatorsPart].Date.Day(); a != 1 || b != 2 {
		t.Errorf("measured on days %d and %d, want 1 and 2", a, b)
	}
	if err := os.WriteFile(file, []byte("not JSON"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readReport(file); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("a file of something else: %v", err)
	}
}

// Flags that name files stay out of reports.
func TestFlagsNameNoFiles(t *testing.T) {
	t.Setenv("GOFLAGS", "-p=1 -modfile=/some/where/go.mod -tags=x")
	if got := goFlags(); got != "-p=1 -tags=x" {
		t.Errorf("flags %q", got)
	}
}

// Networks that put out images train with no more than 16, and with each size once.
func TestWorkloadsTrainWithEachBatch(t *testing.T) {
	for _, c := range []struct {
		batches []int
		want    string
	}{
		{[]int{1, 64, 256}, "resnet-20 train 1 resnet-20 train 64 resnet-20 train 256 edsr-tiny train 1 edsr-tiny train 16 resnet-20 1 resnet-20 64 resnet-20 256 edsr-tiny 1 edsr-tiny 64 edsr-tiny 256"},
		{nil, "resnet-20 train 64 edsr-tiny train 16"},
	} {
		var got []string
		for _, w := range workloads([]string{"resnet-20", "edsr-tiny"}, c.batches) {
			got = append(got, w.network.Name)
			if w.train {
				got = append(got, "train")
			}
			got = append(got, fmt.Sprint(w.batch))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v: %v", c.batches, got)
		}
	}
}
