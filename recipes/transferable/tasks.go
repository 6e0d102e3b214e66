package transferable

import (
	"context"
	"fmt"
	"image"
	"math"
	"math/rand/v2"

	"fovea/datasets"
	"fovea/datasets/synth"
	"fovea/recipes"
	"fovea/recipes/siscore"
)

// counts say how many images the tasks of a claim have.
type counts struct{ base, target, test int }

var smallCounts = counts{base: 3000, target: 450, test: 720}

// tasks are what a claim's networks are trained for: B, a task near to it and a distant one.
type tasks struct{ target, near, far recipes.Data }

// taskClasses is the number of classes of each task: half of the things that there are.
var taskClasses = len(synth.SpriteNames) / 2

// drawTasks splits the things by the seed. Test images have numbers that are far from those of training images.
func drawTasks(t *recipes.Trial, n counts, firstTest int) (all tasks, err error) {
	seed := uint64(t.Seed)
	order := rand.New(rand.NewPCG(seed, 53)).Perm(2 * taskClasses)
	draw := func(name string, train int, set func(n, first int) *datasets.Images) recipes.Data {
		if err != nil {
			return recipes.Data{}
		}
		var data recipes.Data
		data, err = t.Generated(fmt.Sprintf("%s for seed %d", name, t.Seed), seed, func() (recipes.Data, error) {
			test := set(n.test, firstTest)
			return recipes.Data{Train: set(train, 0), Valid: test.Slice(0, 0), Test: test}, nil
		})
		return data
	}
	size := smallSize
	all.target = draw("things B", n.target, func(n, first int) *datasets.Images { return things(n, first, size, seed, order[:taskClasses]) })
	all.near = draw("things A", n.base, func(n, first int) *datasets.Images { return things(n, first, size, seed+1<<20, order[taskClasses:]) })
	all.far = draw("textures A", n.base, func(n, first int) *datasets.Images { return textures(n, first, size, seed) })
	return all, err
}

func blank(name string, n, size int, classes []string) *datasets.Images {
	return &datasets.Images{
		Name: name, N: n, H: size, W: size, C: 3, Pixels: make([]uint8, n*size*size*3), Labels: make([]int32, n),
		Classes: classes, Norm: synth.Norm, Synthetic: true,
	}
}

// things pastes one of the sprites of those classes on a background, anywhere near the middle.
func things(n, first, size int, seed uint64, classes []int) *datasets.Images {
	var names []string
	for _, k := range classes {
		names = append(names, synth.SpriteNames[k])
	}
	im := blank("things", n, size, names)
	for i := range n {
		number := uint64(first + i)
		r := rand.New(rand.NewPCG(seed, number))
		k := synth.SpriteClass(seed, number, len(classes))
		f := siscore.Factors{Area: 0.2 + 0.25*r.Float64(), X: 0.35 + 0.3*r.Float64(), Y: 0.35 + 0.3*r.Float64()}
		picture, _, _ := siscore.Paste(synth.Background(size, 0.7, seed, number), synth.Sprite(classes[k], 2*size, 30, seed, number), f)
		store(im, i, picture)
		im.Labels[i] = int32(k)
	}
	return im
}

// textures are gratings whose direction tells the class; their period, phase and colours do not.
func textures(n, first, size int, seed uint64) *datasets.Images {
	var names []string
	for k := range taskClasses {
		names = append(names, fmt.Sprintf("%.0f°", 180*float64(k)/float64(taskClasses)))
	}
	im := blank("textures", n, size, names)
	for i := range n {
		number := uint64(first + i)
		r := rand.New(rand.NewPCG(seed, 1<<62+number))
		k := synth.SpriteClass(seed, number, taskClasses)
		angle := math.Pi * (float64(k) + 0.5*(r.Float64()-0.5)) / float64(taskClasses)
		sin, cos := math.Sincos(angle)
		frequency, phase := 2*math.Pi/(3+4*r.Float64()), 2*math.Pi*r.Float64()
		var dark, light [3]float64
		for c := range 3 {
			dark[c], light[c] = 30+70*r.Float64(), 120+120*r.Float64()
		}
		picture := image.NewNRGBA(image.Rect(0, 0, size, size))
		for y := range size {
			for x := range size {
				wave := 0.5 + 0.5*math.Sin(frequency*(float64(x)*cos+float64(y)*sin)+phase)
				for c := range 3 {
					v := dark[c] + (light[c]-dark[c])*wave + 12*r.NormFloat64()
					picture.Pix[picture.PixOffset(x, y)+c] = uint8(min(max(v, 0), 255))
				}
			}
		}
		store(im, i, picture)
		im.Labels[i] = int32(k)
	}
	return im
}

func store(im *datasets.Images, i int, picture *image.NRGBA) {
	pixels := im.PixelsAt(i)
	for p := range im.H * im.W {
		copy(pixels[3*p:3*p+3], picture.Pix[4*p:4*p+3])
	}
}

// openTasks splits the classes of a set that the user names, at paper scale: two random halves, or with far the first and the second half in
// the order of the set.
func openTasks(ctx context.Context, t *recipes.Trial, size int, far bool) (a, b recipes.Data, err error) {
	data, err := t.Images(ctx, recipes.ImageOptions{Size: size})
	if err != nil {
		return a, b, err
	}
	k := len(data.Train.Classes) / 2
	order := rand.New(rand.NewPCG(uint64(t.Seed), 53)).Perm(2 * k)
	if far {
		for i := range order {
			order[i] = i
		}
	}
	half := func(classes []int) recipes.Data {
		return recipes.Data{Train: OfClasses(data.Train, classes), Valid: OfClasses(data.Valid, classes), Test: OfClasses(data.Test, classes)}
	}
	return half(order[:k]), half(order[k:]), nil
}
