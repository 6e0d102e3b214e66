package attr

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// OcclusionOptions configures Occlusion.
type OcclusionOptions struct {
	Size   int     // side of the window; 0: a quarter of the image's smaller side
	Stride int     // between windows, at most Size; 0: half of Size
	Value  float64 // what is put into the window, in the units of the network's input
}

// Occlusion covers each part of the image in turn and sees how much the score falls (Zeiler, Fergus 2014, section 4.2):
// [B H W], at each pixel the mean fall over the windows that cover it. Negative where covering helps. It takes a forward
// pass for each place of the window.
func Occlusion(o OcclusionOptions) Method {
	return func(s *model.Scope, network Network, x *Node, target Target) *Node {
		o, dims := o, x.Shape().Dimensions
		batch, height, width := dims[0], dims[1], dims[2]
		if o.Size == 0 {
			o.Size = max(1, min(height, width)/4)
		}
		if o.Stride == 0 {
			o.Stride = max(1, o.Size/2)
		}
		if o.Size < 1 || o.Size > min(height, width) || o.Stride < 1 || o.Stride > o.Size {
			Panicf("attr.Occlusion: a window of %d×%d every %d pixels on images %s: want it inside of the image, and no gaps",
				o.Size, o.Size, o.Stride, x.Shape())
		}
		down, right := o.windows(height), o.windows(width)
		n := len(down) / height * (len(right) / width)
		// The windows of all places, row by row, as products of a range of rows and one of columns.
		var rows, columns []float64
		for i := range len(down) / height {
			for j := range len(right) / width {
				rows = append(rows, down[i*height:(i+1)*height]...)
				columns = append(columns, right[j*width:(j+1)*width]...)
			}
		}
		scores := forward(s, network, x, target).scores // [B]
		var occluded []*Node
		for from, to := range chunks(n, batch) {
			k := to - from
			window := Mul(constant(x, rows[from*height:to*height], k, 1, height, 1, 1), constant(x, columns[from*width:to*width], k, 1, 1, width, 1))
			covered := flat(Add(Mul(InsertAxes(x, 0), OneMinus(window)), MulScalar(window, o.Value))) // [k·B H W C]
			occluded = append(occluded, unflat(forward(s, network, covered, target).scores, k))
		}
		fall := asFloat32(Sub(InsertAxes(scores, 0), Concatenate(occluded, 0))) // [n B]
		r, c := constant(fall, rows, n, height), constant(fall, columns, n, width)
		total := Einsum("nbh,nw->bhw", Mul(InsertAxes(fall, -1), InsertAxes(r, 1)), c) // [B H W]
		return Div(total, InsertAxes(Einsum("nh,nw->hw", r, c), 0))
	}
}

// windows are the places of the window along an axis: [places length], one inside the window. The last one may hang over the
// end of the image.
func (o OcclusionOptions) windows(length int) []float64 {
	places := (length-o.Size+o.Stride-1)/o.Stride + 1
	values := make([]float64, places*length)
	for i := range places {
		for j := i * o.Stride; j < min(i*o.Stride+o.Size, length); j++ {
			values[i*length+j] = 1
		}
	}
	return values
}
