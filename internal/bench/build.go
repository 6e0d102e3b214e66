package main

import (
	"github.com/gomlx/gomlx/core/graph"
	plain "github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/layers/norm"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/layers"
	"fovea/recipes/pyramidnet"
	"fovea/recipes/vgg"
)

// An alias: the trainer of GoMLX knows functions by their very type.
type builder = func(s *model.Scope, x *graph.Node) *graph.Node

// A library makes the parts of a network: ours and GoMLX's own differ in these alone.
type library struct {
	conv    func(s *model.Scope, x *graph.Node, filters, stride int, bias bool) *graph.Node
	norm    func(s *model.Scope, x *graph.Node) *graph.Node
	relu    func(x *graph.Node) *graph.Node
	maxPool func(x *graph.Node) *graph.Node
	mean    func(x *graph.Node) *graph.Node // over 2×2 pixels
	global  func(x *graph.Node) *graph.Node // over all pixels
	dense   func(s *model.Scope, x *graph.Node, units int) *graph.Node
}

// ours are the layers of this project.
var ours = library{
	conv: func(s *model.Scope, x *graph.Node, filters, stride int, bias bool) *graph.Node {
		return layers.Conv(s, x, layers.ConvOptions{Filters: filters, Stride: stride, NoBias: !bias})
	},
	norm: func(s *model.Scope, x *graph.Node) *graph.Node {
		return layers.BatchNorm(s, x, layers.BatchNormOptions{})
	},
	relu:    layers.ReLU,
	maxPool: func(x *graph.Node) *graph.Node { return layers.MaxPool(x, layers.PoolOptions{}) },
	mean:    func(x *graph.Node) *graph.Node { return layers.MeanPool(x, layers.PoolOptions{}) },
	global:  layers.GlobalMeanPool,
	dense:   layers.Dense,
}

// gomlx are the layers that come with GoMLX.
var gomlx = library{
	conv: func(s *model.Scope, x *graph.Node, filters, stride int, bias bool) *graph.Node {
		return plain.Convolution(s, x).Channels(filters).KernelSize(3).PadSame().Strides(stride).UseBias(bias).Done()
	},
	norm: func(s *model.Scope, x *graph.Node) *graph.Node {
		return norm.BatchNorm(s, x, -1).UseBackendInference(s.IsTraining(x.Graph())).Done()
	},
	relu:    activation.Relu,
	maxPool: func(x *graph.Node) *graph.Node { return graph.MaxPool(x).Window(2).Done() },
	mean:    func(x *graph.Node) *graph.Node { return graph.MeanPool(x).Window(2).Done() },
	global:  func(x *graph.Node) *graph.Node { return graph.ReduceMean(x, 1, 2) },
	dense:   func(s *model.Scope, x *graph.Node, units int) *graph.Node { return plain.Dense(s, x, true, units) },
}

// build makes n of the parts of a library.
func (l library) build(n network) builder {
	return func(s *model.Scope, x *graph.Node) *graph.Node { return l.blocks(s, x, n.Blocks) }
}

func (l library) blocks(s *model.Scope, x *graph.Node, blocks []block) *graph.Node {
	for i, b := range blocks {
		in := s.In("%s%d", b.Op, i)
		switch b.Op {
		case "conv":
			x = l.conv(in, x, b.Filters, max(1, b.Stride), b.Bias) // [B H/stride W/stride filters]
		case "norm":
			x = l.norm(in, x)
		case "relu":
			x = l.relu(x)
		case "maxpool":
			x = l.maxPool(x) // [B H/2 W/2 C]
		case "mean":
			x = l.global(x) // [B C]
		case "flatten":
			x = graph.Reshape(x, x.Shape().Dimensions[0], -1) // [B H·W·C]
		case "dense":
			x = l.dense(in, x, b.Units) // [B units]
		case "residual":
			around := x
			if b.Stride > 1 {
				around = l.mean(around)
			}
			if missing := b.Filters - x.Shape().Dimensions[3]; missing > 0 {
				none := graph.PadAxis{}
				around = graph.Pad(around, graph.ScalarZero(x.Graph(), x.DType()), none, none, none, graph.PadAxis{End: missing})
			}
			x = graph.Add(around, l.blocks(in, x, b.Body)) // [B h w filters]
		default:
			Panicf("bench: no block %q", b.Op)
		}
	}
	return x
}

// recipe is n as its recipe builds it, or by our layers where it is no recipe.
func recipe(n network) builder {
	switch n.Name {
	case "vgg-11":
		return vgg.Model(vgg11)
	case "pyramidnet-20":
		return pyramidnet.Model(pyramid20)
	}
	return ours.build(n)
}
