package hypernetworks

import (
	"math"

	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/layers"
)

// Generator makes kernels from embeddings of layers with two linear maps (section 3.1). Wide layers are tiled: each pair of Tile
// input and Tile output channels has an embedding of its own, and all of them share the maps.
type Generator struct {
	Embedding int `json:"embedding"` // N_z
	Hidden    int `json:"hidden"`    // d, values for each input channel
	Tile      int `json:"tile"`      // N_in = N_out of a tile
}

// Parameters of the generator of windows of size×size and of n embeddings: n·N_z + d(N_z+1)N_in + f²N_out(d+1).
func (o Generator) Parameters(size, n int) int {
	return n*o.Embedding + o.Hidden*(o.Embedding+1)*o.Tile + size*size*o.Tile*(o.Hidden+1)
}

// Kernel generates a kernel [size size in out] (equation 2, figure 2), for each tile with its embedding z [N_z]:
//
//	a_i = W_i z + B_i [d] for each input channel i,   K_i = W_out a_i + B_out [f²·N_out]
//
// The embeddings "embedding" [in/Tile out/Tile N_z] lie in the scope s of the layer, the maps "project" and "out" in the scope
// shared, which several layers may have in common as long as their windows are of one size. At first the kernel is distributed as He's
// initialisation would have it for the tile.
//
// It panics unless in and out are multiples of Tile.
func (o Generator) Kernel(s, shared *model.Scope, like *graph.Node, size, in, out int) *graph.Node {
	if o.Embedding < 1 || o.Hidden < 1 || o.Tile < 1 || in%o.Tile != 0 || out%o.Tile != 0 {
		Panicf("hypernetworks.Generator: %+v for a kernel from %d to %d channels: want positive sizes, and channels in multiples of Tile", o, in, out)
	}
	n := o.Tile
	normal := func(s *model.Scope, variance float64) *model.Scope {
		return s.WithInitializer(initializer.RandomNormalFn(s, math.Sqrt(variance)))
	}
	// A uniform variable of variance one, so that the maps alone set the scale.
	z := s.WithInitializer(initializer.RandomUniformFn(s, -math.Sqrt(3), math.Sqrt(3))).
		VariableWithShape("embedding", shapes.Make(like.DType(), in/n, out/n, o.Embedding)).NodeValue(like.Graph())

	project := normal(shared.At("project"), 1/float64(o.Embedding))
	a := layers.Dense(project, z, n*o.Hidden)      // [in/n out/n n·d]
	a = graph.Reshape(a, in/n, out/n, n, o.Hidden) // [in/n out/n n d]
	last := normal(shared.At("out"), 2/float64(size*size*n*o.Hidden))
	k := layers.Dense(last, a, size*size*n)             // [in/n out/n n f²·n]
	k = graph.Reshape(k, in/n, out/n, n, size, size, n) // [in/n out/n n f f n]
	k = graph.TransposeAllAxes(k, 3, 4, 0, 2, 1, 5)     // [f f in/n n out/n n]
	return graph.Reshape(k, size, size, in, out)
}
