package ela

import (
	"math/rand/v2"

	"fovea/datasets"
	"fovea/datasets/synth"
	"fovea/recipes"
)

// Three bands of 8 rows make an image.
const bands, bandHeight, rowSize = 3, 8, 24

// rowImages draws n images with a glyph in each of three bands and a tick of 2 pixels at the left border of one: the label is
// the glyph of that band. Glyph and tick can lie 20 pixels apart, but are always in the same rows.
func rowImages(n int, seed uint64, part string) *datasets.Images {
	r := rand.New(rand.NewPCG(seed, 0xe1a))
	im := &datasets.Images{
		Name: "marked rows/" + part, N: n, H: rowSize, W: rowSize, C: 3, Synthetic: true, Classes: synth.GlyphNames(),
		Norm: datasets.Normalization{Mean: []float32{0.4, 0.4, 0.4}, Std: []float32{0.2, 0.2, 0.2}},
	}
	for range n {
		var light [rowSize * rowSize]float64
		for i := range light {
			light[i] = 0.3 + 0.05*r.NormFloat64()
		}
		marked := r.IntN(bands)
		for band := range bands {
			class := r.IntN(len(synth.Glyphs))
			top := band*bandHeight + r.IntN(bandHeight-synth.GlyphSize+1)
			left := 3 + r.IntN(rowSize-synth.GlyphSize-2) // 3: the border is the tick's
			synth.Glyphs[class].Dot(func(x, y int) { light[(top+y)*rowSize+left+x] += 0.4 })
			if band == marked {
				im.Labels = append(im.Labels, int32(class))
			}
		}
		tick := marked*bandHeight + bandHeight/2 - 1
		light[tick*rowSize], light[(tick+1)*rowSize] = 1, 1
		for _, v := range light {
			b := uint8(min(max(255*v, 0), 255))
			im.Pixels = append(im.Pixels, b, b, b)
		}
	}
	return im
}

func rowData() (recipes.Data, error) {
	return recipes.Data{Train: rowImages(4000, 1, "train"), Valid: rowImages(1000, 2, "valid"), Test: rowImages(2000, 3, "test")}, nil
}
