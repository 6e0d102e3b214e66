package attr

import (
	"context"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// FeatureOptions configures Features.
type FeatureOptions struct {
	Batch int  // images at a time; 0: 64
	Pool  bool // the mean of each channel over all places: [N C]
}

// Features returns a tap's values on images [N H W C]: [N …]. An empty name means the network's outputs. The network may
// be one whose end does not fit the images, as in Visualize.
func Features(ctx context.Context, backend compute.Backend, store *model.Store, network Network, images *tensors.Tensor, tap string, o FeatureOptions) (*tensors.Tensor, error) {
	if err := checkImages(images); err != nil {
		return nil, err
	}
	if o.Batch <= 0 {
		o.Batch = 64
	}
	exec, err := model.NewExec(backend, store, func(s *model.Scope, x *Node) *Node {
		// GoMLX's pure-Go backend fails on variables made after the last output: the identity is made after them all.
		return Identity(asFloat32(tapped(activate(s, network, x), tap, o.Pool)))
	})
	if err != nil {
		return nil, err
	}
	defer exec.Finalize()
	var values []float32
	var dimensions []int
	err = inBatches(ctx, images, o.Batch, func(_ int, x *tensors.Tensor) error {
		outputs, err := exec.Call(x)
		if err != nil {
			return err
		}
		values = append(values, tensors.MustCopyFlatData[float32](outputs[0])...)
		dimensions = outputs[0].Shape().Clone().Dimensions
		release(outputs[0])
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("features: %w", err)
	}
	dimensions[0] = images.Shape().Dimensions[0]
	return tensors.FromFlatDataAndDimensions(values, dimensions...), nil
}

// tapped is a tap's value or, for "", the outputs; with pool the mean of each channel.
func tapped(a *Activations, tap string, pool bool) *Node {
	var value *Node
	if tap == "" {
		value = a.Outputs()
	} else {
		value = a.Tap(tap)
	}
	if pool && value.Rank() > 2 {
		d := value.Shape().Dimensions
		value = ReduceMean(Reshape(value, d[0], -1, d[len(d)-1]), 1) // [B C]
	}
	return value
}

func checkImages(images *tensors.Tensor) error {
	if shape := images.Shape(); shape.Rank() != 4 || !shape.DType.IsFloat() || shape.Size() == 0 {
		return fmt.Errorf("images of shape %s, want floating point [N H W C]; a single image is [1 H W C]", shape)
	}
	return nil
}

// inBatches hands out images [N …] in batches, in order; the last may be smaller. first is the number of a batch's first
// image.
func inBatches(ctx context.Context, images *tensors.Tensor, size int, use func(first int, x *tensors.Tensor) error) error {
	d := images.Shape().Dimensions
	if d[0] <= size {
		if err := ctx.Err(); err != nil {
			return err
		}
		return use(0, images)
	}
	if images.DType() == dtypes.Float64 {
		return batchesOf(ctx, tensors.MustCopyFlatData[float64](images), d, size, use)
	}
	return batchesOf(ctx, tensors.MustCopyFlatData[float32](images), d, size, use)
}

func batchesOf[T float32 | float64](ctx context.Context, flat []T, d []int, size int, use func(first int, x *tensors.Tensor) error) error {
	each := len(flat) / d[0]
	for first := 0; first < d[0]; first += size {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(size, d[0]-first)
		x := tensors.FromFlatDataAndDimensions(flat[first*each:(first+n)*each], append([]int{n}, d[1:]...)...)
		err := use(first, x)
		release(x)
		if err != nil {
			return err
		}
	}
	return nil
}
