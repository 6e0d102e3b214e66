package attr

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

type tapSizeKey struct{}

// AtTapSize makes a class activation method give its maps as they are at the tap, [B h w], not resized to the image.
func AtTapSize(method Method) Method {
	return func(s *model.Scope, network Network, x *Node, target Target) *Node {
		g := x.Graph()
		before := g.State(tapSizeKey{})
		g.AttachState(tapSizeKey{}, true)
		defer g.AttachState(tapSizeKey{}, before)
		return method(s, network, x, target)
	}
}

// toImage resizes maps [… h w] to the height and width of x [B H W C], unless AtTapSize says not to.
func toImage(maps, x *Node) *Node {
	if raw, _ := x.Graph().State(tapSizeKey{}).(bool); raw {
		return maps
	}
	return bilinear(maps, x.Shape().Dimensions[1], x.Shape().Dimensions[2])
}

// bilinear resizes maps [… h w] → [… height width]. Pixels are little squares whose corners meet those of the result
// (half-pixel centres), as PyTorch's interpolate with align_corners=False and TensorFlow's resize do; beyond the outer
// centres the edge goes on.
//
// It is two products of matrices rather than GoMLX's Interpolate, which gathers a 3×3 neighbourhood for each pixel and has no
// gradient for small inputs.
func bilinear(maps *Node, height, width int) *Node {
	dims := maps.Shape().Dimensions
	rank := len(dims)
	if h := dims[rank-2]; h != height {
		maps = Einsum("nhw,Hh->nHw", Reshape(maps, -1, h, dims[rank-1]), resizing(maps, h, height))
		dims = append(append([]int{}, dims[:rank-2]...), height, dims[rank-1])
		maps = Reshape(maps, dims...)
	}
	if w := dims[rank-1]; w != width {
		maps = Einsum("nhw,Ww->nhW", Reshape(maps, -1, height, w), resizing(maps, w, width))
		maps = Reshape(maps, append(append([]int{}, dims[:rank-1]...), width)...)
	}
	return maps
}

func resizing(like *Node, from, to int) *Node {
	return constant(like, resizeMatrix(from, to), to, from)
}

// resizeMatrix is a bilinear resize along one axis, [to from].
func resizeMatrix(from, to int) []float64 {
	matrix := make([]float64, to*from)
	for i := range to {
		position := (float64(i)+0.5)*float64(from)/float64(to) - 0.5
		position = min(max(position, 0), float64(from-1))
		low := int(math.Floor(position))
		high := min(low+1, from-1)
		share := position - float64(low)
		matrix[i*from+low] += 1 - share
		matrix[i*from+high] += share
	}
	return matrix
}
