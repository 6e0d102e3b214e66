package inceptionv4

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
	inception "fovea/recipes/inceptionv3"
)

// residual is an Inception-ResNet block on grid 0, 1 or 2 (figures 16, 17 and 19; 10, 11 and 13 for v1). The branches are cheap, and a 1×1
// convolution with a bias, without normalisation or activation, gives them the channels of what they are added to:
//
//	y = ReLU(x + scale·(W·[branches(x)] + b))
//
// The last block of the published network has neither scale nor ReLU. x [B H W C] → [B H W C].
func (c Config) residual(grid int, last bool) builder {
	return func(s *model.Scope, x *graph.Node) *graph.Node {
		scale, last := c.Scales[grid], last && c.Family == ResNetV2Released
		if last {
			scale = 1
		}
		found := inception.Concat(c.branches(s, x, grid)...) // [B H W F]
		found = layers.Conv(s.In("linear"), found, layers.ConvOptions{Filters: x.Shape().Dimensions[3], Size: 1})
		y := Residual(x, found, scale) // [B H W C]
		if c.NoShortcut {
			y = found
		}
		if last {
			return y
		}
		return layers.ReLU(y)
	}
}

// Residual adds what a block found to its input, scaled down so that very wide networks stay stable (section 3.3): x + scale·found.
func Residual(x, found *graph.Node, scale float64) *graph.Node {
	return graph.Add(x, graph.MulScalar(found, scale))
}

// branches of a residual block, one of 1×1 and one or two that look around.
func (c Config) branches(s *model.Scope, x *graph.Node, grid int) []*graph.Node {
	v1 := c.Family == ResNetV1
	pick := func(first, second int) int {
		if v1 {
			return first
		}
		return second
	}
	switch grid {
	case 0:
		return []*graph.Node{
			one(s, x, c.u("branch0", 32, 1, 1)),
			branch(s.In("branch1"), x, c.u("", 32, 1, 1), c.u("", 32, 3, 3)),
			branch(s.In("branch2"), x, c.u("", 32, 1, 1), c.u("", pick(32, 48), 3, 3), c.u("", pick(32, 64), 3, 3)),
		}
	case 1:
		return []*graph.Node{
			one(s, x, c.u("branch0", pick(128, 192), 1, 1)),
			branch(s.In("branch1"), x, c.u("", 128, 1, 1), c.u("", pick(128, 160), 1, 7), c.u("", pick(128, 192), 7, 1)),
		}
	}
	return []*graph.Node{
		one(s, x, c.u("branch0", 192, 1, 1)),
		branch(s.In("branch1"), x, c.u("", 192, 1, 1), c.u("", pick(192, 224), 1, 3), c.u("", pick(192, 256), 3, 1)),
	}
}
