package resnet

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
)

// A Unit says which residual unit is being built.
type Unit struct {
	Stage, Number  int // both from 0
	Index, Total   int // of all units of the network
	In, Width, Out int // channels that come in, inside, and that go out
	Stride         int
}

// Name is the unit's scope and tap: "layer1/0", where stages count from 1 and units from 0, as in torchvision.
func (u Unit) Name() string { return fmt.Sprintf("%s/%d", u.stageName(), u.Number) }

func (u Unit) stageName() string { return fmt.Sprintf("layer%d", u.Stage+1) }

// Changes says whether the unit's output has another shape than its input.
func (u Unit) Changes() bool { return u.Stride != 1 || u.In != u.Out }

// Hooks let a method into the network without a copy of it. Each is optional. s is the scope of the unit: a hook makes
// variables in scopes of its own inside, such as s.In("se"). A hook must return the shape that it got.
type Hooks struct {
	// Conv takes the place of a convolution of a unit: "conv1", "conv2", "conv3" or "downsample". Here s is the scope of the
	// convolution itself, so that the default is layers.Conv(s, x, o).
	Conv func(s *model.Scope, x *graph.Node, name string, o layers.ConvOptions, u Unit) *graph.Node

	// After acts on what follows each convolution of a unit with its normalisation, and its activation where that comes
	// next: on "conv1" … and, with name "shortcut", on the shortcut, also where that is the identity. It comes before
	// Branch and Merge.
	After func(s *model.Scope, x *graph.Node, name string, u Unit) *graph.Node

	// Branch acts on the output of the residual branch before the addition: attention.
	Branch func(s *model.Scope, x *graph.Node, u Unit) *graph.Node

	// Merge takes the place of the addition: stochastic depth, deletion of a unit.
	Merge func(s *model.Scope, shortcut, branch *graph.Node, u Unit) *graph.Node

	// Output acts on the output of the unit, after the last activation that it has: connections over many units.
	Output func(s *model.Scope, x *graph.Node, u Unit) *graph.Node
}

func (h Hooks) conv(s *model.Scope, x *graph.Node, name string, o layers.ConvOptions, u Unit) *graph.Node {
	if h.Conv != nil {
		return h.Conv(s, x, name, o, u)
	}
	return layers.Conv(s, x, o)
}

func (h Hooks) after(s *model.Scope, x *graph.Node, name string, u Unit) *graph.Node {
	if h.After != nil {
		return h.After(s, x, name, u)
	}
	return x
}

func (h Hooks) branch(s *model.Scope, x *graph.Node, u Unit) *graph.Node {
	if h.Branch != nil {
		return h.Branch(s, x, u)
	}
	return x
}

func (h Hooks) merge(s *model.Scope, shortcut, branch *graph.Node, u Unit) *graph.Node {
	if h.Merge != nil {
		return h.Merge(s, shortcut, branch, u)
	}
	return graph.Add(shortcut, branch)
}

func (h Hooks) output(s *model.Scope, x *graph.Node, u Unit) *graph.Node {
	if h.Output != nil {
		return h.Output(s, x, u)
	}
	return x
}
