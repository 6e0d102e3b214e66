package ecanet

import (
	"math/rand/v2"

	"fovea/datasets"
	"fovea/datasets/synth"
	"fovea/recipes"
)

const cueSize = 24

// cueImages draws n images of two glyphs, one in the red plane and one in the blue, under noise. The green plane is noise
// with a mean that lies a tenth of its deviation above or below the middle: above asks for the red glyph's class, below for the
// blue one's. The mean of 7×7 pixels is wrong about that in 24 of 100 images, the mean of all 576 in one of 100.
func cueImages(n int, seed uint64, part string) *datasets.Images {
	r := rand.New(rand.NewPCG(seed, 0xeca))
	im := &datasets.Images{
		Name: "cued glyphs/" + part, N: n, H: cueSize, W: cueSize, C: 3, Synthetic: true, Classes: synth.GlyphNames(),
		Norm: datasets.Normalization{Mean: []float32{0.5, 0.5, 0.5}, Std: []float32{0.2, 0.2, 0.2}},
	}
	const deviation, offset, contrast = 0.16, 0.1 * 0.16, 0.35
	for range n {
		plane := [3][cueSize * cueSize]float64{}
		cue, class := r.IntN(2), [2]int{r.IntN(len(synth.Glyphs)), r.IntN(len(synth.Glyphs))}
		for i := range plane[0] {
			plane[0][i] = 0.35 + 0.08*r.NormFloat64()
			plane[1][i] = 0.5 + offset*float64(1-2*cue) + deviation*r.NormFloat64()
			plane[2][i] = 0.35 + 0.08*r.NormFloat64()
		}
		for k, channel := range []int{0, 2} {
			top, left := r.IntN(cueSize-synth.GlyphSize+1), r.IntN(cueSize-synth.GlyphSize+1)
			synth.Glyphs[class[k]].Dot(func(x, y int) { plane[channel][(top+y)*cueSize+left+x] += contrast })
		}
		for i := range plane[0] {
			for c := range 3 {
				im.Pixels = append(im.Pixels, uint8(min(max(255*plane[c][i], 0), 255)))
			}
		}
		im.Labels = append(im.Labels, int32(class[cue]))
	}
	return im
}

// loudCueData are the same images with the green plane four times as loud to the network, signal and noise alike: a gate on the planes then
// needs weights of about 10 for the cue, and not of 40, which is far for the few steps of the claim.
func loudCueData() (recipes.Data, error) {
	data, err := cueData()
	for _, part := range []*datasets.Images{data.Train, data.Valid, data.Test} {
		part.Norm.Std[1] = 0.05
	}
	return data, err
}

func cueData() (recipes.Data, error) {
	return recipes.Data{Train: cueImages(4000, 1, "train"), Valid: cueImages(1000, 2, "valid"), Test: cueImages(2000, 3, "test")}, nil
}
