// Package resnet builds residual networks (He et al. 2016, https://arxiv.org/abs/1512.03385 and, with the activation
// first, https://arxiv.org/abs/1603.05027): the network that most methods for convolutional networks are shown on.
//
//	net := resnet.Network(resnet.CIFAR(20), resnet.Hooks{})
//
// A method comes in through Hooks, so that its recipe holds the method alone:
//
//	resnet.Hooks{Branch: func(s *model.Scope, x *graph.Node, u resnet.Unit) *graph.Node {
//		return layers.SqueezeExcite(s.In("se"), x, layers.SqueezeExciteOptions{})
//	}}
//
// Scopes have torchvision's names: "conv1", "bn1", "layer1/0/conv1", "layer1/0/bn1", "layer2/0/downsample/0" and /1, "fc";
// with the activation first the last normalisation is "norm", as in timm. No convolution has a bias.
package resnet

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
)

// Network builds the network: images [B H W C] → logits [B K], or the last feature map [B h w C] without Classes. It panics
// if the configuration cannot be built, only when it is called.
func Network(c Config, h Hooks) func(s *model.Scope, x *graph.Node) *graph.Node {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		units := c.Units() // panics before anything is built
		x = layers.Tap(stem(s, x, c), "stem")
		var stage *model.Scope
		for _, u := range units {
			if u.Number == 0 {
				stage = s.In("%s", u.stageName())
			}
			x = unit(stage.In("%d", u.Number), x, u, c, h) // [B h w Out]
			x = layers.Tap(x, u.Name())
			if u.Number == c.Stages[u.Stage]-1 {
				x = layers.Tap(x, u.stageName())
			}
		}
		if c.PreActivation {
			x = layers.ReLU(layers.BatchNorm(s.In("norm"), x, layers.BatchNormOptions{}))
		}
		if c.Classes == 0 {
			return x
		}
		x = layers.GlobalMeanPool(x)                  // [B C]
		return layers.Dense(s.In("fc"), x, c.Classes) // [B K]
	}
}

// stem is what comes before the units: [B H W 3] → [B H W stem], or a quarter of the size for ImageNet's.
func stem(s *model.Scope, x *graph.Node, c Config) *graph.Node {
	o := layers.ConvOptions{Filters: c.stem(), NoBias: true}
	if c.ImageNetStem {
		o.Size, o.Stride = 7, 2
	}
	x = layers.Conv(s.In("conv1"), x, o)
	if !c.PreActivation { // else the first unit does it
		x = layers.ReLU(layers.BatchNorm(s.In("bn1"), x, layers.BatchNormOptions{}))
	}
	if c.ImageNetStem {
		x = layers.MaxPool(x, layers.PoolOptions{Size: 3, Stride: 2, Pad: layers.Same}) // [B H/4 W/4 stem]
	}
	return x
}

// unit is one residual unit: [B H W In] → [B H/stride W/stride Out].
func unit(s *model.Scope, x *graph.Node, u Unit, c Config, h Hooks) *graph.Node {
	convs := []layers.ConvOptions{{Filters: u.Width, Stride: u.Stride, NoBias: true}, {Filters: u.Out, NoBias: true}}
	names := []string{"conv1", "conv2"}
	if c.Bottleneck {
		convs = []layers.ConvOptions{
			{Filters: u.Width, Size: 1, NoBias: true},
			{Filters: u.Width, Stride: u.Stride, Groups: c.Groups, NoBias: true},
			{Filters: u.Out, Size: 1, NoBias: true},
		}
		names = []string{"conv1", "conv2", "conv3"}
	}
	branch, around := x, x
	for i, o := range convs {
		last := i == len(convs)-1
		norm := func(v *graph.Node) *graph.Node {
			return layers.BatchNorm(s.In("bn%d", i+1), v, layers.BatchNormOptions{ZeroScale: last && c.ZeroLast && !c.PreActivation})
		}
		conv := func(v *graph.Node) *graph.Node { return h.conv(s.In("%s", names[i]), v, names[i], o, u) }
		if c.PreActivation {
			branch = layers.ReLU(norm(branch))
			if i == 0 && (u.Index == 0 || u.Changes()) {
				around = branch // He et al. 2016b, appendix: the paths split after the first activation
			}
			branch = conv(branch)
		} else {
			branch = norm(conv(branch))
			if !last {
				branch = layers.ReLU(branch)
			}
		}
		branch = h.after(s, branch, names[i], u)
	}
	branch = h.branch(s, branch, u)

	y := branch
	if c.Shortcut != None {
		y = h.merge(s, h.after(s, shortcut(s, around, u, c, h), "shortcut", u), branch, u)
	}
	if !c.PreActivation {
		y = layers.ReLU(y)
	}
	return h.output(s, y, u)
}

// shortcut brings x [B H W In] to the shape of the branch, [B H/stride W/stride Out].
func shortcut(s *model.Scope, x *graph.Node, u Unit, c Config, h Hooks) *graph.Node {
	switch {
	case !u.Changes():
		return x
	case c.Shortcut == Padding:
		return Pad(x, u.Out, u.Stride)
	}
	s = s.In("downsample")
	x = h.conv(s.In("0"), x, "downsample", layers.ConvOptions{Filters: u.Out, Size: 1, Stride: u.Stride, NoBias: true}, u)
	if c.PreActivation {
		return x // the addition is not normalised, so neither are its parts
	}
	return layers.BatchNorm(s.In("1"), x, layers.BatchNormOptions{})
}

// Pad is the shortcut without parameters: every stride-th pixel of x [B H W C], and zeros behind its channels up to
// width: [B ⌈H/stride⌉ ⌈W/stride⌉ width].
func Pad(x *graph.Node, width, stride int) *graph.Node {
	if stride > 1 {
		every := graph.AxisRange().Stride(stride)
		x = graph.Slice(x, graph.AxisRange(), every, every, graph.AxisRange())
	}
	if missing := width - x.Shape().Dimensions[3]; missing > 0 {
		// Padded, and not joined with zeros: on GoMLX's pure-Go backend (compute v0.1.6) normalisations behind a join with
		// graph.Zeros get statistics of a wrong shape.
		none := graph.PadAxis{}
		x = graph.Pad(x, graph.ScalarZero(x.Graph(), x.DType()), none, none, none, graph.PadAxis{End: missing})
	}
	return x
}
