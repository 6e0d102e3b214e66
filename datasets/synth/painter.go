package synth

import (
	"math"
	"math/rand/v2"
)

type colour [3]int

// painter draws one image after the other on a canvas of its own.
type painter struct {
	size    int
	clutter int // 0 … 256
	turn    int // the shape's largest rotation either way, in 1024ths of a full turn
	source  *rand.PCG
	random  *rand.Rand
	raster  *raster
	canvas  []int // [size size 3], 0 … 255 in 256ths
	placed  [][]point
}

func newPainter(size int, clutter, degrees float64) *painter {
	p := &painter{size: size, clutter: int(math.Round(256 * max(clutter, 0))), turn: int(math.Round(turn * degrees / 360)), source: rand.NewPCG(0, 0), raster: newRaster(size)}
	p.random = rand.New(p.source)
	p.canvas = make([]int, size*size*3)
	return p
}

// between returns a whole number from lo to hi, both included.
func (p *painter) between(lo, hi int) int { return lo + int(p.random.Uint32N(uint32(hi-lo+1))) }

// pixels converts 256ths of the image's side to units.
func (p *painter) units(part int) int { return part * p.size * pixel / 256 }

// paint draws the shape before a background, and writes the pixels, the mask and the box.
func (p *painter) paint(shape outline, pixels, mask []uint8) (box [4]int) {
	p.background()
	own := p.light()
	for range p.clutter * 14 / 256 {
		// Some fragments have the shape's colour, so that looking for the colour doesn't find the shape.
		c := own
		if p.between(0, 2) > 0 {
			c = p.light()
		}
		p.fragment(c)
	}

	radius := p.units(p.between(46, 80))
	p.place(shape, radius, p.between(230, 286), p.between(-p.turn, p.turn))
	p.centre()
	p.raster.fill(p.placed)
	p.blend(p.visible(own), p.between(0, 40))
	box = p.writeMask(mask)
	p.write(pixels)
	return box
}

// light returns the colour of a shape or a fragment, anything light: as photographs mostly have it, things are lighter
// than what is behind them, and a small network need not learn each edge twice, once for each sign. The range ends
// where shading and noise would be clipped.
func (p *painter) light() (c colour) {
	for k := range 3 {
		c[k] = p.between(130, 245)
	}
	c[p.between(0, 2)] = p.between(200, 245)
	return c
}

// background fills the canvas with a gradient between four related dark colours and patches of light and shade.
func (p *painter) background() {
	grey := p.between(35, 105)
	base := colour{grey + p.between(-25, 25), grey + p.between(-25, 25), grey + p.between(-25, 25)}
	spread := 5 + p.clutter*50/256
	var corner [4]colour
	for k := range corner {
		for c := range 3 {
			corner[k][c] = base[c] + p.between(-spread, spread)
		}
	}
	const cells = 6 // patches on a side
	var patch [cells + 1][cells + 1]colour
	depth := p.clutter * 44 / 256
	for y := range patch {
		for x := range patch[y] {
			light := p.between(-depth, depth)
			for c := range 3 {
				patch[y][x][c] = light + p.between(-depth/3, depth/3)
			}
		}
	}
	for y := range p.size {
		v := (2*y + 1) * 128 / p.size // 0 … 256 down the image
		py, fy := (v*cells)>>8, (v*cells)&255
		for x := range p.size {
			u := (2*x + 1) * 128 / p.size
			px, fx := (u*cells)>>8, (u*cells)&255
			out := p.canvas[(y*p.size+x)*3:][:3]
			for c := range 3 {
				out[c] = mix(corner[0][c], corner[1][c], corner[2][c], corner[3][c], u, v) +
					mix(patch[py][px][c], patch[py][px+1][c], patch[py+1][px][c], patch[py+1][px+1][c], fx, fy)
			}
		}
	}
}

// mix interpolates between the four corners of a cell; u and v are 256ths, and so is the result.
func mix(a, b, c, d, u, v int) int {
	top, bottom := a*(256-u)+b*u, c*(256-u)+d*u
	return (top*(256-v) + bottom*v) >> 8
}

// fragment draws a piece of something: a stroke, a bent stroke, a piece of a curve or a crumb. They have the corners
// and curves that the shapes have, so that one corner alone doesn't tell a shape.
func (p *painter) fragment(c colour) {
	at := point{p.between(0, p.size*pixel), p.between(0, p.size*pixel)}
	length, width := p.units(p.between(18, 60)), p.units(p.between(5, 12))
	angle := p.between(0, turn-1)
	p.placed = p.placed[:0]
	switch p.between(0, 3) {
	case 0:
		p.stroke(at, length, width, angle)
	case 1:
		end := p.stroke(at, length, width, angle)
		p.raster.fill(p.placed)
		p.blend(c, 0)
		p.placed = p.placed[:0]
		p.stroke(end, length*2/3, width, angle+p.between(turn/6, turn/3))
	case 2:
		p.curve(at, length*2/3, width, angle, p.between(turn/6, turn/3))
	case 3:
		p.crumb(at, length/2)
	}
	p.raster.fill(p.placed)
	p.blend(c, 0)
}

func along(from point, distance, angle int) point {
	return point{from.x + distance*cosine(angle)/one, from.y + distance*sine(angle)/one}
}

// stroke places a bar and returns its far end.
func (p *painter) stroke(at point, length, width, angle int) (end point) {
	end = along(at, length, angle)
	side := along(point{}, width/2, angle+turn/4)
	p.placed = append(p.placed, []point{
		{at.x - side.x, at.y - side.y}, {end.x - side.x, end.y - side.y}, {end.x + side.x, end.y + side.y}, {at.x + side.x, at.y + side.y},
	})
	return end
}

// curve places a piece of a ring that goes on for extent, an angle.
func (p *painter) curve(at point, radius, width, angle, extent int) {
	const steps = 8
	var polygon []point
	for i := range steps + 1 {
		polygon = append(polygon, along(at, radius+width/2, angle+extent*i/steps))
	}
	for i := range steps + 1 {
		polygon = append(polygon, along(at, radius-width/2, angle+extent*(steps-i)/steps))
	}
	p.placed = append(p.placed, polygon)
}

// crumb places an irregular patch.
func (p *painter) crumb(at point, radius int) {
	var polygon []point
	corners := p.between(4, 7)
	for i := range corners {
		polygon = append(polygon, along(at, radius*p.between(35, 100)/100, turn*i/corners))
	}
	p.placed = append(p.placed, polygon)
}

// place turns and stretches the shape: radius in units, stretch in 256ths along its own x axis.
func (p *painter) place(shape outline, radius, stretch, angle int) {
	p.placed = p.placed[:0]
	c, s := cosine(angle), sine(angle)
	for _, polygon := range shape {
		var placed []point
		for _, q := range polygon {
			x, y := q.x*stretch/256, q.y*256/stretch
			placed = append(placed, point{(x*c - y*s) / one * radius / one, (x*s + y*c) / one * radius / one})
		}
		p.placed = append(p.placed, placed)
	}
}

// centre moves what is placed to a random place where all of it is at least a pixel inside the image.
func (p *painter) centre() {
	lowest, highest := point{}, point{}
	for _, polygon := range p.placed {
		for _, q := range polygon {
			lowest = point{min(lowest.x, q.x), min(lowest.y, q.y)}
			highest = point{max(highest.x, q.x), max(highest.y, q.y)}
		}
	}
	side := (p.size - 1) * pixel
	move := point{p.between(pixel-lowest.x, side-highest.x), p.between(pixel-lowest.y, side-highest.y)}
	for _, polygon := range p.placed {
		for i := range polygon {
			polygon[i].x += move.x
			polygon[i].y += move.y
		}
	}
}

// visible returns c, or a colour made from it, that differs enough from what lies under the shape.
func (p *painter) visible(c colour) colour {
	var under colour
	weight := 0
	p.covered(func(i, cover int) {
		for k := range 3 {
			under[k] += p.canvas[3*i+k] / 256 * cover
		}
		weight += cover
	})
	for range 8 {
		distance := 0
		for k := range 3 {
			d := c[k] - under[k]/max(weight, 1)
			distance += d * d
		}
		if distance >= 75*75 {
			return c
		}
		c = p.light()
	}
	return colour{245, 245, 245} // unlucky eight times
}

// covered calls f for each pixel of the last fill that has any cover, with its number.
func (p *painter) covered(f func(i, cover int)) {
	for y := p.raster.y0; y < p.raster.y1; y++ {
		for x := p.raster.x0; x < p.raster.x1; x++ {
			if cover := p.raster.cover[y*p.size+x]; cover > 0 {
				f(y*p.size+x, cover)
			}
		}
	}
}

// blend paints the last fill, with light that falls by shade from one side of the image to the other.
func (p *painter) blend(c colour, shade int) {
	light := point{}
	if shade > 0 {
		light = along(point{}, shade*256, p.between(0, turn-1))
	}
	p.covered(func(i, cover int) {
		x, y := i%p.size*2-p.size, i/p.size*2-p.size
		bright := (x*light.x + y*light.y) / p.size
		for k := range 3 {
			v := &p.canvas[3*i+k]
			*v += (c[k]*256 + bright - *v) * cover / fullCover
		}
	})
}

func (p *painter) writeMask(mask []uint8) (box [4]int) {
	clear(mask)
	box = [4]int{p.size, p.size, 0, 0}
	p.covered(func(i, cover int) {
		if 2*cover < fullCover {
			return
		}
		mask[i] = 1
		x, y := i%p.size, i/p.size
		box = [4]int{min(box[0], x), min(box[1], y), max(box[2], x+1), max(box[3], y+1)}
	})
	return box
}

// write adds the noise of a camera, a sum of two uniform numbers for each value, and rounds to bytes.
func (p *painter) write(pixels []uint8) {
	amount := 2 + p.clutter*14/256
	var bits uint64
	for i := range pixels {
		if i%4 == 0 {
			bits = p.random.Uint64()
		}
		noise := int(bits&255) + int(bits>>8&255) - 255 // −255 … 255
		bits >>= 16
		pixels[i] = uint8(min(max((p.canvas[i]+noise*amount+128)>>8, 0), 255))
	}
}
