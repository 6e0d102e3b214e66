package attr

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// InfidelityOptions configures Infidelity.
type InfidelityOptions struct {
	Noise   float64 // standard deviation of the perturbations, in the images' units; 0: 0.2
	Samples int     // perturbations of each image; 0: 50
	Seed    uint64
	// Scaled compares after the best scale of each map, so that methods in other units can be compared at all: the least
	// squares of β in β·Iᵀφ against the change.
	Scaled bool
}

// Infidelity is, for each image, the mean of (Iᵀφ − (f(x) − f(x−I)))² over random perturbations I: how far the map φ is from
// saying what the score f does (Yeh et al. 2019, definition 2.1). f is the class's output, not its probability. For maps
// [B H W C] each value is perturbed; for maps [B H W] all channels of a pixel alike.
func (j *Judge) Infidelity(ctx context.Context, maps *tensors.Tensor, o InfidelityOptions) ([]float64, error) {
	if o.Noise == 0 {
		o.Noise = 0.2
	}
	if o.Samples == 0 {
		o.Samples = 50
	}
	if o.Noise < 0 || o.Samples < 1 {
		return nil, fmt.Errorf("infidelity: %d samples with noise %g", o.Samples, o.Noise)
	}
	d := j.images.Shape().Dimensions
	if _, err := j.perPixel(maps); err != nil {
		return nil, err
	}
	channels := 1
	if maps.Rank() == 4 {
		channels = maps.Shape().Dimensions[3]
	}
	if channels != 1 && channels != d[3] {
		return nil, fmt.Errorf("infidelity: maps of %d channels for images of %d", channels, d[3])
	}
	if j.change == nil {
		var err error
		// noise [B H W 1 or C] → the class's output for each image less noise [B]
		j.change, err = model.NewExec(j.backend, j.store, func(s *model.Scope, x, noise, classes *Node) *Node {
			return asFloat32(Class(classes)(j.net(s, Sub(x, Add(noise, ZerosLike(x))))))
		})
		if err != nil {
			return nil, err
		}
	}
	labels, err := classTensor(j.images.Shape(), j.classes)
	if err != nil {
		return nil, err
	}
	defer release(labels)
	ask := func(noise []float32) ([]float64, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := tensors.FromFlatDataAndDimensions(noise, d[0], d[1], d[2], channels)
		defer release(n)
		outputs, err := j.change.Call(j.images, n, labels)
		if err != nil {
			return nil, fmt.Errorf("infidelity: %w", err)
		}
		defer release(outputs...)
		return float64s(outputs[0]), nil
	}

	values := float64s(maps)
	each := len(values) / d[0]
	before, err := ask(make([]float32, len(values)))
	if err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(o.Seed, 0))
	// Sums over the samples of a², a·b and b², where a = Iᵀφ and b = f(x) − f(x−I).
	sums := make([][3]float64, d[0])
	for range o.Samples {
		noise := make([]float32, len(values))
		said := make([]float64, d[0])
		for i := range noise {
			noise[i] = float32(o.Noise * r.NormFloat64())
			said[i/each] += float64(noise[i]) * values[i]
		}
		after, err := ask(noise)
		if err != nil {
			return nil, err
		}
		for b, a := range said {
			change := before[b] - after[b]
			sums[b][0] += a * a
			sums[b][1] += a * change
			sums[b][2] += change * change
		}
	}
	result := make([]float64, d[0])
	for b, s := range sums {
		beta := 1.0
		if o.Scaled && s[0] > 0 {
			beta = s[1] / s[0]
		}
		result[b] = math.Max(0, beta*beta*s[0]-2*beta*s[1]+s[2]) / float64(o.Samples)
	}
	return result, nil
}

// SensitivityOptions configures MaxSensitivity.
type SensitivityOptions struct {
	Radius  float64 // of the perturbations of each value, in the images' units; 0: 0.02
	Samples int     // 0: 10
	Seed    uint64
}

// MaxSensitivity is, for each image, the largest change of its map among random perturbations within Radius, over the map's
// length (Yeh et al. 2019, definition 4.1; ‖φ(x+δ) − φ(x)‖/‖φ(x)‖): small is good, a map should not turn on what nobody sees.
// classes are as for Explain.
func MaxSensitivity(ctx context.Context, explainer *Explainer, images *tensors.Tensor, classes []int, o SensitivityOptions) ([]float64, error) {
	if err := checkImages(images); err != nil {
		return nil, fmt.Errorf("sensitivity: %w", err)
	}
	if o.Radius == 0 {
		o.Radius = 0.02
	}
	if o.Samples == 0 {
		o.Samples = 10
	}
	d := images.Shape().Dimensions
	r, flat := rand.New(rand.NewPCG(o.Seed, 0)), float64s(images)
	explain := func(radius float64) ([]float64, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		values := make([]float32, len(flat))
		for i, v := range flat {
			values[i] = float32(v + radius*(2*r.Float64()-1))
		}
		x := tensors.FromFlatDataAndDimensions(values, d...)
		defer release(x)
		maps, outputs, err := explainer.Explain(x, classes...)
		if err != nil {
			return nil, err
		}
		defer release(maps, outputs)
		return float64s(maps), nil
	}
	still, err := explain(0)
	if err != nil {
		return nil, err
	}
	largest, each := make([]float64, d[0]), len(still)/d[0]
	for range o.Samples {
		moved, err := explain(o.Radius)
		if err != nil {
			return nil, err
		}
		for b := range largest {
			change, length := 0.0, 0.0
			for i := b * each; i < (b+1)*each; i++ {
				change += (moved[i] - still[i]) * (moved[i] - still[i])
				length += still[i] * still[i]
			}
			if length > 0 {
				largest[b] = math.Max(largest[b], math.Sqrt(change/length))
			}
		}
	}
	return largest, nil
}
