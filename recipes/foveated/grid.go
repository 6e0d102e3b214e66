package foveated

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// Radii is the geometric sequence of n radii from inner to outer. Zooming an image by the ratio of two neighbours moves its log-polar view by
// a row. It panics unless 0 < inner < outer and n is at least 2.
func Radii(inner, outer float64, n int) []float64 {
	if !(inner > 0 && inner < outer) || n < 2 {
		Panicf("foveated: %d radii from %g to %g: want at least two, growing from above 0", n, inner, outer)
	}
	radii := make([]float64, n)
	for i := range radii {
		radii[i] = inner * math.Pow(outer/inner, float64(i)/float64(n-1))
	}
	return radii
}

// LogPolar has the places, relative to the fixation, of a log-polar grid with those radii for rows and that many angles for columns:
// the first points right, the others follow clockwise, as y points down. Turning an image by a column's angle moves its view by a column.
func LogPolar(radii []float64, columns int) (y, x []float64) {
	for _, r := range radii {
		for j := range columns {
			sin, cos := math.Sincos(2 * math.Pi * float64(j) / float64(columns))
			y, x = append(y, r*sin), append(x, r*cos)
		}
	}
	return y, x
}

// Plain has the places, relative to the middle, of n×n cells that share out an image of that size.
func Plain(size, n int) (y, x []float64) {
	at := func(i int) float64 { return (float64(i)+0.5)*float64(size)/float64(n) - float64(size)/2 }
	for i := range n {
		for j := range n {
			y, x = append(y, at(i)), append(x, at(j))
		}
	}
	return y, x
}

func (c Config) grid() (y, x []float64) {
	if !c.Polar {
		return Plain(c.Size, c.View)
	}
	return LogPolar(Radii(c.Inner, c.outer(), c.View), c.View)
}

func (c Config) outer() float64 {
	if c.Outer == 0 {
		return float64(c.Size-1) / 2
	}
	return c.Outer
}

// Sample reads images x [B H W C] at places in pixels, row by row of a grid, bilinearly and with zeros outside: [B rows columns C]. (0, 0) is the
// middle of the first pixel. The gradient flows to the images; the places are constants. It panics unless there are rows·columns places.
func Sample(x *graph.Node, ys, xs []float64, rows, columns int) *graph.Node {
	d := x.Shape().Dimensions
	if x.Rank() != 4 || len(ys) != rows*columns || len(xs) != len(ys) {
		Panicf("foveated.Sample: %d and %d places in %s for a grid of %d×%d: want [B H W C] and as many places", len(ys), len(xs), x.Shape(), rows, columns)
	}
	batch, h, w, channels := d[0], d[1], d[2], d[3]
	g := x.Graph()
	// With the batch inside, each place is one copy of B·C values.
	flat := graph.Reshape(graph.TransposeAllAxes(x, 1, 2, 0, 3), h*w, batch*channels) // [H·W B·C]
	var sum *graph.Node
	for corner := range 4 {
		index, weight := make([][]int32, len(ys)), make([][]float32, len(ys))
		for i := range ys {
			y0, x0 := math.Floor(ys[i]+1e-9), math.Floor(xs[i]+1e-9) // a place that rounding left just before a pixel is on it
			fy, fx := max(ys[i]-y0, 0), max(xs[i]-x0, 0)
			share := 1.0
			if corner&1 == 0 {
				share *= 1 - fx
			} else {
				share *= fx
				x0++
			}
			if corner&2 == 0 {
				share *= 1 - fy
			} else {
				share *= fy
				y0++
			}
			if y0 < 0 || y0 > float64(h-1) || x0 < 0 || x0 > float64(w-1) {
				share, y0, x0 = 0, 0, 0
			}
			index[i], weight[i] = []int32{int32(y0)*int32(w) + int32(x0)}, []float32{float32(share)}
		}
		values := graph.Gather(flat, graph.Const(g, index)) // [P B·C]
		values = graph.Mul(values, graph.ConvertDType(graph.Const(g, weight), x.DType()))
		if sum == nil {
			sum = values
		} else {
			sum = graph.Add(sum, values)
		}
	}
	sum = graph.Reshape(sum, rows, columns, batch, channels)
	return graph.TransposeAllAxes(sum, 2, 0, 1, 3) // [B rows columns C]
}

// Inverse puts log-polar views [B View View C] back on the plain grid of the images: [B Size Size C]. Inside the innermost circle lies that
// circle's colour; outside the outermost one all is 0.
func (c Config) Inverse(view *graph.Node) *graph.Node {
	ratio := math.Log(c.outer() / c.Inner)
	// The first column once more behind the last one, since angles go round.
	first := graph.SliceAxis(view, 2, graph.AxisRange(0, 1))
	view = graph.Concatenate([]*graph.Node{view, first}, 2) // [B View View+1 C]
	var rows, columns []float64
	middle := float64(c.Size-1) / 2
	for i := range c.Size {
		for j := range c.Size {
			y, x := float64(i)-middle, float64(j)-middle
			angle := math.Atan2(y, x)
			if angle < 0 {
				angle += 2 * math.Pi
			}
			r := max(math.Hypot(y, x), c.Inner)
			rows = append(rows, math.Log(r/c.Inner)/ratio*float64(c.View-1))
			columns = append(columns, angle/(2*math.Pi)*float64(c.View))
		}
	}
	return Sample(view, rows, columns, c.Size, c.Size)
}
