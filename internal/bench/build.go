package main

import (
	"math"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	plain "github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/layers/attention"
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
	conv      func(s *model.Scope, x *graph.Node, b block) *graph.Node
	patches   func(s *model.Scope, x *graph.Node, b block) *graph.Node // one pixel for each
	norm      func(s *model.Scope, x *graph.Node) *graph.Node
	layerNorm func(s *model.Scope, x *graph.Node) *graph.Node
	relu      func(x *graph.Node) *graph.Node
	maxPool   func(x *graph.Node) *graph.Node
	mean      func(x *graph.Node) *graph.Node // over 2×2 pixels
	global    func(x *graph.Node) *graph.Node // over all pixels
	dense     func(s *model.Scope, x *graph.Node, units int) *graph.Node
	attention func(s *model.Scope, x *graph.Node, heads int) *graph.Node
}

// ours are the layers of this project.
var ours = library{
	conv: func(s *model.Scope, x *graph.Node, b block) *graph.Node {
		return layers.Conv(s, x, layers.ConvOptions{Filters: b.Filters, Size: b.Size, Stride: b.Stride, NoBias: !b.Bias})
	},
	patches: func(s *model.Scope, x *graph.Node, b block) *graph.Node {
		return layers.Conv(s, x, layers.ConvOptions{Filters: b.Filters, Size: b.Size, Stride: b.Size, Pad: layers.Valid})
	},
	norm: func(s *model.Scope, x *graph.Node) *graph.Node {
		return layers.BatchNorm(s, x, layers.BatchNormOptions{})
	},
	layerNorm: func(s *model.Scope, x *graph.Node) *graph.Node {
		return layers.LayerNorm(s, x, layers.LayerNormOptions{})
	},
	relu:      layers.ReLU,
	maxPool:   func(x *graph.Node) *graph.Node { return layers.MaxPool(x, layers.PoolOptions{}) },
	mean:      func(x *graph.Node) *graph.Node { return layers.MeanPool(x, layers.PoolOptions{}) },
	global:    layers.GlobalMeanPool,
	dense:     layers.Dense,
	attention: selfAttention,
}

// selfAttention is made of our dense layers, since there is no layer for it.
//
// x [B T C] → [B T C].
func selfAttention(s *model.Scope, x *graph.Node, heads int) *graph.Node {
	dims := x.Shape().Dimensions
	batch, length, width := dims[0], dims[1], dims[2]
	project := func(name string) *graph.Node {
		return graph.Reshape(layers.Dense(s.In("%s", name), x, width), batch, length, heads, width/heads) // [B T heads d]
	}
	query, key, value := project("query"), project("key"), project("value")
	query = graph.MulScalar(query, 1/math.Sqrt(float64(width/heads)))
	weights := graph.Softmax(graph.Einsum("bqhd,bkhd->bhqk", query, key), -1) // [B heads T T]
	x = graph.Einsum("bhqk,bkhd->bqhd", weights, value)                       // [B T heads d]
	return layers.Dense(s.In("out"), graph.Reshape(x, batch, length, width), width)
}

// gomlx are the layers that come with GoMLX.
var gomlx = library{
	conv: func(s *model.Scope, x *graph.Node, b block) *graph.Node {
		return plain.Convolution(s, x).Channels(b.Filters).KernelSize(b.window()).PadSame().Strides(max(1, b.Stride)).UseBias(b.Bias).Done()
	},
	patches: func(s *model.Scope, x *graph.Node, b block) *graph.Node {
		return plain.Convolution(s, x).Channels(b.Filters).KernelSize(b.Size).NoPadding().Strides(b.Size).Done()
	},
	norm: func(s *model.Scope, x *graph.Node) *graph.Node {
		return norm.BatchNorm(s, x, -1).UseBackendInference(s.IsTraining(x.Graph())).Done()
	},
	layerNorm: func(s *model.Scope, x *graph.Node) *graph.Node { return norm.LayerNorm(s, x, -1).Epsilon(1e-5).Done() },
	relu:      activation.Relu,
	maxPool:   func(x *graph.Node) *graph.Node { return graph.MaxPool(x).Window(2).Done() },
	mean:      func(x *graph.Node) *graph.Node { return graph.MeanPool(x).Window(2).Done() },
	global: func(x *graph.Node) *graph.Node {
		if x.Rank() == 3 {
			return graph.ReduceMean(x, 1)
		}
		return graph.ReduceMean(x, 1, 2)
	},
	dense: func(s *model.Scope, x *graph.Node, units int) *graph.Node { return plain.Dense(s, x, true, units) },
	attention: func(s *model.Scope, x *graph.Node, heads int) *graph.Node {
		return attention.SelfAttention(s, x, heads, x.Shape().Dimensions[2]/heads).Done()
	},
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
			x = l.conv(in, x, b) // [B H/stride W/stride filters]
		case "patches":
			x = l.patches(in, x, b)                                      // [B H/size W/size filters]
			x = graph.Reshape(x, x.Shape().Dimensions[0], -1, b.Filters) // [B T filters]
		case "positions":
			places := in.VariableWithShape("positions", shapes.Make(x.DType(), x.Shape().Dimensions[1:]...)).NodeValue(x.Graph()) // [T C]
			x = graph.Add(x, graph.ExpandAxes(places, 0))
		case "norm":
			x = l.norm(in, x)
		case "layernorm":
			x = l.layerNorm(in, x)
		case "relu":
			x = l.relu(x)
		case "gelu":
			x = activation.Gelu(x) // both have GoMLX's
		case "attention":
			x = l.attention(in, x, b.Heads) // [B T C]
		case "shuffle":
			x = shuffle(x, b.Size) // [B H·size W·size C/size²]
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
			if missing := b.Filters - x.Shape().Dimensions[x.Rank()-1]; missing > 0 {
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

// shuffle makes size×size pixels out of each pixel's channels (Shi et al. 2016, section 3.2).
func shuffle(x *graph.Node, size int) *graph.Node {
	dims := x.Shape().Dimensions
	batch, height, width, channels := dims[0], dims[1], dims[2], dims[3]/(size*size)
	x = graph.Reshape(x, batch, height, width, size, size, channels)
	x = graph.TransposeAllAxes(x, 0, 1, 3, 2, 4, 5) // [B H size W size C]
	return graph.Reshape(x, batch, height*size, width*size, channels)
}

// recipe is n as its recipe builds it; false, and by our layers, where it is no recipe.
func recipe(n network) (net builder, ok bool) {
	switch n.Name {
	case "vgg-11":
		return vgg.Model(vgg11), true
	case "pyramidnet-20":
		return pyramidnet.Model(pyramid20), true
	}
	return ours.build(n), false
}
