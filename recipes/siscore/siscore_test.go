package siscore

import (
	"fmt"
	"image"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/datasets/synth"
	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/layertest"
)

// The sizes of BiT's networks in millions, as timm's table of models has them.
func TestParameters(t *testing.T) {
	for name, want := range map[string]string{"r50x1": "25.55", "r101x1": "44.54", "r50x3": "217.32", "r101x3": "387.93", "r152x4": "936.53"} {
		c := Variants[name]
		s, err := layers.Summarize(layertest.Go(), Model(c), shapes.Make(dtypes.Float32, 1, c.Size, c.Size, 3))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%.2f", float64(s.Parameters())/1e6); got != want {
			t.Errorf("%s has %d parameters, want %s million", name, s.Parameters(), want)
		}
	}
}

// Whatever the weights are, each filter has mean 0 and variance 1.
func TestStandardise(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		kernel := layertest.Random[float32](1, 3, 3, 5, 7)
		flat := tensors.MustCopyFlatData[float32](kernel)
		for i := range flat {
			flat[i] = 3*flat[i] + 2
		}
		y, err := graph.CallOnce(b, Standardise, tensors.FromFlatDataAndDimensions(flat, 3, 3, 5, 7))
		if err != nil {
			t.Fatal(err)
		}
		values := layertest.Floats(y)
		for filter := range 7 {
			var mean, square float64
			for i := filter; i < len(values); i += 7 {
				mean += values[i] / 45
				square += values[i] * values[i] / 45
			}
			if math.Abs(mean) > 1e-5 || math.Abs(square-mean*mean-1) > 1e-4 {
				t.Errorf("filter %d has mean %g and variance %g", filter, mean, square-mean*mean)
			}
		}
	})
}

// An image's output is the same in training, with others beside it, and for weights that are scaled and moved.
func TestNothingDependsOnTheBatch(t *testing.T) {
	c := small(0, 1)
	store := layertest.NewStore(1)
	run := func(training bool, x *tensors.Tensor) []float64 {
		t.Helper()
		y, err := model.CallOnce(layertest.Go(), store, func(s *model.Scope, x *graph.Node) *graph.Node {
			store.SetTraining(x.Graph(), training)
			return Model(c)(s, x)
		}, x)
		if err != nil {
			t.Fatal(err)
		}
		return layertest.Floats(y)
	}
	x := layertest.Random[float32](2, 4, 16, 16, 3)
	four := run(false, x)
	flat := tensors.MustCopyFlatData[float32](x)
	one := run(false, tensors.FromFlatDataAndDimensions(flat[:16*16*3], 1, 16, 16, 3))
	for i := range c.Classes {
		if math.Abs(four[i]-one[i]) > 1e-4 {
			t.Fatalf("class %d: %g among four, %g alone", i, four[i], one[i])
		}
	}
	for i, v := range run(true, x) {
		if v != four[i] {
			t.Fatalf("in training %g, in evaluation %g", v, four[i])
		}
	}
	v := store.GetVariable("/stages/1/blocks/0/conv2/weights")
	weights := tensors.MustCopyFlatData[float32](v.MustValue())
	for i := range weights {
		weights[i] = 5*weights[i] + 0.5
	}
	if err := v.SetValue(tensors.FromFlatDataAndDimensions(weights, v.Shape().Dimensions...)); err != nil {
		t.Fatal(err)
	}
	for i, v := range run(false, x) {
		if math.Abs(v-four[i]) > 1e-3 {
			t.Fatalf("weights scaled and moved change logit %d from %g to %g", i, four[i], v)
		}
	}
}

// solid is an opaque foreground.
func solid(w, h int) *image.NRGBA {
	im := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range im.Pix {
		im.Pix[i] = 255
	}
	return im
}

func TestPasteHasTheArea(t *testing.T) {
	background := image.NewNRGBA(image.Rect(0, 0, 200, 200))
	for i := 3; i < len(background.Pix); i += 4 {
		background.Pix[i] = 255
	}
	for _, shape := range [][2]int{{50, 50}, {80, 20}, {300, 400}} {
		for _, area := range []float64{0.01, 0.02, 0.1, 0.25} {
			out, box, inside := Paste(background, solid(shape[0], shape[1]), Factors{Area: area, X: 0.5, Y: 0.5})
			w := math.Sqrt(area * 200 * 200 * float64(shape[0]) / float64(shape[1]))
			h := w * float64(shape[1]) / float64(shape[0])
			if math.Abs(float64(box.Dx())-w) > 1 || math.Abs(float64(box.Dy())-h) > 1 || inside != 1 {
				t.Errorf("area %g of %v: box %v, want %.1f×%.1f", area, shape, box, w, h)
			}
			white := 0
			for i := 0; i < len(out.Pix); i += 4 {
				if out.Pix[i] > 127 {
					white++
				}
			}
			if white != box.Dx()*box.Dy() {
				t.Errorf("area %g of %v: %d pixels are pasted, the box has %d", area, shape, white, box.Dx()*box.Dy())
			}
			if x := float64(box.Min.X+box.Max.X) / 2; math.Abs(x-100) > 1 {
				t.Errorf("area %g: the middle is at %g", area, x)
			}
		}
	}
	if background.Pix[4*(100*200+100)] != 0 {
		t.Error("the background itself was painted")
	}
	_, box, inside := Paste(background, solid(40, 40), Factors{Area: 0.04, X: 0, Y: 1}) // a box of 40×40 around a corner
	if box != image.Rect(-20, 180, 20, 220) || inside != 0.25 {
		t.Errorf("in the corner: box %v, %g of it inside", box, inside)
	}
}

// A quarter turn moves every pixel to where it belongs: counter-clockwise, the top goes to the left.
func TestRotation(t *testing.T) {
	src := solid(20, 10)
	for i := range 20 {
		copy(src.Pix[4*i:], []uint8{200, 0, 0, 255}) // a red top line
	}
	turned := rotate(src, 90)
	if turned.Rect.Dx() != 10 || turned.Rect.Dy() != 20 {
		t.Fatalf("20×10 turned by 90° is %v", turned.Rect)
	}
	for y := range 20 {
		if c := turned.NRGBAAt(0, y); c.R < 190 || c.G > 20 {
			t.Fatalf("row %d: the left edge is %v, want the red of the top", y, c)
		}
	}
	if box := rotate(src, 45).Rect; box.Dx() != 22 || box.Dy() != 22 { // (20+10)/√2 = 21.2
		t.Errorf("turned by 45° it has a box of %v", box)
	}
	angles := Rotations()
	if len(angles) != 18 || angles[0] != 1 || angles[17] != 341 {
		t.Errorf("rotations %v", angles)
	}
	for _, a := range angles {
		if math.Mod(a, 90) == 0 {
			t.Errorf("%g is a multiple of 90", a)
		}
	}
}

func TestProduct(t *testing.T) {
	all := Product([]float64{0.1, 0.2}, Places(3, 0, 1), []float64{0, 1, 21})
	if len(all) != 2*9*3 {
		t.Fatalf("%d combinations, want 54", len(all))
	}
	seen := map[Factors]bool{}
	for _, f := range all {
		seen[f] = true
	}
	if len(seen) != len(all) || !seen[Factors{0.2, 0.5, 1, 21}] {
		t.Errorf("%d of %d combinations differ", len(seen), len(all))
	}
}

// Sets are balanced, the same each time, and vary one thing only: the first pixels of the background stay.
func TestSets(t *testing.T) {
	g := generator{known, 32, 5}
	a, b := g.natural(16), g.natural(32)
	if !slices.Equal(a.Pixels, b.Pixels[:len(a.Pixels)]) {
		t.Error("the first images of a larger set differ")
	}
	for k, n := range a.Counts() {
		if n != 2 {
			t.Errorf("class %d has %d of 16 images", k, n)
		}
	}
	varied := g.vary(byArea[:3], 8)
	if err := varied.Validate(); err != nil || varied.N != 24 {
		t.Fatalf("%d images: %v", varied.N, err)
	}
	for p := range 8 {
		if varied.Labels[p] != varied.Labels[8+p] || !slices.Equal(varied.PixelsAt(p)[:3*16], varied.PixelsAt(16 + p)[:3*16]) {
			t.Errorf("pair %d changes with its area", p)
		}
	}
	for _, name := range append(slices.Clone(known), novel...) {
		if !slices.Contains(synth.SpriteNames, name) {
			t.Errorf("there is no %s", name)
		}
	}
	large := enlarged(a.Slice(0, 2), 1.5)
	if large.H != 48 || large.Validate() != nil {
		t.Errorf("enlarged to %d: %v", large.H, large.Validate())
	}
}

func TestByFactor(t *testing.T) {
	p := [][]float32{{1, 0}, {0, 1}, {1, 0}, {1, 0}}
	if got := byFactor(p, []int32{0, 1, 0, 1}, 2); !slices.Equal(got, []float64{100, 50}) {
		t.Errorf("accuracies %v", got)
	}
}
