package synth

import (
	"fmt"
	"image"
	"math/rand/v2"
	"slices"
)

// SpriteNames are the classes of Sprite: those of Shapes, and eight that look different at every turn by less than 180°.
var SpriteNames = append(slices.Clone(ShapeNames), "L", "T", "Z", "F", "U", "house", "chevron", "bolt")

var sprites = append(slices.Clone(outlines),
	unit(polygon(-1, -1.5, -0.35, -1.5, -0.35, 0.85, 1, 0.85, 1, 1.5, -1, 1.5)),
	unit(polygon(-1.2, -1.3, 1.2, -1.3, 1.2, -0.65, 0.33, -0.65, 0.33, 1.3, -0.33, 1.3, -0.33, -0.65, -1.2, -0.65)),
	unit(polygon(-1.1, -1.2, 1.1, -1.2, 1.1, -0.65, -0.2, 0.65, 1.1, 0.65, 1.1, 1.2, -1.1, 1.2, -1.1, 0.65, 0.2, -0.65, -1.1, -0.65)),
	unit(polygon(-1, -1.5, 1, -1.5, 1, -0.9, -0.35, -0.9, -0.35, -0.3, 0.7, -0.3, 0.7, 0.3, -0.35, 0.3, -0.35, 1.5, -1, 1.5)),
	unit(polygon(-1.1, -1.3, -0.5, -1.3, -0.5, 0.7, 0.5, 0.7, 0.5, -1.3, 1.1, -1.3, 1.1, 1.3, -1.1, 1.3)),
	unit(polygon(0, -1.4, 1.2, -0.2, 0.85, -0.2, 0.85, 1.2, -0.85, 1.2, -0.85, -0.2, -1.2, -0.2)),
	unit(polygon(-1.3, 0.9, 0, -1, 1.3, 0.9, 0.75, 1.1, 0, -0.05, -0.75, 1.1)),
	unit(polygon(0, -1.4, -1.1, 0.3, -0.2, 0.3, -0.5, 1.5, 1.1, -0.5, 0.2, -0.5, 0.8, -1.4)),
)

// Streams of random numbers, as for Shapes.
const (
	spriteStream     = 3 << 60
	backgroundStream = 4 << 60
)

// Sprite is one thing of a class, cut out of its surroundings: an image as large as the thing, about half of size
// pixels, with the thing's cover as alpha. Its colour, shading and proportions vary, and it is turned by up to turn degrees
// either way. The sprite is a function of its arguments alone. It panics if there is no such class, and unless size is
// 16 to 512.
func Sprite(class, size int, turn float64, seed, number uint64) *image.NRGBA {
	if class < 0 || class >= len(sprites) || size < 16 || size > 512 {
		panic(fmt.Sprintf("synth: sprite of class %d in %d pixels; want 0 to %d, and 16 to 512", class, size, len(sprites)-1))
	}
	p := newPainter(size, 0, turn)
	p.source.Seed(seed, spriteStream+number)
	c := p.light()
	for i := range p.canvas {
		p.canvas[i] = c[i%3] * 256
	}
	p.place(sprites[class], p.units(72), p.between(230, 286), p.between(-p.turn, p.turn))
	p.centre()
	p.raster.fill(p.placed)
	p.blend(c, p.between(0, 40))
	full, bounds := image.NewNRGBA(image.Rect(0, 0, size, size)), image.Rectangle{}
	p.covered(func(i, cover int) {
		for k := range 3 {
			full.Pix[4*i+k] = uint8(min(max(p.canvas[3*i+k]/256, 0), 255))
		}
		full.Pix[4*i+3] = uint8(cover * 255 / fullCover)
		bounds = bounds.Union(image.Rect(i%size, i/size, i%size+1, i/size+1))
	})
	cut := image.NewNRGBA(image.Rectangle{Max: bounds.Size()})
	for y := range cut.Rect.Max.Y {
		copy(cut.Pix[y*cut.Stride:(y+1)*cut.Stride], full.Pix[full.PixOffset(bounds.Min.X, bounds.Min.Y+y):])
	}
	return cut
}

// Background is what Shapes are drawn on, without a shape: gradients, patches, fragments and noise, busier with more clutter
// (up to 1). It is a function of its arguments alone. It panics unless size is 16 to 512.
func Background(size int, clutter float64, seed, number uint64) *image.NRGBA {
	if size < 16 || size > 512 {
		panic(fmt.Sprintf("synth: background of %d pixels; want 16 to 512", size))
	}
	p := newPainter(size, min(clutter, 1), 0)
	p.source.Seed(seed, backgroundStream+number)
	p.background()
	for range p.clutter * 14 / 256 {
		p.fragment(p.light())
	}
	pixels := make([]uint8, 3*size*size)
	p.write(pixels)
	im := image.NewNRGBA(image.Rect(0, 0, size, size))
	for i := range size * size {
		copy(im.Pix[4*i:], pixels[3*i:3*i+3])
		im.Pix[4*i+3] = 255
	}
	return im
}

// SpriteClass deals the classes 0 to classes−1 like cards: each run of that many numbers has each once.
func SpriteClass(seed, number uint64, classes int) int {
	deck := rand.New(rand.NewPCG(seed, labelStream+number/uint64(classes))).Perm(classes)
	return deck[number%uint64(classes)]
}
