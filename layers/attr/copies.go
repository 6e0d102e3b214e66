package attr

import (
	"iter"

	"github.com/gomlx/compute/shapes"

	. "github.com/gomlx/gomlx/core/graph"
)

// passImages is how many images go through the network together where a method needs many versions of each image: enough
// to keep the processors busy, and few enough to stay in memory.
const passImages = 512

// maxPasses bounds how often the network is written into one program, since each makes it longer to compile. Where it
// binds, passes are larger than passImages.
const maxPasses = 8

// chunks splits n versions of a batch into passes of about equal size, [from, to).
func chunks(n, batch int) iter.Seq2[int, int] {
	passes := min((n*batch+passImages-1)/passImages, maxPasses, n)
	return func(yield func(int, int) bool) {
		for i := range passes {
			if !yield(i*n/passes, (i+1)*n/passes) {
				return
			}
		}
	}
}

// copies repeats a batch k times: x [B …] → [k B …].
func copies(x *Node, k int) *Node { return BroadcastPrefix(x, k) }

// flat makes one batch of k copies of a batch, [k B …] → [k·B …]; targets know how to deal with it.
func flat(x *Node) *Node {
	dims := x.Shape().Dimensions
	return Reshape(x, append([]int{dims[0] * dims[1]}, dims[2:]...)...)
}

// unflat is the inverse of flat: [k·B …] → [k B …].
func unflat(x *Node, k int) *Node {
	dims := x.Shape().Dimensions
	return Reshape(x, append([]int{k, dims[0] / k}, dims[1:]...)...)
}

// constant is a table of numbers in the data type of x.
func constant(x *Node, values []float64, dims ...int) *Node {
	narrow := make([]float32, len(values))
	for i, v := range values {
		narrow[i] = float32(v)
	}
	return ConvertDType(Reshape(Const(x.Graph(), narrow), dims...), x.DType())
}

// sumUp adds where there is something to add to.
func sumUp(sum, x *Node) *Node {
	if sum == nil {
		return x
	}
	return Add(sum, x)
}

// shapeLike is a shape with the data type of x.
func shapeLike(x *Node, dims ...int) shapes.Shape { return shapes.Make(x.DType(), dims...) }
