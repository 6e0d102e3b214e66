package gradcampp

import (
	"fmt"

	"fovea/datasets/synth"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// draw makes the picture of the paper's figures 1 to 3: for scenes of one, two and three objects, the maps of both methods
// over the image, and the guided gradient where they are strong.
func draw(t *recipes.Trial, scenes *synth.SceneImages, maps [2][][]float32, guided [][]float32) error {
	var rows []*fig.Figure
	f, err := fig.Maybe(func() *fig.Figure {
		for count := 1; count <= 3; count++ {
			drawn := 0
			for i := 0; i < len(guided) && drawn < 2; i++ {
				if len(scenes.Instances[i]) != count {
					continue
				}
				drawn++
				picture := fig.FromImage(scenes.Image(i))
				var over, fine []fig.Attribution
				for k, m := range methods {
					product := make([]float32, len(guided[i]))
					for p, g := range guided[i] {
						product[p] = g * maps[k][i][p]
					}
					over = append(over, fig.Attribution{Method: m.name, Map: fig.FromFloats(maps[k][i], scenes.H, scenes.W)[0]})
					fine = append(fine, fig.Attribution{Method: "guided " + m.name, Map: fig.FromFloats(product, scenes.H, scenes.W)[0]})
				}
				rows = append(rows, fig.Row(fig.Attributions(picture, over, true, fig.OverlayOptions{}), fig.Attributions(picture, fine, false, fig.OverlayOptions{})))
			}
		}
		return fig.Column(rows...)
	})
	if err != nil {
		return err
	}
	return t.Figure("maps", f)
}

// summary draws the metrics of both methods.
func summary(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
	names := []string{"found of 1", "found of 2", "found of 3", "found of 4", "localisation", "energy", "drop", "increase"}
	var series []fig.BarSeries
	for _, m := range methods {
		var runs [][]float64
		for _, name := range names {
			runs = append(runs, r.Arms[0].Values[m.name+" "+name].Seeds)
		}
		series = append(series, fig.SeedBars(m.name, runs))
	}
	f, err := fig.Maybe(func() *fig.Figure {
		return fig.Bars(names, series, fig.BarOptions{
			Title: "Where the maps are, and what they keep", Label: "%", Format: "%.0f",
			Caption: fmt.Sprintf("mean of %d networks ± 2 standard errors; scenes, synthetic data", len(r.Seeds)),
		})
	})
	return map[string]recipes.Figure{"metrics": f}, err
}
