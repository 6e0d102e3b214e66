package dropblock

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/layers"
)

// Gamma is the probability of each place where a whole square fits to be the corner of a dropped one (equation 1): so that
// a share 1−keep of a map of h×w is dropped, if squares didn't overlap. They do, so it is a little less.
func Gamma(h, w, block int, keep float64) float64 { return (1 - keep) * gammaFactor(h, w, block) }

func gammaFactor(h, w, block int) float64 {
	return float64(h*w) / float64(block*block) / float64((h-block+1)*(w-block+1))
}

// DropBlock drops squares of block×block values in training and scales the rest so that the sum of the mask stays what it was
// (algorithm 1); in evaluation it returns x. x [B H W C] → [B H W C]. drop is the share to drop, a scalar: 1−keep.
//
// Each channel has squares of its own, unless shared. block is cut to the map's size, and 0 stands for that: then each channel
// is dropped whole. With block 1 it is dropout.
func DropBlock(s *model.Scope, x *graph.Node, block int, drop *graph.Node, shared bool) *graph.Node {
	if x.Rank() != 4 || block < 0 {
		Panicf("dropblock.DropBlock in scope %q: squares of %d in %s: want 0 or more, and [B H W C]", s.Scope(), block, x.Shape())
	}
	g := x.Graph()
	if !s.IsTraining(g) {
		return x
	}
	d := x.Shape().Dimensions
	batch, h, w, channels := d[0], d[1], d[2], d[3]
	high, wide := block, block
	if block == 0 {
		high, wide = h, w
	}
	high, wide = min(high, h), min(wide, w)
	masks := channels
	if shared {
		masks = 1
	}
	gamma := graph.MulScalar(drop, float64(h*w)/float64(high*wide)/float64((h-high+1)*(w-wide+1)))
	corners := graph.LessThan(s.RandomUniform(g, shapes.Make(dtypes.Float32, batch, h-high+1, w-wide+1, masks)), gamma)
	dropped := graph.ConvertDType(corners, dtypes.Float32) // [B H-block+1 W-block+1 C]
	// A value is dropped if any square that holds it is: the largest corner of a window, one axis after the other.
	dropped = layers.MaxPool(dropped, layers.PoolOptions{Sizes: []int{high, 1}, Stride: 1, Pad: layers.Pads(high-1, high-1, 0, 0)})
	dropped = layers.MaxPool(dropped, layers.PoolOptions{Sizes: []int{1, wide}, Stride: 1, Pad: layers.Pads(0, 0, wide-1, wide-1)}) // [B H W C]
	kept := graph.OneMinus(dropped)
	scale := graph.MulScalar(graph.Reciprocal(graph.MaxScalar(graph.ReduceAllSum(kept), 1)), float64(kept.Shape().Size()))
	mask := graph.ConvertDType(graph.Mul(kept, scale), x.DType()) // [B H W C]
	return graph.Mul(x, mask)                                     // a shared mask, [B H W 1], is for all channels
}
