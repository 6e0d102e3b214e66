package gradcampp

import (
	"math"
	"testing"

	"fovea/datasets"
	"fovea/datasets/synth"
)

// Two images of 4×4: one with two objects of 2×2 in opposite corners, one with a single object.
func corners() *synth.SceneImages {
	first, last := synth.Instance{Box: [4]int{0, 0, 2, 2}, X: 0, Y: 0, Area: 4}, synth.Instance{Box: [4]int{2, 2, 4, 4}, X: 3, Y: 3, Area: 4}
	return &synth.SceneImages{
		Images:    &datasets.Images{N: 2, H: 4, W: 4, C: 1},
		Instances: [][]synth.Instance{{first, last}, {first}},
	}
}

func TestFound(t *testing.T) {
	s := corners()
	both := []float32{0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 3} // first: in the box but not at the centre, last: at its centre
	centre, box := Found([][]float32{both, make([]float32, 16)}, s, 2, 2)
	if centre != 0.5 || box != 1 {
		t.Errorf("of two: %g at the centre and %g in the box, want 0.5 and 1", centre, box)
	}
	if centre, box = Found([][]float32{both, make([]float32, 16)}, s, 1, 1); centre != 0 || box != 0 {
		t.Errorf("an empty map finds %g and %g", centre, box)
	}
}

func TestBoxed(t *testing.T) {
	s := corners()
	a := []float32{4, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0} // half in a box, 2 of 8 pixels hot in boxes, 1 outside
	b := []float32{1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	energy, localisation := Boxed([][]float32{a, b}, s, 0.25)
	if math.Abs(energy-(0.5+1)/2) > 1e-9 || math.Abs(localisation-(2.0/9+1)/2) > 1e-9 {
		t.Errorf("energy %g and localisation %g", energy, localisation)
	}
}

// A plane has the variation of its slope, a scaled map that of the map, and an empty one none.
func TestVariation(t *testing.T) {
	step := []float32{0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1} // 4 steps of 1, sum 8
	twice := make([]float32, 16)
	for i, v := range step {
		twice[i] = 2 * v
	}
	if got := Variation([][]float32{step, twice, make([]float32, 16)}, 4, 4); math.Abs(got-0.5) > 1e-9 {
		t.Errorf("variation %g, want 0.5", got)
	}
}

func TestFadedAndWin(t *testing.T) {
	im := &datasets.Images{N: 1, H: 1, W: 3, C: 1, Pixels: []uint8{200, 200, 0}, Norm: datasets.Normalization{Mean: []float32{0.4}, Std: []float32{0.2}}}
	got := faded(im, [][]float32{{4, 2, 0}}).Pixels // mean 102
	if got[0] != 200 || got[1] != 151 || got[2] != 102 {
		t.Errorf("faded to %v", got)
	}
	a, b := Confidence{Kept: []float64{0.5, 0.9, 0.1, 0.2}}, Confidence{Kept: []float64{0.4, 0.9, 0.3, 0.1}}
	if w := Win(a, b); w != 62.5 || Win(b, a) != 37.5 {
		t.Errorf("win %g and %g", w, Win(b, a))
	}
}
