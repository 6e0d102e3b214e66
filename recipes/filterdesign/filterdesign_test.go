package filterdesign

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"fovea/datasets"
	"fovea/datasets/synth"
	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/layertest"
	"fovea/recipes"
)

// Two 3×3 have 18C² weights for 5×5's 25C², three have 27C² for 7×7's 49C², and see as much.
func TestStackedFilters(t *testing.T) {
	const c = 8
	stack := func(sizes ...int) recipes.Network {
		return func(s *model.Scope, x *graph.Node) *graph.Node {
			for i, size := range sizes {
				x = layers.Conv(s.In("%s", convName(i)), x, layers.ConvOptions{Filters: c, Size: size, Pad: layers.Valid, NoBias: true})
			}
			return x
		}
	}
	for _, test := range []struct {
		sizes       []int
		weights, of int // weights/C², and the receptive field
	}{{[]int{5}, 25, 5}, {[]int{3, 3}, 18, 5}, {[]int{7}, 49, 7}, {[]int{3, 3, 3}, 27, 7}} {
		s, err := layers.Summarize(layertest.Go(), stack(test.sizes...), shapes.Make(dtypes.Float32, 1, 16, 16, c))
		if err != nil {
			t.Fatal(err)
		}
		if s.Parameters() != test.weights*c*c {
			t.Errorf("%v: %d weights, want %d·C²", test.sizes, s.Parameters(), test.weights)
		}
		if field := 16 - s.Outputs[0].Dimensions[1] + 1; field != test.of {
			t.Errorf("%v: a receptive field of %d, want %d", test.sizes, field, test.of)
		}
		// The field by its gradient: which inputs one output hears of.
		y, err := model.CallOnce(layertest.Go(), layertest.NewStore(1), func(s *model.Scope, x *graph.Node) *graph.Node {
			middle := graph.Slice(stack(test.sizes...)(s, x), graph.AxisRange(), graph.AxisElem(2), graph.AxisElem(2), graph.AxisRange())
			g := graph.Gradient(graph.ReduceAllSum(middle), x)[0]
			return graph.ReduceAllSum(graph.ConvertDType(graph.GreaterThan(graph.ReduceMax(graph.Abs(g), -1), graph.ScalarZero(g.Graph(), g.DType())), dtypes.Float32))
		}, layertest.Random[float32](2, 1, 16, 16, c))
		if err != nil {
			t.Fatal(err)
		}
		if seen := int(layertest.Floats(y)[0]); seen != test.of*test.of {
			t.Errorf("%v: an output hears of %d pixels, want %d", test.sizes, seen, test.of*test.of)
		}
	}
}

// The survey's examples: LeNet-5 has 6 filters of 5×5, 16 of 5×5 and 120 of 5×5; AlexNet begins with 96 of 11×11 with stride 4.
func TestFiltersOfOldNetworks(t *testing.T) {
	conv := func(filters, size, stride int) layers.ConvOptions {
		return layers.ConvOptions{Filters: filters, Size: size, Stride: stride, Pad: layers.Valid}
	}
	lenet := func(s *model.Scope, x *graph.Node) *graph.Node {
		x = layers.MeanPool(layers.Conv(s.In("c1"), x, conv(6, 5, 1)), layers.PoolOptions{})
		x = layers.MeanPool(layers.Conv(s.In("c3"), x, conv(16, 5, 1)), layers.PoolOptions{})
		return layers.Conv(s.In("c5"), x, conv(120, 5, 1))
	}
	alexnet := func(s *model.Scope, x *graph.Node) *graph.Node { return layers.Conv(s.In("conv1"), x, conv(96, 11, 4)) }
	for name, test := range map[string]struct {
		network recipes.Network
		input   shapes.Shape
		output  []int
		weights int
	}{
		"LeNet-5": {lenet, shapes.Make(dtypes.Float32, 1, 32, 32, 1), []int{1, 1, 1, 120}, 6*26 + 16*(6*25+1) + 120*(16*25+1)},
		"AlexNet": {alexnet, shapes.Make(dtypes.Float32, 1, 227, 227, 3), []int{1, 55, 55, 96}, 96 * (11*11*3 + 1)},
	} {
		s, err := layers.Summarize(layertest.Go(), test.network, test.input)
		if err != nil {
			t.Fatal(err)
		}
		if s.Parameters() != test.weights || !slices.Equal(s.Outputs[0].Dimensions, test.output) {
			t.Errorf("%s: %d parameters, output %v", name, s.Parameters(), s.Outputs[0])
		}
	}
}

// He's initialisation keeps the mean square within 20 % over 20 ReLU layers, in the mean over draws; Glorot's halves it in each. Weights
// of different layers are independent, so the mean over 20 layers is the mean factor of one to the power of 20; narrow layers, many of
// them, tell it at the least cost.
func TestPowerWithDepth(t *testing.T) {
	const depth, width, together, calls = 20, 16, 50, 200
	grow := func(init Init) float64 {
		exec, err := model.NewExec(layertest.Go(), layertest.NewStore(7), func(s *model.Scope, x *graph.Node) *graph.Node {
			var factors []*graph.Node
			x = layers.ReLU(x)
			for i := range together {
				w := init.initializer(s.In("layer%d", i))(x.Graph(), shapes.Make(dtypes.Float32, width, width))
				y := graph.Einsum("bi,ij->bj", x, w)
				// Half of the power of what went into the ReLU came out of it, in the mean.
				factors = append(factors, graph.Div(graph.ReduceAllMean(graph.Square(y)), graph.MulScalar(graph.ReduceAllMean(graph.Square(x)), 2)))
			}
			return graph.ReduceAllMean(graph.Stack(factors, 0))
		})
		if err != nil {
			t.Fatal(err)
		}
		defer exec.Finalize()
		var mean float64
		for call := range uint64(calls) {
			y, err := exec.Call(layertest.Random[float32](call+1, 8, width))
			if err != nil {
				t.Fatal(err)
			}
			mean += layertest.Floats(y[0])[0] / calls
		}
		return depth * math.Log2(mean)
	}
	if he := math.Exp2(grow(He)); he < 0.8 || he > 1.2 {
		t.Errorf("He: 20 layers leave %.3f of the mean square", he)
	}
	if glorot := grow(Glorot); math.Abs(glorot+depth) > 0.5 {
		t.Errorf("Glorot: 20 layers leave 2^%.2f of the mean square, want 2^−20", glorot)
	}
	if normal := grow(Normal); math.Abs(normal-depth*math.Log2(width/2)) > 0.5 {
		t.Errorf("deviation 1: 20 layers make 2^%.2f of the mean square, want 2^60", normal)
	}
}

// From zero or any constant all filters of a layer stay the same through training: they get the same gradients.
func TestSymmetryStays(t *testing.T) {
	images, err := synth.Digits(synth.DigitsOptions{N: 64, Size: 16})
	if err != nil {
		t.Fatal(err)
	}
	for _, init := range []Init{Zero, Constant, He} {
		c := Config{Init: init, Depth: 3, Width: 4, Size: 16}
		trainer, err := recipes.NewTrainer(layertest.Go(), Deep(c, 10), recipes.Fit{Steps: 6, Batch: 16, Seed: 1, LearningRate: 0.1, Progress: recipes.NoProgress})
		if err != nil {
			t.Fatal(err)
		}
		if err := trainer.Run(context.Background(), images, nil); err != nil {
			t.Fatal(err)
		}
		value, err := trainer.Store().GetVariable("/conv2/weights").Value()
		if err != nil {
			t.Fatal(err)
		}
		flat := tensors.MustCopyFlatData[float32](value)
		var spread, largest float64
		for i := 0; i < len(flat); i += c.Width { // [3 3 4 4], the filters last
			spread = max(spread, float64(slices.Max(flat[i:i+c.Width])-slices.Min(flat[i:i+c.Width])))
			largest = max(largest, math.Abs(float64(flat[i])))
		}
		trainer.Close()
		switch {
		case init != He && spread > 1e-6:
			t.Errorf("from %s the filters differ by %g after training", init, spread)
		case init == Zero && largest != 0:
			t.Errorf("from zero a filter's weight is %g: nothing reaches it", largest)
		case init == He && spread < 1e-2:
			t.Errorf("from He's the filters differ by no more than %g", spread)
		}
	}
}

// Orthogonal filters are orthonormal, but for the ReLU's factor 2, along their shorter side.
func TestOrthogonal(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		for _, dims := range [][]int{{3, 3, 4, 8}, {1, 1, 4, 16}, {20, 20}} {
			y, err := model.CallOnce(b, layertest.NewStore(3), func(s *model.Scope, x *graph.Node) *graph.Node {
				w := Orthogonal.initializer(s)(x.Graph(), shapes.Make(dtypes.Float32, dims...))
				out := dims[len(dims)-1]
				w = graph.Reshape(w, w.Shape().Size()/out, out)
				if w.Shape().Dimensions[0] < out {
					w = graph.Transpose(w, 0, 1)
				}
				return graph.Add(graph.Einsum("ij,ik->jk", w, w), graph.MulScalar(x, 0))
			}, float32(0))
			if err != nil {
				t.Fatal(err)
			}
			flat, n := layertest.Floats(y), y.Shape().Dimensions[1]
			for i, v := range flat {
				want := 0.0
				if i/n == i%n {
					want = 2
				}
				if math.Abs(v-want) > 1e-3 {
					t.Fatalf("%v: product %d,%d is %g, want %g", dims, i/n, i%n, v, want)
				}
			}
		}
	})
}

// After Rescale every layer puts out values of variance 1.
func TestLSUV(t *testing.T) {
	images, err := synth.Digits(synth.DigitsOptions{N: 32, Size: 16})
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Init: LSUV, Depth: 6, Width: 4, Size: 16}
	trainer, err := recipes.NewTrainer(layertest.Go(), Deep(c, 10), recipes.Fit{Seed: 1, Progress: recipes.NoProgress})
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.Close()
	var names []string
	for i := range c.Depth {
		names = append(names, convName(i))
	}
	if err := Rescale(context.Background(), trainer, images, names); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		values, err := trainer.Features(context.Background(), images, name)
		if err != nil {
			t.Fatal(err)
		}
		var mean, square float64
		flat := layertest.Floats(values)
		for _, v := range flat {
			mean, square = mean+v/float64(len(flat)), square+v*v/float64(len(flat))
		}
		if variance := square - mean*mean; math.Abs(variance-1) > 1e-3 {
			t.Errorf("%s puts out a variance of %g", name, variance)
		}
	}
	if err := Rescale(context.Background(), trainer, images, []string{"conv99"}); err == nil {
		t.Error("a layer that is not there is no error")
	}
}

func patchesForTest(t *testing.T) (*mat.Dense, *datasets.Images, *rand.Rand) {
	t.Helper()
	images, err := synth.Shapes(synth.ShapesOptions{N: 50, Size: 16})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	return Patches(images, 4, 1500, r), images, r
}

// The objective of k-means never grows, and it falls.
func TestKMeans(t *testing.T) {
	x, _, r := patchesForTest(t)
	centres, objective, err := Cluster(x, 20, 12, r)
	if err != nil {
		t.Fatal(err)
	}
	if rows, columns := centres.Dims(); rows != 20 || columns != 48 || len(objective) != 13 {
		t.Errorf("%d centres of %d values, %d objectives", rows, columns, len(objective))
	}
	for i := range objective[1:] {
		if objective[i+1] > objective[i]*(1+1e-12) {
			t.Errorf("round %d took the objective from %g to %g", i+1, objective[i], objective[i+1])
		}
	}
	if objective[12] > 0.95*objective[0] {
		t.Errorf("the objective fell from %g to %g only", objective[0], objective[12])
	}
	if _, _, err := Cluster(x, 0, 1, r); err == nil {
		t.Error("no clusters are no error")
	}
}

// Principal components are orthonormal and sorted by their variance, and whitened patches have the identity for their
// covariance, but for ε = 0.1: v/(v+ε) along each.
func TestPCAAndWhitening(t *testing.T) {
	x, _, _ := patchesForTest(t)
	b, err := PCA(x)
	if err != nil {
		t.Fatal(err)
	}
	var gram mat.Dense
	gram.Mul(b.Components.T(), b.Components)
	d, _ := gram.Dims()
	for i := range d {
		for j := range d {
			want := 0.0
			if i == j {
				want = 1
			}
			if math.Abs(gram.At(i, j)-want) > 1e-9 {
				t.Fatalf("components %d and %d have the product %g", i, j, gram.At(i, j))
			}
		}
	}
	if !slices.IsSortedFunc(b.Variances, func(a, b float64) int {
		if a > b {
			return -1
		}
		return 1
	}) {
		t.Errorf("variances %v", b.Variances)
	}
	whitened, err := PCA((&Encoder{Mean: b.Mean, Whiten: b.Whitening()}).Apply(x))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range b.Variances {
		if want := max(v, 0) / (max(v, 0) + 0.1); math.Abs(whitened.Variances[i]-want) > 1e-6 {
			t.Fatalf("component %d has the variance %g after whitening, want %g", i, whitened.Variances[i], want)
		}
	}
}

// Every learner gives as many filters as asked for, the same for the same seed, and a map's neighbours are nearer than strangers.
func TestLearners(t *testing.T) {
	x, _, _ := patchesForTest(t)
	for _, l := range []Learner{Random, KMeans, SOM, Principal} {
		a, err := l.Learn(x, 9, rand.New(rand.NewPCG(5, 6)))
		if err != nil {
			t.Fatal(err)
		}
		b, err := l.Learn(x, 9, rand.New(rand.NewPCG(5, 6)))
		if err != nil {
			t.Fatal(err)
		}
		if rows, columns := a.Dims(); rows != 9 || columns != 48 || !mat.Equal(a, b) {
			t.Errorf("%s: %d filters of %d, the same again: %v", l, rows, columns, mat.Equal(a, b))
		}
		if l != SOM {
			continue
		}
		distance := func(i, j int) float64 {
			var d mat.VecDense
			d.SubVec(a.RowView(i), a.RowView(j))
			return mat.Norm(&d, 2)
		}
		if near, far := distance(0, 1)+distance(7, 8), distance(0, 8)+distance(2, 6); near >= far {
			t.Errorf("neighbours on the map are %g apart, corners %g", near, far)
		}
	}
	for _, l := range []Learner{Supervised, "dream"} {
		if _, err := l.Learn(x, 9, rand.New(rand.NewPCG(5, 6))); err == nil {
			t.Errorf("%s learns from patches", l)
		}
	}
}

// The graph's features are the triangle encoding, computed here patch by patch.
func TestEncoding(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		x, images, r := patchesForTest(t)
		basis, err := PCA(x)
		if err != nil {
			t.Fatal(err)
		}
		e := &Encoder{Patch: 4, Stride: 2, Mean: basis.Mean, Whiten: basis.Whitening()}
		if e.Filters, err = KMeans.Learn(e.Apply(x), 5, r); err != nil {
			t.Fatal(err)
		}
		plain := *images.Slice(0, 2)
		plain.Norm = datasets.Normalization{}
		y, err := graph.CallOnce(b, e.Features, plain.Tensor(0, 2))
		if err != nil {
			t.Fatal(err)
		}
		got := layertest.Floats(y)
		const side, quarter = 7, 3 // places of a patch of 4 in 16 pixels, two apart, and those of the first quarter
		want := make([]float64, 5)
		for top := range quarter {
			for left := range quarter {
				patch := mat.NewDense(1, 48, nil)
				row := patch.RawRowView(0)
				for v := range 4 {
					for k := range 12 {
						row[v*12+k] = float64(plain.PixelsAt(0)[((2*top+v)*16+2*left)*3+k]) / 255
					}
				}
				normalize(row)
				z := e.Apply(patch)
				distances, mean := make([]float64, 5), 0.0
				for k := range distances {
					var d mat.VecDense
					d.SubVec(z.RowView(0), e.Filters.RowView(k))
					distances[k] = mat.Norm(&d, 2)
					mean += distances[k] / 5
				}
				for k, d := range distances {
					want[k] += max(0, mean-d) / (quarter * quarter)
				}
			}
		}
		if len(got) != 2*4*5 {
			t.Fatalf("%d features of 2 images, for %d places", len(got), side*side)
		}
		for k := range want {
			if math.Abs(got[k]-want[k]) > 1e-4 {
				t.Errorf("feature %d is %g, want %g", k, got[k], want[k])
			}
		}
	})
}

// The study's table tells the initialisations apart: He's neither dies nor explodes.
func TestStudy(t *testing.T) {
	c := Default
	c.Width, c.Size, c.Depth = 16, 6, 12
	table, err := Study(c)(context.Background(), recipes.NewTrial(layertest.Go(), recipes.SmallScale, 1))
	if err != nil {
		t.Fatal(err)
	}
	last := map[string]float64{}
	for _, row := range table.Rows {
		last[row.Name] = row.Values[len(row.Values)-1]
	}
	if math.Abs(last["He"]) > 5 || last["zero"] != -149 || last["normal"] < 50 || math.Abs(last["Glorot"]+12) > 5 {
		t.Errorf("powers of two after 12 layers: %v", last)
	}
}
