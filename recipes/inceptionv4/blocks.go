package inceptionv4

import (
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	inception "fovea/recipes/inceptionv3"
)

// A builder makes a piece of the network.
type builder = func(s *model.Scope, x *graph.Node) *graph.Node

// A part is a piece with a name.
type part struct {
	name  string
	build builder
}

// parts lists the pieces in order. A grid without blocks is left out, with the reduction that leads to it.
func (c Config) parts() []part {
	list := c.stem()
	for i, n := range c.Blocks {
		grid := string(rune('A' + i))
		if n == 0 {
			continue
		}
		if i > 0 {
			list = append(list, part{"reduction" + string(rune('A'+i-1)), []builder{nil, c.toMiddle, c.toNarrow}[i]})
		}
		for j := range n {
			build := c.residual(i, i == 2 && j == n-1)
			if c.Family == V4 {
				build = []builder{c.wideBlock, c.middleBlock, c.narrowBlock}[i]
			}
			list = append(list, part{fmt.Sprintf("inception%s%d", grid, j+1), build})
		}
	}
	if c.Family == ResNetV2Released {
		list = append(list, part{"last", c.single("conv", 1536, 1, 1)})
	}
	return list
}

// u is a unit of this network's width.
func (c Config) u(name string, filters, height, width int) inception.Unit {
	return inception.Unit{Name: name, Filters: inception.Scaled(filters, c.Width), Height: height, Width: width}
}

// valid is a unit of 3×3 without padding.
func (c Config) valid(name string, filters, stride int) inception.Unit {
	u := c.u(name, filters, 3, 3)
	u.Stride, u.Valid = stride, true
	return u
}

// one applies a single unit, single makes a part of it, and branch applies several, named by their place.
func one(s *model.Scope, x *graph.Node, u inception.Unit) *graph.Node {
	return inception.Units(s, x, u)
}

func (c Config) single(name string, filters, height, width int) builder {
	return func(s *model.Scope, x *graph.Node) *graph.Node { return one(s, x, c.u(name, filters, height, width)) }
}

func branch(s *model.Scope, x *graph.Node, units ...inception.Unit) *graph.Node {
	for i := range units {
		if units[i].Name == "" {
			units[i].Name = fmt.Sprint(i)
		}
	}
	return inception.Units(s, x, units...)
}

// pooled is the branch that pools before its unit, which has number 1.
func (c Config) pooled(s *model.Scope, x *graph.Node, filters int) *graph.Node {
	return one(s, meanInside(x), c.u("1", filters, 1, 1))
}

// meanInside takes means of 3×3 of what lies inside the map: unlike those of torchvision's Inception-v3, padding does not count. x [B H W C] →
// [B H W C].
//
// The factors that make up for the padding are a constant from here, since GoMLX's Go backend gives wrong shapes to running averages behind
// layers.MeanPool with IgnorePadding, which sums ones on the device.
func meanInside(x *graph.Node) *graph.Node {
	h, w := x.Shape().Dimensions[1], x.Shape().Dimensions[2]
	inside := func(i, n int) int { return min(i+1, n-1) - max(i-1, 0) + 1 }
	factors := make([]float32, 0, h*w)
	for i := range h {
		for j := range w {
			factors = append(factors, 9/float32(inside(i, h)*inside(j, w)))
		}
	}
	factor := graph.ConvertDType(graph.Reshape(graph.Const(x.Graph(), factors), 1, h, w, 1), x.DType())
	return graph.Mul(inception.SmoothPool(x), factor)
}

// wideBlock is Inception-A (figure 4): x [B H W C] → [B H W 384].
func (c Config) wideBlock(s *model.Scope, x *graph.Node) *graph.Node {
	return inception.Concat(
		one(s, x, c.u("branch0", 96, 1, 1)),
		branch(s.In("branch1"), x, c.u("", 64, 1, 1), c.u("", 96, 3, 3)),
		branch(s.In("branch2"), x, c.u("", 64, 1, 1), c.u("", 96, 3, 3), c.u("", 96, 3, 3)),
		c.pooled(s.In("branch3"), x, 96),
	)
}

// toMiddle is Reduction-A (figure 7, table 1): x [B H W C] → [B (H−3)/2+1 (W−3)/2+1 n+m+C].
func (c Config) toMiddle(s *model.Scope, x *graph.Node) *graph.Node {
	k, l, m, n := 192, 224, 256, 384
	switch c.Family {
	case ResNetV1:
		l = 192
	case ResNetV2, ResNetV2Released:
		k, l, m = 256, 256, 384
	}
	return inception.Concat(
		one(s, x, c.valid("branch0", n, 2)),
		branch(s.In("branch1"), x, c.u("", k, 1, 1), c.u("", l, 3, 3), c.valid("", m, 2)),
		inception.HalfPool(x),
	)
}

// middleBlock is Inception-B (figure 5): x [B H W C] → [B H W 1024].
func (c Config) middleBlock(s *model.Scope, x *graph.Node) *graph.Node {
	return inception.Concat(
		one(s, x, c.u("branch0", 384, 1, 1)),
		branch(s.In("branch1"), x, c.u("", 192, 1, 1), c.u("", 224, 1, 7), c.u("", 256, 7, 1)),
		branch(s.In("branch2"), x, c.u("", 192, 1, 1), c.u("", 192, 7, 1), c.u("", 224, 1, 7), c.u("", 224, 7, 1), c.u("", 256, 1, 7)),
		c.pooled(s.In("branch3"), x, 128),
	)
}

// toNarrow is Reduction-B (figures 8, 18 and 13): x [B H W C] → [B (H−3)/2+1 (W−3)/2+1 F+C].
func (c Config) toNarrow(s *model.Scope, x *graph.Node) *graph.Node {
	if c.Family == V4 {
		return inception.Concat(
			branch(s.In("branch0"), x, c.u("", 192, 1, 1), c.valid("", 192, 2)),
			branch(s.In("branch1"), x, c.u("", 256, 1, 1), c.u("", 256, 1, 7), c.u("", 320, 7, 1), c.valid("", 320, 2)),
			inception.HalfPool(x),
		)
	}
	second, third := 288, 320
	if c.Family == ResNetV1 {
		second, third = 256, 256
	}
	return inception.Concat(
		branch(s.In("branch0"), x, c.u("", 256, 1, 1), c.valid("", 384, 2)),
		branch(s.In("branch1"), x, c.u("", 256, 1, 1), c.valid("", second, 2)),
		branch(s.In("branch2"), x, c.u("", 256, 1, 1), c.u("", second, 3, 3), c.valid("", third, 2)),
		inception.HalfPool(x),
	)
}

// narrowBlock is Inception-C (figure 6): x [B H W C] → [B H W 1536].
func (c Config) narrowBlock(s *model.Scope, x *graph.Node) *graph.Node {
	fork := func(x *graph.Node, name string) *graph.Node {
		return inception.Concat(one(s, x, c.u(name+"a", 256, 1, 3)), one(s, x, c.u(name+"b", 256, 3, 1))) // [B H W 512]
	}
	return inception.Concat(
		one(s, x, c.u("branch0", 256, 1, 1)),
		fork(one(s, x, c.u("branch1_0", 384, 1, 1)), "branch1_1"),
		fork(inception.Units(s, x, c.u("branch2_0", 384, 1, 1), c.u("branch2_1", 448, 3, 1), c.u("branch2_2", 512, 1, 3)), "branch2_3"),
		c.pooled(s.In("branch3"), x, 256),
	)
}
