package siscore

import (
	"fmt"
	"image"
	"math/rand/v2"

	"fovea/datasets"
	"fovea/datasets/synth"
)

// Classes of the networks that are trained, and the new ones that they are transferred to.
var (
	known = []string{"triangle", "star", "heart", "arrow", "L", "T", "U", "bolt"}
	novel = []string{"crescent", "F", "chevron", "house"}
)

func classNumber(name string) int {
	for i, n := range synth.SpriteNames {
		if n == name {
			return i
		}
	}
	panic("siscore: there is no sprite " + name)
}

// A generator makes foregrounds of some classes and backgrounds, each a function of the seed and a number.
type generator struct {
	names []string
	size  int
	seed  uint64
}

func (g generator) foreground(number int) (picture *image.NRGBA, label int32) {
	class := synth.SpriteClass(g.seed, uint64(number), len(g.names))
	// Twice the image's size, so that pasting makes it smaller almost always; a few degrees stand for things that are never quite upright.
	return synth.Sprite(classNumber(g.names[class]), 2*g.size, 8, g.seed, uint64(number)), int32(class)
}

func (g generator) background(number int) *image.NRGBA {
	return synth.Background(g.size, 0.7, g.seed, uint64(number))
}

func (g generator) images(n int) *datasets.Images {
	return &datasets.Images{
		Name: "pasted sprites", N: n, H: g.size, W: g.size, C: 3, Pixels: make([]uint8, n*g.size*g.size*3), Labels: make([]int32, n),
		Classes: g.names, Norm: synth.Norm, Synthetic: true,
	}
}

// natural draws images as the network is trained on: areas of 20 to 40 %, centres within 20 % of the middle, upright. At least
// minInside of each foreground is on the image.
func (g generator) natural(n int) *datasets.Images {
	const minInside = 0.95
	im := g.images(n)
	for i := range n {
		r := rand.New(rand.NewPCG(g.seed, uint64(i)))
		fg, label := g.foreground(i)
		for {
			f := Factors{Area: 0.2 + 0.2*r.Float64(), X: 0.3 + 0.4*r.Float64(), Y: 0.3 + 0.4*r.Float64()}
			if picture, _, inside := Paste(g.background(i), fg, f); inside >= minInside {
				store(im, i, picture)
				break
			}
		}
		im.Labels[i] = label
	}
	return im
}

// vary draws every factor with the same pairs of a foreground and a background: image p of factor f has number f·pairs + p.
func (g generator) vary(factors []Factors, pairs int) *datasets.Images {
	im := g.images(len(factors) * pairs)
	for p := range pairs {
		fg, label := g.foreground(p)
		bg := g.background(p)
		for i, f := range factors {
			picture, _, _ := Paste(bg, fg, f)
			store(im, i*pairs+p, picture)
			im.Labels[i*pairs+p] = label
		}
	}
	return im
}

// enlarged resizes images bilinearly by a factor.
func enlarged(im *datasets.Images, factor float64) *datasets.Images {
	out := *im
	out.H, out.W = int(float64(im.H)*factor), int(float64(im.W)*factor)
	out.Pixels, out.Masks, out.Boxes = make([]uint8, im.N*out.H*out.W*im.C), nil, nil
	for i := range im.N {
		src := im.Image(i).(*image.NRGBA)
		dst := image.NewNRGBA(image.Rect(0, 0, out.W, out.H))
		scale(dst, src)
		store(&out, i, dst)
	}
	return &out
}

// byFactor is the accuracy in percent for each factor of a set that vary drew.
func byFactor(predicted [][]float32, labels []int32, factors int) []float64 {
	pairs := len(labels) / factors
	accuracy := make([]float64, factors)
	for i, p := range predicted {
		best := 0
		for k := range p {
			if p[k] > p[best] {
				best = k
			}
		}
		if int32(best) == labels[i] {
			accuracy[i/pairs] += 100 / float64(pairs)
		}
	}
	return accuracy
}

func areaName(a float64) string { return fmt.Sprintf("area %g %%", 100*a) }
