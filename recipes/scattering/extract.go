package scattering

import (
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	. "github.com/gomlx/gomlx/support/exceptions"

	"fovea/layers"
)

// Activation is a non-linearity with M(0) = 0.
type Activation string

const (
	Modulus Activation = "modulus" // |z|: takes analytic wavelets
	ReLU    Activation = "relu"
	Tanh    Activation = "tanh"
	Sigmoid Activation = "sigmoid" // 1/(1+e^−x) − ½
)

// Lipschitz is the constant L: |M(x) − M(y)| ≤ L·|x−y|.
func (a Activation) Lipschitz() float64 {
	if a == Sigmoid {
		return 0.25
	}
	return 1
}

// Pool is a pooling operator, the identity before the dilation by the module's factor S, or an average.
type Pool string

const (
	Subsample Pool = "subsample" // every S-th sample
	Mean      Pool = "mean"      // the mean of each S (or S×S) samples, times S^(d/2)
)

// Lipschitz is the constant R, both on the grid and, as ‖φ‖₁ of the averaging function φ, in the paper's setting.
func (p Pool) Lipschitz() float64 { return 1 }

// Admissible is max{B, B·L²·R²} of a module: the theory wants at most 1.
func (m Module) Admissible(h, w int) float64 {
	_, b := NewFrame(m, h, w).Bounds()
	l, r := m.Activation.Lipschitz(), m.Pool.Lipschitz()
	return b * max(1, l*l*r*r)
}

// Grids lists the sides of the signals in each layer.
func (c Config) Grids() [][2]int {
	grids := [][2]int{{c.Height, c.Width}}
	for n, m := range c.Modules {
		h, w := grids[n][0], grids[n][1]
		if m.Factor < 1 || h > 1 && h%m.Factor != 0 || w%m.Factor != 0 {
			Panicf("scattering: signals of %d×%d in layer %d cannot be pooled by %d", h, w, n+1, m.Factor)
		}
		if h > 1 {
			h /= m.Factor
		}
		grids = append(grids, [2]int{h, w / m.Factor})
	}
	return grids
}

// Features are Φ⁰ to Φᴺ of real signals x [B C H W], one [B paths h w] for each layer: Φⁿ = {U[q]f ∗ χₙ} over the paths q of length n
// (definition 2), where U[λ]f = P(M(f ∗ g_λ)). Convolutions are circular and go through matrices of the discrete Fourier
// transform, which every backend multiplies and differentiates, in any precision.
func Features(x *graph.Node, c Config) []*graph.Node {
	x.AssertDims(-1, -1, c.Height, c.Width)
	var features []*graph.Node
	t := &transforms{x.Graph(), x, map[int][2]*graph.Node{}}
	for n, grid := range c.Grids() {
		m := c.Output
		if n < len(c.Modules) {
			m = c.Modules[n]
		}
		frame := NewFrame(m, grid[0], grid[1])
		spectrum := t.forward(x)                                           // [B P h w]
		low, _ := t.inverse(spectrum.times(t.responses(frame, nil)), true) // [B P h w]
		features = append(features, low)
		if n == len(c.Modules) {
			break
		}
		u, im := t.inverse(spectrum.times(t.responses(frame, frame.Bands)), frame.Real) // [B P·bands h w]
		x = pool(activate(u, im, m.Activation), m.Pool, m.Factor)                       // [B P·bands h/S w/S]
	}
	return features
}

// activate applies M to a signal; im is nil where it is real.
func activate(re, im *graph.Node, a Activation) *graph.Node {
	switch a {
	case Modulus:
		if im == nil {
			return graph.Abs(re)
		}
		// The root's slope at 0 is infinite: where there is nothing, gradients are 0 and not NaN.
		square := graph.Add(graph.Square(re), graph.Square(im))
		some := graph.GreaterThan(square, graph.ScalarZero(square.Graph(), square.DType()))
		return graph.Where(some, graph.Sqrt(graph.Where(some, square, graph.OnesLike(square))), graph.ZerosLike(square))
	case ReLU:
		return layers.ReLU(re)
	case Tanh:
		return graph.Tanh(re)
	case Sigmoid:
		return graph.AddScalar(graph.Sigmoid(re), -0.5)
	}
	Panicf("scattering: there is no activation %q", a)
	return nil
}

// pool [B P h w] → [B P h/S w/S]; a side of 1 stays.
func pool(x *graph.Node, p Pool, factor int) *graph.Node {
	if factor == 1 {
		return x
	}
	d := x.Shape().Dimensions
	high := factor
	if d[2] == 1 {
		high = 1
	}
	blocks := graph.Reshape(x, d[0], d[1], d[2]/high, high, d[3]/factor, factor)
	switch p {
	case Subsample:
		first := graph.Slice(blocks, graph.AxisRange(), graph.AxisRange(), graph.AxisRange(), graph.AxisRange(0, 1), graph.AxisRange(), graph.AxisRange(0, 1))
		return graph.Reshape(first, d[0], d[1], d[2]/high, d[3]/factor)
	case Mean:
		return graph.MulScalar(graph.ReduceMean(blocks, 3, 5), math.Sqrt(float64(high*factor)))
	}
	Panicf("scattering: there is no pooling %q", p)
	return nil
}

// complexNode is a complex value as two real ones; im is nil where it is zero.
type complexNode struct{ re, im *graph.Node }

// times multiplies spectra [B P h w] with n responses [1 1 n h w], all with all: [B P·n h w].
func (a complexNode) times(b complexNode) complexNode {
	product := func(x, y *graph.Node) *graph.Node {
		d := x.Shape().Dimensions
		return graph.Reshape(graph.Mul(graph.InsertAxes(x, 2), y), d[0], d[1]*y.Shape().Dimensions[2], d[2], d[3])
	}
	if b.im == nil {
		return complexNode{product(a.re, b.re), product(a.im, b.re)}
	}
	return complexNode{
		graph.Sub(product(a.re, b.re), product(a.im, b.im)),
		graph.Add(product(a.re, b.im), product(a.im, b.re)),
	}
}

// transforms holds the matrices cos and sin of 2πkn/N by size N, made once in a graph.
type transforms struct {
	g    *graph.Graph
	like *graph.Node // its type is that of all
	made map[int][2]*graph.Node
}

func (t *transforms) matrices(n int) (cos, sin *graph.Node) {
	if _, ok := t.made[n]; !ok {
		c, s := make([]float64, n*n), make([]float64, n*n)
		for i := range c {
			// The angle is taken after the product's remainder: large angles would lose digits.
			s[i], c[i] = math.Sincos(2 * math.Pi * float64(i/n*(i%n)%n) / float64(n))
		}
		t.made[n] = [2]*graph.Node{t.constant(c, n, n), t.constant(s, n, n)}
	}
	return t.made[n][0], t.made[n][1]
}

func (t *transforms) constant(values []float64, dims ...int) *graph.Node {
	return graph.ConvertDType(graph.Const(t.g, tensors.FromFlatDataAndDimensions(values, dims...)), t.like.DType())
}

// responses are those of bands, or with none of the low-pass, as [1 1 n h w]. The wavelets' are real, and have no imaginary part.
func (t *transforms) responses(f *Frame, bands []Band) complexNode {
	if bands == nil {
		return complexNode{re: t.constant(f.Low, 1, 1, 1, f.Height, f.Width)}
	}
	var re, im []float64
	some := false
	for _, b := range bands {
		re, im = append(re, b.Re...), append(im, b.Im...)
		some = some || slices.Max(b.Im) > 0
	}
	z := complexNode{re: t.constant(re, 1, 1, len(bands), f.Height, f.Width)}
	if some {
		z.im = t.constant(im, 1, 1, len(bands), f.Height, f.Width)
	}
	return z
}

const alongWidth, alongHeight = "bphw,wu->bphu", "bphw,hu->bpuw"

// forward is the discrete Fourier transform of real signals [B P h w] over space.
func (t *transforms) forward(x *graph.Node) complexNode {
	cos, sin := t.matrices(x.Shape().Dimensions[3])
	z := complexNode{graph.Einsum(alongWidth, x, cos), graph.Neg(graph.Einsum(alongWidth, x, sin))}
	if h := x.Shape().Dimensions[2]; h > 1 {
		cos, sin = t.matrices(h)
		z = complexNode{
			graph.Add(graph.Einsum(alongHeight, z.re, cos), graph.Einsum(alongHeight, z.im, sin)),
			graph.Sub(graph.Einsum(alongHeight, z.im, cos), graph.Einsum(alongHeight, z.re, sin)),
		}
	}
	return z
}

// inverse is the way back. im is nil where the result is known to be real.
func (t *transforms) inverse(z complexNode, isReal bool) (re, im *graph.Node) {
	d := z.re.Shape().Dimensions
	h, w := d[2], d[3]
	if h > 1 {
		cos, sin := t.matrices(h)
		z = complexNode{
			graph.Sub(graph.Einsum(alongHeight, z.re, cos), graph.Einsum(alongHeight, z.im, sin)),
			graph.Add(graph.Einsum(alongHeight, z.im, cos), graph.Einsum(alongHeight, z.re, sin)),
		}
	}
	cos, sin := t.matrices(w)
	scale := 1 / float64(h*w)
	re = graph.MulScalar(graph.Sub(graph.Einsum(alongWidth, z.re, cos), graph.Einsum(alongWidth, z.im, sin)), scale)
	if isReal {
		return re, nil
	}
	return re, graph.MulScalar(graph.Add(graph.Einsum(alongWidth, z.im, cos), graph.Einsum(alongWidth, z.re, sin)), scale)
}
