package inceptionv3

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/datasets"
	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/layertest"
	"fovea/layers/loss"
)

// The counts of torchvision's layout, to the last parameter, and the grids of the paper's table 1; building the graph makes no weights.
func TestParametersAndGrids(t *testing.T) {
	b := backendtest.ForTest(t)
	input := shapes.Make(dtypes.Float32, 1, 299, 299, 3)
	for name, want := range map[string]int{"v3-noaux": 23_834_568, "v3": 27_161_264} {
		s, err := layers.SummarizeModel(b, func(s *model.Scope, inputs []*graph.Node) []*graph.Node {
			logits := Model(Variants[name])(s, inputs[0])
			aux, err := layers.TapNode(logits.Graph(), "AuxLogits")
			if err != nil {
				return []*graph.Node{logits}
			}
			return []*graph.Node{logits, aux}
		}, input)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Parameters(); got != want {
			t.Errorf("%s has %d parameters, want %d", name, got, want)
		}
		for _, out := range s.Outputs {
			if !slices.Equal(out.Dimensions, []int{1, 1000}) {
				t.Errorf("%s: output %v", name, out)
			}
		}
		if len(s.Outputs) == 1 && (s.MACs() < 5e9 || s.MACs() > 6e9) {
			t.Errorf("%s multiplies %d times an image, the paper says 5 billion", name, s.MACs())
		}
	}

	g := graph.NewGraph(b, "grids")
	defer g.Finalize()
	model.SetStore(g, model.NewStore())
	Model(Variants["v3"])(model.GetStore(g).RootScope(), graph.Parameter(g, "x", input))
	for tap, want := range map[string][]int{
		"Conv2d_4a_3x3": {35, 35, 192}, "Mixed_5b": {35, 35, 256}, "Mixed_5d": {35, 35, 288}, "Mixed_6a": {17, 17, 768},
		"Mixed_6e": {17, 17, 768}, "Mixed_7a": {8, 8, 1280}, "Mixed_7c": {8, 8, 2048},
	} {
		node, err := layers.TapNode(g, tap)
		if err != nil {
			t.Error(err)
		} else if got := node.Shape().Dimensions[1:]; !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", tap, got, want)
		}
	}
}

// count is the number of weights of the convolutions of units on C channels.
func count(t *testing.T, channels int, units ...Unit) int {
	t.Helper()
	s, err := layers.Summarize(backendtest.ForTest(t), func(s *model.Scope, x *graph.Node) *graph.Node {
		return Units(s, x, units...)
	}, shapes.Make(dtypes.Float32, 1, 9, 9, channels))
	if err != nil {
		t.Fatal(err)
	}
	return s.Parameters() - 2*channels*len(units) // scales and offsets
}

// What factors of a window cost, in weights and so in multiplications (sections 3.1 and 3.2).
func TestCostsOfWindows(t *testing.T) {
	const n = 4
	windows := func(sizes ...[2]int) []Unit {
		var units []Unit
		for i, s := range sizes {
			units = append(units, Unit{Name: fmt.Sprint("unit", i), Filters: n, Height: s[0], Width: s[1]})
		}
		return units
	}
	five := count(t, n, windows([2]int{5, 5})...)
	if got := count(t, n, windows([2]int{3, 3}, [2]int{3, 3})...); 25*got != 18*five {
		t.Errorf("two 3×3 have %d weights and 5×5 has %d: want 18/25 of them", got, five)
	}
	three := count(t, n, windows([2]int{3, 3})...)
	if got := count(t, n, windows([2]int{1, 3}, [2]int{3, 1})...); 3*got != 2*three {
		t.Errorf("1×3 and 3×1 have %d weights and 3×3 has %d: want 2/3 of them", got, three)
	}
	for sevens, want := range map[Sevens]int{Whole: 49, Factorised: 14, Stacked: 27} {
		c := Config{Sevens: sevens}
		for _, upright := range []bool{false, true} {
			if got := count(t, n, c.sevens("seven", 1, upright, n, n)...); got != want*n*n {
				t.Errorf("%s: %d weights, want %d·C²", sevens, got, want)
			}
		}
	}
}

// All three ways to make a window see 7×7 pixels.
func TestSevensSeeAsMuch(t *testing.T) {
	b := backendtest.ForTest(t)
	for _, sevens := range []Sevens{Whole, Factorised, Stacked} {
		c := Config{Sevens: sevens}
		grad, err := model.CallOnce(b, layertest.NewStore(3), func(s *model.Scope, x *graph.Node) *graph.Node {
			units := c.sevens("seven", 1, true, 3, 3)
			for i := range units {
				units[i].Linear = true // a dead ReLU would hide pixels
			}
			middle := graph.Slice(Units(s, x, units...), graph.AxisRange(), graph.AxisElem(5), graph.AxisElem(5), graph.AxisRange())
			return graph.ReduceMax(graph.Abs(graph.Gradient(graph.ReduceAllSum(middle), x)[0]), 0, 3) // [11 11]
		}, layertest.Random[float32](1, 1, 11, 11, 2))
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range tensors.MustCopyFlatData[float32](grad) {
			y, x := i/11, i%11
			if inside := max(y-5, 5-y) <= 3 && max(x-5, 5-x) <= 3; (v != 0) != inside {
				t.Fatalf("%s: pixel (%d, %d) is seen: %v", sevens, y, x, v != 0)
			}
		}
	}
}

// The optimum of smoothed labels: its gap and its loss, for the two numbers of classes that the paper's formulas are known for.
func TestGapAndFloor(t *testing.T) {
	b := backendtest.ForTest(t)
	for classes, want := range map[int]float64{10: 4.511, 1000: 9.105} {
		gap := Gap(classes, 0.1)
		if math.Abs(gap-want) > 5e-4 {
			t.Errorf("%d classes: the gap is %g, want %g", classes, gap, want)
		}
		z := make([]float32, classes)
		z[3] = float32(gap)
		out, err := graph.CallOnceN(b, func(z *graph.Node) []*graph.Node {
			l := Loss(0.1, 0)([]*graph.Node{graph.Const(z.Graph(), []int32{3})}, []*graph.Node{z})
			return []*graph.Node{l, graph.ReduceAllMax(graph.Abs(graph.Gradient(l, z)[0]))}
		}, tensors.FromFlatDataAndDimensions(z, 1, classes))
		if err != nil {
			t.Fatal(err)
		}
		if l := float64(tensors.ToScalar[float32](out[0])); math.Abs(l-Floor(classes, 0.1)) > 1e-5 {
			t.Errorf("%d classes: the loss at the gap is %g, the entropy of the target %g", classes, l, Floor(classes, 0.1))
		}
		if slope := tensors.ToScalar[float32](out[1]); slope > 1e-6 {
			t.Errorf("%d classes: at the gap the loss has slope %g", classes, slope)
		}
	}
}

// H(q′, p) = (1−ε)·H(q, p) + ε·H(u, p), the second identity of section 7.
func TestSmoothingSplits(t *testing.T) {
	const epsilon, classes = 0.3, 5
	out, err := graph.CallOnceN(backendtest.ForTest(t), func(z *graph.Node) []*graph.Node {
		labels := graph.Const(z.Graph(), []int32{1, 4, 0})
		uniform := graph.MulScalar(graph.OnesLike(z), 1.0/classes)
		hard := loss.SoftmaxCrossEntropy(0)
		mixed := graph.Add(graph.MulScalar(hard([]*graph.Node{labels}, []*graph.Node{z}), 1-epsilon),
			graph.MulScalar(hard([]*graph.Node{uniform}, []*graph.Node{z}), epsilon))
		return []*graph.Node{Loss(epsilon, 0)([]*graph.Node{labels}, []*graph.Node{z}), mixed}
	}, layertest.Random[float32](2, 3, classes))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := tensors.ToScalar[float32](out[0]), tensors.ToScalar[float32](out[1]); math.Abs(float64(a-b)) > 1e-5 {
		t.Errorf("smoothed %g, of two parts %g", a, b)
	}
}

// The auxiliary loss is weighted and added where there is such a head, and its gradient reaches the head and what is before it.
func TestAuxiliaryLoss(t *testing.T) {
	b := backendtest.ForTest(t)
	c := Tiny(Variants["v3"])
	c.Width = 0.1 // ReLUs of few filters die by chance
	x := layertest.Random[float32](5, 4, c.Size, c.Size, 3)
	run := func(weight float64) (total, main float64, gradients []float32) {
		out, err := model.CallOnceN(b, layertest.NewStore(1), func(s *model.Scope, x *graph.Node) []*graph.Node {
			labels := graph.Const(x.Graph(), []int32{0, 1, 2, 3})
			logits := Model(c)(s, x)
			l := Loss(0.1, weight)([]*graph.Node{labels}, []*graph.Node{logits})
			plain := loss.SoftmaxCrossEntropy(0.1)([]*graph.Node{labels}, []*graph.Node{logits})
			var each []*graph.Node
			for _, path := range []string{"/AuxLogits/fc/weights", "/AuxLogits/conv1/conv/weights", "/Mixed_7b/branch1x1/conv/weights"} {
				w := s.Store().GetVariable(path)
				if w == nil {
					t.Fatalf("there is no variable %s", path)
				}
				each = append(each, graph.ReduceAllMax(graph.Abs(graph.Gradient(l, w.NodeValue(x.Graph()))[0])))
			}
			return []*graph.Node{l, plain, graph.Stack(each, 0)}
		}, x)
		if err != nil {
			t.Fatal(err)
		}
		return float64(tensors.ToScalar[float32](out[0])), float64(tensors.ToScalar[float32](out[1])), tensors.MustCopyFlatData[float32](out[2])
	}
	without, main, _ := run(0)
	if without != main {
		t.Errorf("with weight 0 the loss is %g, that of the logits is %g", without, main)
	}
	with, main, gradients := run(0.4)
	double, _, _ := run(0.8)
	if part := with - main; part <= 0 || math.Abs(double-main-2*part) > 1e-5 {
		t.Errorf("losses %g and %g over %g: the second part should be twice the first", with, double, main)
	}
	for i, v := range gradients {
		if v == 0 {
			t.Errorf("no gradient reaches weights %d", i)
		}
	}
}

func TestMislabelled(t *testing.T) {
	images := &datasets.Images{N: 1000, H: 1, W: 1, C: 1, Labels: make([]int32, 1000), Classes: []string{"a", "b", "c", "d"}}
	for i := range images.Labels {
		images.Labels[i] = int32(i % 4)
	}
	noisy := Mislabelled(images, 0.2, 1)
	changed, to := 0, map[int32]int{}
	for i, label := range noisy.Labels {
		if label != int32(i%4) {
			changed++
			to[label]++
		}
		if images.Labels[i] != int32(i%4) {
			t.Fatal("the images' own labels have changed")
		}
	}
	if changed != 200 {
		t.Errorf("%d labels of 1000 are wrong, want 200", changed)
	}
	for class := range int32(4) {
		if to[class] < 30 || to[class] > 70 {
			t.Errorf("class %d took the place of another %d times of 200", class, to[class])
		}
	}
	if other := Mislabelled(images, 0.2, 2); slices.Equal(other.Labels, noisy.Labels) {
		t.Error("another seed, the same labels")
	}
}
