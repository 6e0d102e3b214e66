// Package attr shows what a network looks at and what it looks for: maps of the input that explain an output, and
// inputs made to excite one.
//
// A Network maps a batch of images to outputs, a Target picks the score to explain from these outputs, and a Method is
// a graph function of both. Methods handle a batch in one pass, so that one compiled program explains many images:
//
//	maps, err := attr.Explain(backend, store, network, attr.Saliency, images, classes) // [B H W]
//
// For repeated use make an Explainer, which keeps the compiled program. Scores should be logits: the gradient of a
// softmax also says what speaks against the other classes (Simonyan et al. 2014, section 3.1).
package attr

import (
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// A Network builds a network: images x [B H W C] → outputs, for classifiers logits [B K].
type Network func(s *model.Scope, x *Node) *Node

// A Target picks the score of each example from a network's outputs: [B …] → [B]. Methods that look at k versions of
// each image hand it the outputs of k copies of the batch one after another, [k·B …], and want [k·B].
type Target func(outputs *Node) *Node

// A Method builds a map that explains the target's scores on images x [B H W C]: [B H W], or [B H W C] where the method
// speaks about channels.
type Method func(s *model.Scope, network Network, x *Node, target Target) *Node

// Class is the target that picks the output of the given class for each example: classes are integers [B] or [B 1].
func Class(classes *Node) Target {
	return func(outputs *Node) *Node {
		n := max(classes.Shape().Size(), 1)
		if outputs.Rank() != 2 || outputs.Shape().Dimensions[0]%n != 0 {
			Panicf("attr.Class: classes %s for outputs %s, want [B] and [B K]", classes.Shape(), outputs.Shape())
		}
		k := outputs.Shape().Dimensions[0] / n
		chosen := OneHot(Reshape(classes, -1), outputs.Shape().Dimensions[1], outputs.DType()) // [B K]
		return ReduceSum(Mul(flat(copies(chosen, k)), outputs), -1)                            // [k·B]
	}
}

// Top is the target that picks the largest output of each example.
func Top(outputs *Node) *Node {
	if outputs.Rank() != 2 {
		Panicf("attr.Top: outputs %s, want [B K]", outputs.Shape())
	}
	return ReduceMax(outputs, -1)
}

// An Explainer is a compiled method on a network. It is not safe for concurrent use.
type Explainer struct {
	exec *model.Exec
}

// NewExplainer prepares a method. The network's weights are those in store, in evaluation. Programs are compiled at
// the first use of each shape of images.
func NewExplainer(backend compute.Backend, store *model.Store, network Network, method Method) (*Explainer, error) {
	exec, err := model.NewExec(backend, store, func(s *model.Scope, x, classes *Node) (maps, outputs *Node) {
		seen := &sight{images: x}
		x.Graph().AttachState(sightKey{}, seen)
		target := Class(classes)
		maps = method(s, network, x, target)
		if seen.outputs == nil { // the method looked at other versions of the images only
			forward(s, network, x, target)
		}
		return maps, seen.outputs
	})
	if err != nil {
		return nil, err
	}
	return &Explainer{exec: exec}, nil
}

// Explain returns the maps of images [B H W C] for their classes, and the network's outputs [B K]. classes has one
// entry for each image, or a single one for all.
func (e *Explainer) Explain(images *tensors.Tensor, classes ...int) (maps, outputs *tensors.Tensor, err error) {
	labels, err := classTensor(images.Shape(), classes)
	if err != nil {
		return nil, nil, err
	}
	defer labels.FinalizeAll()
	// A class beyond the outputs would have a map of zeros: it can be told only after the shape of the outputs is known.
	results, err := e.exec.Call(images, labels)
	if err != nil {
		return nil, nil, fmt.Errorf("attribution: %w", err)
	}
	maps, outputs = results[0], results[1]
	k := outputs.Shape().Dimensions[1]
	for _, c := range classes {
		if c >= k {
			maps.FinalizeAll()
			outputs.FinalizeAll()
			return nil, nil, fmt.Errorf("attribution: class %d, the network has the classes 0 to %d", c, k-1)
		}
	}
	return maps, outputs, nil
}

// Close frees the compiled programs.
func (e *Explainer) Close() { e.exec.Finalize() }

// Explain is NewExplainer and one use of it.
func Explain(backend compute.Backend, store *model.Store, network Network, method Method, images *tensors.Tensor, classes ...int) (*tensors.Tensor, error) {
	e, err := NewExplainer(backend, store, network, method)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	maps, outputs, err := e.Explain(images, classes...)
	if err == nil {
		outputs.FinalizeAll()
	}
	return maps, err
}

// classTensor is one class for each image of a batch, int32 [B].
func classTensor(images shapes.Shape, classes []int) (*tensors.Tensor, error) {
	if images.Rank() != 4 || !images.DType.IsFloat() {
		return nil, fmt.Errorf("attribution: images of shape %s, want floating point [B H W C]; a single image is [1 H W C]", images)
	}
	batch := images.Dimensions[0]
	if len(classes) != 1 && len(classes) != batch {
		return nil, fmt.Errorf("attribution: %d classes for %d images, want one for each or one for all", len(classes), batch)
	}
	labels := make([]int32, batch)
	for i := range labels {
		c := classes[0]
		if len(classes) > 1 {
			c = classes[i]
		}
		if c < 0 {
			return nil, fmt.Errorf("attribution: class %d is negative", c)
		}
		labels[i] = int32(c)
	}
	return tensors.FromFlatDataAndDimensions(labels, batch), nil
}

// asFloat32 is what maps are handed out in.
func asFloat32(x *Node) *Node {
	if x.DType() == dtypes.Float32 {
		return x
	}
	return ConvertDType(x, dtypes.Float32)
}
