package synth

import "slices"

// Pictures are drawn on a grid of pixel×pixel units a pixel, with lines scan lines a pixel. Along a line the cover of a
// pixel is exact; across, it is the mean of its lines. So edges are anti-aliased, and full cover is fullCover.
const (
	pixel     = 256
	lines     = 4
	fullCover = pixel * lines
)

// raster fills polygons. It is reused from one polygon to the next, since allocating would cost more than filling.
type raster struct {
	size      int   // of the picture, in pixels
	cover     []int // [size size], of the last fill, inside its bounds
	crossings []int
	x0, y0    int // bounds of the last fill, in pixels
	x1, y1    int
}

func newRaster(size int) *raster { return &raster{size: size, cover: make([]int, size*size)} }

// fill computes the cover of the polygons, in units; a point that two of them enclose is outside of both.
func (r *raster) fill(polygons [][]point) {
	r.bound(polygons)
	for y := r.y0; y < r.y1; y++ {
		clear(r.cover[y*r.size+r.x0 : y*r.size+r.x1])
		for line := range lines {
			r.cross(polygons, y*pixel+line*(pixel/lines)+pixel/lines/2)
			for k := 0; k+1 < len(r.crossings); k += 2 {
				r.span(y, r.crossings[k], r.crossings[k+1])
			}
		}
	}
}

func (r *raster) bound(polygons [][]point) {
	lowest := polygons[0][0]
	highest := lowest
	for _, polygon := range polygons {
		for _, p := range polygon {
			lowest = point{min(lowest.x, p.x), min(lowest.y, p.y)}
			highest = point{max(highest.x, p.x), max(highest.y, p.y)}
		}
	}
	// Shifts, unlike divisions, round down below zero too.
	clip := func(v int) int { return min(max(v, 0), r.size) }
	r.x0, r.y0 = clip(lowest.x>>8), clip(lowest.y>>8)
	r.x1, r.y1 = clip(highest.x>>8+1), clip(highest.y>>8+1)
}

// cross lists, sorted, where the polygons' edges cross the horizontal line at y.
func (r *raster) cross(polygons [][]point, y int) {
	r.crossings = r.crossings[:0]
	for _, polygon := range polygons {
		p := polygon[len(polygon)-1]
		for _, q := range polygon {
			if (p.y <= y) != (q.y <= y) {
				r.crossings = append(r.crossings, p.x+(q.x-p.x)*(y-p.y)/(q.y-p.y))
			}
			p = q
		}
	}
	slices.Sort(r.crossings)
}

// span adds what lies between two places of a line in pixel row y.
func (r *raster) span(y, from, to int) {
	from, to = max(from, 0), min(to, r.size*pixel)
	if from >= to {
		return
	}
	row := r.cover[y*r.size : (y+1)*r.size]
	a, b := from/pixel, to/pixel
	if a == b {
		row[a] += to - from
		return
	}
	row[a] += (a+1)*pixel - from
	for x := a + 1; x < b; x++ {
		row[x] += pixel
	}
	if b < r.size {
		row[b] += to - b*pixel
	}
}
