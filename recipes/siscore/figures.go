package siscore

import (
	"fmt"

	"fovea/notebooks/fig"
	"fovea/recipes"
)

func figures(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
	drawn := map[string]recipes.Figure{}
	caption := fmt.Sprintf("pasted sprites (synthetic); mean of %d seeds ± 2 standard errors", len(r.Seeds))
	add := func(name string, draw func() *fig.Figure) error {
		f, err := fig.Maybe(draw)
		drawn[name] = f
		return err
	}
	if err := add("area", func() *fig.Figure {
		var series []fig.Series
		for _, arm := range r.Arms {
			series = append(series, curve(arm, areas, 100, areaName, len(r.Seeds)))
		}
		return fig.Curves(fig.CurveOptions{Title: "Accuracy by how much of the image the thing covers", XLabel: "area (%); trained: 20 to 40", YLabel: "test accuracy (%)", Caption: caption}, series...)
	}); err != nil {
		return nil, err
	}
	if err := add("rotation", func() *fig.Figure {
		var series []fig.Series
		for _, arm := range r.Arms {
			series = append(series, curve(arm, Rotations(), 1, angleName, len(r.Seeds)))
		}
		return fig.Curves(fig.CurveOptions{Title: "Accuracy by rotation", XLabel: "counter-clockwise (degrees)", YLabel: "test accuracy (%)", Caption: caption}, series...)
	}); err != nil {
		return nil, err
	}
	if err := add("location", func() *fig.Figure {
		var maps []*fig.Figure
		for _, name := range []string{"200 wide", "3200 wide"} {
			grid := make([][]float64, 5)
			for i := range places {
				grid[i/5] = append(grid[i/5], armOf(r, name).Values[placeName(i)].Mean)
			}
			maps = append(maps, fig.HeatMap(grid, fig.HeatMapOptions{
				Title: "Accuracy (%) by place: " + name, Columns: ticks, Rows: ticks, XLabel: "x of the middle", YLabel: "y", Range: [2]float64{0, 100}, Values: true, Square: true,
			}))
		}
		return fig.Row(maps...)
	}); err != nil {
		return nil, err
	}
	return drawn, add("shift", func() *fig.Figure {
		var clouds []fig.Cloud
		for _, arm := range r.Arms {
			clouds = append(clouds, fig.Cloud{Name: arm.Name, X: arm.Values["natural"].Seeds, Y: arm.Values["shifted"].Seeds})
		}
		return fig.Scatter(fig.ScatterOptions{
			Title: "Out of distribution against in distribution", XLabel: "accuracy in distribution (%)", YLabel: "mean over areas, places, rotations (%)", Caption: "a dot for each seed; pasted sprites (synthetic)",
		}, clouds...)
	})
}

var ticks = []string{"0.1", "0.3", "0.5", "0.7", "0.9"}

func armOf(r recipes.ClaimResult, name string) recipes.ArmResult {
	for _, arm := range r.Arms {
		if arm.Name == name {
			return arm
		}
	}
	return recipes.ArmResult{}
}

// curve is what an arm has at each x, under the name of x.
func curve(arm recipes.ArmResult, x []float64, scale float64, name func(float64) string, seeds int) fig.Series {
	at, runs := make([]float64, len(x)), make([][]float64, seeds)
	for i, v := range x {
		at[i] = scale * v
		for seed, value := range arm.Values[name(v)].Seeds {
			runs[seed] = append(runs[seed], value)
		}
	}
	s := fig.SeedSeries(arm.Name, at, runs)
	s.Points = true
	return s
}

// pictures shows one foreground along each factor.
func pictures(t *recipes.Trial, tests testSets) error {
	if !t.Pictures() || t.Arm != "3200 wide" {
		return nil
	}
	var shown []fig.Image
	var titles []string
	const columns = 9
	for i, a := range areas {
		shown = append(shown, fig.FromImage(tests.area.Image(i*tests.area.N/len(byArea))))
		titles = append(titles, fmt.Sprintf("%g %%", 100*a))
	}
	for i := range columns {
		f := byPlace[3*i]
		shown = append(shown, fig.FromImage(tests.place.Image(3*i*tests.place.N/len(byPlace))))
		titles = append(titles, fmt.Sprintf("%.1f, %.1f", f.X, f.Y))
	}
	for i := range columns {
		shown = append(shown, fig.FromImage(tests.angle.Image(2*i*tests.angle.N/len(byAngle))))
		titles = append(titles, fmt.Sprintf("%g°", byAngle[2*i].Rotation))
	}
	f, err := fig.Maybe(func() *fig.Figure {
		return fig.Grid(shown, fig.GridOptions{
			Title: "One thing by area, place and rotation", Titles: titles, Columns: columns, Scale: 2, Caption: "sprites pasted on backgrounds (synthetic)",
		})
	})
	if err != nil {
		return err
	}
	return t.Figure("factors", f)
}
