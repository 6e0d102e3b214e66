package synth

import "math"

// Coordinates are whole numbers throughout: floating point may be rounded differently where the processor fuses a
// multiplication and an addition, and then the same seed would draw other images on another machine.

// one is 1 in the fixed-point numbers of outlines, sines and cosines.
const one = 1 << 14

type point struct{ x, y int }

// An outline is a list of closed polygons; where two overlap there is a hole.
type outline [][]point

const turn = 1024 // angles are counted in 1024ths of a full turn

var cosines = func() (table [turn]int) {
	for i := range table {
		table[i] = int(math.Round(one * math.Cos(2*math.Pi*float64(i)/turn)))
	}
	return table
}()

func cosine(angle int) int { return cosines[angle&(turn-1)] }
func sine(angle int) int   { return cosines[(angle-turn/4)&(turn-1)] }

// outlines are the shapes of ShapeNames, around their centre of mass and of about the same size to the eye.
var outlines = []outline{
	unit(arc(1, 0, 360, 0, 0)),
	unit(polygon(-1, -1, 1, -1, 1, 1, -1, 1)),
	unit(arc(1, -90, 270, 0, 0, 3)),
	unit(star(5, 0.45)),
	unit(polygon(-1, -3, 1, -3, 1, -1, 3, -1, 3, 1, 1, 1, 1, 3, -1, 3, -1, 1, -3, 1, -3, -1, -1, -1)),
	unit(arc(1, 0, 360, 0, 0), arc(0.58, 0, 360, 0, 0)),
	unit(heart()),
	unit(append(arc(1, 50, 310, 0, 0), reversed(arc(0.766, 90, 270, 0.643, 0))...)),
	unit(polygon(-1, -0.3, 0.1, -0.3, 0.1, -0.85, 1.1, 0, 0.1, 0.85, 0.1, 0.3, -1, 0.3)),
	unit(arc(1, 0, 180, 0, 0)),
}

type contour [][2]float64

// arc runs from one angle to another, in degrees, around (x, y); count is the number of points of a full circle.
func arc(radius, from, to, x, y float64, count ...int) contour {
	full := 40
	if len(count) > 0 {
		full = count[0]
	}
	steps := int(math.Ceil(float64(full) * (to - from) / 360))
	var c contour
	for i := range steps + 1 {
		if i == steps && to-from == 360 {
			break // the first point again
		}
		a := (from + (to-from)*float64(i)/float64(steps)) * math.Pi / 180
		c = append(c, [2]float64{x + radius*math.Cos(a), y + radius*math.Sin(a)})
	}
	return c
}

func polygon(xy ...float64) (c contour) {
	for i := 0; i < len(xy); i += 2 {
		c = append(c, [2]float64{xy[i], xy[i+1]})
	}
	return c
}

func star(points int, inner float64) (c contour) {
	for i := range 2 * points {
		radius := 1.0
		if i%2 == 1 {
			radius = inner
		}
		a := math.Pi * (float64(i)/float64(points) - 0.5)
		c = append(c, [2]float64{radius * math.Cos(a), radius * math.Sin(a)})
	}
	return c
}

func heart() (c contour) {
	for i := range 40 {
		t := 2 * math.Pi * float64(i) / 40
		s := math.Sin(t)
		c = append(c, [2]float64{16 * s * s * s, -(13*math.Cos(t) - 5*math.Cos(2*t) - 2*math.Cos(3*t) - math.Cos(4*t))})
	}
	return c
}

func reversed(c contour) (r contour) {
	for i := range c {
		r = append(r, c[len(c)-1-i])
	}
	return r
}

// unit moves the centre of mass to 0 and scales halfway, as a geometric mean, between equal areas and equal radii, so
// that neither how many pixels a shape has nor how far it reaches gives it away.
func unit(contours ...contour) outline {
	area, cx, cy := 0.0, 0.0, 0.0
	for n, c := range contours {
		a, x, y := moments(c)
		if (n > 0) == (a > 0) { // the first is solid, the others are holes, whichever way they turn
			a, x, y = -a, -x, -y
		}
		area, cx, cy = area+a, cx+x, cy+y
	}
	cx, cy = cx/area, cy/area
	reach := 0.0
	for _, p := range contours[0] {
		reach = max(reach, math.Hypot(p[0]-cx, p[1]-cy))
	}
	scale := 1 / math.Sqrt(reach*math.Sqrt(math.Abs(area)/math.Pi))
	var o outline
	for _, c := range contours {
		var polygon []point
		for _, p := range c {
			polygon = append(polygon, point{int(math.Round(one * scale * (p[0] - cx))), int(math.Round(one * scale * (p[1] - cy)))})
		}
		o = append(o, polygon)
	}
	return o
}

// moments returns the signed area of a polygon and its first moments.
func moments(c contour) (area, mx, my float64) {
	for i, p := range c {
		q := c[(i+1)%len(c)]
		cross := p[0]*q[1] - q[0]*p[1]
		area += cross / 2
		mx += (p[0] + q[0]) * cross / 6
		my += (p[1] + q[1]) * cross / 6
	}
	return area, mx, my
}
