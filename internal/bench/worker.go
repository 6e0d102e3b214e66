package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
	plainloss "github.com/gomlx/gomlx/ml/train/loss"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/internal/backend"
	"fovea/layers/loss"
)

// Every library is measured in a process of its own, so that start-up and memory can be told apart. It reads a request a
// line and writes an answer a line, both JSON; peers/training.py speaks the same.
type request struct {
	Op      string   `json:"op"` // build, run or memory
	Network *network `json:"network,omitempty"`
	Batch   int      `json:"batch,omitempty"`
	Train   bool     `json:"train"`
	Method  string   `json:"method,omitempty"` // of attribution, instead of training or inference
	N       int      `json:"n,omitempty"`      // training steps, or batches of inference
}

type answer struct {
	Version    string  `json:"version,omitempty"`    // the first line
	Parameters int     `json:"parameters,omitempty"` // build
	Compile    float64 `json:"compile,omitempty"`    // seconds, the first run included
	Seconds    float64 `json:"seconds,omitempty"`    // run
	Value      float64 `json:"value,omitempty"`      // the last loss, or an output
	Peak       int64   `json:"peak,omitempty"`       // bytes, since the last build
	Error      string  `json:"error,omitempty"`
}

// Arms that are Go: plain GoMLX, this project's layers in GoMLX's trainer, and the trainer of the recipes.
const (
	plainArm   = "GoMLX"
	layersArm  = "layers"
	recipesArm = "recipes"
)

// A runner runs a network that was built.
type runner struct {
	run        func(n int) (float64, error)
	parameters int
	close      func()
}

// work answers requests until there are no more.
func work(ctx context.Context, arm string, in io.Reader, out io.Writer) error {
	b, _, err := backend.New(ctx, backend.Options{Progress: os.Stderr})
	if err != nil {
		return err
	}
	answers := json.NewEncoder(out)
	if err := answers.Encode(answer{Version: fmt.Sprintf("%s on %s, %s", arm, b.Name(), runtime.Version())}); err != nil {
		return err
	}
	current := &runner{close: func() {}}
	defer func() { current.close() }()
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return err
		}
		a, err := respond(ctx, b, arm, r, &current)
		if err != nil {
			a = answer{Error: err.Error()}
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
	return lines.Err()
}

func respond(ctx context.Context, b compute.Backend, arm string, r request, current **runner) (a answer, err error) {
	start := time.Now()
	switch r.Op {
	case "build":
		(*current).close()
		*current = &runner{close: func() {}}
		runtime.GC()
		_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // the peak of memory counts from here, where the system can
		made, err := newRunner(ctx, b, arm, r)
		if err != nil {
			return a, err
		}
		*current = made
		if _, err = made.run(1); err != nil {
			return a, err
		}
		return answer{Parameters: made.parameters, Compile: time.Since(start).Seconds()}, nil
	case "run":
		value, err := (*current).run(r.N)
		if err == nil && (math.IsNaN(value) || math.IsInf(value, 0)) {
			err = fmt.Errorf("%s: the result is %g", arm, value)
		}
		return answer{Seconds: time.Since(start).Seconds(), Value: value}, err
	case "memory":
		peak, err := peakMemory()
		return answer{Peak: peak}, err
	}
	return a, fmt.Errorf("no request %q", r.Op)
}

func newRunner(ctx context.Context, b compute.Backend, arm string, r request) (*runner, error) {
	if r.Method != "" {
		return explaining(b, *r.Network, r.Method, r.Batch)
	}
	n := *r.Network
	if v, ok := variations[arm]; ok {
		return v.build(b, n, r.Batch)
	}
	inputs, labels := examples(r.Batch, n)
	net, _ := recipe(n)
	switch arm {
	case plainArm:
		net = gomlx.build(n)
	case layersArm:
		net = ours.build(n)
	case recipesArm:
	default:
		return nil, fmt.Errorf("no arm %q", arm)
	}
	adam := func(int) optimizer.Interface { return optimizer.Adam().LearningRate(1e-3).Done() }
	lossFn := loss.SoftmaxCrossEntropy(0)
	switch {
	case n.Target != nil:
		lossFn = plainloss.MeanSquaredError
	case arm == plainArm:
		lossFn = plainloss.SparseCategoricalCrossEntropyLogits
	}
	switch {
	case !r.Train:
		return inference(b, net, inputs)
	case arm == recipesArm && n.Target == nil:
		return recipeTraining(ctx, b, net, nil, adam, inputs, labels) // without a loss it measures accuracy too
	case arm == recipesArm:
		return recipeTraining(ctx, b, net, lossFn, adam, inputs, labels)
	}
	return gomlxTraining(b, net, lossFn, adam(0), inputs, labels)
}

// inference computes outputs and reads them.
func inference(b compute.Backend, net builder, inputs func() *tensors.Tensor) (*runner, error) {
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(1); err != nil {
		return nil, err
	}
	exec, err := model.NewExec(b, store, net)
	if err != nil {
		return nil, err
	}
	x := inputs() // stays on the device, as the peers' does
	r := &runner{close: func() { exec.Finalize(); store.Finalize(); x.FinalizeAll() }}
	r.run = func(n int) (value float64, err error) {
		for range n {
			outputs, err := exec.Call(x)
			if err != nil {
				return 0, err
			}
			value = float64(tensors.MustCopyFlatData[float32](outputs[0])[0])
			outputs[0].FinalizeAll()
		}
		return value, nil
	}
	if _, err := r.run(1); err != nil { // makes the variables
		return nil, err
	}
	r.parameters = trainable(store)
	return r, nil
}

// gomlxTraining takes steps through the trainer of GoMLX.
func gomlxTraining(b compute.Backend, net builder, lossFn train.LossFn, o optimizer.Interface, inputs, labels func() *tensors.Tensor) (*runner, error) {
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(1); err != nil {
		return nil, err
	}
	trainer := train.NewTrainer(b, store, net, lossFn, o, nil, nil)
	r := &runner{close: func() { trainer.ResetComputationGraphs(); store.Finalize() }}
	r.run = func(n int) (value float64, err error) {
		losses := make([]*tensors.Tensor, n)
		for i := range losses {
			metrics, err := trainer.TrainStep(train.Batch{Inputs: []*tensors.Tensor{inputs()}, Labels: []*tensors.Tensor{labels()}})
			if err != nil {
				return 0, err
			}
			losses[i] = metrics[0]
		}
		for _, t := range losses { // reading waits for the device
			value = float64(tensors.ToScalar[float32](t))
		}
		return value, nil
	}
	if _, err := r.run(1); err != nil {
		return nil, err
	}
	r.parameters = trainable(store)
	return r, nil
}

// trainable counts parameters, those of optimisers and statistics left out.
func trainable(store *model.Store) (n int) {
	for v := range store.IterVariables() {
		if v.Trainable {
			n += v.Shape().Size()
		}
	}
	return n
}

// examples gives the same random inputs [B …] and labels, classes [B 1] or targets [B …], again and again, since trainers
// consume them.
func examples(batch int, n network) (inputs, labels func() *tensors.Tensor) {
	r := rand.New(rand.NewPCG(1, 2))
	noise := func(shape []int) func() *tensors.Tensor {
		dims := append([]int{batch}, shape...)
		values := make([]float32, shapes.Make(dtypes.Float32, dims...).Size())
		for i := range values {
			values[i] = r.Float32() - 0.5
		}
		return func() *tensors.Tensor { return tensors.FromFlatDataAndDimensions(values, dims...) }
	}
	inputs = noise(n.Input)
	if n.Target != nil {
		return inputs, noise(n.Target)
	}
	classes := make([]int32, batch)
	for i := range classes {
		classes[i] = r.Int32N(10)
	}
	return inputs, func() *tensors.Tensor { return tensors.FromFlatDataAndDimensions(classes, batch, 1) }
}

// peakMemory is the most that this process has held in memory.
func peakMemory() (int64, error) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kilobytes * 1024, err
		}
	}
	return 0, fmt.Errorf("the system does not tell the peak of memory")
}
