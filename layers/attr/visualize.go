package attr

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// VisualizeOptions configures Visualize. Height, Width and Channels must be set.
type VisualizeOptions struct {
	Images                  int // made at once; 0: 1
	Height, Width, Channels int
	Steps                   int             // 0: 256
	Rate                    float64         // of Adam; 0: 0.05
	Parametrization         Parametrization // nil: Fourier(1)
	// Color mixes independent numbers into channels, row by row; nil: NaturalColor for three channels, else no mixing.
	Color [][]float64
	// Low and High bound each channel, in the units that the network was trained on: black and white, as a rule. The
	// middle is the start. nil: no bounds; then an LpNorm keeps images from growing for ever.
	Low, High  []float64
	Transforms []Transform // nil: none; Robust(side) are the usual ones
	Fill       []float64   // of what a transform moves in from outside, for each channel; nil: 0
	Seed       uint64      // of the start and of the transforms
	Progress   func(done, total int, note string)
}

// A Visualization is what Visualize found.
type Visualization struct {
	Images  *tensors.Tensor // [n H W C], in the units that the network was trained on
	Scores  []float64       // the objective of each image as it is, without transforms
	History [][]float64     // the objective before each step, under that step's transforms: [step][image]
}

// Visualize makes images that a network answers most to, as objective scores it (Erhan et al. 2009; Olah et al. 2017):
// gradient ascent, by Adam, of the numbers behind the images. All images are one batch of one compiled step. When ctx
// ends, the images so far come back with the error.
//
// Images may have another size than the network was trained on, as long as the objective speaks only about taps before
// the layers that mind.
func Visualize(ctx context.Context, backend compute.Backend, store *model.Store, network Network, objective Objective, o VisualizeOptions) (*Visualization, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	step, err := model.NewExec(backend, store, func(s *model.Scope, inputs []*Node) []*Node {
		p, m, v, u, t := inputs[0], inputs[1], inputs[2], inputs[3], inputs[4]
		a := activate(s, network, transformed(o.images(p), u, o.Transforms, o.Fill))
		a.Images = o.images(p)
		scores := objective(a) // [n]
		gradient := Gradient(ReduceAllSum(scores), p)[0]
		p, m, v = adam(p, m, v, gradient, t, o.Rate)
		return []*Node{p, m, v, asFloat32(scores)}
	})
	if err != nil {
		return nil, err
	}
	defer step.Finalize()
	look, err := model.NewExec(backend, store, func(s *model.Scope, p *Node) (images, scores *Node) {
		a := activate(s, network, o.images(p))
		return a.Images, asFloat32(objective(a))
	})
	if err != nil {
		return nil, err
	}
	defer look.Finalize()

	r := rand.New(rand.NewPCG(o.Seed, 0))
	shape := shapes.Make(dtypes.Float32, o.Images, o.Height, o.Width, o.Channels)
	start := make([]float32, shape.Size())
	for i := range start {
		start[i] = float32(0.01 * r.NormFloat64())
	}
	state := []*tensors.Tensor{tensors.FromFlatDataAndDimensions(start, shape.Dimensions...), tensors.FromShape(shape), tensors.FromShape(shape)}
	defer func() { release(state...) }()
	result := &Visualization{}
	var stopped error
	for i := range o.Steps {
		if err := ctx.Err(); err != nil {
			stopped = fmt.Errorf("feature visualisation: stopped after %d of %d steps: %w", i, o.Steps, err)
			break
		}
		u := uniform(r, o.Images, randoms(o.Transforms))
		outputs, err := step.Call(state[0], state[1], state[2], u, float32(i+1))
		release(u)
		if err != nil {
			return nil, fmt.Errorf("feature visualisation: %w", err)
		}
		release(state...)
		state = outputs[:3]
		scores := float64s(outputs[3])
		release(outputs[3])
		result.History = append(result.History, scores)
		if o.Progress != nil {
			o.Progress(i+1, o.Steps, fmt.Sprintf("objective %.3g", scores[0]))
		}
	}
	outputs, err := look.Call(state[0])
	if err != nil {
		return nil, fmt.Errorf("feature visualisation: %w", err)
	}
	result.Images, result.Scores = outputs[0], float64s(outputs[1])
	release(outputs[1])
	return result, stopped
}

// complete fills in the defaults.
func (o *VisualizeOptions) complete() error {
	if o.Height < 1 || o.Width < 1 || o.Channels < 1 || o.Images < 0 {
		return fmt.Errorf("feature visualisation: %d images of %d×%d×%d: set Height, Width and Channels", o.Images, o.Height, o.Width, o.Channels)
	}
	if o.Images == 0 {
		o.Images = 1
	}
	if o.Steps == 0 {
		o.Steps = 256
	}
	if o.Rate == 0 {
		o.Rate = 0.05
	}
	if o.Parametrization == nil {
		o.Parametrization = Fourier(1)
	}
	if o.Color == nil && o.Channels == 3 {
		o.Color = NaturalColor
	}
	for _, row := range o.Color {
		if len(row) != o.Channels {
			return fmt.Errorf("feature visualisation: Color has a row of %d numbers for %d channels", len(row), o.Channels)
		}
	}
	if o.Color != nil && len(o.Color) != o.Channels {
		return fmt.Errorf("feature visualisation: Color has %d rows for %d channels", len(o.Color), o.Channels)
	}
	for name, values := range map[string][]float64{"Low": o.Low, "High": o.High, "Fill": o.Fill} {
		if values != nil && len(values) != o.Channels {
			return fmt.Errorf("feature visualisation: %s has %d numbers for %d channels", name, len(values), o.Channels)
		}
	}
	if (o.Low == nil) != (o.High == nil) {
		return fmt.Errorf("feature visualisation: set both Low and High, or none")
	}
	return nil
}

// images makes images of the numbers that are optimised.
func (o *VisualizeOptions) images(p *Node) *Node {
	x := o.Parametrization(p)
	if o.Color != nil {
		x = mixed(x, o.Color)
	}
	if o.Low != nil {
		x = bounded(x, o.Low, o.High)
	}
	return x
}

// adam is a step uphill (Kingma, Ba 2015, algorithm 1) with its usual constants; t is the number of the step, from 1.
func adam(p, m, v, gradient, t *Node, rate float64) (newP, newM, newV *Node) {
	const beta1, beta2 = 0.9, 0.999
	m = Add(MulScalar(m, beta1), MulScalar(gradient, 1-beta1))
	v = Add(MulScalar(v, beta2), MulScalar(Square(gradient), 1-beta2))
	mHat := Div(m, OneMinus(Pow(ConstAs(p, beta1), t)))
	vHat := Div(v, OneMinus(Pow(ConstAs(p, beta2), t)))
	return Add(p, MulScalar(Div(mHat, AddScalar(Sqrt(vHat), 1e-8)), rate)), m, v
}

func uniform(r *rand.Rand, rows, columns int) *tensors.Tensor {
	values := make([]float32, rows*columns)
	for i := range values {
		values[i] = r.Float32()
	}
	return tensors.FromFlatDataAndDimensions(values, rows, columns)
}

// float64s are the values of a float32 or float64 tensor.
func float64s(t *tensors.Tensor) []float64 {
	if t.DType() == dtypes.Float64 {
		return tensors.MustCopyFlatData[float64](t)
	}
	values := tensors.MustCopyFlatData[float32](t)
	wide := make([]float64, len(values))
	for i, v := range values {
		wide[i] = float64(v)
	}
	return wide
}

// release frees tensors that nobody else has.
func release(ts ...*tensors.Tensor) {
	for _, t := range ts {
		if t != nil {
			_ = t.FinalizeAll() // what was freed before stays so
		}
	}
}
