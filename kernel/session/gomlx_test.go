//go:build linux

package session

import (
	"strings"
	"testing"
)

var gomlxPackages = append(strings.Fields(`
github.com/gomlx/compute github.com/gomlx/compute/gobackend github.com/gomlx/gomlx/core/graph github.com/gomlx/gomlx/core/tensors
github.com/gomlx/gomlx/ml/layers github.com/gomlx/gomlx/ml/model github.com/gomlx/gomlx/ml/train github.com/gomlx/gomlx/ml/train/loss
github.com/gomlx/gomlx/ml/train/optimizer`), testPackages...)

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
