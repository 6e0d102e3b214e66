package inceptionv3

import (
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
)

// A block is a part of the network with a name.
type block struct {
	name      string
	build     func(s *model.Scope, x *graph.Node) *graph.Node
	beforeAux bool // the last block on the second grid
}

// blocks lists the parts of the network in order. A grid without blocks is left out, with the reduction that leads to it.
func (c Config) blocks() []block {
	list := c.stem()
	add := func(name string, build func(s *model.Scope, x *graph.Node) *graph.Node) {
		list = append(list, block{name: name, build: build})
	}
	for i, pooled := range c.Wide {
		add(fmt.Sprintf("Mixed_5%c", 'b'+i), func(s *model.Scope, x *graph.Node) *graph.Node { return c.wideBlock(s, x, pooled) })
	}
	if len(c.Middle) > 0 {
		add("Mixed_6a", c.toMiddle)
		for i, inner := range c.Middle {
			add(fmt.Sprintf("Mixed_6%c", 'b'+i), func(s *model.Scope, x *graph.Node) *graph.Node { return c.middleBlock(s, x, inner) })
		}
		list[len(list)-1].beforeAux = true
	}
	if c.Narrow > 0 {
		add("Mixed_7a", c.toNarrow)
		for i := range c.Narrow {
			add(fmt.Sprintf("Mixed_7%c", 'b'+i), c.narrowBlock)
		}
	}
	return list
}

// unit is a Unit of this network's width.
func (c Config) unit(name string, filters, height, width int) Unit {
	return Unit{Name: name, Filters: Scaled(filters, c.Width), Height: height, Width: width}
}

func (c Config) pointwise(name string, filters int) Unit { return c.unit(name, filters, 1, 1) }

// halving is a unit of 3×3 at every second place.
func (c Config) halving(name string, filters int) Unit {
	u := c.unit(name, filters, 3, 3)
	u.Stride, u.Valid = 2, true
	return u
}

// stem is one block a unit, as torchvision names them; the poolings belong to the units before them.
func (c Config) stem() []block {
	one := func(u Unit, pool bool) block {
		return block{name: u.Name, build: func(s *model.Scope, x *graph.Node) *graph.Node {
			x = Apply(s, x, u)
			if pool {
				x = HalfPool(x)
			}
			return x
		}}
	}
	if c.Stem == SmallStem {
		return []block{one(c.unit("Conv2d_1a_3x3", 64, 3, 3), false)} // [B H W 64]
	}
	second, fourth := c.unit("Conv2d_2a_3x3", 32, 3, 3), c.unit("Conv2d_4a_3x3", 192, 3, 3)
	second.Valid, fourth.Valid = true, true
	return []block{
		one(c.halving("Conv2d_1a_3x3", 32), false),   // [B 149 149 32]
		one(second, false),                           // [B 147 147 32]
		one(c.unit("Conv2d_2b_3x3", 64, 3, 3), true), // [B 73 73 64]
		one(c.pointwise("Conv2d_3b_1x1", 80), false), // [B 73 73 80]
		one(fourth, true),                            // [B 35 35 192]
	}
}

// wideBlock: x [B H W C] → [B H W 224+pooled].
func (c Config) wideBlock(s *model.Scope, x *graph.Node, pooled int) *graph.Node {
	return Concat(
		Units(s, x, c.pointwise("branch1x1", 64)),
		Units(s, x, c.pointwise("branch5x5_1", 48), c.unit("branch5x5_2", 64, 5, 5)),
		Units(s, x, c.pointwise("branch3x3dbl_1", 64), c.unit("branch3x3dbl_2", 96, 3, 3), c.unit("branch3x3dbl_3", 96, 3, 3)),
		Units(s, SmoothPool(x), c.pointwise("branch_pool", pooled)),
	)
}

// toMiddle halves the grid by convolutions and a pooling side by side, so that no layer is a bottleneck (section 5, figure 10):
// x [B H W C] → [B (H−3)/2+1 (W−3)/2+1 480+C].
func (c Config) toMiddle(s *model.Scope, x *graph.Node) *graph.Node {
	return Concat(
		Units(s, x, c.halving("branch3x3", 384)),
		Units(s, x, c.pointwise("branch3x3dbl_1", 64), c.unit("branch3x3dbl_2", 96, 3, 3), c.halving("branch3x3dbl_3", 96)),
		HalfPool(x),
	)
}

// middleBlock has one window of 7×7 in one branch and two in another (figure 6): x [B H W C] → [B H W 768].
func (c Config) middleBlock(s *model.Scope, x *graph.Node, inner int) *graph.Node {
	one := c.sevens("branch7x7", 2, false, inner, 192)
	two := c.sevens("branch7x7dbl", 2, true, inner, inner)
	two = append(two, c.sevens("branch7x7dbl", 2+len(two), true, inner, 192)...)
	return Concat(
		Units(s, x, c.pointwise("branch1x1", 192)),
		Units(s, x, slices.Insert(one, 0, c.pointwise("branch7x7_1", inner))...),
		Units(s, x, slices.Insert(two, 0, c.pointwise("branch7x7dbl_1", inner))...),
		Units(s, SmoothPool(x), c.pointwise("branch_pool", 192)),
	)
}

// sevens are the units of one window of 7×7, named from prefix_first on; upright: 7×1 comes before 1×7.
func (c Config) sevens(prefix string, first int, upright bool, inner, out int) []Unit {
	name := func(i int) string { return fmt.Sprintf("%s_%d", prefix, first+i) }
	switch c.Sevens {
	case Whole:
		return []Unit{c.unit(name(0), out, 7, 7)}
	case Stacked:
		return []Unit{c.unit(name(0), inner, 3, 3), c.unit(name(1), inner, 3, 3), c.unit(name(2), out, 3, 3)}
	}
	if upright {
		return []Unit{c.unit(name(0), inner, 7, 1), c.unit(name(1), out, 1, 7)}
	}
	return []Unit{c.unit(name(0), inner, 1, 7), c.unit(name(1), out, 7, 1)}
}

// toNarrow: x [B H W C] → [B (H−3)/2+1 (W−3)/2+1 512+C].
func (c Config) toNarrow(s *model.Scope, x *graph.Node) *graph.Node {
	seven := c.sevens("branch7x7x3", 2, false, 192, 192)
	seven = slices.Insert(seven, 0, c.pointwise("branch7x7x3_1", 192))
	seven = append(seven, c.halving(fmt.Sprintf("branch7x7x3_%d", len(seven)+1), 192))
	return Concat(
		Units(s, x, c.pointwise("branch3x3_1", 192), c.halving("branch3x3_2", 320)),
		Units(s, x, seven...),
		HalfPool(x),
	)
}

// narrowBlock widens where the grid is coarse, with 1×3 and 3×1 side by side (figure 7): x [B H W C] → [B H W 2048].
func (c Config) narrowBlock(s *model.Scope, x *graph.Node) *graph.Node {
	fork := func(x *graph.Node, name string) *graph.Node {
		return Concat(Units(s, x, c.unit(name+"a", 384, 1, 3)), Units(s, x, c.unit(name+"b", 384, 3, 1))) // [B H W 768]
	}
	return Concat(
		Units(s, x, c.pointwise("branch1x1", 320)),
		fork(Units(s, x, c.pointwise("branch3x3_1", 384)), "branch3x3_2"),
		fork(Units(s, x, c.pointwise("branch3x3dbl_1", 448), c.unit("branch3x3dbl_2", 384, 3, 3)), "branch3x3dbl_3"),
		Units(s, SmoothPool(x), c.pointwise("branch_pool", 192)),
	)
}

// auxiliary is the head of figure 8 with normalisation: x [B 17 17 768] → [B K]. On maps of less than 17×17 its windows shrink.
func (c Config) auxiliary(s *model.Scope, x *graph.Node) *graph.Node {
	size := func(x *graph.Node) int { return min(5, x.Shape().Dimensions[1]) }
	x = layers.MeanPool(x, layers.PoolOptions{Size: size(x), Stride: 3}) // [B 5 5 768]
	whole := c.unit("conv1", 768, size(x), size(x))
	whole.Valid = true
	x = Units(s, x, c.pointwise("conv0", 128), whole)                    // [B 1 1 768]
	return layers.Dense(s.In("fc"), layers.GlobalMeanPool(x), c.Classes) // [B K]
}
