package fractalnet_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/layertest"
	"fovea/recipes/fractalnet"
)

// The table on ultra-deep networks: depth and parameters, in millions, of networks of one column to six. Building the
// graph makes no weights.
func TestParametersAndDepths(t *testing.T) {
	b := backendtest.ForTest(t)
	for columns, want := range []struct {
		depth    int
		millions string // without biases and normalisation, whose share the paper doesn't tell
		rounded  float64
	}{{5, "0.258", 0.3}, {10, "0.846", 0.8}, {20, "2.12", 2.1}, {40, "4.77", 4.8}, {80, "10.16", 10.2}, {160, "21.05", 21.1}} {
		c := fractalnet.Variants[fmt.Sprintf("thin-%d", want.depth)]
		if c.Columns != columns+1 || fractalnet.Depth(c) != want.depth {
			t.Fatalf("the network of %d columns isn't %d deep", columns+1, want.depth)
		}
		s := summarize(t, b, c)
		weights, convs := 0, 0
		for _, row := range s.Rows {
			if !strings.HasSuffix(row.Scope, "/norm") {
				weights += row.Parameters
			}
			if strings.HasPrefix(row.Kind, "Conv") {
				convs++
			}
		}
		decimals := len(want.millions) - strings.Index(want.millions, ".") - 1
		if got := fmt.Sprintf("%.*f", decimals, float64(weights)/1e6); got != want.millions {
			t.Errorf("%d columns: %s M weights, want %s", columns+1, got, want.millions)
		}
		if got := float64(s.Parameters()) / 1e6; math.Abs(got-want.rounded) > 0.05 {
			t.Errorf("%d columns: %.3f M parameters, the paper says %.1f", columns+1, got, want.rounded)
		}
		if blocks := len(c.Filters); convs != blocks*(1<<c.Columns-1) {
			t.Errorf("%d columns: %d convolutions in %d blocks, want 2^C−1 in each", columns+1, convs, blocks)
		}
	}
	weights := 0
	for _, row := range summarize(t, b, fractalnet.Variants["cifar"]).Rows {
		if !strings.HasSuffix(row.Scope, "/norm") {
			weights += row.Parameters
		}
	}
	if got := fmt.Sprintf("%.2f", float64(weights)/1e6); got != "33.70" {
		t.Errorf("the CIFAR network has %s M weights, want 33.70", got)
	}
}

func summarize(t *testing.T, b compute.Backend, c fractalnet.Config) *layers.Summary {
	t.Helper()
	s, err := layers.Summarize(b, fractalnet.Model(c), shapes.Make(dtypes.Float32, 1, c.Size, c.Size, c.Channels))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tiny has two blocks of three columns.
var tiny = fractalnet.Config{Filters: []int{4, 6}, Columns: 3, Classes: 3, Size: 8, Channels: 3}

// alive trains for one step's gradient and tells which columns' weights have one: in each of the blocks, by convolution.
func alive(t *testing.T, b compute.Backend, c fractalnet.Config, seed int64) map[string]bool {
	t.Helper()
	store := layertest.NewStore(seed)
	var paths []string
	exec, err := model.NewExec(b, store, func(s *model.Scope, x *graph.Node) []*graph.Node {
		g := x.Graph()
		store.SetTraining(g, true)
		y := graph.ReduceAllSum(graph.Square(fractalnet.Model(c)(s, x)))
		paths = nil
		var weights []*graph.Node
		for v := range store.IterVariables() {
			if v.Trainable && strings.HasPrefix(v.Path(), "/block") && v.Name() == "weights" {
				paths, weights = append(paths, v.Path()), append(weights, v.NodeValue(g))
			}
		}
		gradients := graph.Gradient(y, weights...)
		for i := range gradients {
			gradients[i] = graph.ReduceAllMax(graph.Abs(gradients[i]))
		}
		return gradients
	})
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := exec.Call(layertest.Random[float32](5, 4, c.Size, c.Size, c.Channels))
	if err != nil {
		t.Fatal(err)
	}
	live := map[string]bool{}
	for i, path := range paths {
		live[path] = tensors.ToScalar[float32](outputs[i]) != 0
	}
	return live
}

// With global sampling exactly one column's weights, in every block, have a gradient; the others' is exactly zero.
func TestGlobalSamplingTrainsOneColumn(t *testing.T) {
	b := layertest.Go()
	c := tiny
	c.Global = 1
	drawn := map[string]bool{}
	for seed := range int64(12) {
		columns := map[string]bool{}
		live := alive(t, b, c, seed)
		for path, alive := range live {
			if alive {
				columns[strings.Split(path, "/")[2]] = true
			}
		}
		if len(columns) != 1 {
			t.Fatalf("seed %d: %v have gradients, want one column", seed, columns)
		}
		for path, alive := range live {
			if of := columns[strings.Split(path, "/")[2]]; of != alive {
				t.Errorf("seed %d: %s of %v has a gradient: %v", seed, path, columns, alive)
			}
		}
		for column := range columns {
			drawn[column] = true
		}
	}
	if len(drawn) != 3 {
		t.Errorf("12 draws gave %v, want each of the three columns", drawn)
	}
}

// Without drop-path everything is trained; local sampling drops some paths and never all.
func TestLocalSampling(t *testing.T) {
	b := layertest.Go()
	for path, alive := range alive(t, b, tiny, 1) {
		if !alive {
			t.Errorf("%s is dead without drop-path", path)
		}
	}
	c := tiny
	c.DropPath = 0.5
	dropped := 0
	for seed := range int64(6) {
		last := 0
		for path, alive := range alive(t, b, c, seed) {
			if !alive {
				dropped++
			} else if strings.HasPrefix(path, "/block2") {
				last++
			}
		}
		if last == 0 {
			t.Errorf("seed %d: no path is left through the last block", seed)
		}
	}
	if dropped == 0 {
		t.Error("nothing was dropped in 6 draws at a probability of a half")
	}
}

// The whole network in evaluation is the mean of all paths: computed by the expansion rule, from the convolutions' weights.
func TestJoinsAreMeans(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		c := fractalnet.Config{Filters: []int{4}, Columns: 2, DropPath: 0.3, Global: 0.5, Classes: 3, Size: 4, Channels: 2}
		store := layertest.NewStore(3)
		x := layertest.Random[float32](1, 2, 4, 4, 2)
		y, err := model.CallOnce(b, store, func(s *model.Scope, x *graph.Node) *graph.Node {
			out := fractalnet.Model(c)(s, x)
			conv := func(name string, z *graph.Node) *graph.Node {
				kernel := store.GetVariable("/block1/" + name + "/weights").NodeValue(z.Graph())
				// Fresh running averages are 0 and 1.
				return layers.ReLU(graph.MulScalar(layers.Convolution(z, kernel, layers.ConvOptions{}), 1/math.Sqrt(1+1e-5)))
			}
			deep := conv("column2/conv2", conv("column2/conv1", x))
			joined := graph.MulScalar(graph.Add(deep, conv("column1/conv1", x)), 0.5)
			features := layers.GlobalMeanPool(layers.MaxPool(joined, layers.PoolOptions{}))
			want := graph.Dot(features, store.GetVariable("/output/weights").NodeValue(x.Graph())).Product()
			return graph.ReduceAllMax(graph.Abs(graph.Sub(out, want)))
		}, x)
		if err != nil {
			t.Fatal(err)
		}
		if d := layertest.Floats(y)[0]; d > 1e-5 {
			t.Errorf("differs by %g", d)
		}
	})
}

// A column taken out is a plain network on the same weights: it has 2^(k−1) convolutions a block, and needs no variable that
// the whole network lacks.
func TestColumnsAreNetworks(t *testing.T) {
	b := layertest.Go()
	whole := paths(t, b, tiny)
	for column := 1; column <= 3; column++ {
		c := tiny
		c.Column = column
		part := paths(t, b, c)
		convs := 0
		for _, path := range part {
			if !slices.Contains(whole, path) {
				t.Errorf("column %d has %s, which the whole network lacks", column, path)
			}
			if strings.HasPrefix(path, "/block") && strings.HasSuffix(path, "/weights") {
				convs++
			}
		}
		if want := 2 << (column - 1); convs != want {
			t.Errorf("column %d has %d convolutions, want %d", column, convs, want)
		}
	}
}

func paths(t *testing.T, b compute.Backend, c fractalnet.Config) (all []string) {
	t.Helper()
	store := model.NewStore()
	if _, err := model.CallOnce(b, store, fractalnet.Model(c), layertest.Random[float32](1, 1, c.Size, c.Size, c.Channels)); err != nil {
		t.Fatal(err)
	}
	for v := range store.IterVariables() {
		all = append(all, v.Path())
	}
	return all
}
