package smoothgradcampp

import (
	"context"
	"fmt"

	"fovea/datasets/synth"
	"fovea/notebooks/fig"
	"fovea/recipes"
	"fovea/recipes/gradcampp"
)

// draw makes two pictures: images with the maps of all methods, and one image with maps by samples and noise.
func draw(ctx context.Context, t *recipes.Trial, trainer *recipes.Trainer, scenes *synth.SceneImages, maps map[string][][]float32, c Config) error {
	var rows []*fig.Figure
	chosen := manyObjects(scenes, 4)
	f, err := fig.Maybe(func() *fig.Figure {
		for _, i := range chosen {
			var row []fig.Attribution
			for _, m := range methods(c) {
				row = append(row, fig.Attribution{Method: m.name, Map: fig.FromFloats(maps[m.name][i], scenes.H, scenes.W)[0]})
			}
			rows = append(rows, fig.Attributions(fig.FromImage(scenes.Image(i)), row, true, fig.OverlayOptions{}))
		}
		return fig.Column(rows...)
	})
	if err != nil {
		return err
	}
	if err := t.Figure("maps", f); err != nil {
		return err
	}

	// A single image and so a small program for each number of samples.
	i := chosen[0]
	c.Tap = gradcampp.HostTap
	rows = nil
	for _, samples := range []int{2, 8} {
		var row []fig.Attribution
		for _, noise := range []float64{0.05, 0.2, 0.4} {
			c.Samples, c.Noise = samples, noise
			m, err := gradcampp.Maps(ctx, t.Backend, trainer, scenes.Images.Slice(i, i+1), c.Method())
			if err != nil {
				return err
			}
			row = append(row, fig.Attribution{Method: fmt.Sprintf("%d × %g", samples, noise), Map: fig.FromFloats(m[0], scenes.H, scenes.W)[0]})
		}
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Attributions(fig.FromImage(scenes.Image(i)), row, true, fig.OverlayOptions{})
		})
		if err != nil {
			return err
		}
		rows = append(rows, f)
	}
	if f, err = fig.Maybe(func() *fig.Figure { return fig.Column(rows...) }); err != nil {
		return err
	}
	return t.Figure("noise", f)
}

// summary draws what was measured of the class activation maps.
func summary(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
	names := []string{"found", "localisation", "energy"}
	var series []fig.BarSeries
	for _, m := range []string{gradCAM, plusPlus, smooth} {
		var runs [][]float64
		for _, name := range names {
			runs = append(runs, r.Arms[0].Values[m+" "+name].Seeds)
		}
		series = append(series, fig.SeedBars(m, runs))
	}
	f, err := fig.Maybe(func() *fig.Figure {
		return fig.Bars(names, series, fig.BarOptions{
			Title: "Objects of three or four found, and where the maps are", Label: "%", Format: "%.0f",
			Caption: fmt.Sprintf("mean of %d networks ± 2 standard errors; scenes, synthetic data", len(r.Seeds)),
		})
	})
	return map[string]recipes.Figure{"metrics": f}, err
}
