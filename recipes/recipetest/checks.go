package recipetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/datasets"
	"fovea/layers"
	"fovea/layers/loss"
	"fovea/recipes"
)

// checkJSON wants every configuration to come back from JSON as it was, since runs are saved that way.
func checkJSON(s Subject, _ compute.Backend) error {
	configs := map[string]any{"the default": s.Config}
	for _, name := range s.Variants() {
		configs["variant "+name], _ = s.Variant(name)
	}
	if tiny, ok := s.Tiny(s.Config); ok {
		configs["Tiny"] = tiny
	}
	for name, config := range configs {
		data, err := s.Encode(config)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		back, err := s.Decode(data)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !reflect.DeepEqual(back, config) {
			return fmt.Errorf("%s is %+v, and after JSON %+v", name, config, back)
		}
	}
	return nil
}

// checkParameters compares the declared counts with those of the graphs, for which no weights are made.
func checkParameters(s Subject, b compute.Backend) error {
	for variant, want := range s.Params {
		config, err := s.Variant(variant)
		if err != nil {
			return err
		}
		network, err := s.Network(config, Host)
		if err != nil {
			return err
		}
		summary, err := summarize(b, network, s.Input(config))
		if err != nil {
			return fmt.Errorf("variant %q: %w", variant, err)
		}
		if got := summary.Parameters(); got != want {
			return fmt.Errorf("variant %q has %d parameters, not the declared %d", variant, got, want)
		}
	}
	return nil
}

func summarize(b compute.Backend, network recipes.Network, input []int) (*layers.Summary, error) {
	return layers.Summarize(b, network, shapes.Make(dtypes.Float32, append([]int{1}, input...)...))
}

// checkTaps finds each named tap in the tiny network.
func checkTaps(s Subject, b compute.Backend) error {
	config, network, input, err := tiny(s)
	if err != nil {
		return err
	}
	g := graph.NewGraph(b, "taps")
	defer g.Finalize()
	model.SetStore(g, model.NewStore())
	return catch(func() {
		network(model.GetStore(g).RootScope(), graph.Parameter(g, "x", shapes.Make(dtypes.Float32, append([]int{2}, input...)...)))
		for _, name := range s.Taps(config) {
			if _, err := layers.TapNode(g, name); err != nil {
				panic(err)
			}
		}
	})
}

// checkClaims builds the network of every arm.
func checkClaims(s Subject, b compute.Backend) error {
	for _, claim := range s.Claims {
		if claim.Seeds < 3 {
			return fmt.Errorf("claim %s has %d seeds: take 3 or more", claim.Name, claim.Seeds)
		}
		if s.Kind == recipes.StudyKind {
			continue
		}
		for _, arm := range claim.Arms {
			network, err := s.Network(arm.Config, Host)
			if err != nil {
				return err
			}
			input := s.Input(arm.Config)
			if s.Kind == recipes.MethodKind {
				input = hostInput
			}
			if _, err := summarize(b, network, input); err != nil {
				return fmt.Errorf("claim %s, arm %s: %w", claim.Name, arm.Name, err)
			}
		}
	}
	return nil
}

// checkResult wants a result to be of the claims as they stand: an arm or a threshold that changed after the run makes the
// result one of another experiment.
func checkResult(s Subject, _ compute.Backend) error {
	if s.Result == nil {
		return nil
	}
	if s.Result.Recipe != s.Name || len(s.Result.Claims) != len(s.Claims) {
		return fmt.Errorf("result.json is of recipe %q with %d claims, not of its %d", s.Result.Recipe, len(s.Result.Claims), len(s.Claims))
	}
	for i, claim := range s.Claims {
		r := s.Result.Claims[i]
		if err := s.SameExperiment(claim, r); err != nil {
			return fmt.Errorf("claim %s and result.json: %w: run 'fovea reproduce %s' again", claim.Name, err, s.Name)
		}
		if r.Statement != claim.Statement || r.Verdict != recipes.Holds && r.Note != claim.Remark {
			return fmt.Errorf("claim %s has another statement or remark than result.json: run 'fovea reproduce --rejudge %s'", claim.Name, s.Name)
		}
	}
	return nil
}

// checkRuns computes: a network's outputs must be finite, a study's table too, and the same when run again.
func checkRuns(s Subject, b compute.Backend) error {
	if s.Kind == recipes.StudyKind {
		return checkStudy(s, b)
	}
	_, network, input, err := tiny(s)
	if err != nil {
		return err
	}
	store, err := newStore()
	if err != nil {
		return err
	}
	out, err := forward(b, store, network, noise(2, input))
	if err != nil {
		return err
	}
	for _, v := range out {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("an output is %v", v)
		}
	}
	return nil
}

func checkStudy(s Subject, b compute.Backend) error {
	config, ok := s.Tiny(s.Config)
	if !ok {
		config = s.Config
	}
	var first *recipes.Table
	for range 2 {
		table, err := s.Program(config)(context.Background(), recipes.NewTrial(b, recipes.SmallScale, 1))
		if err != nil {
			return err
		}
		if table == nil || len(table.Rows) == 0 {
			return errors.New("the study's table is empty")
		}
		for _, row := range table.Rows {
			if len(row.Values) != len(table.Columns) {
				return fmt.Errorf("row %q has %d values for %d columns", row.Name, len(row.Values), len(table.Columns))
			}
			for i, v := range row.Values {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					return fmt.Errorf("row %q, column %q is %v", row.Name, table.Columns[i], v)
				}
			}
		}
		if first != nil && !reflect.DeepEqual(first, table) {
			return errors.New("the same seed gave another table")
		}
		first = table
	}
	return nil
}

// checkBatch wants an example's output not to depend on what else is in the batch.
func checkBatch(s Subject, b compute.Backend) error {
	_, network, input, err := tiny(s)
	if err != nil {
		return err
	}
	store, err := newStore()
	if err != nil {
		return err
	}
	x := noise(2, input)
	both, err := forward(b, store, network, x)
	if err != nil {
		return err
	}
	flat, n := tensors.MustCopyFlatData[float32](x), x.Size()/2
	var apart []float32
	for i := range 2 {
		part := tensors.FromFlatDataAndDimensions(flat[i*n:(i+1)*n], append([]int{1}, input...)...)
		out, err := forward(b, store, network, part)
		if err != nil {
			return err
		}
		apart = append(apart, out...)
	}
	if d := distance(both, apart); !(d < 1e-4) {
		return fmt.Errorf("a batch of 2 and two batches of 1 differ by %g", d)
	}
	return nil
}

// checkGradients wants every trainable variable to have a gradient, for one of a few seeds: small networks have
// ReLUs that are dead by chance.
func checkGradients(s Subject, b compute.Backend) error {
	_, network, input, err := tiny(s)
	if err != nil {
		return err
	}
	alive, all := map[string]bool{}, map[string]bool{}
	for seed := range int64(3) {
		store := model.NewStore()
		if err := store.SetRNGStateFromSeed(seed); err != nil {
			return err
		}
		var paths []string
		program := func(scope *model.Scope, x *graph.Node) []*graph.Node {
			g := x.Graph()
			store.SetTraining(g, true)
			y := network(scope, x)
			var target *graph.Node
			if y.Rank() == 2 {
				k := y.Shape().Dimensions[1]
				labels := graph.Mod(graph.Iota(g, shapes.Make(dtypes.Int32, y.Shape().Dimensions[0]), 0), graph.Const(g, int32(k)))
				target = loss.SoftmaxCrossEntropy(0)([]*graph.Node{labels}, []*graph.Node{y})
			} else {
				target = graph.ReduceAllMean(graph.Square(y))
			}
			var inputs []*graph.Node
			paths = nil
			for v := range store.IterVariables() {
				if v.Trainable {
					paths = append(paths, v.Path())
					inputs = append(inputs, v.NodeValue(g))
				}
			}
			if len(inputs) == 0 {
				panic(errors.New("there is nothing to train"))
			}
			gradients := graph.Gradient(target, inputs...)
			for i := range gradients {
				gradients[i] = graph.ReduceAllMax(graph.Abs(gradients[i]))
			}
			return gradients
		}
		x := noise(8, input)
		if err := initialize(b, store, x, func(scope *model.Scope, x *graph.Node) { program(scope, x) }); err != nil {
			return err
		}
		exec, err := model.NewExec(b, store, program)
		if err != nil {
			return err
		}
		outputs, err := exec.Call(x)
		exec.Finalize()
		if err != nil {
			return err
		}
		for i, path := range paths {
			v := float64(tensors.ToScalar[float32](outputs[i]))
			if math.IsNaN(v) {
				return fmt.Errorf("the gradient of %s is not a number", path)
			}
			all[path] = true
			alive[path] = alive[path] || v > 0
		}
		if len(alive) == len(all) && allTrue(alive) {
			return nil
		}
	}
	var dead []string
	for path := range all {
		if !alive[path] {
			dead = append(dead, path)
		}
	}
	if dead != nil {
		slices.Sort(dead)
		return fmt.Errorf("no gradient reaches %s: what it trains is dead", strings.Join(dead, ", "))
	}
	return nil
}

func allTrue(m map[string]bool) bool {
	for _, v := range m {
		if !v {
			return false
		}
	}
	return true
}

// checkLearns wants the loss on easy images to fall.
func checkLearns(s Subject, b compute.Backend) error {
	// Adam, since plain networks of many layers need a rate of their own with SGD.
	adam := func(int) optimizer.Interface { return optimizer.Adam().LearningRate(3e-3).Done() }
	trainer, images, err := newTrainer(s, b, recipes.Fit{Steps: 60, Batch: 16, Optimizer: adam, Seed: 1})
	if err != nil {
		return err
	}
	defer trainer.Close()
	before, err := trainer.Evaluate(context.Background(), images)
	if err != nil {
		return err
	}
	if err := trainer.Run(context.Background(), images, nil); err != nil {
		return err
	}
	after, err := trainer.Evaluate(context.Background(), images)
	if err != nil {
		return err
	}
	if !(after.Loss < 0.9*before.Loss) {
		return fmt.Errorf("60 steps on images whose colour tells their class took the loss from %.3f to %.3f", before.Loss, after.Loss)
	}
	return nil
}

// checkResumes interrupts a training and wants the resumed one to end where an uninterrupted one does, and what is saved to
// give the same outputs when it is loaded.
func checkResumes(s Subject, b compute.Backend) error {
	dir, err := os.MkdirTemp("", "recipetest-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fit := recipes.Fit{Steps: 6, Batch: 8, Seed: 2, LogEvery: 1, LearningRate: 0.01}
	outputs := func(fit recipes.Fit, ctx context.Context, interrupted bool) ([]float32, error) {
		trainer, images, err := newTrainer(s, b, fit)
		if err != nil {
			return nil, err
		}
		defer trainer.Close()
		if err := trainer.Run(ctx, images, nil); (err != nil) != interrupted || interrupted && !errors.Is(err, context.Canceled) {
			return nil, fmt.Errorf("the training ended with %w", err)
		}
		y, err := trainer.Output(context.Background(), images.Slice(0, 4))
		if err != nil {
			return nil, err
		}
		return tensors.MustCopyFlatData[float32](y), nil
	}
	whole, err := outputs(fit, context.Background(), false)
	if err != nil {
		return err
	}
	fit.Dir, fit.Resume = dir, true
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	first := fit
	first.OnPoint = func(h recipes.History) {
		if h[len(h)-1].Step == 3 {
			cancel()
		}
	}
	if _, err := outputs(first, ctx, true); err != nil {
		return err
	}
	resumed, err := outputs(fit, context.Background(), false)
	if err != nil {
		return err
	}
	if d := distance(whole, resumed); !(d < 1e-4) {
		return fmt.Errorf("outputs of a resumed training differ from those of an uninterrupted one by %g", d)
	}
	loaded, err := outputs(fit, context.Background(), false) // nothing is left to train
	if err != nil {
		return err
	}
	if d := distance(resumed, loaded); d != 0 {
		return fmt.Errorf("outputs differ by %g after saving and loading", d)
	}
	return nil
}

func newTrainer(s Subject, b compute.Backend, fit recipes.Fit) (*recipes.Trainer, *datasets.Images, error) {
	_, network, input, err := tiny(s)
	if err != nil {
		return nil, nil, err
	}
	summary, err := summarize(b, network, input)
	if err != nil {
		return nil, nil, err
	}
	out := summary.Outputs[0].Dimensions
	if len(out) != 2 || len(input) != 3 {
		return nil, nil, fmt.Errorf("from %v to %v is not from images to classes", input, out)
	}
	fit.Progress, fit.Log = recipes.NoProgress, io.Discard
	trainer, err := recipes.NewTrainer(b, network, fit)
	return trainer, easyImages(64, input, out[1]), err
}
