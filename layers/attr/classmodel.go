package attr

import (
	"context"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// ClassModelOptions configures ClassModels. Classes, Height, Width and Channels must be set.
type ClassModelOptions struct {
	Classes                 []int // one image is made for each
	Height, Width, Channels int
	Steps                   int     // of gradient ascent; 0: 200
	Rate                    float64 // 0: 1
	Decay                   float64 // λ; 0: 0.01
	Momentum                float64 // of the ascent; 0: plain ascent, as in the paper
	// Normalize divides each image's gradient by its root mean square, so that Rate means the same for every network
	// and class: a step moves a typical value by Rate.
	Normalize bool
	Start     *tensors.Tensor                    // [len(Classes) H W C]; nil: zero images
	Progress  func(done, total int, note string) // nil: none
}

// A ClassModel is what ClassModels found.
type ClassModel struct {
	Images  *tensors.Tensor // [n H W C], in the units that the network was trained on
	Scores  []float64       // S_c of each image at the end
	History [][]float64     // S_c of each image before each step: [step][image]
}

// ClassModels makes, for each class, the image that the network finds most typical of it (Simonyan et al. 2014, eq. 1):
//
//	I* = argmax_I S_c(I) − λ‖I‖²
//
// by gradient ascent from zero, that is from the mean training image if the network's inputs are centred; add the mean
// to show it. All classes are one batch of one compiled step whose state is the images. On an error, or when ctx ends,
// nothing is returned.
func ClassModels(ctx context.Context, backend compute.Backend, store *model.Store, network Network, o ClassModelOptions) (*ClassModel, error) {
	n := len(o.Classes)
	if n == 0 || o.Height < 1 || o.Width < 1 || o.Channels < 1 {
		return nil, fmt.Errorf("class models: %d classes at %d×%d×%d: set Classes, Height, Width and Channels", n, o.Height, o.Width, o.Channels)
	}
	if o.Steps == 0 {
		o.Steps = 200
	}
	if o.Rate == 0 {
		o.Rate = 1
	}
	if o.Decay == 0 {
		o.Decay = 0.01
	}
	shape := shapes.Make(dtypes.Float32, n, o.Height, o.Width, o.Channels)
	images := tensors.FromShape(shape)
	if o.Start != nil {
		if !o.Start.Shape().Equal(shape) {
			return nil, fmt.Errorf("class models: Start has shape %s, want %s", o.Start.Shape(), shape)
		}
		images = o.Start
	}
	classes, err := classTensor(shape, o.Classes)
	if err != nil {
		return nil, err
	}
	defer classes.FinalizeAll()
	step, err := model.NewExec(backend, store, ascend(network, o))
	if err != nil {
		return nil, err
	}
	defer step.Finalize()

	result := &ClassModel{Images: images}
	velocity := tensors.FromShape(shape)
	defer func() { velocity.FinalizeAll() }()
	for i := range o.Steps + 1 {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("class models: stopped after %d of %d steps: %w", i, o.Steps, err)
		}
		outputs, err := step.Call(result.Images, velocity, classes)
		if err != nil {
			return nil, fmt.Errorf("class models: %w", err)
		}
		logits, scores := outputs[3], make([]float64, n)
		if i == 0 {
			for _, c := range o.Classes {
				if k := logits.Shape().Dimensions[1]; c >= k {
					return nil, fmt.Errorf("class models: class %d, the network has the classes 0 to %d", c, k-1)
				}
			}
		}
		for j, score := range tensors.MustCopyFlatData[float32](outputs[2]) {
			scores[j] = float64(score)
		}
		if i == o.Steps { // this call only measured the result of the last step
			result.Scores = scores
			return result, nil
		}
		if result.Images != o.Start {
			result.Images.FinalizeAll()
		}
		velocity.FinalizeAll()
		result.Images, velocity = outputs[0], outputs[1]
		result.History = append(result.History, scores)
		if o.Progress != nil {
			o.Progress(i+1, o.Steps, fmt.Sprintf("score of class %d: %.3g", o.Classes[0], scores[0]))
		}
	}
	panic("unreachable")
}

// ascend builds one step: images and velocities [n H W C], classes [n] → both updated, the scores [n] before the step,
// and the outputs [n K].
func ascend(network Network, o ClassModelOptions) func(s *model.Scope, inputs []*Node) []*Node {
	return func(s *model.Scope, inputs []*Node) []*Node {
		x, velocity, classes := inputs[0], inputs[1], inputs[2]
		logits := network(s, x)
		scores := Class(classes)(logits) // [n]
		objective := Sub(ReduceAllSum(asFloat32(scores)), MulScalar(ReduceAllSum(Square(x)), o.Decay))
		gradient := Gradient(objective, x)[0]
		if o.Normalize {
			rms := Sqrt(ReduceAndKeep(Square(gradient), ReduceMean, 1, 2, 3)) // [n 1 1 1]
			gradient = Div(gradient, AddScalar(rms, 1e-8))
		}
		velocity = Add(MulScalar(velocity, o.Momentum), gradient)
		return []*Node{Add(x, MulScalar(velocity, o.Rate)), velocity, asFloat32(scores), asFloat32(logits)}
	}
}
