package smoothgradcampp

import (
	"io"
	"testing"

	"fovea/datasets/synth"
	"fovea/layers/layertest"
	"fovea/recipes"
	"fovea/recipes/gradcampp"
)

// The figures can be drawn of what measure hands over. The network is an untrained one.
func TestFigures(t *testing.T) {
	scenes, err := synth.Scenes(synth.ScenesOptions{N: 6, Size: 32, Seed: 2})
	if err != nil {
		t.Fatal(err)
	}
	chosen := manyObjects(scenes, 2)
	if len(chosen) != 2 || len(scenes.Instances[chosen[0]]) < 3 || len(scenes.Instances[chosen[1]]) < 3 {
		t.Fatalf("images %v have many objects, of %v", chosen, scenes.Instances)
	}
	trial := recipes.NewTrial(layertest.Go(), recipes.SmallScale, 1)
	trainer, err := trial.Trainer(gradcampp.Classifier(4), recipes.Fit{Progress: recipes.NoProgress, Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trainer.Evaluate(t.Context(), scenes.Images); err != nil { // makes the weights
		t.Fatal(err)
	}
	c, maps := Config{Samples: 2, Noise: 0.1}, map[string][][]float32{}
	for _, m := range methods(c) {
		if maps[m.name], err = gradcampp.Maps(t.Context(), trial.Backend, trainer, scenes.Images, m.method); err != nil {
			t.Fatal(err)
		}
	}
	if err := draw(t.Context(), trial, trainer, scenes, maps, c); err != nil {
		t.Fatal(err)
	}

	values := map[string]recipes.Stat{}
	for _, m := range []string{gradCAM, plusPlus, smooth} {
		for _, name := range []string{"found", "localisation", "energy"} {
			values[m+" "+name] = recipes.NewStat([]float64{40, 50, 60})
		}
	}
	figures, err := summary(recipes.ClaimResult{Seeds: []int64{1, 2, 3}, Arms: []recipes.ArmResult{{Name: network, Values: values}}})
	if err != nil || figures["metrics"] == nil {
		t.Errorf("figures %v, %v", figures, err)
	}
}
