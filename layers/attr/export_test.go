package attr

import (
	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Transformed applies transforms with random numbers that a test chooses.
func Transformed(b compute.Backend, x, u *tensors.Tensor, transforms []Transform, fill []float64) (*tensors.Tensor, error) {
	return CallOnce(b, func(x, u *Node) *Node { return transformed(x, u, transforms, fill) }, x, u)
}
