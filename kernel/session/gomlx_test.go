//go:build linux

package session

import (
	"slices"
	"strings"
	"syscall"
	"testing"
)

var gomlxPackages = append(strings.Fields(`
github.com/gomlx/compute github.com/gomlx/compute/gobackend github.com/gomlx/gomlx/core/graph github.com/gomlx/gomlx/core/tensors
github.com/gomlx/gomlx/ml/layers github.com/gomlx/gomlx/ml/model github.com/gomlx/gomlx/ml/train github.com/gomlx/gomlx/ml/train/loss
github.com/gomlx/gomlx/ml/train/optimizer fovea/notebooks/keep`), testPackages...)

// A model is defined in one cell, trained in others, and its compiled program used in a later one. It also guards the
// linking of generic types that several packages instantiate.
func TestModelLives(t *testing.T) {
	for _, loader := range loaders {
		t.Run(loader, func(t *testing.T) {
			if loader == "plugin" && testing.Short() {
				t.Skip("plugins take a second a cell")
			}
			r := &runner{T: t, s: openTest(t, Options{Packages: gomlxPackages, Loader: loader, Env: []string{"GOMLX_BACKEND=go", "GOMLX_NO_AUTO_INSTALL=1"}})}
			r.ok(`
import (
	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/loss"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	"github.com/gomlx/gomlx/support/sets"
)
backend := compute.MustNew()
store := model.NewStore()
s := sets.Make[string]()
s.Insert("a")`)
			r.ok(`
func mlp(scope *model.Scope, x *Node) *Node {
	h := Tanh(layers.Dense(scope.In("h"), x, true, 16))
	return layers.Dense(scope.In("out"), h, true, 1)
}
trainer := train.NewTrainer(backend, store, mlp, loss.MeanSquaredError, optimizer.StochasticGradientDescent().WithDecay(false).WithLearningRate(0.05).Done(), nil, nil)
xs, ys := make([][]float32, 64), make([][]float32, 64)
for i := range xs {
	a, b := float32(i%8)/4-1, float32(i/8)/4-1
	xs[i], ys[i] = []float32{a, b}, []float32{a*b}
}
batch := train.Batch{Inputs: []*tensors.Tensor{tensors.MustFromAnyValue(xs)}, Labels: []*tensors.Tensor{tensors.MustFromAnyValue(ys)}}
calls := 0
func steps(n int) float32 {
	var m []*tensors.Tensor
	for range n {
		var err error
		if m, err = trainer.TrainStep(batch); err != nil { panic(err) }
		calls++
	}
	return tensors.ToScalar[float32](m[0])
}
first := steps(1)`)
			r.ok("second := steps(200)")
			r.want("third := steps(400)\nthird < first && calls == 601", "true")
			r.want("pred := model.MustNewExec(backend, store, mlp)\npred.MustCall([][]float32{{0.5, 0.5}})[0].Shape().String()", "(Float32)[1, 1]")
			r.fails("graphError := func(x *Node) *Node { return Reshape(x, 7) }\nMustExecOnce(backend, graphError, xs)", Panic, "")
			r.want("pred.MustCall([][]float32{{0.5, 0.5}, {0.9, -0.9}})[0].Shape().Size()", "2")
			// A changed function is used from now on, by what is compiled anew; the trained weights stay.
			r.ok("func mlp(scope *model.Scope, x *Node) *Node {\n\th := Tanh(layers.Dense(scope.In(\"h\"), x, true, 16))\n\treturn MulScalar(layers.Dense(scope.In(\"out\"), h, true, 1), 0)\n}\nzero := model.MustNewExec(backend, store, mlp)")
			r.want("zero.MustCall([][]float32{{0.5, 0.5}})[0].Value().([][]float32)[0][0]", "0")
			r.want("s.Has(\"a\")", "true")
		})
	}
}

// A trained model that was saved is there again after the worker has ended, and predicts the same.
func TestModelIsKept(t *testing.T) {
	r := &runner{T: t, s: openTest(t, Options{Packages: gomlxPackages, Env: []string{"GOMLX_BACKEND=go", "GOMLX_NO_AUTO_INSTALL=1"}})}
	r.ok(`
import (
	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/model"
)
backend := compute.MustNew()
store := model.NewStore()
func line(scope *model.Scope, x *Node) *Node { return layers.Dense(scope.In("out"), x, true, 3) }
exec := model.MustNewExec(backend, store, line)
input := tensors.FromValue([][]float32{{1, 2}, {3, 4}})
output := exec.MustCall(input)[0]`)
	list, err := r.s.Variables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := ""
	for _, v := range list {
		seen += strings.Join([]string{v.Name, v.Type, v.Shape, v.Device, "\n"}, " | ")
	}
	for _, want := range []string{"input | *tensors.Tensor of float32 | 2 × 2 | ", "output | *tensors.Tensor of float32 | 2 × 3 | ", "store | *model.Store | 3 variables"} {
		if !strings.Contains(seen, want) {
			t.Errorf("no %q in\n%s", want, seen)
		}
	}
	made, err := r.s.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range made {
		if kept := c.Name != "backend" && c.Name != "exec"; kept != (c.Reason == "") {
			t.Errorf("%+v", c)
		}
	}
	r.dies(syscall.SIGKILL)
	back, err := r.s.Restore(t.Context())
	if err != nil || !slices.Equal(back.Names, []string{"input", "output", "store"}) {
		t.Fatalf("%v %+v", err, back)
	}
	r.ok("backend := compute.MustNew()")
	r.want("model.MustNewExec(backend, store, line).MustCall(input)[0].Equal(output)", "true")
}
