package foveated

import (
	"fmt"
	"image"
	"image/color"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"fovea/datasets"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

func figures(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
	drawn := map[string]recipes.Figure{}
	for _, kind := range []struct {
		file, title, label string
		x                  []float64
		scale              float64
		name               func(float64) string
	}{
		{"turned", "Accuracy by how far images are turned", "clockwise (degrees)", angles, 1, angleName},
		{"zoomed", "Accuracy by zoom", "zoom (×)", zooms, 1, zoomName},
		{"shifted", "Accuracy by shift", "shift (% of the width)", shifts, 100, shiftName},
	} {
		f, err := fig.Maybe(func() *fig.Figure {
			var series []fig.Series
			for _, arm := range r.Arms {
				x, runs := make([]float64, len(kind.x)), make([][]float64, len(r.Seeds))
				for i, at := range kind.x {
					x[i] = at * kind.scale
					for seed, v := range arm.Values[kind.name(at)].Seeds {
						runs[seed] = append(runs[seed], v)
					}
				}
				s := fig.SeedSeries(arm.Name, x, runs)
				s.Points = true
				series = append(series, s)
			}
			return fig.Curves(fig.CurveOptions{
				Title: kind.title, XLabel: kind.label, YLabel: "test accuracy (%)", YRange: [2]float64{0, 100},
				Caption: fmt.Sprintf("things in the middle (synthetic); mean of %d seeds ± 2 standard errors", len(r.Seeds)),
			}, series...)
		})
		if err != nil {
			return nil, err
		}
		drawn[kind.file] = f
	}
	return drawn, nil
}

// pictures shows what the log-polar network sees, and where its probability is large.
func pictures(t *recipes.Trial, c Config, sets []*datasets.Images, names []string, scenes []search, maps [][]float64) error {
	if !t.Pictures() || t.Arm != "log-polar" {
		return nil
	}
	views, err := viewed(t, c, sets, names)
	if err != nil {
		return err
	}
	if err := t.Figure("views", views); err != nil {
		return err
	}
	f, err := fig.Maybe(func() *fig.Figure {
		var all []*fig.Figure
		for i, s := range scenes {
			all = append(all, found(s, maps[i]))
		}
		return fig.Row(all...)
	})
	if err != nil {
		return err
	}
	return t.Figure("found", f)
}

// viewed has images, their log-polar views, and what the views tell of the images.
func viewed(t *recipes.Trial, c Config, sets []*datasets.Images, names []string) (*fig.Figure, error) {
	var titles []string
	var shown []*datasets.Images
	for i, name := range names {
		if name == angleName(0) || name == angleName(45) || name == angleName(90) || name == zoomName(0.5) || name == zoomName(2) || name == shiftName(0.25) {
			titles, shown = append(titles, name), append(shown, sets[i].Slice(0, 1))
		}
	}
	titles[0] = "as trained"
	rows := make([][]fig.Image, 3)
	for _, im := range shown {
		outputs, err := graph.CallOnceN(t.Backend, func(x *graph.Node) []*graph.Node {
			view := View(c, x)
			return []*graph.Node{view, c.Inverse(view)}
		}, im.Tensor(0, 1))
		if err != nil {
			return nil, err
		}
		rows[0] = append(rows[0], fig.FromImage(im.Image(0)))
		for i, size := range []int{c.View, c.Size} {
			pixels := im.Norm.Pixels(tensors.MustCopyFlatData[float32](outputs[i]), 3)
			rows[i+1] = append(rows[i+1], fig.FromBytes(pixels, size, size, 3)...)
		}
	}
	return fig.Maybe(func() *fig.Figure {
		grid := func(title string, images []fig.Image, titles []string, scale int) *fig.Figure {
			return fig.Grid(images, fig.GridOptions{Title: title, Titles: titles, Columns: len(images), Scale: scale})
		}
		scale := max(1, 128/c.Size)
		return fig.Column(grid("Images (synthetic)", rows[0], titles, scale), grid("Log-polar views: radius downwards, angle to the right", rows[1], nil, scale*c.Size/c.View),
			grid("What the views tell", rows[2], nil, scale))
	})
}

// found draws a scene with its probability map, the thing's box in green and the best fixation in white.
func found(s search, p []float64) *fig.Figure {
	best := 0
	for i := range p {
		if p[i] > p[best] {
			best = i
		}
	}
	grid := 1
	for grid*grid < len(p) {
		grid++
	}
	heat := make([][]float64, grid)
	for i := range heat {
		heat[i] = p[i*grid : (i+1)*grid]
	}
	scene := image.NewNRGBA(image.Rectangle{Max: s.scene.Rect.Size()})
	for y := range scene.Rect.Max.Y {
		for x := range scene.Rect.Max.X {
			scene.SetNRGBA(x, y, s.scene.NRGBAAt(s.scene.Rect.Min.X+x, s.scene.Rect.Min.Y+y))
		}
	}
	frame(scene, s.box, color.NRGBA{0, 220, 60, 255})
	at := s.fixated[best]
	frame(scene, image.Rect(at.X-2, at.Y-2, at.X+3, at.Y+3), color.NRGBA{255, 255, 255, 255})
	return fig.Overlay(fig.FromImage(scene), fig.FromMatrix(heat), fig.OverlayOptions{Title: fmt.Sprintf("p(%s) by fixation", classes[s.label]), Clip: 100, Width: 220})
}

func frame(im *image.NRGBA, box image.Rectangle, c color.NRGBA) {
	for x := box.Min.X; x < box.Max.X; x++ {
		im.SetNRGBA(x, box.Min.Y, c)
		im.SetNRGBA(x, box.Max.Y-1, c)
	}
	for y := box.Min.Y; y < box.Max.Y; y++ {
		im.SetNRGBA(box.Min.X, y, c)
		im.SetNRGBA(box.Max.X-1, y, c)
	}
}
