package fig

import (
	"fmt"
	"image/color"
	"slices"
)

// Embedding draws points of two dimensions, such as PCA or t-SNE of features: one colour and name for each class, written at
// the middle of its points, without axes, whose numbers mean nothing. Images, where given, stand in place of dots.
//
// It panics when points, labels and images differ in number, or when a label has no class name.
func Embedding(points [][]float64, labels []int32, classes []string, images []Image, o ScatterOptions) *Figure {
	const function = "Embedding"
	if len(points) == 0 || len(points) != len(labels) || images != nil && len(images) != len(points) {
		fail(function, "%d points, %d labels and %d images: pass one label for each of at least one point", len(points), len(labels), len(images))
	}
	clouds := make([]Cloud, len(classes))
	for i, p := range points {
		if len(p) != 2 {
			fail(function, "point %d has %d coordinates, want 2: project it first", i, len(p))
		}
		k := int(labels[i])
		if k < 0 || k >= len(classes) {
			fail(function, "point %d has the label %d, and there are %d class names", i, k, len(classes))
		}
		c := &clouds[k]
		c.Name, c.X, c.Y = classes[k], append(c.X, p[0]), append(c.Y, p[1])
		if images != nil {
			c.Images = append(c.Images, images[i])
		}
	}
	for i := range clouds { // a class keeps its colour when others have no points
		clouds[i].Color = paletteColor(i)
	}
	clouds = slices.DeleteFunc(clouds, func(c Cloud) bool { return len(c.X) == 0 })
	if o.Caption == "" {
		o.Caption = fmt.Sprintf("%s; classes: %d", plural(len(points), "points"), len(clouds))
	}
	o.NoAxes, o.NamesInside = true, true
	return Scatter(o, clouds...)
}

func orColor(c color.Color, i int) color.Color {
	if c == nil {
		return paletteColor(i)
	}
	return c
}

func median(v []float64) float64 { return percentile(slices.Sorted(slices.Values(v)), 50) }

// darkened keeps the hue of c and is readable as text on white.
func darkened(c color.RGBA) color.RGBA {
	for relativeLuminance(c) > 0.18 { // 4.5:1
		c = color.RGBA{uint8(float64(c.R) * 0.9), uint8(float64(c.G) * 0.9), uint8(float64(c.B) * 0.9), 255}
	}
	return c
}
