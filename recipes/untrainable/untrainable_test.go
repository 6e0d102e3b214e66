package untrainable

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"fovea/datasets"
	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/layertest"
	"fovea/layers/resnet"
	"fovea/recipes"
)

func similarity(t *testing.T, b compute.Backend, x, y *tensors.Tensor) float64 {
	t.Helper()
	out, err := graph.CallOnce(b, Similarity, x, y)
	if err != nil {
		t.Fatal(err)
	}
	return layertest.Floats(out)[0]
}

// What CKA is: 1 for the same, for what is turned and scaled, and for any two examples; symmetric; between 0 and 1, far from 1 for what
// has nothing to do with each other; and by its definition.
func TestSimilarity(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		const n, d = 40, 6
		x, y := layertest.Random[float32](1, n, d), layertest.Random[float32](2, n, 2, 5)
		var qr mat.QR
		qr.Factorize(mat.NewDense(d, d, layertest.Floats(layertest.Random[float32](3, d, d))))
		var q, turned mat.Dense
		qr.QTo(&q)
		turned.Mul(mat.NewDense(n, d, layertest.Floats(x)), &q)
		scaledAndTurned := make([]float32, n*d)
		for i, v := range turned.RawMatrix().Data {
			scaledAndTurned[i] = float32(-3e-12 * v) // CKA of what has all but vanished
		}
		xq := tensors.FromFlatDataAndDimensions(scaledAndTurned, n, d)
		near := func(what string, got, want float64) {
			t.Helper()
			if !(math.Abs(got-want) < 1e-4) {
				t.Errorf("%s is %g, want %g", what, got, want)
			}
		}
		near("CKA(X, X)", similarity(t, b, x, x), 1)
		near("CKA(X, c·XQ)", similarity(t, b, x, xq), 1)
		xy := similarity(t, b, x, y)
		near("CKA(Y, X)", similarity(t, b, y, x), xy)
		near("CKA(XQ, Y)", similarity(t, b, xq, y), xy)
		if xy < 0 || xy > 0.6 {
			t.Errorf("CKA of noise and noise is %g", xy)
		}
		near("CKA of two examples", similarity(t, b, layertest.Random[float32](4, 2, 5), layertest.Random[float32](5, 2, 9)), 1)
		near("CKA with what is the same for all", similarity(t, b, x, tensors.FromFlatDataAndDimensions(make([]float32, n), n, 1)), 0)
		near("CKA by its definition", xy, definition(mat.NewDense(n, d, layertest.Floats(x)), mat.NewDense(n, 10, layertest.Floats(y))))
	})
}

// definition is tr(KHLH)/√(tr(KHKH)·tr(LHLH)).
func definition(x, y *mat.Dense) float64 {
	n, _ := x.Dims()
	h := mat.NewDense(n, n, nil)
	for i := range n {
		for j := range n {
			h.Set(i, j, -1/float64(n))
		}
		h.Set(i, i, 1-1/float64(n))
	}
	hsic := func(a, b *mat.Dense) float64 {
		var k, l, p mat.Dense
		k.Mul(a, a.T())
		l.Mul(b, b.T())
		p.Product(&k, h, &l, h)
		return mat.Trace(&p)
	}
	return hsic(x, y) / math.Sqrt(hsic(x, x)*hsic(y, y))
}

// The first layers are paired, and the last.
func TestPair(t *testing.T) {
	for _, c := range []struct {
		guides, targets int
		want            []int
	}{{3, 24, []int{0, 12, 23}}, {4, 4, []int{0, 1, 2, 3}}, {5, 2, []int{0, 0, 1, 1, 1}}, {1, 9, []int{8}}} {
		for i, want := range c.want {
			if got := Pair(i, c.guides, c.targets); got != want {
				t.Errorf("layer %d of %d goes with layer %d of %d, want %d", i, c.guides, got, c.targets, want)
			}
		}
	}
}

func tinyConfig(alpha float64) Config {
	c := Config{Target: Network{Hidden: []int{10, 10, 10}}, Alpha: alpha, Classes: 3, Size: 8, Channels: 3}
	if alpha != 0 {
		c.Guide = Network{ResNet: resnet.Config{Stages: []int{1, 1}, Widths: []int{4, 6}}}
	}
	return c
}

// build makes the network in training on a batch and returns what f makes of the output and the losses that joined the graph.
func build(t *testing.T, b compute.Backend, store *model.Store, c Config, f func(y, loss *graph.Node) []*graph.Node) [][]float64 {
	t.Helper()
	exec, err := model.NewExec(b, store, func(s *model.Scope, x *graph.Node) []*graph.Node {
		store.SetTraining(x.Graph(), true)
		y := Model(c)(s, x)
		train.AddMainLoss(graph.MulScalar(graph.ReduceAllMean(graph.Square(y)), 1e-3))
		return f(y, train.TotalLoss(x.Graph()))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Finalize()
	outputs, err := exec.Call(layertest.Random[float32](9, 16, c.Size, c.Size, c.Channels))
	if err != nil {
		t.Fatal(err)
	}
	var values [][]float64
	for _, o := range outputs {
		values = append(values, layertest.Floats(o))
	}
	return values
}

// The guide gets no gradient and is not trained; the target's layers get one through the guidance. The guidance is α·Σ(1 − CKA), and with
// α = 0 there is neither guide nor loss: plain training.
func TestGuidance(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store := layertest.NewStore(2)
		var loss []float64
		for _, alpha := range []float64{1, 2} {
			values := build(t, b, store, tinyConfig(alpha), func(_, loss *graph.Node) []*graph.Node {
				g := loss.Graph()
				target, guide := store.GetVariable("/fc1/weights"), store.GetVariable("/guide/conv1/weights")
				if guide.Trainable || !target.Trainable {
					t.Errorf("trainable: guide %v, target %v", guide.Trainable, target.Trainable)
				}
				gradients := graph.Gradient(loss, target.NodeValue(g), guide.NodeValue(g))
				size := func(n *graph.Node) *graph.Node { return graph.ReduceAllSum(graph.Abs(n)) }
				return []*graph.Node{loss, size(gradients[0]), size(gradients[1])}
			})
			loss = append(loss, values[0][0])
			if values[1][0] == 0 || values[2][0] != 0 {
				t.Errorf("gradients: target %g, guide %g", values[1][0], values[2][0])
			}
		}
		// 2 layers of the guide, each at a distance between 0 and 1.
		if d := loss[1] - loss[0]; !(d > 0 && d < 2) || math.Abs(loss[0]-d) > 0.2 {
			t.Errorf("losses with α of 1 and 2 are %v", loss)
		}
		plain := layertest.NewStore(2)
		value := build(t, b, plain, tinyConfig(0), func(y, loss *graph.Node) []*graph.Node {
			return []*graph.Node{graph.Sub(loss, graph.MulScalar(graph.ReduceAllMean(graph.Square(y)), 1e-3))}
		})
		if value[0][0] != 0 || plain.GetVariable("/guide/conv1/weights") != nil {
			t.Errorf("without guidance a loss of %g is added", value[0][0])
		}
	})
}

// Guidance ends after Until steps.
func TestUntil(t *testing.T) {
	c := tinyConfig(1)
	c.Until = 2
	store := layertest.NewStore(2)
	exec, err := model.NewExec(layertest.Go(), store, func(s *model.Scope, x *graph.Node) *graph.Node {
		store.SetTraining(x.Graph(), true)
		y := Model(c)(s, x)
		train.AddMainLoss(graph.MulScalar(graph.ReduceAllMean(y), 0))
		return train.TotalLoss(x.Graph())
	})
	if err != nil {
		t.Fatal(err)
	}
	for step, want := range []bool{true, true, false, false} {
		y, err := exec.Call(layertest.Random[float32](9, 16, c.Size, c.Size, c.Channels))
		if err != nil {
			t.Fatal(err)
		}
		if got := layertest.Floats(y[0])[0] > 0; got != want {
			t.Errorf("step %d: guidance %v, want %v", step, got, want)
		}
	}
}

// A trained guide's weights arrive in the target's copy of it, which then computes the same layers.
func TestSetGuide(t *testing.T) {
	b := layertest.Go()
	c := tinyConfig(1)
	x := layertest.Random[float32](9, 4, c.Size, c.Size, c.Channels)
	target, err := recipes.NewTrainer(b, Model(c), recipes.Fit{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	guide, err := recipes.NewTrainer(b, GuideModel(c), recipes.Fit{Seed: 2})
	if err != nil {
		t.Fatal(err)
	}
	if SetGuide(target, guide) == nil {
		t.Error("a guide is set in a network that is not there yet")
	}
	for trainer, network := range map[*recipes.Trainer]recipes.Network{target: Model(c), guide: GuideModel(c)} {
		if _, err := model.CallOnce(b, trainer.Store(), func(s *model.Scope, x *graph.Node) *graph.Node { return network(s, x) }, x); err != nil {
			t.Fatal(err)
		}
	}
	// Variables of a trainer are known to it from its first images on.
	images := tinyImages(c)
	if _, err := guide.Evaluate(t.Context(), images); err != nil {
		t.Fatal(err)
	}
	if err := SetGuide(target, guide); err != nil {
		t.Fatal(err)
	}
	from, err := guide.Store().GetVariable("/layer2/0/conv1/weights").Value()
	if err != nil {
		t.Fatal(err)
	}
	to, err := target.Store().GetVariable("/guide/layer2/0/conv1/weights").Value()
	if err != nil {
		t.Fatal(err)
	}
	if floats.Distance(layertest.Floats(from), layertest.Floats(to), math.Inf(1)) != 0 {
		t.Error("the guide's weights didn't arrive")
	}
}

// The paper's targets have the layers it says.
func TestTargets(t *testing.T) {
	b := backendtest.ForTest(t)
	deep := Variants["deep-fcn"].Target
	if len(deep.Hidden) != 48 || deep.Hidden[0] != 2048 || deep.Hidden[47] != 1024 {
		t.Errorf("hidden layers %v", deep.Hidden)
	}
	s, err := layers.Summarize(b, Model(Variants["deep-fcn-alone"]), shapes.Make(dtypes.Float32, 1, 224, 224, 3))
	if err != nil {
		t.Fatal(err)
	}
	if s.Parameters() != deepParameters {
		t.Errorf("%d parameters, want %d", s.Parameters(), deepParameters)
	}
	for _, row := range s.Rows {
		if row.Scope == "fc1" && row.Parameters != 150_528*2048+2048 {
			t.Errorf("the first layer has %d parameters", row.Parameters)
		}
	}
}

func tinyImages(c Config) *datasets.Images {
	im := &datasets.Images{
		Name: "noise", N: 4, H: c.Size, W: c.Size, C: c.Channels, Labels: make([]int32, 4), Pixels: make([]uint8, 4*c.Size*c.Size*c.Channels),
		Norm: datasets.Normalization{Mean: []float32{0.5, 0.5, 0.5}, Std: []float32{0.25, 0.25, 0.25}},
	}
	for k := range c.Classes {
		im.Classes = append(im.Classes, string(rune('a'+k)))
	}
	for i := range im.Pixels {
		im.Pixels[i] = uint8(i * 37)
	}
	return im
}
