package layers

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"fovea/internal/backend/backendtest"
	"fovea/layers/layertest"
)

// agree compares what two graphs compute, to 1e-4 of the largest value.
func agree(t *testing.T, b compute.Backend, ours, plain func(in []*graph.Node) []*graph.Node, inputs ...*tensors.Tensor) {
	t.Helper()
	values := func(f func(in []*graph.Node) []*graph.Node) (all [][]float64) {
		outputs, err := graph.CallOnceN(b, f, args(inputs)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, y := range outputs {
			all = append(all, layertest.Floats(y))
		}
		return all
	}
	got, want := values(ours), values(plain)
	for k := range want {
		if len(got[k]) != len(want[k]) {
			t.Fatalf("output %d has %d values, want %d", k, len(got[k]), len(want[k]))
		}
		var largest float64
		for _, v := range want[k] {
			largest = max(largest, math.Abs(v))
		}
		for i := range want[k] {
			if d := math.Abs(got[k][i] - want[k][i]); !(d <= 1e-4*max(largest, 1e-3)) {
				t.Errorf("output %d differs by %.2g at %d: %g, want %g", k, d, i, got[k][i], want[k][i])
				break
			}
		}
	}
}

// withGradients gives y and the gradients of a weighted sum of y for the inputs.
func withGradients(f func(in []*graph.Node) *graph.Node) func(in []*graph.Node) []*graph.Node {
	return func(in []*graph.Node) []*graph.Node {
		y := f(in)
		weights := graph.Sin(graph.AddScalar(graph.Iota(y.Graph(), y.Shape(), y.Rank()-1), 0.3))
		for axis := range y.Rank() - 1 {
			weights = graph.Mul(weights, graph.Cos(graph.Iota(y.Graph(), y.Shape(), axis)))
		}
		return append([]*graph.Node{y}, graph.Gradient(graph.ReduceAllSum(graph.Mul(weights, y)), in...)...)
	}
}

// Every form of a convolution computes what the engine's own does, and the same gradients.
func TestFormsEqualThePlainConvolution(t *testing.T) {
	seen := map[form]int{}
	cases := []struct {
		x, kernel []int
		o         ConvOptions
		want      form
	}{
		{[]int{3, 6, 5, 7}, []int{1, 1, 7, 4}, ConvOptions{}, pointwiseForm},
		{[]int{3, 6, 5, 7}, []int{1, 1, 7, 4}, ConvOptions{Stride: 2}, pointwiseForm},
		{[]int{3, 9, 7}, []int{1, 7, 4}, ConvOptions{}, pointwiseForm},
		{[]int{3, 2, 2, 7}, []int{3, 3, 7, 4}, ConvOptions{}, placesForm},
		{[]int{3, 1, 1, 7}, []int{3, 3, 7, 4}, ConvOptions{}, placesForm},
		{[]int{3, 4, 3, 7}, []int{5, 5, 7, 4}, ConvOptions{}, placesForm},
		{[]int{3, 4, 4, 7}, []int{7, 7, 7, 4}, ConvOptions{Stride: 2}, placesForm},
		{[]int{3, 4, 9, 5}, []int{1, 7, 5, 4}, ConvOptions{Dilation: 2}, patchProductForm},
		{[]int{3, 2, 2, 5}, []int{3, 3, 5, 4}, ConvOptions{Pad: Pads(3)}, patchProductForm},
		{[]int{3, 1, 1, 5}, []int{3, 3, 5, 4}, ConvOptions{Pad: Pads(0, 3, 0, 3)}, placesForm}, // the last place sees padding alone
		{[]int{2, 2, 3, 2, 5}, []int{3, 3, 3, 5, 4}, ConvOptions{}, placesForm},
		{[]int{3, 4, 4, 7}, []int{1, 7, 7, 4}, ConvOptions{}, patchProductForm},
		{[]int{2, 32, 33, 5}, []int{3, 3, 5, 4}, ConvOptions{Stride: 2}, phasesForm},
		{[]int{2, 33, 32, 5}, []int{3, 3, 5, 4}, ConvOptions{Stride: 2, Pad: SameTF}, phasesForm},
		{[]int{2, 35, 32, 5}, []int{5, 4, 5, 3}, ConvOptions{Strides: []int{3, 2}, Pad: Pads(0, 1, 2, 0)}, phasesForm},
		{[]int{2, 32, 32, 5}, []int{3, 3, 5, 4}, ConvOptions{Strides: []int{1, 2}}, phasesForm},
		{[]int{2, 40, 32, 5}, []int{2, 2, 5, 4}, ConvOptions{Stride: 3, Pad: Valid}, phasesForm}, // pixels that no window sees
		{[]int{2, 40, 32, 5}, []int{2, 3, 5, 4}, ConvOptions{Strides: []int{5, 2}, Pad: Pads(4)}, phasesForm},
		{[]int{3, 4, 4, 5}, []int{3, 3, 5, 4}, ConvOptions{Stride: 2}, phasesForm},
		{[]int{2, 9, 8, 3}, []int{3, 3, 3, 27}, ConvOptions{Stride: 2}, patchProductForm},
		{[]int{2, 9, 8, 3}, []int{3, 3, 3, 6}, ConvOptions{}, patchesForm},
		{[]int{2, 9, 8, 4}, []int{3, 3, 1, 4}, ConvOptions{Groups: 4}, shiftedForm},
		{[]int{2, 16, 17, 4}, []int{3, 3, 1, 4}, ConvOptions{Groups: 4}, shiftedForm}, // from here on sums are products
		{[]int{2, 16, 17, 4}, []int{3, 3, 1, 4}, ConvOptions{Groups: 4, Stride: 2, Pad: SameTF}, shiftedForm},
		{[]int{2, 16, 17, 4}, []int{3, 2, 1, 4}, ConvOptions{Groups: 4, Dilation: 2}, shiftedForm},
		{[]int{2, 16, 17, 4}, []int{3, 3, 1, 4}, ConvOptions{Groups: 4, Pad: Pads(3)}, shiftedForm},
		{[]int{4, 90, 4}, []int{7, 1, 4}, ConvOptions{Groups: 4}, shiftedForm},
		{[]int{2, 9, 8, 6}, []int{3, 3, 6, 4}, ConvOptions{}, plainForm},
	}
	for _, c := range cases {
		n := len(c.x) - 2
		t.Run(fmt.Sprintf("%v*%v%+v", c.x, c.kernel, c.o), func(t *testing.T) {
			strides, dilations := perAxis("", "", c.o.Stride, c.o.Strides, 1, n), perAxis("", "", c.o.Dilation, nil, 1, n)
			pads := c.o.Pad.or(Same).resolve("", c.x[1:n+1], c.kernel[:n], strides, dilations)
			groups := max(1, c.o.Groups)
			got := formOf(c.x, c.kernel, groups, strides, dilations, pads)
			if got != c.want {
				t.Fatalf("form %d, want %d", got, c.want)
			}
			seen[got]++
			backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
				agree(t, b,
					withGradients(func(in []*graph.Node) *graph.Node { return convolution(in[0], in[1], c.o) }),
					withGradients(func(in []*graph.Node) *graph.Node {
						return grouped(in[0], in[1], groups, strides, dilations, pads)
					}),
					layertest.Random[float32](1, c.x...), layertest.Random[float32](2, c.kernel...))
			})
		})
	}
	if len(seen) != int(patchProductForm)+1 {
		t.Errorf("forms %v were seen: some are not tested", seen)
	}
}

// The batch normalisation of training against its definition, whose gradient autodiff finds; and a second derivative.
func TestBatchNormalizedEqualsItsDefinition(t *testing.T) {
	definition := func(in []*graph.Node) *graph.Node {
		x := in[0]
		mean := graph.ReduceAndKeep(x, graph.ReduceMean, 0, 1, 2)
		variance := graph.ReduceAndKeep(graph.Square(graph.Sub(x, mean)), graph.ReduceMean, 0, 1, 2)
		y := graph.Div(graph.Sub(x, mean), graph.Sqrt(graph.AddScalar(variance, 1e-5)))
		return addLast(mulLast(y, in[1]), in[2])
	}
	ours := func(in []*graph.Node) *graph.Node {
		y, _, _ := batchNormalized(in[0], in[1], in[2], 1e-5)
		return y
	}
	second := func(f func(in []*graph.Node) *graph.Node) func(in []*graph.Node) []*graph.Node {
		return func(in []*graph.Node) []*graph.Node {
			first := withGradients(func(in []*graph.Node) *graph.Node { return graph.Square(f(in)) })(in)
			return graph.Gradient(graph.ReduceAllSum(graph.Mul(graph.Square(first[1]), graph.Sin(in[0]))), in[0], in[1])
		}
	}
	for _, dims := range [][]int{{2, 3, 3, 4}, {4, 16, 16, 3}} { // sums as they are, and as products
		backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
			inputs := []*tensors.Tensor{layertest.Random[float32](1, dims...), layertest.Random[float32](2, dims[3]), layertest.Random[float32](3, dims[3])}
			agree(t, b, withGradients(ours), withGradients(definition), inputs...)
			agree(t, b, second(ours), second(definition), inputs...)
		})
	}
}

// The gradient of poolings whose windows touch, beside that which autodiff finds; equal values too.
func TestTouchingMaxPoolEqualsItsDefinition(t *testing.T) {
	for _, c := range []struct{ dims, sizes []int }{
		{[]int{2, 6, 4, 5}, []int{2, 2}}, {[]int{2, 7, 5, 3}, []int{2, 2}}, {[]int{2, 7, 9, 3}, []int{3, 2}}, {[]int{2, 9, 3}, []int{4}}, {[]int{1, 4, 5, 6, 2}, []int{2, 2, 3}},
	} {
		x := layertest.Random[float32](1, c.dims...)
		tensors.MustMutableFlatData(x, func(flat []float32) {
			for i := range flat {
				flat[i] = float32(math.Round(float64(flat[i]))) // many ties
			}
		})
		backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
			agree(t, b,
				withGradients(func(in []*graph.Node) *graph.Node { return touchingMax(in[0], c.sizes) }),
				withGradients(func(in []*graph.Node) *graph.Node { y, _ := largest(in[0], c.sizes, c.sizes); return y }), x)
		})
	}
}

func must(x *tensors.Tensor, err error) *tensors.Tensor {
	if err != nil {
		panic(err)
	}
	return x
}

// Without the forms a network of all of them is built of the engine's own operations, and computes the same.
func TestPlainForms(t *testing.T) {
	kernels := [][]int{{3, 3, 3, 27}, {1, 1, 27, 6}, {3, 3, 1, 6}, {3, 3, 6, 5}, {3, 3, 5, 4}}
	network := func(in []*graph.Node) *graph.Node {
		y := convolution(in[0], in[1], ConvOptions{Stride: 2})                    // [2 8 8 27]
		y = convolution(y, in[2], ConvOptions{})                                  // [2 8 8 6]
		y = convolution(y, in[3], ConvOptions{Groups: 6})                         // [2 8 8 6]
		y, _, _ = batchNormalized(y, nil, nil, 1e-5)                              // [2 8 8 6]
		y = convolution(MaxPool(y, PoolOptions{}), in[4], ConvOptions{Stride: 2}) // [2 2 2 5]
		return convolution(y, in[5], ConvOptions{})                               // [2 2 2 4]
	}
	inputs := []*tensors.Tensor{layertest.Random[float32](1, 2, 16, 16, 3)}
	for i, k := range kernels {
		inputs = append(inputs, layertest.Random[float32](uint64(i+2), k...))
	}
	convolutions := func(plain bool) (n int) {
		_, err := graph.CallOnceN(layertest.Go(), func(in []*graph.Node) []*graph.Node {
			build := func() { in = []*graph.Node{network(in)} }
			if plain {
				WithPlainForms(in[0].Graph(), build)
			} else {
				build()
			}
			for _, node := range in[0].Graph().Nodes() {
				if node.Type() == graph.NodeTypeConvGeneral {
					n++
				}
			}
			return in
		}, args(inputs)...)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if ours, plain := convolutions(false), convolutions(true); ours != 1 || plain != len(kernels) {
		t.Errorf("%d convolutions of the engine, %d in plain forms; want 1 and %d", ours, plain, len(kernels))
	}
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		agree(t, b, withGradients(network), withGradients(func(in []*graph.Node) (y *graph.Node) {
			WithPlainForms(in[0].Graph(), func() { y = network(in) })
			return y
		}), inputs...)
	})
}

func args(inputs []*tensors.Tensor) (all []any) {
	for _, x := range inputs {
		all = append(all, must(x.LocalClone())) // a tensor belongs to one backend
	}
	return all
}
