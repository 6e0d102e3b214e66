package gradcampp

import (
	"fmt"
	"slices"

	"fovea/datasets/synth"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// mapsFigure is the picture of the paper's figures 1 to 3: for scenes of one to four objects, the maps of both methods
// over the image, and the guided gradient where they are strong.
func mapsFigure(scenes *synth.SceneImages, maps [2][][]float32, guided [][]float32) (*fig.Figure, error) {
	return fig.Maybe(func() *fig.Figure {
		var rows []*fig.Figure
		for count := 1; count <= 4; count++ {
			i := slices.IndexFunc(scenes.Instances[:len(guided)], func(x []synth.Instance) bool { return len(x) == count })
			if i < 0 {
				continue
			}
			var over, fine []fig.Attribution
			for k, m := range methods {
				product := make([]float32, len(guided[i]))
				for p, g := range guided[i] {
					product[p] = g * maps[k][i][p]
				}
				over = append(over, fig.Attribution{Method: m.name, Map: fig.FromFloats(maps[k][i], scenes.H, scenes.W)[0]})
				fine = append(fine, fig.Attribution{Method: "guided " + m.name, Map: fig.FromFloats(product, scenes.H, scenes.W)[0]})
			}
			picture := fig.FromImage(scenes.Image(i))
			rows = append(rows, fig.Row(fig.Attributions(picture, over, true, fig.OverlayOptions{}), fig.Attributions(picture, fine, false, fig.OverlayOptions{})))
		}
		return fig.Column(rows...)
	})
}

// measured are the values of a method that the other figure shows.
var measured = []string{"found of 1", "found of 2", "found of 3", "found of 4", "localisation", "energy", "drop", "increase"}

// summary draws the metrics of both methods.
func summary(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
	var series []fig.BarSeries
	for _, m := range methods {
		var runs [][]float64
		for _, name := range measured {
			runs = append(runs, r.Arms[0].Values[m.name+" "+name].Seeds)
		}
		series = append(series, fig.SeedBars(m.name, runs))
	}
	f, err := fig.Maybe(func() *fig.Figure {
		return fig.Bars(measured, series, fig.BarOptions{
			Title: "Where the maps are, and what they keep", Label: "%", Format: "%.0f",
			Caption: fmt.Sprintf("mean of %d networks ± 2 standard errors; scenes, synthetic data", len(r.Seeds)),
		})
	})
	return map[string]recipes.Figure{"metrics": f}, err
}
