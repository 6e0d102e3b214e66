package kernelheterogeneity

import (
	"context"
	"math"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// A Coder finds sparse codes y [B K H W] of pictures s [B H W] by kernels d [K n n]:
//
//	minimise ½‖Σ d_k∗y_k − s‖² + λ·Σ|y_k|,   ∗ the circular convolution
//
// by ADMM (Wohlberg 2016): x solves the quadratic part, one equation of rank one for each frequency, y is the soft threshold, u the scaled
// dual. A step of it is one compiled program; the state stays on the device.
type Coder struct {
	first, step, look *graph.Exec
	lambda            float64
}

// relaxation is that of Wohlberg's solver.
const relaxation = 1.8

// NewCoder compiles nothing yet: programs are compiled for the first pictures of each shape.
func NewCoder(backend compute.Backend, lambda float64) (*Coder, error) {
	c := &Coder{lambda: lambda}
	var err error
	if c.first, err = graph.NewExec(backend, c.start); err != nil {
		return nil, err
	}
	if c.step, err = graph.NewExec(backend, c.iterate); err != nil {
		return nil, err
	}
	c.look, err = graph.NewExec(backend, c.measure)
	return c, err
}

// Close frees the programs.
func (c *Coder) Close() {
	for _, e := range []*graph.Exec{c.first, c.step, c.look} {
		e.Finalize()
	}
}

// start is the state before the first step. kernels [K n n], s [B H W] → y, u [B K H W] zero, ρ [B], and the spectra of kernels [K H V] and
// pictures [B H V].
func (c *Coder) start(kernels, s *graph.Node) []*graph.Node {
	dims := s.Shape().Dimensions
	f, k := fourier{dims[1], dims[2]}, kernels.Shape().Dimensions[0]
	d, z := f.forward(f.padded(kernels)), f.forward(s)
	zero := graph.Zeros(s.Graph(), shapes.Make(dtypes.Float32, dims[0], k, dims[1], dims[2]))
	rho := graph.AddScalar(graph.Zeros(s.Graph(), shapes.Make(dtypes.Float32, dims[0])), 50*c.lambda+1)
	return []*graph.Node{zero, graph.Identity(zero), rho, d.re, d.im, z.re, z.im}
}

// iterate is a step: the state's first three parts anew, and the relative primal and dual residuals [B]. Behind the state stands a number
// that is above 0 while ρ is to adapt.
func (c *Coder) iterate(state []*graph.Node) []*graph.Node {
	y, u, rho := state[0], state[1], state[2]
	dims := y.Shape().Dimensions // B K H W
	f := fourier{dims[2], dims[3]}
	kernels := spectrum{state[3], state[4]}.each(func(n *graph.Node) *graph.Node { return graph.InsertAxes(n, 0) })  // [1 K H V]
	pictures := spectrum{state[5], state[6]}.each(func(n *graph.Node) *graph.Node { return graph.InsertAxes(n, 1) }) // [B 1 H V]
	wide := graph.Reshape(rho, -1, 1, 1, 1)                                                                          // [B 1 1 1]
	overAtoms := func(n *graph.Node) *graph.Node { return graph.ReduceAndKeep(n, graph.ReduceSum, 1) }               // [B 1 H V]
	scale := func(by *graph.Node) func(*graph.Node) *graph.Node {
		return func(n *graph.Node) *graph.Node { return graph.Mul(n, by) }
	}

	// (DᴴD + ρ)·x = Dᴴs + ρ·(y − u) for each frequency, by Sherman's and Morrison's formula.
	b := add(mul(kernels, pictures, true), f.forward(graph.Sub(y, u)).each(scale(wide)))                    // [B K H V]
	power := overAtoms(graph.Add(graph.Square(kernels.re), graph.Square(kernels.im)))                       // [1 1 H V]
	through := mul(kernels, b, false).each(overAtoms).each(scale(graph.Reciprocal(graph.Add(power, wide)))) // [B 1 H V]
	x := add(b, mul(kernels, through, true).each(graph.Neg)).each(scale(graph.Reciprocal(wide)))            // [B K H V]
	primal := f.inverse(x)                                                                                  // [B K H W]

	relaxed := graph.Add(graph.MulScalar(primal, relaxation), graph.MulScalar(y, 1-relaxation))
	next := soft(graph.Add(relaxed, u), graph.MulScalar(graph.Reciprocal(wide), c.lambda))
	dual := graph.Sub(graph.Add(u, relaxed), next)

	norm := func(n *graph.Node) *graph.Node { return graph.Sqrt(graph.ReduceSum(graph.Square(n), 1, 2, 3)) } // [B]
	over := func(a, b *graph.Node) *graph.Node { return graph.Div(a, graph.MaxScalar(b, 1e-12)) }
	r := over(norm(graph.Sub(primal, next)), graph.Max(norm(primal), norm(next)))
	s := over(norm(graph.Sub(next, y)), norm(dual))
	// ρ grows where the primal residual is behind, and shrinks where the dual one is: at most twofold a step.
	factor := graph.Sqrt(over(r, s))
	factor = graph.MinScalar(graph.MaxScalar(factor, 0.5), 2)
	uneven := graph.Or(graph.GreaterThan(factor, graph.ConstAs(factor, 1.2)), graph.LessThan(factor, graph.ConstAs(factor, 1/1.2)))
	adapt := graph.BroadcastToShape(graph.GreaterThan(state[7], graph.ScalarZero(y.Graph(), dtypes.Float32)), uneven.Shape())
	factor = graph.Where(graph.And(uneven, adapt), factor, graph.OnesLike(factor))
	dual = graph.Div(dual, graph.Reshape(factor, -1, 1, 1, 1))
	return []*graph.Node{next, dual, graph.Mul(rho, factor), r, s}
}

// soft is v moved towards 0 by t.
func soft(v, t *graph.Node) *graph.Node {
	zero := graph.ScalarZero(v.Graph(), v.DType())
	left := graph.Sub(graph.Abs(v), t)
	return graph.Where(graph.GreaterThan(left, zero), graph.Where(graph.GreaterThan(v, zero), left, graph.Neg(left)), graph.ZerosLike(v))
}

// levels are the shares of the smallest coefficients that are taken away to see how resilient a code is.
var levels = []float64{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9}

// measure is the reconstruction of codes [B K H W], of those at least as large as the limits [B] alone: its squared error on the pictures
// [B], the number of coefficients that are not 0 [B], and their absolute sum [B].
func (c *Coder) measure(state []*graph.Node) []*graph.Node {
	y, limits, s := state[0], state[1], state[4]
	dims := y.Shape().Dimensions
	f := fourier{dims[2], dims[3]}
	y = graph.Where(graph.GreaterOrEqual(graph.Abs(y), graph.Reshape(limits, -1, 1, 1, 1)), y, graph.ZerosLike(y))
	kernels := spectrum{state[2], state[3]}.each(func(n *graph.Node) *graph.Node { return graph.InsertAxes(n, 0) })
	z := mul(kernels, f.forward(y), false).each(func(n *graph.Node) *graph.Node { return graph.ReduceSum(n, 1) }) // [B H V]
	wrong := graph.ReduceSum(graph.Square(graph.Sub(f.inverse(z), s)), 1, 2)
	count := graph.ReduceSum(graph.ConvertDType(graph.NotEqual(y, graph.ZerosLike(y)), dtypes.Float32), 1, 2, 3)
	return []*graph.Node{wrong, count, graph.ReduceSum(graph.Abs(y), 1, 2, 3)}
}

// A Code is what coding came to: the coefficients and what they reconstruct.
type Code struct {
	Y            *tensors.Tensor // [B K H W]
	Primal, Dual []float32       // relative residuals of the last step, by picture
	coder        *Coder
	fixed        []*tensors.Tensor // spectra of kernels and pictures
	pictures     *tensors.Tensor
}

// Encode codes pictures [B H W], W even, by kernels [K n n]. Close the code when it has been looked at.
func (c *Coder) Encode(ctx context.Context, kernels, pictures *tensors.Tensor, iterations int) (*Code, error) {
	state, err := c.first.Call(kernels, pictures)
	if err != nil {
		return nil, err
	}
	code := &Code{coder: c, fixed: state[3:], pictures: pictures}
	moving := state[:3] // y, u, ρ
	for i := range iterations {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		// ρ finds its size in the first quarter. ADMM is sure to converge only with one that stays; one that followed the residuals to
		// the end was seen to swing.
		adapt := float32(0)
		if i < iterations/4 {
			adapt = 1
		}
		outputs, err := c.step.Call(moving[0], moving[1], moving[2], state[3], state[4], state[5], state[6], adapt)
		if err != nil {
			return nil, err
		}
		free(moving)
		moving = outputs[:3]
		code.Primal, code.Dual = tensors.MustCopyFlatData[float32](outputs[3]), tensors.MustCopyFlatData[float32](outputs[4])
		free(outputs[3:])
	}
	code.Y = moving[0]
	free(moving[1:])
	return code, nil
}

func free(list []*tensors.Tensor) {
	for _, t := range list {
		_ = t.FinalizeAll()
	}
}

// Close frees what the code holds on the device.
func (c *Code) Close() { free(append(c.fixed, c.Y)) }

// A Look is what a picture's code without its smallest coefficients is worth.
type Look struct {
	Error   float64 // Σ (reconstruction − picture)²
	Nonzero float64 // coefficients
	Sum     float64 // of their absolute values
}

// Objective is what coding minimises.
func (l Look) Objective(lambda float64) float64 { return l.Error/2 + lambda*l.Sum }

// Look takes away the coefficients that are smaller than a limit, of each picture its own, and says what is left; nil: none.
func (c *Code) Look(limits []float32) ([]Look, error) {
	batch := c.Y.Shape().Dimensions[0]
	if limits == nil {
		limits = make([]float32, batch)
	}
	outputs, err := c.coder.look.Call(c.Y, limits, c.fixed[0], c.fixed[1], c.pictures)
	if err != nil {
		return nil, err
	}
	defer free(outputs)
	looks := make([]Look, batch)
	for i := range looks {
		at := func(o int) float64 { return float64(tensors.MustCopyFlatData[float32](outputs[o])[i]) }
		looks[i] = Look{at(0), at(1), at(2)}
	}
	return looks, nil
}

// Limits are, for each picture, the size below which a share of its coefficients that are not 0 lies.
func (c *Code) Limits(share float64) []float32 {
	dims := c.Y.Shape().Dimensions
	flat := tensors.MustCopyFlatData[float32](c.Y)
	n := len(flat) / dims[0]
	limits := make([]float32, dims[0])
	for i := range limits {
		var sizes []float32
		for _, v := range flat[i*n : (i+1)*n] {
			if v != 0 {
				sizes = append(sizes, float32(math.Abs(float64(v))))
			}
		}
		slices.Sort(sizes)
		if len(sizes) > 0 {
			limits[i] = sizes[min(int(share*float64(len(sizes))), len(sizes)-1)]
		}
	}
	return limits
}
