package recipes

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/metric"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/layers"
)

// A Trainer holds a network with its weights and the programs compiled for it. It lives as long as its user wants: it
// can be trained, looked into, changed with Configure and trained on, without losing what it has learnt.
//
// A compiled program is kept for each shape of batch that the Trainer has seen, so asking twice costs nothing.
// A Trainer isn't for use by several goroutines at once.
type Trainer struct {
	backend compute.Backend
	store   *model.Store
	net     train.ModelFn
	fit     Fit

	// What the trainer knows of its data since the first batch; nil before.
	inputs, labels []shapes.Shape

	steps     *train.Trainer // compiled training steps; nil when the fit has changed since
	optimizer optimizer.Interface
	plan      int             // the number of steps that the optimizer's schedule was made for
	own       map[string]bool // paths of the network's variables; the others are the optimiser's and the metrics'
	frozen    []*model.Variable
	used      bool // the optimiser has run since its state was fresh

	forward  *model.Exec
	features map[string]*model.Exec

	step    int // since the weights were initialised
	seconds float64
	history History
}

// NewTrainer returns a trainer for a network on a backend. Nothing is computed before the first use, which finds out the
// shapes. The weights come from fit.Seed.
func NewTrainer(backend compute.Backend, net Network, fit Fit) (*Trainer, error) {
	if net == nil {
		return nil, errors.New("a trainer needs a network")
	}
	return NewGraphTrainer(backend, func(s *model.Scope, _ any, inputs []*graph.Node) []*graph.Node {
		return []*graph.Node{net(s, inputs[0])}
	}, fit)
}

// NewGraphTrainer is NewTrainer for networks of several inputs or outputs. Evaluate, Predict and Features look at the
// first of each.
func NewGraphTrainer(backend compute.Backend, net train.ModelFn, fit Fit) (*Trainer, error) {
	if backend == nil {
		return nil, errors.New("a trainer needs a backend")
	}
	if err := fit.check(); err != nil {
		return nil, err
	}
	t := &Trainer{backend: backend, store: model.NewStore(), fit: fit, features: map[string]*model.Exec{}}
	t.net = func(s *model.Scope, spec any, inputs []*graph.Node) (outputs []*graph.Node) {
		build := func() { outputs = net(s, spec, inputs) }
		if t.fit.BFloat16 {
			build = func() { outputs = halfPrecision(net)(s, spec, inputs) }
		}
		if t.fit.PlainForms {
			layers.WithPlainForms(inputs[0].Graph(), build)
		} else {
			build()
		}
		return outputs
	}
	if err := t.store.SetRNGStateFromSeed(fit.Seed); err != nil {
		return nil, err
	}
	return t, nil
}

// Store holds the network's variables. Changes to their values are seen by the next step.
func (t *Trainer) Store() *model.Store { return t.store }

// Fit returns how the network is trained now; see Configure.
func (t *Trainer) Fit() Fit { return t.fit }

// Step is the number of steps done since the weights were initialised.
func (t *Trainer) Step() int { return t.step }

// History is what the training measured so far.
func (t *Trainer) History() History { return slices.Clone(t.history) }

// Variables returns the network's own variables by path, without those of the optimiser. It is empty before the first use.
func (t *Trainer) Variables() []*model.Variable {
	var own []*model.Variable
	for v := range t.store.IterVariables() {
		if t.own[v.Path()] && v.Path() != rngPath {
			own = append(own, v)
		}
	}
	return own
}

const rngPath = "/" + model.RNGStateVariableName

// Configure changes how the network is trained from the next Run on: another rate, frozen parts, another augmentation.
// Weights and history stay; the seed of the weights doesn't change. Training programs are compiled anew.
func (t *Trainer) Configure(fit Fit) error {
	if err := fit.check(); err != nil {
		return err
	}
	if t.fit.BFloat16 != fit.BFloat16 || t.fit.PlainForms != fit.PlainForms {
		t.forgetPrograms()
	}
	t.fit = fit
	return t.forgetTraining()
}

// forgetTraining drops the compiled steps and every variable that isn't the network's own.
func (t *Trainer) forgetTraining() error {
	if t.steps != nil {
		t.steps.ResetComputationGraphs()
		t.steps = nil
	}
	t.optimizer, t.plan, t.used = nil, 0, false
	for _, v := range t.frozen {
		v.SetTrainable(true)
	}
	t.frozen = nil
	if t.own == nil {
		return nil
	}
	for _, v := range slices.Collect(t.store.IterVariables()) {
		if !t.own[v.Path()] {
			if err := t.store.DeleteVariable(v.Path()); err != nil {
				return err
			}
		}
	}
	return nil
}

// Reset gives the network fresh weights from another seed and forgets the history. Compiled programs stay.
func (t *Trainer) Reset(seed int64) error {
	t.fit.Seed = seed
	t.step, t.seconds, t.history, t.used = 0, 0, nil, false
	if err := t.store.SetRNGStateFromSeed(seed); err != nil {
		return err
	}
	if t.inputs == nil {
		return nil
	}
	return t.refresh(func(string) bool { return true })
}

// Close frees the compiled programs and the variables.
func (t *Trainer) Close() {
	if t.steps != nil {
		t.steps.ResetComputationGraphs()
	}
	t.steps = nil
	t.forgetPrograms()
	t.store.Finalize()
}

// forgetPrograms frees what was compiled to look at the network.
func (t *Trainer) forgetPrograms() {
	for _, exec := range t.features {
		exec.Finalize()
	}
	if t.forward != nil {
		t.forward.Finalize()
	}
	t.forward, t.features = nil, map[string]*model.Exec{}
}

// prepare creates and initialises all variables for batches of these shapes, so that errors of the network come before
// any compilation. Without labels it prepares for inference only.
func (t *Trainer) prepare(inputs, labels []shapes.Shape) error {
	if len(inputs) == 0 {
		return errors.New("a batch has no input")
	}
	if t.labels == nil {
		// So far no optimiser has been built, so all variables are the network's.
		if err := t.trace(t.store, inputs, labels, nil); err != nil {
			return err
		}
		t.own = map[string]bool{}
		for v := range t.store.IterVariables() {
			t.own[v.Path()] = true
		}
		t.inputs = inputs
	}
	if labels != nil {
		if err := t.trace(t.store, inputs, labels, t.optimizer); err != nil {
			return err
		}
		t.inputs, t.labels = inputs, labels
	}
	return Initialize(t.store)
}

// refresh gives the variables that choose accepts the values that a new network would start with.
func (t *Trainer) refresh(choose func(path string) bool) error {
	fresh := model.NewStore()
	if err := fresh.SetRNGStateFromSeed(t.fit.Seed); err != nil {
		return err
	}
	if err := t.trace(fresh, t.inputs, t.labels, t.optimizer); err != nil {
		return err
	}
	if err := Initialize(fresh); err != nil {
		return err
	}
	defer fresh.Finalize()
	for v := range t.store.IterVariables() {
		initial := fresh.GetVariable(v.Path())
		if initial == nil || !choose(v.Path()) {
			continue // the metrics' variables, which the steps reset themselves
		}
		value, err := initial.Value()
		if err != nil {
			return err
		}
		value, err = value.LocalClone()
		if err != nil {
			return err
		}
		if err := v.SetValue(value); err != nil {
			return err
		}
	}
	return nil
}

// trace builds the graph of a forward pass, in training if there are labels, and with an optimiser that of a whole step,
// for its effect on the store: the variables come to be. Nothing is compiled.
func (t *Trainer) trace(store *model.Store, inputs, labels []shapes.Shape, o optimizer.Interface) error {
	g := graph.NewGraph(t.backend, "trace")
	defer g.Finalize()
	model.SetStore(g, store)
	return catch(func() {
		parameters := func(kind string, list []shapes.Shape) (nodes []*graph.Node) {
			for i, shape := range list {
				nodes = append(nodes, graph.Parameter(g, fmt.Sprintf("%s%d", kind, i), shape))
			}
			return nodes
		}
		x, y := parameters("input", inputs), parameters("label", labels)
		store.SetTraining(g, labels != nil)
		outputs := t.net(store.RootScope(), nil, x)
		if labels == nil || o == nil {
			return
		}
		train.AddMainLoss(t.fit.loss()(y, outputs))
		o.UpdateGraph(store.RootScope(), g, train.TotalLoss(g))
	})
}

// freeze keeps the optimiser from the variables in the frozen scopes. It is called while a training step is built, when the
// network's variables are there and the optimiser has not asked for them yet.
func (t *Trainer) freeze() {
	for v := range t.store.IterVariables() {
		path := strings.TrimPrefix(v.Path(), "/")
		for _, scope := range t.fit.Freeze {
			scope = strings.Trim(scope, "/")
			if v.Trainable && (path == scope || strings.HasPrefix(path, scope+"/")) {
				v.SetTrainable(false)
				t.frozen = append(t.frozen, v)
			}
		}
	}
}

// build makes the gomlx trainer for a plan of that many steps, if the one at hand is for another fit or plan.
func (t *Trainer) build(steps int, inputs, labels []shapes.Shape) error {
	if t.steps != nil && t.plan == steps {
		return nil
	}
	if err := t.forgetTraining(); err != nil {
		return err
	}
	t.optimizer, t.plan = t.fit.optimizer(steps), steps
	if err := t.prepare(inputs, labels); err != nil {
		return err
	}
	if err := t.checkFreeze(); err != nil {
		return err
	}
	var metrics []metric.Interface
	if t.fit.Loss == nil {
		metrics = append(metrics, metric.NewBaseMetric("Accuracy", "acc", metric.AccuracyMetricType, metric.SparseCategoricalAccuracyGraph, nil))
	}
	return catch(func() {
		t.steps = train.NewTrainer(t.backend, t.store, train.ModelFn(func(s *model.Scope, spec any, inputs []*graph.Node) []*graph.Node {
			training := s.IsTraining(inputs[0].Graph())
			if training {
				inputs = t.fit.mix(s, inputs)
			}
			outputs := t.net(s, spec, inputs)
			if training {
				t.freeze()
			}
			return outputs
		}), mixedLoss(t.fit.loss()), t.optimizer, metrics, nil)
	})
}

// checkFreeze finds misspelt scopes.
func (t *Trainer) checkFreeze() error {
	for _, scope := range t.fit.Freeze {
		prefix := "/" + strings.Trim(scope, "/")
		if !slices.ContainsFunc(slices.Collect(maps.Keys(t.own)), func(p string) bool { return p == prefix || strings.HasPrefix(p, prefix+"/") }) {
			tops := map[string]bool{}
			for _, v := range t.Variables() {
				top, _, _ := strings.Cut(strings.TrimPrefix(v.Path(), "/"), "/")
				tops[top] = true
			}
			return fmt.Errorf("nothing to freeze in scope %q; the network has %s", scope, strings.Join(slices.Sorted(maps.Keys(tops)), ", "))
		}
	}
	return nil
}

// catch runs code that builds graphs and turns its panics into errors.
func catch(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case runtime.Error:
			err = fmt.Errorf("%w\n%s", r, debug.Stack())
		case error:
			err = r
		default:
			err = fmt.Errorf("%v", r)
		}
	}()
	f()
	return nil
}
