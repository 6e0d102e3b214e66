package attr_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/attr"
	"fovea/layers/layertest"
)

// blobs are n points of d numbers in k groups that lie far apart, and their groups.
func blobs(n, d, k int) (*tensors.Tensor, []int32) {
	r := rand.New(rand.NewPCG(5, 0))
	values, labels := make([]float32, n*d), make([]int32, n)
	for i := range labels {
		labels[i] = int32(i % k)
		for j := range d {
			values[i*d+j] = float32(r.NormFloat64())
			if j == i%k {
				values[i*d+j] += 12
			}
		}
	}
	return tensors.FromFlatDataAndDimensions(values, n, d), labels
}

// rotated is 3·x·Q + 1 for an orthogonal Q.
func rotated(x *Node) *Node {
	sin, cos := math.Sincos(0.7)
	q := ConstAs(x, [][]float64{{cos, -sin, 0}, {sin, cos, 0}, {0, 0, -1}})
	return AddScalar(MulScalar(Einsum("nd,de->ne", x, q), 3), 1)
}

func TestLinearCKA(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		x, y := layertest.Random[float32](1, 50, 3), layertest.Random[float32](2, 50, 400)
		values, err := CallOnce(b, func(x, y *Node) *Node {
			return Stack([]*Node{attr.LinearCKA(x, x), attr.LinearCKA(x, rotated(x)), attr.LinearCKA(x, y)}, 0)
		}, x, y)
		if err != nil {
			t.Fatal(err)
		}
		got := layertest.Floats(values)
		near(t, "CKA(x, x) and CKA(x, 3xQ+1)", got[:2], []float64{1, 1}, 1e-4)
		if got[2] > 0.5 || got[2] < 0.05 { // its bias for 50 examples of noise is about 3/√(50·…), far from 0
			t.Errorf("CKA of unrelated noise is %g", got[2])
		}
	})
}

// views has three taps: x, a rotated copy of it, and noise-like features that x does not tell.
func views(_ *model.Scope, x *Node) *Node {
	flat := layers.Tap(layers.Flatten(x), "all")       // [B 8]
	first := Slice(flat, AxisRange(), AxisRange(0, 3)) // [B 3]
	layers.Tap(Slice(flat, AxisRange(), AxisRange(3)), "rest")
	return layers.Tap(rotated(layers.Tap(first, "first")), "rotated")
}

func TestSimilarities(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		a := attr.Layers{Store: layertest.NewStore(1), Network: views, Taps: []string{"first", "rotated", "rest", ""}}
		images := layertest.Random[float32](3, 400, 2, 2, 2)
		for _, batch := range []int{400, 80} {
			cka, err := attr.Similarities(context.Background(), b, a, a, layertest.Host(images), batch)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "alike", []float64{cka[0][0], cka[0][1], cka[1][0], cka[2][2], cka[0][3]}, []float64{1, 1, 1, 1, 1}, 1e-3)
			if math.Abs(cka[0][2]) > 0.03 { // independent normal numbers: 0 but for noise, also in small batches
				t.Errorf("batches of %d: CKA of unrelated features is %g", batch, cka[0][2])
			}
			near(t, "symmetric", []float64{cka[2][0]}, []float64{cka[0][2]}, 1e-4)
		}
		a.Taps = []string{"nowhere"}
		if _, err := attr.Similarities(context.Background(), b, a, a, layertest.Host(images), 0); err == nil || !strings.Contains(err.Error(), "the network has all, first, rest, rotated") {
			t.Errorf("unknown tap: error %v", err)
		}
		if _, err := attr.Similarities(context.Background(), b, a, a, layertest.Host(images), 3); err == nil || !strings.Contains(err.Error(), "four images") {
			t.Errorf("batches of three: error %v", err)
		}
	})
}

// Points on a plane in 20 dimensions: two directions, with the variances they were made with. Wide and long take
// different ways.
func TestPCA(t *testing.T) {
	for _, n := range []int{12, 500} {
		r := rand.New(rand.NewPCG(1, 0))
		values, along := make([]float32, n*20), [2]float64{}
		var u, v []float64
		for range n {
			u, v = append(u, r.NormFloat64()), append(v, r.NormFloat64())
		}
		standardize(u)
		standardize(v)
		decorrelate(u, v)
		for i := range n {
			for j := range 20 {
				a, b := math.Sqrt(0.1)*math.Pow(-1, float64(j/10)), math.Sqrt(0.1)
				values[i*20+j] = float32(3*u[i]*a/math.Sqrt2 + 2*v[i]*b/math.Sqrt2 + 7)
			}
		}
		along = [2]float64{9, 4}
		features := tensors.FromFlatDataAndDimensions(values, n, 4, 5)
		p, err := attr.PCA(features, 5)
		if err != nil {
			t.Fatal(err)
		}
		// The unit directions are (±√0.05): 3u·√0.1/√2 = 3u·√0.05 at each of 20 places.
		near(t, "variance", p.Variance[:2], along[:], 1e-4)
		near(t, "total", []float64{p.Total}, []float64{13}, 1e-4)
		near(t, "mean", p.Mean[:1], []float64{7}, 1e-4)
		for j := range 20 {
			near(t, "direction", []float64{math.Abs(p.Directions[0][j])}, []float64{math.Sqrt(0.05)}, 1e-3)
		}
		points, err := p.Project(features)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			near(t, "projection", []float64{math.Abs(points[i][0])}, []float64{math.Abs(3 * u[i])}, 1e-3)
		}
	}
}

func standardize(x []float64) {
	n, mean, squares := float64(len(x)), 0.0, 0.0
	for _, v := range x {
		mean += v / n
	}
	for i := range x {
		x[i] -= mean
		squares += x[i] * x[i]
	}
	for i := range x {
		x[i] /= math.Sqrt(squares / (n - 1))
	}
}

// decorrelate takes out of v what it shares with u; both are standardised.
func decorrelate(u, v []float64) {
	dot := 0.0
	for i := range u {
		dot += u[i] * v[i] / float64(len(u)-1)
	}
	for i := range v {
		v[i] -= dot * u[i]
	}
	standardize(v)
}

func TestProbe(t *testing.T) {
	for name, size := range map[string][2]int{"long": {200, 6}, "wide": {40, 100}} {
		features, labels := blobs(size[0], size[1], 4)
		probe, err := attr.NewProbe(features, labels, attr.ProbeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		accuracy, err := probe.Accuracy(features, labels)
		if err != nil || accuracy != 1 {
			t.Errorf("%s: accuracy %g of groups that lie apart, %v", name, accuracy, err)
		}
		if _, err := probe.Accuracy(features, labels[1:]); err == nil {
			t.Errorf("%s: too few labels were taken", name)
		}
	}
	// One number, two classes: W = Σxy/(Σx² + λN) with x and one-hot y centred, exactly.
	features := tensors.FromFlatDataAndDimensions([]float32{-2, -1, 1, 2}, 4, 1)
	probe, err := attr.NewProbe(features, []int32{0, 0, 1, 1}, attr.ProbeOptions{Ridge: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "weight", []float64{probe.Weights.At(0, 1)}, []float64{3.0 / (10 + 0.5*4)}, 1e-9)
	near(t, "bias", probe.Bias, []float64{0.5, 0.5}, 1e-9)
	for want, labels := range map[string][]int32{"label 7": {0, 7, 1, 1}, "3 labels for 4": {0, 1, 1}} {
		if _, err := attr.NewProbe(features, labels, attr.ProbeOptions{Classes: 2}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	same := tensors.FromFlatDataAndDimensions([]float32{1, 1, 1}, 3, 1)
	if _, err := attr.NewProbe(same, []int32{0, 1, 0}, attr.ProbeOptions{}); err == nil || !strings.Contains(err.Error(), "are the same") {
		t.Errorf("features without variance: %v", err)
	}
}

// Groups that lie apart stay apart: each point's nearest neighbours in the plane are of its group.
func TestTSNE(t *testing.T) {
	features, labels := blobs(90, 10, 3)
	points, divergence, err := attr.TSNE(context.Background(), features, attr.TSNEOptions{Perplexity: 10, Steps: 300, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	apart := func(i, j int) float64 { return math.Hypot(points[i][0]-points[j][0], points[i][1]-points[j][1]) }
	strangers := 0
	for i := range points {
		nearest := -1
		for j := range points {
			if j != i && (nearest < 0 || apart(i, j) < apart(i, nearest)) {
				nearest = j
			}
		}
		if labels[nearest] != labels[i] {
			strangers++
		}
	}
	if strangers > 0 || !(divergence > 0 && divergence < 1) {
		t.Errorf("%d of 90 points have a nearest neighbour of another group; divergence %g", strangers, divergence)
	}
	again, _, err := attr.TSNE(context.Background(), features, attr.TSNEOptions{Perplexity: 10, Steps: 300, Seed: 1})
	if err != nil || !slices.Equal(again[17], points[17]) {
		t.Errorf("the same seed gave %v and %v, %v", points[17], again[17], err)
	}
	if _, _, err := attr.TSNE(context.Background(), features, attr.TSNEOptions{Perplexity: 40}); err == nil || !strings.Contains(err.Error(), "a third") {
		t.Errorf("a perplexity of 40 for 90 points: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := attr.TSNE(ctx, features, attr.TSNEOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestAtlas(t *testing.T) {
	points := [][]float64{{0, 0}, {0.1, 0.2}, {1, 1}, {0.9, 0.95}, {1, 0}}
	features := tensors.FromFlatDataAndDimensions([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 5, 2)
	cells, err := attr.Atlas(points, features, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(cells) != 2 || cells[0].Row != 0 || cells[0].Column != 1 || cells[1].Row != 1 || cells[1].Column != 0 {
		t.Fatalf("cells %+v", cells)
	}
	near(t, "mean", append(cells[0].Mean, cells[1].Mean...), []float64{6, 7, 2, 3}, 1e-9)
	if _, err := attr.Atlas(points[1:], features, 2, 2); err == nil {
		t.Error("4 points for 5 features were taken")
	}
}

func TestNormalizeFilters(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		w := tensors.FromFlatDataAndDimensions([]float32{1, 0, -2, 0.5, 0, -0.25}, 3, 1, 1, 2)
		got, err := CallOnce(b, func(w *Node) *Node { return attr.NormalizeFilters(w) }, w)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "filters", layertest.Floats(got), []float64{0.75, 0.5, 0, 1, 0.5, 0.25}, 1e-6)
	})
}

func TestFeatures(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store, x := layertest.NewStore(1), layertest.Random[float32](4, 5, 6, 6, 2)
		get := func(tap string, o attr.FeatureOptions) []float64 {
			features, err := attr.Features(context.Background(), b, store, tapped, x, tap, o)
			if err != nil {
				t.Fatal(err)
			}
			return layertest.Floats(features)
		}
		whole := get("conv", attr.FeatureOptions{})
		near(t, "in batches", get("conv", attr.FeatureOptions{Batch: 2}), whole, 1e-6)
		pooled := make([]float64, 5*3)
		for i, v := range whole {
			pooled[i/108*3+i%3] += v / 36
		}
		near(t, "pooled", get("conv", attr.FeatureOptions{Pool: true}), pooled, 1e-5)
		if n := len(get("", attr.FeatureOptions{})); n != 20 {
			t.Errorf("%d outputs, want 5 of 4", n)
		}
	})
	_, err := attr.Features(context.Background(), layertest.Go(), layertest.NewStore(1), tapped, layertest.Random[float32](4, 6, 6, 2), "conv", attr.FeatureOptions{})
	if err == nil || !strings.Contains(err.Error(), "[1 H W C]") {
		t.Errorf("a single image without its batch: %v", err)
	}
}
