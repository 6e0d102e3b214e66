package recipes

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/tensorfile"
	"fovea/layers"
)

func TestTensorNames(t *testing.T) {
	m := WeightMap{
		Modules:   map[string]string{"stage1": "features", "stage1/conv2": "features.3", "top": ""},
		Variables: map[string]string{"stage1/alpha": "a.b"},
	}
	for variable, want := range map[string]string{
		"/stage1/conv2/weights": "features.3.weight",
		"/stage1/conv1/biases":  "features.conv1.bias",
		"/stage1/bn/variance":   "features.bn.running_var",
		"/layer1/0/bn1/offset":  "layer1.0.bn1.bias",
		"/stage1/alpha":         "a.b",
		"/top/fc/weights":       "fc.weight",
		"/top/weights":          "weight",
		"/gamma":                "gamma",
		"/block/gamma":          "block.gamma",
	} {
		if got := m.tensorName(variable); got != want {
			t.Errorf("%s is %s, want %s", variable, got, want)
		}
	}
}

// Numbers that say where they stand: value = place in the file.
func TestLayouts(t *testing.T) {
	count := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(i)
		}
		return v
	}
	for name, test := range map[string]struct {
		shape, variable []int
		flattened       [3]int
		want            []float32
	}{
		"convolution":       {[]int{2, 3, 1, 2}, []int{1, 2, 3, 2}, [3]int{}, []float32{0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11}},
		"matrix":            {[]int{2, 3}, []int{3, 2}, [3]int{}, []float32{0, 3, 1, 4, 2, 5}},
		"depthwise":         {[]int{2, 1, 1, 2}, []int{1, 2, 1, 2}, [3]int{}, []float32{0, 2, 1, 3}},
		"bias":              {[]int{3}, []int{3}, [3]int{}, []float32{0, 1, 2}},
		"flattened map":     {[]int{1, 4}, []int{4, 1}, [3]int{1, 2, 2}, []float32{0, 2, 1, 3}},
		"whole-map kernel":  {[]int{1, 2, 1, 2}, []int{4, 1}, [3]int{}, []float32{0, 2, 1, 3}},
		"pointwise kernel":  {[]int{2, 3, 1, 1}, []int{3, 2}, [3]int{}, []float32{0, 3, 1, 4, 2, 5}},
		"matrix for 1×1":    {[]int{2, 3}, []int{1, 1, 3, 2}, [3]int{}, []float32{0, 3, 1, 4, 2, 5}},
		"kernel along time": {[]int{1, 2, 2}, []int{2, 2, 1}, [3]int{}, []float32{0, 2, 1, 3}},
	} {
		n := len(test.want)
		got, err := fromFile(count(n), test.shape, test.variable, test.flattened)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, test.want)
			continue
		}
		back, shape := toFile(got, test.variable, test.flattened)
		if slices.Equal(shape, test.shape) && !slices.Equal(back, count(n)) {
			t.Errorf("%s: back in the file's order it is %v %v", name, shape, back)
		}
	}
	for name, shape := range map[string][]int{"other size": {2, 4}, "other rank": {6}, "swapped": {3, 2}} {
		if _, err := fromFile(count(8), shape, []int{3, 2}, [3]int{}); err == nil || !strings.Contains(err.Error(), "[2 3]") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// named is a network with the scopes of another library's modules.
func named(classes int) Network {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		x = layers.Conv(s.In("conv1"), x, layers.ConvOptions{Filters: 4, Stride: 4})
		x = layers.ReLU(layers.BatchNorm(s.In("bn1"), x, layers.BatchNormOptions{}))
		y := layers.Dense(s.In("fc"), layers.Flatten(x), classes)
		if s.IsTraining(x.Graph()) {
			y = graph.Add(y, layers.Dense(s.In("aux"), layers.GlobalMeanPool(x), classes))
		}
		return y
	}
}

var namedMap = WeightMap{
	Source: "another library", Modules: map[string]string{"conv1": "features.0", "bn1": "features.1", "fc": "classifier"},
	Flattened: map[string][3]int{"fc": {4, 4, 4}}, Head: []string{"fc", "aux"}, Optional: []string{"aux"}, Skip: []string{"extra."},
}

func trainerOf(t *testing.T, net Network, seed int64) *Trainer {
	t.Helper()
	tr, err := NewTrainer(testBackend(t), net, quiet(Fit{Seed: seed, Batch: 16, Epochs: 1}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

// saved trains a network for an epoch and writes its weights.
func savedWeights(t *testing.T, name string) (path string, tr *Trainer) {
	t.Helper()
	train, _ := tinyImages(t, 64)
	tr = trainerOf(t, named(3), 1)
	if err := tr.Run(context.Background(), train, nil); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), name)
	if err := tr.SaveWeights(path, namedMap); err != nil {
		t.Fatal(err)
	}
	return path, tr
}

func TestSavedWeightsComeBack(t *testing.T) {
	train, test := tinyImages(t, 64)
	for _, name := range []string{"w.safetensors", "w.npz"} {
		path, first := savedWeights(t, name)
		second := trainerOf(t, named(3), 2)
		report, err := second.LoadWeights(path, []WeightMap{{Source: "a third library"}, namedMap}, []int{16, 16, 3}, WeightOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if report.Source != "another library" || len(report.Loaded) != 10 || len(report.Fresh) != 0 {
			t.Errorf("report %+v", report)
		}
		want, err := first.Evaluate(context.Background(), test)
		if err != nil {
			t.Fatal(err)
		}
		got, err := second.Evaluate(context.Background(), test)
		if err != nil {
			t.Fatal(err)
		}
		if got.Loss != want.Loss {
			t.Errorf("%s: loss %g, want %g", name, got.Loss, want.Loss)
		}
		// What was loaded is what training begins with, the head that only training has included.
		loaded := weights(t, second)
		if d := distance(t, loaded, weights(t, first)); d != 0 {
			t.Errorf("weights differ by %g", d)
		}
		if err := second.Configure(quiet(Fit{Seed: 2, Batch: 16, Epochs: 1, LearningRate: 1e-12, WeightDecay: -1})); err != nil {
			t.Fatal(err)
		}
		if err := second.Run(context.Background(), train, nil); err != nil {
			t.Fatal(err)
		}
		for path, values := range weights(t, second) {
			if strings.HasPrefix(path, "/bn1/mean") || strings.HasPrefix(path, "/bn1/variance") {
				continue
			}
			if d := distance(t, map[string][]float32{"": values}, map[string][]float32{"": loaded[path]}); d > 1e-6 {
				t.Errorf("%s: training began %g away from what was loaded", path, d)
			}
		}
	}
}

func TestOwnNamesNeedNoMap(t *testing.T) {
	_, first := savedWeights(t, "w.npz")
	path := filepath.Join(t.TempDir(), "own.safetensors")
	if err := first.SaveWeights(path, WeightMap{}); err != nil {
		t.Fatal(err)
	}
	second := trainerOf(t, named(3), 2)
	report, err := second.LoadWeights(path, nil, []int{16, 16, 3}, WeightOptions{})
	if err != nil || report.Source != "fovea" {
		t.Fatalf("%+v, %v", report, err)
	}
	if d := distance(t, weights(t, first), weights(t, second)); d != 0 {
		t.Errorf("weights differ by %g", d)
	}
}

func TestWeightErrors(t *testing.T) {
	path, _ := savedWeights(t, "w.safetensors")
	maps, input := []WeightMap{namedMap}, []int{16, 16, 3}
	rewrite := func(t *testing.T, change func(all []tensorfile.Named) []tensorfile.Named) string {
		t.Helper()
		f, err := tensorfile.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var all []tensorfile.Named
		for _, tensor := range f.Tensors {
			values, err := tensor.Values()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, tensorfile.Named{Name: tensor.Name, Shape: tensor.Shape, Values: values})
		}
		other := filepath.Join(t.TempDir(), "other.safetensors")
		if err := tensorfile.WriteSafetensors(other, change(all), nil); err != nil {
			t.Fatal(err)
		}
		return other
	}
	without := func(prefix string) func(all []tensorfile.Named) []tensorfile.Named {
		return func(all []tensorfile.Named) []tensorfile.Named {
			return slices.DeleteFunc(all, func(n tensorfile.Named) bool { return strings.HasPrefix(n.Name, prefix) })
		}
	}
	with := func(name string, shape ...int) func(all []tensorfile.Named) []tensorfile.Named {
		return func(all []tensorfile.Named) []tensorfile.Named {
			n := 1
			for _, d := range shape {
				n *= d
			}
			return append(without(name)(all), tensorfile.Named{Name: name, Shape: shape, Values: make([]float32, n)})
		}
	}
	cut := filepath.Join(t.TempDir(), "cut.safetensors")
	data, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(cut, data[:len(data)-8], 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		file    string
		classes int
		want    []string // in the error; none: it loads
	}{
		"other classes": {path, 5, []string{"a head for 3 classes, the network has 5", "--set classes=3", "--new-head"}},
		"missing":       {rewrite(t, without("features.1.running")), 3, []string{"it lacks features.1.running_mean (bn1/mean), features.1.running_var"}},
		"left over":     {rewrite(t, with("features.4.weight", 2)), 3, []string{"no place for features.4.weight"}},
		"other shape":   {rewrite(t, with("features.0.weight", 4, 3, 5, 5)), 3, []string{"features.0.weight is [4 3 5 5], conv1/weights wants it to be [4 3 3 3]"}},
		"other names": {rewrite(t, func([]tensorfile.Named) []tensorfile.Named {
			return []tensorfile.Named{{Name: "x", Shape: []int{1}, Values: []float32{1}}}
		}), 3, []string{"none of the network's weights", "it has x"}},
		"cut short":     {cut, 3, []string{"cut short", "download it again"}},
		"not there":     {path + "x", 3, []string{"no such file"}},
		"optional head": {rewrite(t, without("aux.")), 3, nil},
		"counters":      {rewrite(t, with("features.1.num_batches_tracked", 1)), 3, nil},
		"skipped":       {rewrite(t, with("extra.weight", 2)), 3, nil},
	} {
		tr := trainerOf(t, named(test.classes), 2)
		_, images := tinyImages(t, 8)
		if _, err := tr.Output(context.Background(), images); err != nil { // so that there are weights to be kept
			t.Fatal(err)
		}
		old := weights(t, tr)
		_, err := tr.LoadWeights(test.file, maps, input, WeightOptions{})
		check, checkErr := CheckWeights(testBackend(t), named(test.classes), test.file, maps, input, WeightOptions{})
		if test.want == nil {
			if err != nil || checkErr != nil || check.Source != "another library" {
				t.Errorf("%s: %v, %v", name, err, checkErr)
			}
			continue
		}
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want one with %q", name, err, want)
			}
		}
		if checkErr == nil || err != nil && checkErr.Error() != err.Error() {
			t.Errorf("%s: checked without loading the error is %v", name, checkErr)
		}
		for path, values := range weights(t, tr) {
			if old[path] != nil && !slices.Equal(values, old[path]) {
				t.Errorf("%s: %s was changed", name, path)
			}
		}
	}
	// The same file for five classes, with a new head.
	tr := trainerOf(t, named(5), 2)
	report, err := tr.LoadWeights(path, maps, input, WeightOptions{NewHead: true})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"aux/biases", "aux/weights", "fc/biases", "fc/weights"}; !slices.Equal(sorted(report.Fresh), want) {
		t.Errorf("fresh are %v, want %v", report.Fresh, want)
	}
	if !strings.Contains(report.String(), "fresh: ") {
		t.Errorf("report %s", report)
	}
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}
