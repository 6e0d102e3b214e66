package gradcampp

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"fovea/datasets"
	"fovea/datasets/synth"
	"fovea/layers/attr"
	"fovea/recipes"
)

// Maps returns what a method makes of each image for its own class, [H W] each, none of them negative.
func Maps(ctx context.Context, b compute.Backend, trainer *recipes.Trainer, images *datasets.Images, method attr.Method) ([][]float32, error) {
	explainer, err := attr.NewExplainer(b, trainer.Store(), attr.Network(Classifier(len(images.Classes))), method)
	if err != nil {
		return nil, err
	}
	defer explainer.Close()
	maps := make([][]float32, 0, images.N)
	const together = 64
	for i := 0; i < images.N; i += together {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		j := min(i+together, images.N)
		classes := make([]int, j-i)
		for k := range classes {
			classes[k] = int(images.Labels[i+k])
		}
		x := images.Tensor(i, j)
		m, outputs, err := explainer.Explain(x, classes...)
		_ = x.FinalizeAll()
		if err != nil {
			return nil, err
		}
		maps = slices.AppendSeq(maps, slices.Chunk(tensors.MustCopyFlatData[float32](m), images.H*images.W))
		_, _ = m.FinalizeAll(), outputs.FinalizeAll()
	}
	return maps, nil
}

// Found are shares of the instances in images that have from to to of them. An instance is found at its centre if the map there is
// above half of its largest value, and in its box if it is so anywhere in the box.
func Found(maps [][]float32, scenes *synth.SceneImages, from, to int) (centre, box float64) {
	n := 0
	for i, m := range maps {
		instances := scenes.Instances[i]
		if len(instances) < from || len(instances) > to {
			continue
		}
		half := slices.Max(m) / 2
		for _, instance := range instances {
			n++
			if m[instance.Y*scenes.W+instance.X] > half {
				centre++
			}
			if largest(m, instance.Box, scenes.W) > half {
				box++
			}
		}
	}
	return centre / float64(n), box / float64(n)
}

func largest(m []float32, box [4]int, w int) float32 {
	out := m[box[1]*w+box[0]]
	for y := box[1]; y < box[3]; y++ {
		out = max(out, slices.Max(m[y*w+box[0]:y*w+box[2]]))
	}
	return out
}

// Boxed compares maps with the boxes of all instances: energy is the mean share of a map's sum that lies in a box, and localisation the
// mean of what a map's pixels above a share of its largest value and the boxes have in common over what they cover together
// (the paper's Loc, section 4.2).
func Boxed(maps [][]float32, scenes *synth.SceneImages, threshold float32) (energy, localisation float64) {
	for i, m := range maps {
		inBox := make([]bool, len(m))
		for _, instance := range scenes.Instances[i] {
			for y := instance.Box[1]; y < instance.Box[3]; y++ {
				for x := instance.Box[0]; x < instance.Box[2]; x++ {
					inBox[y*scenes.W+x] = true
				}
			}
		}
		var inside, all, both, either float64
		least := threshold * slices.Max(m)
		for p, v := range m {
			all += float64(v)
			if inBox[p] {
				inside += float64(v)
			}
			if hot := v > least; hot || inBox[p] {
				either++
				if hot && inBox[p] {
					both++
				}
			}
		}
		if all > 0 {
			energy += inside / all
		}
		localisation += both / either
	}
	n := float64(len(maps))
	return energy / n, localisation / n
}

// Variation is the mean over the maps of their total variation, Σ |m(y+1, x) − m(y, x)| + |m(y, x+1) − m(y, x)|, over their
// sum: how uneven they are at equal means. Empty maps don't count.
func Variation(maps [][]float32, h, w int) float64 {
	sum, n := 0.0, 0.0
	for _, m := range maps {
		var variation, total float64
		for p, v := range m {
			total += float64(v)
			if p%w+1 < w {
				variation += math.Abs(float64(m[p+1] - v))
			}
			if p+w < h*w {
				variation += math.Abs(float64(m[p+w] - v))
			}
		}
		if total > 0 {
			sum += variation / total
			n++
		}
	}
	return sum / n
}

// Confidence is what happens to the probability of an image's class when the image fades to the set's mean colour where its map is weak
// (section 4.1): how much of it is lost on average, in percent of what it was, and in which percent of the images it rises.
type Confidence struct {
	Drop, Increase float64
	Kept           []float64 // the probability that is left, of each image
}

// Faithful measures Confidence. Maps are scaled to a largest value of one.
func Faithful(ctx context.Context, trainer *recipes.Trainer, images *datasets.Images, maps [][]float32) (Confidence, error) {
	var c Confidence
	if len(maps) != images.N {
		return c, fmt.Errorf("%d maps of %d images", len(maps), images.N)
	}
	whole, err := trainer.Predict(ctx, images)
	if err != nil {
		return c, err
	}
	left, err := trainer.Predict(ctx, faded(images, maps))
	if err != nil {
		return c, err
	}
	n := float64(images.N)
	for i, label := range images.Labels {
		y, o := float64(whole[i][label]), float64(left[i][label])
		c.Drop += 100 * max(0, y-o) / y / n
		if o > y {
			c.Increase += 100 / n
		}
		c.Kept = append(c.Kept, o)
	}
	return c, nil
}

// faded multiplies images, as a network sees them, by their maps.
func faded(images *datasets.Images, maps [][]float32) *datasets.Images {
	out := *images
	out.Pixels = make([]uint8, len(images.Pixels))
	for i, m := range maps {
		scale := slices.Max(m)
		if scale == 0 {
			scale = 1
		}
		from, to := images.PixelsAt(i), out.PixelsAt(i)
		for p, v := range m {
			for c := range images.C {
				mean := 255 * images.Norm.Mean[c]
				to[p*images.C+c] = uint8(math.Round(float64(mean + (float32(from[p*images.C+c])-mean)*v/scale)))
			}
		}
	}
	return &out
}

// Win is the percent of the images in which a leaves more of the class's probability than b; a tie is half a win.
func Win(a, b Confidence) float64 {
	wins := 0.0
	for i, kept := range a.Kept {
		switch {
		case kept > b.Kept[i]:
			wins++
		case kept == b.Kept[i]:
			wins += 0.5
		}
	}
	return 100 * wins / float64(len(a.Kept))
}
