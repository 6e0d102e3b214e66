package inceptionv4

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	inception "fovea/recipes/inceptionv3"
)

// stem lists what comes before the first block. The first three units are the same for all families: [B 147 147 64].
func (c Config) stem() []part {
	unit := func(name string, u inception.Unit) part {
		return part{name, func(s *model.Scope, x *graph.Node) *graph.Node { return inception.Apply(s, x, u) }}
	}
	if c.SmallStem {
		return []part{unit("conv1", c.u("", 64, 3, 3))} // [B H W 64]
	}
	list := []part{unit("conv1", c.valid("", 32, 2)), unit("conv2", c.valid("", 32, 1)), unit("conv3", c.u("", 64, 3, 3))}
	switch c.Family {
	case V4, ResNetV2:
		return append(list, part{"mixed3", c.mixed3}, part{"mixed4", c.mixed4}, part{"mixed5", c.mixed5})
	}
	pool := func(_ *model.Scope, x *graph.Node) *graph.Node { return inception.HalfPool(x) }
	list = append(list, part{"pool1", pool}, unit("conv4", c.u("", 80, 1, 1)), unit("conv5", c.valid("", 192, 1))) // [B 71 71 192]
	if c.Family == ResNetV1 {
		return append(list, unit("conv6", c.valid("", 256, 2))) // [B 35 35 256]
	}
	return append(list, part{"pool2", pool}, part{"mixed5", c.mixed5Released}) // [B 35 35 320]
}

// mixed3, mixed4 and mixed5 are the rest of figure 3.

// mixed3: x [B 147 147 64] → [B 73 73 160].
func (c Config) mixed3(s *model.Scope, x *graph.Node) *graph.Node {
	return inception.Concat(inception.HalfPool(x), one(s, x, c.valid("conv", 96, 2)))
}

// mixed4: x [B 73 73 160] → [B 71 71 192].
func (c Config) mixed4(s *model.Scope, x *graph.Node) *graph.Node {
	return inception.Concat(
		branch(s.In("branch0"), x, c.u("", 64, 1, 1), c.valid("", 96, 1)),
		branch(s.In("branch1"), x, c.u("", 64, 1, 1), c.u("", 64, 1, 7), c.u("", 64, 7, 1), c.valid("", 96, 1)),
	)
}

// mixed5: x [B 71 71 192] → [B 35 35 384].
func (c Config) mixed5(s *model.Scope, x *graph.Node) *graph.Node {
	return inception.Concat(one(s, x, c.valid("conv", 192, 2)), inception.HalfPool(x))
}

// mixed5Released is a plain block before the residual ones: x [B 35 35 192] → [B 35 35 320].
func (c Config) mixed5Released(s *model.Scope, x *graph.Node) *graph.Node {
	return inception.Concat(
		one(s, x, c.u("branch0", 96, 1, 1)),
		branch(s.In("branch1"), x, c.u("", 48, 1, 1), c.u("", 64, 5, 5)),
		branch(s.In("branch2"), x, c.u("", 64, 1, 1), c.u("", 96, 3, 3), c.u("", 96, 3, 3)),
		c.pooled(s.In("branch3"), x, 64),
	)
}
