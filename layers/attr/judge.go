package attr

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// A Judge measures how good maps are by asking the network again, about images that were changed as a map says. Its images
// are one batch, and one compiled program answers all of its questions about masked images. It is not safe for concurrent
// use.
type Judge struct {
	backend  compute.Backend
	images   *tensors.Tensor // [B H W C]
	classes  []int
	baseline []float64 // [C]
	outputs  int       // K

	masked *model.Exec // see NewJudge
	change *model.Exec // see infidelity; made when it is needed
	store  *model.Store
	net    Network
}

// NewJudge prepares to ask a network about images [B H W C] and their classes, one for each or one for all. baseline is what
// stands in for a pixel that is taken away, one number for each channel: nil is 0, the mean colour where inputs are centred.
func NewJudge(backend compute.Backend, store *model.Store, network Network, images *tensors.Tensor, classes []int, baseline []float64) (*Judge, error) {
	if err := checkImages(images); err != nil {
		return nil, fmt.Errorf("judge: %w", err)
	}
	d := images.Shape().Dimensions
	if baseline == nil {
		baseline = make([]float64, d[3])
	}
	if len(baseline) != d[3] {
		return nil, fmt.Errorf("judge: a baseline of %d numbers for %d channels", len(baseline), d[3])
	}
	if len(classes) == 1 {
		classes = slices.Repeat(classes, d[0])
	}
	labels, err := classTensor(images.Shape(), classes)
	if err != nil {
		return nil, fmt.Errorf("judge: %w", err)
	}
	release(labels)
	j := &Judge{backend: backend, store: store, net: network, images: images, classes: slices.Clone(classes), baseline: baseline}
	// x, fill [B H W C], keep [B H W]: a pixel is kept by that share, the rest is fill's.
	j.masked, err = model.NewExec(backend, store, func(s *model.Scope, x, fill, keep, classes *Node) (probability, outputs *Node) {
		keep = ExpandAxes(keep, -1)                      // [B H W 1]
		x = Add(Mul(x, keep), Mul(fill, OneMinus(keep))) // [B H W C]
		outputs = network(s, x)                          // [B K]
		return asFloat32(Class(classes)(Softmax(outputs))), asFloat32(outputs)
	})
	if err != nil {
		return nil, err
	}
	whole := slices.Repeat([]float32{1}, d[0]*d[1]*d[2])
	if _, err := j.probabilities(context.Background(), images, whole); err != nil {
		j.Close()
		return nil, err
	}
	for _, c := range classes {
		if c >= j.outputs {
			j.Close()
			return nil, fmt.Errorf("judge: class %d, the network has the classes 0 to %d", c, j.outputs-1)
		}
	}
	return j, nil
}

// Close frees the compiled programs.
func (j *Judge) Close() {
	j.masked.Finalize()
	if j.change != nil {
		j.change.Finalize()
	}
}

// probabilities are those of the classes, [B], when each pixel of the images is kept by the share that keep [B·H·W] says and
// fill [B H W C] shows elsewhere.
func (j *Judge) probabilities(ctx context.Context, fill *tensors.Tensor, keep []float32) ([]float64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	labels, err := classTensor(j.images.Shape(), j.classes)
	if err != nil {
		return nil, err
	}
	mask := tensors.FromFlatDataAndDimensions(keep, j.images.Shape().Dimensions[:3]...)
	results, err := j.masked.Call(j.images, fill, mask, labels)
	release(labels, mask)
	if err != nil {
		return nil, fmt.Errorf("judge: %w", err)
	}
	j.outputs = results[1].Shape().Dimensions[1]
	p := float64s(results[0])
	release(results...)
	return p, nil
}

// flatBaseline is the baseline at each pixel of a batch.
func (j *Judge) flatBaseline() *tensors.Tensor {
	shape := j.images.Shape()
	values := make([]float32, shape.Size())
	for i := range values {
		values[i] = float32(j.baseline[i%len(j.baseline)])
	}
	return tensors.FromFlatDataAndDimensions(values, shape.Dimensions...)
}

// perPixel is a batch of maps [B H W] or, by the sum over channels, [B H W C], on the host, image by image.
func (j *Judge) perPixel(maps *tensors.Tensor) ([][]float64, error) {
	return perPixel(maps, j.images.Shape().Dimensions)
}

func perPixel(maps *tensors.Tensor, images []int) ([][]float64, error) {
	shape := maps.Shape()
	if r := shape.Rank(); (r != 3 && r != 4) || !shape.DType.IsFloat() || !slices.Equal(shape.Dimensions[:3], images[:3]) {
		return nil, fmt.Errorf("maps of shape %s, want [%d %d %d] or that with channels", shape, images[0], images[1], images[2])
	}
	values, pixels := float64s(maps), images[1]*images[2]
	each := len(values) / images[0]
	channels := each / pixels
	result := make([][]float64, images[0])
	for b := range result {
		result[b] = make([]float64, pixels)
		for i, v := range values[b*each : (b+1)*each] {
			if math.IsNaN(v) {
				return nil, fmt.Errorf("the map of image %d holds NaN", b)
			}
			result[b][i/channels] += v
		}
	}
	return result, nil
}
