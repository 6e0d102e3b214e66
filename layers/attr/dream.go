package attr

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// DreamOptions configures Dream.
type DreamOptions struct {
	Octaves    int         // sizes that are worked on, the last one the images' own; 0: 4
	Ratio      float64     // of a size to the one before; 0: 1.4
	Steps      int         // at each size; 0: 10
	Rate       float64     // how far a step moves a typical value; 0: 0.02
	Low, High  []float64   // bounds for each channel; nil: none
	Transforms []Transform // nil: Jitter by a sixteenth of the side
	Seed       uint64
	Progress   func(done, total int, note string)
}

// Dream lets a network draw what it sees into images [B H W C] (Mordvintsev et al. 2015, "DeepDream"): gradient ascent of
// objective, Energy of a tap as a rule, from a small copy of the images up to their own size; what was drawn at one size is
// taken along, enlarged, to the next. The network meets several sizes, so the objective must speak about taps that do not
// mind. A step is divided by the mean magnitude of the image's gradient.
//
// It returns [B H W C]. When ctx ends there is nothing but the error.
func Dream(ctx context.Context, backend compute.Backend, store *model.Store, network Network, images *tensors.Tensor, objective Objective, o DreamOptions) (*tensors.Tensor, error) {
	if err := checkImages(images); err != nil {
		return nil, fmt.Errorf("dream: %w", err)
	}
	d := images.Shape().Dimensions
	if err := o.complete(d); err != nil {
		return nil, err
	}
	step, err := model.NewExec(backend, store, func(s *model.Scope, x, u *Node) *Node {
		a := activate(s, network, transformed(x, u, o.Transforms, nil))
		a.Images = x
		gradient := Gradient(ReduceAllSum(objective(a)), x)[0]
		typical := ReduceAndKeep(Abs(gradient), ReduceMean, 1, 2, 3) // [B 1 1 1]
		x = Add(x, MulScalar(Div(gradient, AddScalar(typical, 1e-12)), o.Rate))
		if o.Low != nil {
			x = Max(Min(x, perChannel(x, o.High)), perChannel(x, o.Low))
		}
		return x
	})
	if err != nil {
		return nil, err
	}
	defer step.Finalize()

	r := rand.New(rand.NewPCG(o.Seed, 0))
	var x, detail *tensors.Tensor // detail is what has been drawn so far, at the size before
	defer func() { release(x, detail) }()
	for octave := range o.Octaves {
		shrink := math.Pow(o.Ratio, float64(octave+1-o.Octaves))
		h, w := max(1, int(math.Round(float64(d[1])*shrink))), max(1, int(math.Round(float64(d[2])*shrink)))
		base, err := resized(backend, images, h, w)
		if err != nil {
			return nil, err
		}
		x = base
		if detail != nil {
			if x, err = drawn(backend, base, detail); err != nil {
				release(base)
				return nil, err
			}
		}
		for i := range o.Steps {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("dream: stopped in octave %d of %d: %w", octave+1, o.Octaves, err)
			}
			u := uniform(r, d[0], randoms(o.Transforms))
			outputs, err := step.Call(x, u)
			release(u)
			if err != nil {
				return nil, fmt.Errorf("dream: images of %d×%d: %w", h, w, err)
			}
			if x != base {
				release(x)
			}
			x = outputs[0]
			if o.Progress != nil {
				o.Progress(octave*o.Steps+i+1, o.Octaves*o.Steps, fmt.Sprintf("octave %d of %d", octave+1, o.Octaves))
			}
		}
		if octave == o.Octaves-1 {
			release(base)
			break
		}
		release(detail)
		detail, err = CallOnce(backend, func(x, base *Node) *Node { return Sub(x, base) }, x, base)
		release(x, base)
		x = nil
		if err != nil {
			return nil, err
		}
	}
	result := x
	x = nil // the caller's from now on
	return result, nil
}

func (o *DreamOptions) complete(d []int) error {
	if o.Octaves == 0 {
		o.Octaves = 4
	}
	if o.Ratio == 0 {
		o.Ratio = 1.4
	}
	if o.Steps == 0 {
		o.Steps = 10
	}
	if o.Rate == 0 {
		o.Rate = 0.02
	}
	if o.Transforms == nil {
		o.Transforms = []Transform{Jitter(max(1, min(d[1], d[2])/16))}
	}
	switch {
	case o.Octaves < 1 || o.Steps < 1 || o.Ratio <= 1:
		return fmt.Errorf("dream: %d octaves of %d steps at a ratio of %g; the ratio must be more than 1", o.Octaves, o.Steps, o.Ratio)
	case (o.Low == nil) != (o.High == nil) || o.Low != nil && (len(o.Low) != d[3] || len(o.High) != d[3]):
		return fmt.Errorf("dream: Low has %d numbers and High %d, for images of %d channels", len(o.Low), len(o.High), d[3])
	}
	return nil
}

// resized is images at another size.
func resized(backend compute.Backend, images *tensors.Tensor, h, w int) (*tensors.Tensor, error) {
	return CallOnce(backend, func(x *Node) *Node { return atSize(asFloat32(x), h, w) }, images)
}

// drawn adds what was drawn at a smaller size.
func drawn(backend compute.Backend, base, detail *tensors.Tensor) (*tensors.Tensor, error) {
	d := base.Shape().Dimensions
	return CallOnce(backend, func(base, detail *Node) *Node { return Add(base, atSize(detail, d[1], d[2])) }, base, detail)
}

// atSize is x [B H W C] at h×w.
func atSize(x *Node, h, w int) *Node {
	if d := x.Shape().Dimensions; d[1] == h && d[2] == w {
		return x
	}
	return Interpolate(x, NoInterpolation, h, w, NoInterpolation).Bilinear().Done()
}
