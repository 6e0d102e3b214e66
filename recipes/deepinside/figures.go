package deepinside

import (
	"fmt"
	"image"

	"github.com/gomlx/gomlx/core/tensors"

	"fovea/layers/attr"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// draw makes the pictures of figures 1 to 4 of the paper: class models, saliency, seeds and segmentations.
func draw(t *recipes.Trial, data recipes.Data, maps [][]float32, segments []*Segmentation, models *attr.ClassModel) error {
	im := data.Test
	var saliency []fig.SaliencyRow
	var cuts []fig.SegmentationRow
	f, err := fig.Maybe(func() *fig.Figure {
		for i := range min(6, im.N) {
			picture := fig.FromImage(im.Image(i))
			saliency = append(saliency, fig.SaliencyRow{Name: im.Class(i), Image: picture, Map: fig.FromFloats(maps[i], im.H, im.W)[0]})
			s := segments[i]
			cuts = append(cuts, fig.SegmentationRow{
				Name: im.Class(i), Image: picture, Mask: values(s.Mask), Truth: truth(im.MaskAt(i)),
				Foreground: points(s.Foreground, im.W), Background: points(s.Background, im.W),
				Boxes: []fig.Box{{
					X0: float64(s.Box[0]), Y0: float64(s.Box[1]), X1: float64(s.Box[2]), Y1: float64(s.Box[3]), Color: fig.Palette[4], // as "found"
				}},
			})
		}
		return fig.Saliency(saliency, fig.OverlayOptions{Title: "Saliency of the likeliest class", Caption: caption(data)})
	})
	if err != nil {
		return err
	}
	if err := t.Figure("saliency", f); err != nil {
		return err
	}
	if f, err = fig.Maybe(func() *fig.Figure {
		return fig.Segmentation(cuts, fig.SegmentationOptions{Title: "Seeds by saliency, graph cut, box", Caption: caption(data)})
	}); err != nil {
		return err
	}
	if err := t.Figure("segmentation", f); err != nil {
		return err
	}
	pixels := im.Norm.Pixels(tensors.MustCopyFlatData[float32](models.Images), im.C)
	var titles []string
	for k, class := range im.Classes {
		titles = append(titles, fmt.Sprintf("%s, score %.0f", class, models.Scores[k]))
	}
	if f, err = fig.Maybe(func() *fig.Figure {
		return fig.Grid(fig.FromBytes(pixels, len(im.Classes), im.H, im.W, im.C), fig.GridOptions{
			Title: "Class models: the image that excites each class most", Titles: titles, Caption: caption(data), Columns: 4, Scale: 3,
		})
	}); err != nil {
		return err
	}
	return t.Figure("classmodels", f)
}

func caption(data recipes.Data) string {
	if data.Test.Synthetic {
		return data.Test.Name + ", synthetic data"
	}
	return data.Test.Name
}

func values(mask []bool) []float32 {
	out := make([]float32, len(mask))
	for i, m := range mask {
		if m {
			out[i] = 1
		}
	}
	return out
}

func truth(mask []uint8) []float32 {
	out := make([]float32, len(mask))
	for i, m := range mask {
		out[i] = float32(m)
	}
	return out
}

func points(mask []bool, w int) []image.Point {
	var out []image.Point
	for i, m := range mask {
		if m {
			out = append(out, image.Pt(i%w, i/w))
		}
	}
	return out
}
