package main

import (
	"math"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/layertest"
)

// varying has what the variations change, on images of the size that they make.
var varying = network{Name: "varying", Input: small, Blocks: []block{
	conv(16, 4, true), relu, conv(18, 1, true), relu, {Op: "residual", Filters: 18, Body: []block{normalise, relu, conv(18, 1, false)}}, mean, dense(10)}}

// Each variation has the parameters of the network and trains it.
func TestVariations(t *testing.T) {
	b := backendtest.ForTest(t)
	for _, name := range variationArms[1:] {
		v, ok := variations[name]
		if !ok || v.what == "" || (v.fits != nil && !v.fits(varying)) {
			t.Fatalf("%s: %+v", name, v)
		}
		r, err := v.build(b, varying, 16)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		first, err := r.run(4)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		last := math.Inf(1)
		for range 10 { // batches of noise differ, where there is more than one
			loss, err := r.run(4)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			last = min(last, loss)
		}
		if !(last < first) {
			t.Errorf("%s: the loss went from %g to %g", name, first, last)
		}
		const parameters = 27*16 + 16 + 9*16*18 + 18 + 2*18 + 9*18*18 + 18*10 + 10
		if r.parameters != parameters {
			t.Errorf("%s: %d parameters, want %d", name, r.parameters, parameters)
		}
		r.close()
	}
}

// What changes no value leads to the same loss as the layers as they are, step by step.
func TestVariationsComputeTheSame(t *testing.T) {
	b := backendtest.ForTest(t)
	const steps = 8
	after := func(r *runner, err error) float64 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer r.close()
		loss, err := r.run(steps - 1) // the first was taken to make the variables
		if err != nil {
			t.Fatal(err)
		}
		return loss
	}
	want := after(varied(b, ours.build(varying), varying, 4, adam()))
	for name, got := range map[string]float64{
		oneVectorArm: after(variations[oneVectorArm].build(b, varying, 4)),
		residentArm:  after(variations[residentArm].build(b, varying, 4)),
	} {
		if math.Abs(got-want) > 1e-4*want {
			t.Errorf("%s: a loss of %g after %d steps, want %g", name, got, steps, want)
		}
	}
	ahead, inTurn := after(variations[inputAheadArm].build(b, varying, 4)), after(variations[inputInTurn].build(b, varying, 4))
	if math.Abs(ahead-inTurn) > 1e-4*inTurn || ahead == want {
		t.Errorf("losses of %g with the input ahead and %g in turn, of %g with a batch that stays", ahead, inTurn, want)
	}
	four, err := variations[fourStepsArm].build(b, varying, 4) // has taken its first four
	if err != nil {
		t.Fatal(err)
	}
	defer four.close()
	if got, err := four.run(4); err != nil || math.Abs(got-want) > 1e-4*want {
		t.Errorf("%s: a loss of %g after %d steps, want %g; %v", fourStepsArm, got, steps, want, err)
	}
}

// Winograd's form has the values and gradients of a convolution.
func TestWinograd(t *testing.T) {
	for _, dims := range [][4]int{{2, 4, 6, 3}, {1, 8, 8, 16}} {
		outputs := func(convolve func(x, kernel *graph.Node) *graph.Node) (all [][]float32) {
			exec := graph.MustNewExec(backendtest.ForTest(t), func(x, kernel *graph.Node) []*graph.Node {
				y := convolve(x, kernel)
				weights := graph.Sin(graph.Iota(y.Graph(), y.Shape(), 3))
				d := graph.Gradient(graph.ReduceAllSum(graph.Mul(y, weights)), x, kernel)
				return []*graph.Node{y, d[0], d[1]}
			})
			defer exec.Finalize()
			for _, v := range exec.MustCall(layertest.Random[float32](1, dims[:]...), layertest.Random[float32](2, 3, 3, dims[3], 5)) {
				all = append(all, tensors.MustCopyFlatData[float32](v))
			}
			return all
		}
		want := outputs(func(x, kernel *graph.Node) *graph.Node { return layers.Convolution(x, kernel, layers.ConvOptions{}) })
		for i, values := range outputs(winograd) {
			if len(values) != len(want[i]) {
				t.Fatalf("output %d: %d values, want %d", i, len(values), len(want[i]))
			}
			for j, v := range values {
				if math.Abs(float64(v-want[i][j])) > 1e-4*(1+math.Abs(float64(want[i][j]))) {
					t.Fatalf("%v, output %d: value %d is %g, want %g", dims, i, j, v, want[i][j])
				}
			}
		}
	}
}
