package foveated

import (
	"image"
	"math"
	"math/rand/v2"

	"fovea/datasets"
	"fovea/datasets/synth"
	"fovea/recipes/siscore"
)

// classes look different at every turn, and no turn makes one of them another.
var classes = []string{"triangle", "heart", "arrow", "L", "T", "U", "house", "bolt"}

// A Pose is how an image is turned, zoomed and moved before it is seen.
type Pose struct {
	Turn   float64 // degrees, clockwise
	Zoom   float64 // above 1: larger
	DY, DX float64 // in pixels of the result: where the middle goes
}

// Warp sees a canvas in a pose: size×size pixels [size size 3] around the point (cy, cx) of the canvas, read bilinearly; beyond the border its
// own pixels go on.
func Warp(canvas *image.NRGBA, cy, cx float64, p Pose, size int) []uint8 {
	out := make([]uint8, 0, size*size*3)
	sin, cos := math.Sincos(p.Turn * math.Pi / 180)
	w, h := canvas.Rect.Dx(), canvas.Rect.Dy()
	middle := float64(size-1) / 2
	for i := range size {
		for j := range size {
			v, u := (float64(i)-middle-p.DY)/p.Zoom, (float64(j)-middle-p.DX)/p.Zoom
			y := min(max(cy+v*cos-u*sin, 0), float64(h-1)) // turned back
			x := min(max(cx+v*sin+u*cos, 0), float64(w-1))
			y0, x0 := min(int(y), h-2), min(int(x), w-2)
			fy, fx := y-float64(y0), x-float64(x0)
			at := y0*canvas.Stride + 4*x0
			for k := range 3 {
				a, b := float64(canvas.Pix[at+k]), float64(canvas.Pix[at+4+k])
				c, d := float64(canvas.Pix[at+canvas.Stride+k]), float64(canvas.Pix[at+canvas.Stride+4+k])
				out = append(out, uint8((a*(1-fx)+b*fx)*(1-fy)+(c*(1-fx)+d*fx)*fy+0.5))
			}
		}
	}
	return out
}

// Canvases are larger than what is seen of them, so that no pose shows what is beyond: an image of size pixels at half the zoom, and turned.
const (
	canvasShare = 3    // of an image's size
	thing       = 0.36 // of an image's size: the side of a square with the area of a thing's box
	clutter     = 0.5
)

// A generator draws canvases with one upright thing each.
type generator struct {
	size int // of the images that are cut out of them
	seed uint64
}

// canvas draws a thing around the middle, or, with away, up to that many pixels from it along each axis. box is around the thing.
func (g generator) canvas(number, away int) (picture *image.NRGBA, box image.Rectangle, label int32) {
	r := rand.New(rand.NewPCG(g.seed, uint64(number)))
	side := canvasShare * g.size
	class := synth.SpriteClass(g.seed, uint64(number), len(classes))
	share := thing / canvasShare * (0.95 + 0.1*r.Float64())
	f := siscore.Factors{Area: share * share, X: 0.5, Y: 0.5}
	if away > 0 {
		f.X += float64(away) * (2*r.Float64() - 1) / float64(side)
		f.Y += float64(away) * (2*r.Float64() - 1) / float64(side)
	}
	sprite := synth.Sprite(spriteNumber(classes[class]), max(16, g.size), 5, g.seed, uint64(number))
	picture, box, _ = siscore.Paste(synth.Background(side, clutter, g.seed, uint64(number)), sprite, f)
	return picture, box, int32(class)
}

func spriteNumber(name string) int {
	for i, n := range synth.SpriteNames {
		if n == name {
			return i
		}
	}
	panic("foveated: there is no sprite " + name)
}

func (g generator) images(n int) *datasets.Images {
	return &datasets.Images{
		Name: "things in the middle", N: n, H: g.size, W: g.size, C: 3, Pixels: make([]uint8, 0, n*g.size*g.size*3), Labels: make([]int32, 0, n),
		Classes: classes, Norm: synth.Norm, Synthetic: true,
	}
}

// posed draws n things, each seen in every pose: set p has all of them in pose p.
func (g generator) posed(n int, poses []Pose) []*datasets.Images {
	sets := make([]*datasets.Images, len(poses))
	for p := range sets {
		sets[p] = g.images(n)
	}
	middle := float64(canvasShare*g.size-1) / 2
	for i := range n {
		canvas, _, label := g.canvas(i, 0)
		for p, pose := range poses {
			if i%2 == 1 { // moved to either side
				pose.DX = -pose.DX
			}
			if i%4 > 1 { // and along either axis
				pose.DX, pose.DY = pose.DY, pose.DX
			}
			sets[p].Pixels = append(sets[p].Pixels, Warp(canvas, middle, middle, pose, g.size)...)
			sets[p].Labels = append(sets[p].Labels, label)
		}
	}
	return sets
}

// training draws n things near the middle, as photographers leave them: up to a sixteenth of the width away along each axis, and up to a fifth
// larger or smaller. They are never turned.
func (g generator) training(n int) *datasets.Images {
	im := g.images(n)
	middle := float64(canvasShare*g.size-1) / 2
	for i := range n {
		r := rand.New(rand.NewPCG(g.seed, 1<<32+uint64(i)))
		away := func() float64 { return float64(g.size) / 16 * (2*r.Float64() - 1) }
		canvas, _, label := g.canvas(i, 0)
		pose := Pose{Zoom: math.Pow(1.2, 2*r.Float64()-1), DY: away(), DX: away()}
		im.Pixels = append(im.Pixels, Warp(canvas, middle, middle, pose, g.size)...)
		im.Labels = append(im.Labels, label)
	}
	return im
}

// A search is a scene of twice an image's size with a thing anywhere, and what is seen from each fixation of a grid over it.
type search struct {
	scene   *image.NRGBA
	box     image.Rectangle // of the thing, in the scene
	label   int32
	views   *datasets.Images // from the grid's fixations, row by row
	fixated []image.Point
}

// searches draws n scenes with grid×grid fixations.
func (g generator) searches(n, grid int) (all []search) {
	side, scene := canvasShare*g.size, 2*g.size
	corner := image.Pt((side-scene)/2, (side-scene)/2)
	away := int(float64(g.size) * (1 - thing)) // so that the thing is in the scene whole
	for i := range n {
		canvas, box, label := g.canvas(i, away)
		s := search{label: label, box: box.Sub(corner), views: g.images(grid * grid)}
		s.scene = canvas.SubImage(image.Rectangle{Min: corner, Max: corner.Add(image.Pt(scene, scene))}).(*image.NRGBA)
		for k := range grid * grid {
			at := image.Pt((2*(k%grid)+1)*scene/(2*grid), (2*(k/grid)+1)*scene/(2*grid))
			s.fixated = append(s.fixated, at)
			s.views.Pixels = append(s.views.Pixels, Warp(canvas, float64(corner.Y+at.Y), float64(corner.X+at.X), Pose{Zoom: 1}, g.size)...)
			s.views.Labels = append(s.views.Labels, label)
		}
		all = append(all, s)
	}
	return all
}
