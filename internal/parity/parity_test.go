// Package parity compares networks of this project with those of torchvision and timm, and attribution maps with those of
// captum and zennit, with the same weights.
//
// `make parity` writes the reference files, with Python, and runs the tests; without the files they are skipped.
package parity

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/internal/home"
	"fovea/internal/tensorfile"
	"fovea/layers/resnet"
	"fovea/recipes"
	_ "fovea/recipes/all"
)

// tolerance is relative to the largest output.
const tolerance = 1e-4

// A subject is a network of ours with the library's for which there is a file.
type subject struct {
	file    string
	network recipes.Network
	maps    []recipes.WeightMap
}

// residual is a residual network, whose scopes have torchvision's names.
func residual(file string, c resnet.Config) subject {
	return subject{file, resnet.Network(c, resnet.Hooks{}), recipes.TorchvisionNames("fc")}
}

// variant is a recipe's network with the recipe's own map. The recipe may lack.
func variant(t *testing.T, file, recipe, variant string) (subject, bool) {
	t.Helper()
	e, err := recipes.Lookup(recipe)
	if err != nil {
		return subject{}, false
	}
	config, err := e.Variant(variant)
	if err != nil {
		t.Fatal(err)
	}
	network, err := e.Network(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	return subject{file, network, e.Weights(config)}, true
}

func folder(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("FOVEA_PARITY"); dir != "" {
		return dir
	}
	dir, err := home.Cache("parity")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestOutputsEqualThoseOfOtherLibraries(t *testing.T) {
	ten := resnet.ImageNet(18)
	ten.Classes = 10
	resnext := resnet.ImageNet(50)
	resnext.Groups, resnext.GroupWidth = 32, 4
	subjects := []subject{
		residual("torchvision.resnet18", resnet.ImageNet(18)),
		residual("torchvision.resnet50", resnet.ImageNet(50)),
		residual("torchvision.resnext50_32x4d", resnext),
		residual("timm.resnet18", ten),
	}
	for _, of := range []struct{ file, recipe, variant string }{
		{"torchvision.vgg16", "vgg", "D"},
		{"timm.vgg11", "vgg", "A"},
		{"torchvision.inception_v3", "inceptionv3", ""},
		{"timm.inception_v4", "inceptionv4", ""},
	} {
		if s, ok := variant(t, of.file, of.recipe, of.variant); ok {
			subjects = append(subjects, s)
		}
	}
	dir := folder(t)
	for _, s := range subjects {
		t.Run(s.file, func(t *testing.T) { s.compare(t, dir) })
	}
}

func (s subject) compare(t *testing.T, dir string) {
	weights := filepath.Join(dir, s.file+".safetensors")
	examples, err := tensorfile.Open(filepath.Join(dir, s.file+".npz"))
	if os.IsNotExist(err) {
		t.Skipf("there is no %s: 'make parity' writes it", filepath.Join(dir, s.file+".npz"))
	}
	if err != nil {
		t.Fatal(err)
	}
	defer examples.Close()
	x, want := values(t, examples, "x"), values(t, examples, "y")
	shape := examples.Tensor("x").Shape

	b := backendtest.ForTest(t)
	if b.Name() == "go" {
		t.Skip("networks of this size need XLA")
	}
	trainer, err := recipes.NewTrainer(b, s.network, recipes.Fit{})
	if err != nil {
		t.Fatal(err)
	}
	defer trainer.Close()
	report, err := trainer.LoadWeights(weights, s.maps, shape[1:], recipes.WeightOptions{})
	if err != nil {
		t.Fatal(err)
	}
	y, err := model.CallOnce(b, trainer.Store(), s.network, tensors.FromFlatDataAndDimensions(x, shape...))
	if err != nil {
		t.Fatal(err)
	}
	got := tensors.MustCopyFlatData[float32](y)
	if len(got) != len(want) {
		t.Fatalf("%d outputs, want %d", len(got), len(want))
	}
	off, largest := 0.0, 0.0
	for i := range want {
		off = math.Max(off, math.Abs(float64(got[i])-float64(want[i])))
		largest = math.Max(largest, math.Abs(float64(want[i])))
	}
	t.Logf("%s: outputs up to %.3g differ by up to %.2g (relative %.2g)", report, largest, off, off/largest)
	if !(off/largest <= tolerance) || largest == 0 {
		t.Errorf("outputs differ by %g of up to %g", off, largest)
	}
}

func values(t *testing.T, f *tensorfile.File, name string) []float32 {
	t.Helper()
	tensor := f.Tensor(name)
	if tensor == nil {
		t.Fatalf("%s has no %s", f.Path, name)
	}
	v, err := tensor.Values()
	if err != nil {
		t.Fatal(err)
	}
	return v
}
