package selfexpanding

import (
	"context"
	"maps"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/datasets/synth"
	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/recipes"
)

// tiny is a network of the recipe's own code with layers of each kind: inside a block, between blocks, and behind the skip.
func tiny(slope float64) Config {
	return Config{
		Blocks: []Block{{3, 2}, {4, 1}, {3, 2}}, Mixed: 5, Slope: slope, Classes: 4, Channels: 3, Size: 16,
		Growth: Growth{Step: 2, Tau: 2, MaxDepth: 3, Budget: 500, Images: 4, Deviation: 0.1},
	}
}

func noise(n, size int) *tensors.Tensor {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, n*size*size*3)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return tensors.FromFlatDataAndDimensions(x, n, size, size, 3)
}

// evaluate gives the logits, and the weights if there were none.
func evaluate(t *testing.T, b compute.Backend, c Config, w Weights) ([]float32, Weights) {
	t.Helper()
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(4); err != nil {
		t.Fatal(err)
	}
	if err := w.Load(store); err != nil {
		t.Fatal(err)
	}
	before := store.NumVariables()
	y, err := model.CallOnce(b, store, Model(c), noise(2, c.Size))
	if err != nil {
		t.Fatal(err)
	}
	if w != nil && store.NumVariables() != before {
		t.Errorf("%d variables are new to the network: growing missed them", store.NumVariables()-before)
	}
	got := Weights{}
	for v := range store.IterVariables() {
		if v.Path() == "/"+model.RNGStateVariableName {
			continue
		}
		value, err := v.Value()
		if err == nil {
			value, err = value.LocalClone()
		}
		if err != nil {
			t.Fatal(err)
		}
		got[v.Path()] = value
	}
	return tensors.MustCopyFlatData[float32](y), got
}

func distance(a, b []float32) (d float64) {
	if len(a) != len(b) || len(a) == 0 {
		return math.Inf(1)
	}
	for i := range a {
		d = max(d, math.Abs(float64(a[i]-b[i])))
	}
	return d
}

// New channels change the logits by nothing, in any block. A new layer after a ReLU changes them by the ε of its normalisation
// alone; after a leaky one it does not stay the identity. And the network only ever grows.
func TestGrowingPreservesTheFunction(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		for _, slope := range []float64{0, 0.3} {
			c := tiny(slope)
			logits, w := evaluate(t, b, c, nil)
			for _, e := range c.Candidates() {
				grown, next := Grow(c, w, e, rand.New(rand.NewPCG(3, 4)))
				after, _ := evaluate(t, b, grown, next)
				d := distance(logits, after)
				switch {
				case e.Channels > 0 && d > 1e-6: // sums in another order
					t.Errorf("slope %g: %s changes the logits by %g", slope, e, d)
				case e.Channels == 0 && slope == 0 && d > 1e-5*float64(1+largest(logits)):
					t.Errorf("%s changes the logits by %g", e, d)
				case e.Channels == 0 && slope > 0 && d < 1e-3:
					t.Errorf("slope %g: %s changes the logits by %g only, though negative values shrink twice", slope, e, d)
				}
				if grown.Parameters() <= c.Parameters() {
					t.Errorf("%s: from %d to %d parameters", e, c.Parameters(), grown.Parameters())
				}
			}
		}
	})
}

func largest(x []float32) (m float32) {
	for _, v := range x {
		m = max(m, v, -v)
	}
	return m
}

// The count by hand, which decides on growth, is that of the graph, before and after growing again and again.
func TestParameters(t *testing.T) {
	b := backendtest.ForTest(t)
	for _, c := range []Config{Variants["initial"], Variants["grown"], tiny(0.1)} {
		s, err := layers.Summarize(b, Model(c), shapes.Make(dtypes.Float32, 1, c.Size, c.Size, 3))
		if err != nil {
			t.Fatal(err)
		}
		if s.Parameters() != c.Parameters() {
			t.Errorf("blocks %v: %d parameters, counted %d", c.Blocks, s.Parameters(), c.Parameters())
		}
	}
	c := tiny(0)
	r := rand.New(rand.NewPCG(5, 6))
	logits, w := evaluate(t, b, c, nil)
	for range 6 {
		all := c.Candidates()
		c, w = Grow(c, w, all[r.IntN(len(all))], r)
	}
	after, _ := evaluate(t, b, c, w)
	if d := distance(logits, after); d > 1e-4*float64(1+largest(logits)) {
		t.Errorf("six expansions change the logits by %g", d)
	}
}

// At a stationary point the mean gradient is zero and so is the score. What has been computed in its place, the mean square of the batches'
// gradients over that same mean square plus ε, is the mean of F/(F+ε) always: it only tells which parameters have any gradient.
func TestScore(t *testing.T) {
	g := [][]float32{{1, -2, 3e-3, 0}, {-1, 2, -3e-3, 0}}
	if s := Score(g); s != 0 {
		t.Errorf("the score at a stationary point is %g", s)
	}
	const epsilon = 1e-5
	fisher := make([]float64, 4)
	for i := range fisher {
		for _, row := range g {
			fisher[i] += float64(row[i]) * float64(row[i]) / float64(len(g))
		}
	}
	var degenerate, saturation float64
	for i := range fisher {
		for _, row := range g {
			degenerate += float64(row[i]) * float64(row[i]) / (fisher[i] + epsilon) / float64(len(g)) / 4
		}
		saturation += fisher[i] / (fisher[i] + epsilon) / 4
	}
	if math.Abs(degenerate-saturation) > 1e-6 || degenerate < 0.5 {
		t.Errorf("the degenerate score is %g and the mean of F/(F+ε) %g", degenerate, saturation)
	}
	// Gradients that agree give one for each parameter that has any.
	if s := Score([][]float32{{1, -2, 0}, {1, -2, 0}}); s != 2 {
		t.Errorf("the score of equal gradients of 2 parameters is %g", s)
	}
}

// An image's gradient is its own, over all parameters, and a choice is made among the candidates.
func TestGradientsAndChoice(t *testing.T) {
	b := backendtest.ForTest(t)
	c := tiny(0.1)
	c.Blocks = []Block{{2, 1}, {2, 1}}
	_, w := evaluate(t, b, c, nil)
	im, err := synth.Shapes(synth.ShapesOptions{N: 4, Size: 16, Classes: 4})
	if err != nil {
		t.Fatal(err)
	}
	s := NewScorer(b)
	defer s.Close()
	g, err := s.Gradients(context.Background(), c, w, im)
	if err != nil {
		t.Fatal(err)
	}
	if len(g) != 4 || len(g[0]) != c.Parameters() {
		t.Fatalf("%d gradients of %d parameters, want 4 of %d", len(g), len(g[0]), c.Parameters())
	}
	if again, err := s.Gradients(context.Background(), c, w, im.Slice(1, 2)); err != nil || distance(g[1], again[0]) > 1e-6 {
		t.Errorf("an image's gradient depends on the others (%v)", err)
	}
	// The program is kept, and the weights are those of the call.
	other := maps.Clone(w)
	other["/mix/weights"] = tensors.FromShape(w["/mix/weights"].Shape())
	if moved, err := s.Gradients(context.Background(), c, other, im); err != nil || distance(g[1], moved[1]) == 0 || len(s.programs) != 1 {
		t.Errorf("%d programs; with other weights the gradient is off by %g (%v)", len(s.programs), distance(g[1], moved[1]), err)
	}
	choice, err := s.Choose(context.Background(), c, w, im, rand.New(rand.NewPCG(7, 8)))
	if err != nil || !(choice.Ratio > 0) {
		t.Errorf("choice %v (%v)", choice, err)
	}
}

// A training in two stages grows between them, sees each epoch, and goes on with what it has learnt.
func TestTrainingGrows(t *testing.T) {
	im, err := synth.Shapes(synth.ShapesOptions{N: 32, Size: 16, Classes: 4})
	if err != nil {
		t.Fatal(err)
	}
	c := tiny(0.01)
	s := schedule{stages: []int{2, 1}, fit: recipes.Fit{Batch: 16}}
	trial := recipes.NewTrial(backendtest.ForTest(t), recipes.SmallScale, 1)
	var before []float32
	next := func(c Config, w Weights) (Config, Weights, error) {
		before = tensors.MustCopyFlatData[float32](w["/mix/weights"])
		c, w = Grow(c, w, Expansion{1, 2}, rand.New(rand.NewPCG(1, 1)))
		return c, w, nil
	}
	p := programsOf(trial)
	defer p.Close()
	grown, trainer, course, err := p.train(context.Background(), s, c, recipes.Data{Train: im, Valid: im}, next)
	if err != nil {
		t.Fatal(err)
	}
	if len(course) != 3 || grown.Blocks[1].Width != 6 || course[1].parameters != c.Parameters() || course[2].parameters != grown.Parameters() {
		t.Errorf("blocks %v, course %v", grown.Blocks, course)
	}
	w, err := WeightsOf(trainer)
	if err != nil {
		t.Fatal(err)
	}
	// One epoch of two steps at a rate of 2e-3 moves no weight by more than twice that and a bit.
	if d := distance(before, tensors.MustCopyFlatData[float32](w["/mix/weights"])); d > 0.01 || d == 0 {
		t.Errorf("the second stage took the weights %g away from those of the first", d)
	}
	if drop := largestDrop([]moment{{1, 10, 50}, {2, 10, 40}, {3, 20, 37}, {4, 20, 60}}); drop != 3 {
		t.Errorf("the largest drop behind an expansion is %g, want 3", drop)
	}
}
