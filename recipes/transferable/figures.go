package transferable

import (
	"fmt"

	"fovea/notebooks/fig"
	"fovea/recipes"
)

// Published are the paper's top-1 accuracies on ImageNet's half B in percent, for n = 1 to 7: means of the ten best validations of each training
// in the authors' logs. Without carried layers it is PublishedBase.
var Published = map[string][]float64{
	"AnB":  {62.8, 62.4, 61.9, 60.0, 57.8, 58.1, 54.3},
	"BnB":  {62.7, 62.4, 62.1, 60.5, 59.4, 61.9, 62.3},
	"AnB+": {63.7, 63.6, 64.3, 64.0, 64.5, 64.6, 64.7},
	"BnB+": {61.8, 62.2, 63.1, 63.0, 62.9, 62.8, 62.7},
}

const PublishedBase = 62.5

func figures(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
	var ours []fig.Series
	base := armOf(r, fromSelf).Values[frozenName(0)]
	for _, arm := range r.Arms {
		for _, kind := range []struct {
			note string
			name func(int) string
		}{{", frozen", frozenName}, {", fine-tuned", tunedName}} {
			var x []float64
			runs := make([][]float64, len(r.Seeds))
			for n := 1; n <= 7; n++ {
				v, ok := arm.Values[kind.name(n)]
				if !ok {
					continue
				}
				x = append(x, float64(n))
				for seed, accuracy := range v.Seeds {
					runs[seed] = append(runs[seed], accuracy)
				}
			}
			if x == nil {
				continue
			}
			s := fig.SeedSeries(arm.Name+kind.note, x, runs)
			s.Points, s.Dashed = true, kind.note == ", fine-tuned"
			ours = append(ours, s)
		}
	}
	f, err := fig.Maybe(func() *fig.Figure {
		var published []fig.Series
		for _, name := range []string{"AnB", "BnB", "AnB+", "BnB+"} {
			published = append(published, fig.Series{Name: name, X: []float64{1, 2, 3, 4, 5, 6, 7}, Y: Published[name], Points: true, Dashed: len(name) == 4})
		}
		published = append(published, fig.Series{Name: "from scratch", X: []float64{1, 7}, Y: []float64{PublishedBase, PublishedBase}})
		low, high := fig.SeedSeries("from scratch", []float64{2, 6}, twice(base.Seeds)), "carried layers n"
		return fig.Column(
			fig.Curves(fig.CurveOptions{
				Title: "Accuracy on task B by the number of layers carried over", XLabel: high, YLabel: "test accuracy (%)",
				Caption: fmt.Sprintf("things and textures (synthetic); mean of %d seeds ± 2 standard errors", len(r.Seeds)),
			}, append(ours, low)...),
			fig.Curves(fig.CurveOptions{Title: "Published: two random halves of ImageNet", XLabel: high, YLabel: "validation accuracy (%)"}, published...),
		)
	})
	return map[string]recipes.Figure{"transfer": f}, err
}

// twice gives each run its value at both ends of a line.
func twice(seeds []float64) (runs [][]float64) {
	for _, v := range seeds {
		runs = append(runs, []float64{v, v})
	}
	return runs
}

func armOf(r recipes.ClaimResult, name string) recipes.ArmResult {
	for _, arm := range r.Arms {
		if arm.Name == name {
			return arm
		}
	}
	return recipes.ArmResult{}
}

// pictures shows some images of both tasks.
func pictures(t *recipes.Trial, a, b recipes.Data) error {
	if !t.Pictures() || t.Arm != fromNear && t.Arm != fromFar {
		return nil
	}
	var shown []fig.Image
	var titles []string
	const columns = 9
	for _, im := range []recipes.Data{a, b} {
		for i := range columns {
			shown, titles = append(shown, fig.FromImage(im.Test.Image(i))), append(titles, im.Test.Class(i))
		}
	}
	f, err := fig.Maybe(func() *fig.Figure {
		return fig.Grid(shown, fig.GridOptions{Title: "Task A (above: " + t.Arm + ") and task B", Titles: titles, Columns: columns, Scale: max(1, 64/a.Test.H), Caption: "synthetic"})
	})
	if err != nil {
		return err
	}
	return t.Figure("tasks-"+t.Arm, f)
}
