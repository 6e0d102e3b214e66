package salientrelevance

import (
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/datasets"
	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/attr"
	"fovea/layers/layertest"
)

// saliency runs the second step on maps [n h w].
func saliency(t *testing.T, b compute.Backend, c Config, maps []float32, n, h, w int) []float64 {
	t.Helper()
	y, err := graph.CallOnce(b, func(x *graph.Node) *graph.Node { return Saliency(x, c) }, tensors.FromFlatDataAndDimensions(maps, n, h, w))
	if err != nil {
		t.Fatal(err)
	}
	return layertest.Floats(y)
}

func noise(seed uint64, n int) []float32 {
	return tensors.MustCopyFlatData[float32](layertest.Random[float32](seed, n))
}

var tiny = Config{Patch: 3, Neighbours: 5, Scales: []float64{1, 0.5}, Distance: 3, Foci: 0.8}

// A constant map has no saliency; a shift or a factor of the map changes nothing; all values are in [0, 1).
func TestSaliencyInvariances(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		const n = 9 * 12
		flat := make([]float32, n)
		for i := range flat {
			flat[i] = 0.7
		}
		m := noise(1, n)
		moved, scaled := make([]float32, n), make([]float32, n)
		for i, v := range m {
			moved[i], scaled[i] = v+3, v*5
		}
		all := saliency(t, b, tiny, slices.Concat(flat, m, moved, scaled), 4, 9, 12)
		for i := range n {
			if all[i] != 0 {
				t.Fatalf("a constant map has the saliency %g", all[i])
			}
			for k, name := range []string{"shift", "factor"} {
				if math.Abs(all[n+i]-all[(2+k)*n+i]) > 2e-3 {
					t.Fatalf("a %s changes the saliency from %g to %g", name, all[n+i], all[(2+k)*n+i])
				}
			}
			if v := all[n+i]; !(v >= 0 && v < 1) {
				t.Fatalf("a saliency is %g", v)
			}
		}
	})
}

// The graph computes the formulas, written out here for each pair of patches of one scale.
func TestSaliencyEqualsItsFormulas(t *testing.T) {
	const h, w = 7, 6
	c := tiny
	c.Scales = []float64{1}
	m := noise(3, h*w)
	low, high := slices.Min(m), slices.Max(m)
	at := func(y, x int) float64 {
		return float64((m[min(max(y, 0), h-1)*w+min(max(x, 0), w-1)] - low) / (high - low))
	}
	apart := func(i, j int) float64 { return math.Hypot(float64(i/w-j/w), float64(i%w-j%w)) / h }
	s := make([]float64, h*w)
	for i := range s {
		var d []float64
		for j := range s {
			sum := 0.0
			for dy := -1; dy <= 1; dy++ {
				for dx := -1; dx <= 1; dx++ {
					e := at(i/w+dy, i%w+dx) - at(j/w+dy, j%w+dx)
					sum += e * e
				}
			}
			d = append(d, math.Sqrt(sum)/(1+c.Distance*apart(i, j)))
		}
		slices.Sort(d)
		mean := 0.0
		for _, v := range d[:c.Neighbours] {
			mean += v / float64(c.Neighbours)
		}
		s[i] = 1 - math.Exp(-mean)
	}
	want := make([]float64, len(s))
	for i := range s {
		nearest := 1.0
		for j := range s {
			if s[j] >= c.Foci*slices.Max(s) {
				nearest = min(nearest, apart(i, j))
			}
		}
		want[i] = s[i] * (1 - nearest)
	}
	for i, got := range saliency(t, layertest.Go(), c, m, 1, h, w) {
		if math.Abs(got-want[i]) > 1e-4 {
			t.Fatalf("pixel %d: %g, want %g", i, got, want[i])
		}
	}
}

// A few scattered points become one region: the step from pixels to areas is what the method is for.
func TestPointsBecomeARegion(t *testing.T) {
	const side = 20
	m := make([]float32, side*side)
	for _, p := range [][2]int{{8, 8}, {8, 11}, {11, 8}, {11, 11}} {
		m[p[0]*side+p[1]] = 1
	}
	c := small("vgg")
	c.Scales = []float64{1}
	found := saliency(t, layertest.Go(), c, m, 1, side, side)
	s := make([]float32, len(found))
	for i, v := range found {
		s[i] = float32(v)
	}
	if before, after := pieces(largest(m, 0.01), side, side), pieces(largest(s, 0.1), side, side); before != 4 || after != 1 {
		t.Errorf("%d points make %d regions, want 4 and 1", before, after)
	}
	if far, near := found[0], found[9*side+9]; !(near > 2*far) {
		t.Errorf("between the points the saliency is %g, in a corner %g", near, far)
	}
}

// The sum of the smallest agrees with sorting, with equal values too.
func TestSumOfSmallest(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		rows := append([]float32{1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0}, make([]float32, 7)...)
		for _, v := range noise(2, 7) {
			rows = append(rows, v*v)
		}
		for _, k := range []int{1, 4, 7} {
			y, err := graph.CallOnce(b, func(x *graph.Node) *graph.Node { return sumOfSmallest(x, k) }, tensors.FromFlatDataAndDimensions(rows, 1, 4, 7))
			if err != nil {
				t.Fatal(err)
			}
			for i, got := range layertest.Floats(y) {
				row := slices.Clone(rows[i*7 : i*7+7])
				slices.Sort(row)
				want := 0.0
				for _, v := range row[:k] {
					want += float64(v)
				}
				if math.Abs(got-want) > 1e-5 {
					t.Errorf("row %d, the %d smallest: %g, want %g", i, k, got, want)
				}
			}
		}
	})
}

// relevanceOf adds up the relevance of an image under a composite, beside the score and the shares that all biases have of it.
func relevanceOf(t *testing.T, composite attr.Composite, setBiases bool) (total, score, shares float64) {
	t.Helper()
	b, store, x := layertest.Go(), layertest.NewStore(1), layertest.Random[float32](2, 1, 16, 16, 3)
	network := attr.Network(Classifier("alexnet", 4))
	outputs, err := model.CallOnce(b, store, func(s *model.Scope, x *graph.Node) *graph.Node { return network(s, x) }, x)
	if err != nil {
		t.Fatal(err)
	}
	const class = 2
	if setBiases {
		seed := uint64(5)
		for v := range store.IterVariables() {
			if v.Name() == "biases" {
				seed++
				if err := v.SetValue(layertest.Random[float32](seed, v.Shape().Dimensions...)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if outputs, err = model.CallOnce(b, store, func(s *model.Scope, x *graph.Node) *graph.Node { return network(s, x) }, x); err != nil {
			t.Fatal(err)
		}
	}
	for v := range store.IterVariables() {
		if v.Name() != "biases" {
			continue
		}
		y, err := model.CallOnce(b, store, func(s *model.Scope, x *graph.Node) *graph.Node {
			score := graph.ReduceAllSum(graph.Slice(network(s, x), graph.AxisRange(), graph.AxisElem(class)))
			biases := v.NodeValue(x.Graph())
			return graph.ReduceAllSum(graph.Mul(biases, graph.Gradient(score, biases)[0]))
		}, x)
		if err != nil {
			t.Fatal(err)
		}
		shares += layertest.Floats(y)[0]
	}
	maps, err := attr.Explain(b, store, network, attr.LRP(composite), x, class)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range layertest.Floats(maps) {
		total += r
	}
	return total, layertest.Floats(outputs)[class], shares
}

// Without biases the relevance of the image is the score, under z⁺ and under the authors' rules. With biases the ε rule leaks
// what the biases have.
func TestRelevanceIsConservedUpToBiases(t *testing.T) {
	for name, c := range map[string]attr.Composite{"z⁺": {Conv: attr.ZPlus{}, Dense: attr.ZPlus{}}, "the authors'": Composite} {
		total, score, _ := relevanceOf(t, c, false)
		if math.Abs(total-score) > 1e-4*math.Abs(score) {
			t.Errorf("%s: relevance %g of a score of %g", name, total, score)
		}
	}
	epsilon := attr.Epsilon{Epsilon: 1e-9}
	total, score, shares := relevanceOf(t, attr.Composite{Conv: epsilon, Dense: epsilon}, true)
	if leak := score - total; math.Abs(leak-shares) > 1e-3*math.Abs(shares) || math.Abs(shares) < 0.1 {
		t.Errorf("of a score of %g, %g is missing; the biases have %g", score, leak, shares)
	}
}

// In a linear network relevance is gradient × input.
func TestRelevanceOfALinearNetwork(t *testing.T) {
	b, store, x := layertest.Go(), layertest.NewStore(1), layertest.Random[float32](2, 1, 4, 4, 1)
	linear := func(s *model.Scope, x *graph.Node) *graph.Node {
		x = layers.Conv(s.In("conv"), x, layers.ConvOptions{Filters: 2})
		return layers.Dense(s.In("out"), layers.Flatten(x), 3)
	}
	composite := Composite
	composite.Dense = attr.Epsilon{}
	relevance, err := attr.Explain(b, store, linear, attr.LRP(composite), x, 1)
	if err != nil {
		t.Fatal(err)
	}
	product, err := attr.Explain(b, store, linear, attr.InputTimesGradient, x, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := layertest.Floats(product)
	for i, got := range layertest.Floats(relevance) {
		if math.Abs(got-want[i]) > 1e-5 {
			t.Fatalf("value %d: relevance %g, gradient × input %g", i, got, want[i])
		}
	}
}

func TestMeasures(t *testing.T) {
	picture := []string{
		"##..#",
		"#...#",
		"...##",
		".#..#",
	}
	mask := make([]bool, 20)
	for i := range mask {
		mask[i] = picture[i/5][i%5] == '#'
	}
	if n := pieces(mask, 4, 5); n != 3 {
		t.Errorf("%d pieces, want 3", n)
	}
	if n := pieces(make([]bool, 20), 4, 5); n != 0 {
		t.Errorf("%d pieces of nothing", n)
	}
	if got := largest([]float32{1, 5, 5, 2, 0, 5, 1, 1, 1, 1}, 0.2); !slices.Equal(got[:4], []bool{false, true, true, false}) || slices.Contains(got[3:], true) {
		t.Errorf("largest fifth %v", got)
	}
	if got := inside([]float32{1, 2, 3, 4}, []uint8{0, 1, 0, 1}); got != 0.6 {
		t.Errorf("inside %g, want 0.6", got)
	}
	if got := inside(make([]float32, 4), []uint8{0, 1, 0, 1}); got != 0 {
		t.Errorf("an empty map is inside by %g", got)
	}
}

// A pixel of a flat image stays; a bright one is spread over its square.
func TestBlurred(t *testing.T) {
	im := &datasets.Images{N: 1, H: 8, W: 8, C: 1, Pixels: slices.Repeat([]uint8{10}, 64)}
	im.Pixels[3*8+3] = 100
	got := blurred(im).Pixels
	for p, v := range got {
		want := uint8(10)
		if y, x := p/8, p%8; y >= 2 && y <= 4 && x >= 2 && x <= 4 {
			want = 20
		}
		if v != want {
			t.Errorf("pixel %d is %d, want %d", p, v, want)
		}
	}
}

func TestClassifiersBuild(t *testing.T) {
	for name, want := range map[string]int{"alexnet": 1, "vgg": 2} {
		store := layertest.NewStore(1)
		if _, err := model.CallOnce(layertest.Go(), store, func(s *model.Scope, x *graph.Node) *graph.Node { return Classifier(name, 4)(s, x) },
			layertest.Random[float32](1, 1, 16, 16, 3)); err != nil {
			t.Fatal(err)
		}
		convolutions := 0
		for v := range store.IterVariables() {
			if len(v.Shape().Dimensions) == 4 {
				convolutions++
			}
		}
		if convolutions != 3*want {
			t.Errorf("%s has %d convolutions, want %d", name, convolutions, 3*want)
		}
	}
}
