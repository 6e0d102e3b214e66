package keep

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/kernel/checkpoint"
	"fovea/kernel/worker/view"
)

func roundTrip(t *testing.T, from, to []checkpoint.Variable) []checkpoint.Entry {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "c"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	entries, err := checkpoint.Write(file, from, checkpoint.Options{})
	if err != nil {
		t.Fatal(err)
	}
	back, err := checkpoint.Read(file, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range back {
		if entries[i].Reason == "" && back[i].Reason != "" {
			t.Errorf("%s: %s", back[i].Name, back[i].Reason)
		}
	}
	return entries
}

func TestTensors(t *testing.T) {
	for name, tensor := range map[string]*tensors.Tensor{
		"matrix":  tensors.FromValue([][]float32{{1, 2, 3}, {4, 5, 6}}),
		"scalar":  tensors.FromValue(int64(-7)),
		"complex": tensors.FromValue([]complex64{1 + 2i}),
		"bool":    tensors.FromValue([]bool{true, false}),
		"empty":   tensors.FromShape(shapes.Make(dtypes.Float64, 0, 3)),
		"half":    tensors.FromShape(shapes.Make(dtypes.BFloat16, 5)),
	} {
		var back *tensors.Tensor
		pair, backPair := []*tensors.Tensor{tensor, tensor}, []*tensors.Tensor(nil)
		roundTrip(t, []checkpoint.Variable{{Name: "x", Pointer: &tensor}, {Name: "pair", Pointer: &pair}}, []checkpoint.Variable{{Name: "x", Pointer: &back}, {Name: "pair", Pointer: &backPair}})
		if back == nil || !back.Equal(tensor) || len(backPair) != 2 || backPair[0] != back || backPair[1] != back {
			t.Errorf("%s: %v", name, back)
		}
	}
	gone := tensors.FromValue([]int32{1})
	gone.MustFinalizeAll()
	if e := roundTrip(t, []checkpoint.Variable{{Name: "gone", Pointer: &gone}}, nil); !strings.Contains(e[0].Reason, "finalized") {
		t.Errorf("%+v", e)
	}
}

func TestStores(t *testing.T) {
	s := model.NewStore()
	s.SetParam("/learning_rate", 0.1)
	s.SetParam("/block/name", "größe")
	for i, path := range []string{"/b/weights", "/a/weights"} {
		v, err := s.CreateVariable(path, tensors.FromValue([][]float32{{float32(i), 2}}))
		if err != nil {
			t.Fatal(err)
		}
		v.Trainable = i == 0
	}
	var back *model.Store
	roundTrip(t, []checkpoint.Variable{{Name: "s", Pointer: &s}}, []checkpoint.Variable{{Name: "s", Pointer: &back}})
	if rate, _ := back.GetParam("/learning_rate"); rate != 0.1 {
		t.Errorf("learning rate %v", rate)
	}
	if name, _ := back.GetParam("/block/name"); name != "größe" {
		t.Errorf("name %v", name)
	}
	i := 0
	for v := range back.IterVariables() {
		if want := []string{"/b/weights", "/a/weights"}[i]; v.Path() != want || v.Trainable != (i == 0) || v.MustValue().Value().([][]float32)[0][0] != float32(i) {
			t.Errorf("variable %d: %s %v %v", i, v.Path(), v.Trainable, v.MustValue())
		}
		i++
	}
	if i != 2 {
		t.Errorf("%d variables", i)
	}
	s.VariableWithShape("/c", shapes.Make(dtypes.Float32, 2), graph.Zeros)
	if e := roundTrip(t, []checkpoint.Variable{{Name: "s", Pointer: &s}}, nil); !strings.Contains(e[0].Reason, "/c") {
		t.Errorf("a variable without a value: %+v", e)
	}
}

// The kernel's view knows these types by their methods.
func TestViews(t *testing.T) {
	tensor := tensors.FromValue([][]float32{{1, 2, 3}, {4, 5, 6}})
	s := model.NewStore()
	if _, err := s.CreateVariable("/w", tensor); err != nil {
		t.Fatal(err)
	}
	var held any = tensor
	scalar := tensors.FromValue(2.5)
	gone := tensors.FromValue(1)
	gone.MustFinalizeAll()
	for _, c := range []struct {
		pointer any
		want    view.Value
	}{
		{&tensor, view.Value{Type: "*tensors.Tensor of float32", Shape: "2 × 3", Device: "local", Preview: "[1 2 3 4 5 6]", Stats: "1 … 6, mean 3.5", Bytes: 24}},
		{&held, view.Value{Type: "*tensors.Tensor of float32", Shape: "2 × 3", Device: "local", Preview: "[1 2 3 4 5 6]", Stats: "1 … 6, mean 3.5", Bytes: 24}},
		{&scalar, view.Value{Type: "*tensors.Tensor of float64", Shape: "scalar", Device: "local", Preview: "[2.5]", Bytes: 8}},
		{&gone, view.Value{Type: "*tensors.Tensor", Preview: "(finalized)"}},
		{&s, view.Value{Type: "*model.Store", Shape: "1 variables", Preview: "6 parameters", Bytes: 24}},
	} {
		if got := view.Of(c.pointer, false); got != c.want {
			t.Errorf("%+v, want %+v", got, c.want)
		}
	}
}
