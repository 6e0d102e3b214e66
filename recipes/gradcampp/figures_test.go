package gradcampp

import (
	"os"
	"path/filepath"
	"testing"

	"fovea/datasets/synth"
	"fovea/recipes"
)

// The figures can be drawn of what measure hands over; masks stand in for maps.
func TestFigures(t *testing.T) {
	scenes, err := synth.Scenes(synth.ScenesOptions{N: 32, Large: 0.25, Seed: 2})
	if err != nil {
		t.Fatal(err)
	}
	var masks [][]float32
	for i := range scenes.N {
		m := make([]float32, scenes.H*scenes.W)
		for p, in := range scenes.MaskAt(i) {
			m[p] = float32(in)
		}
		masks = append(masks, m)
	}
	f, err := mapsFigure(scenes, [2][][]float32{masks, masks}, masks)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "maps.png")
	if err := f.Save(out); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(out); err != nil || info.Size() < 10_000 {
		t.Errorf("the picture is %v, %v", info, err)
	}

	values := map[string]recipes.Stat{}
	for _, m := range methods {
		for _, name := range measured {
			values[m.name+" "+name] = recipes.NewStat([]float64{40, 50, 60})
		}
	}
	figures, err := summary(recipes.ClaimResult{Seeds: []int64{1, 2, 3}, Arms: []recipes.ArmResult{{Name: network, Values: values}}})
	if err != nil || figures["metrics"] == nil {
		t.Errorf("figures %v, %v", figures, err)
	}
}
