package attr

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"
)

// A Parametrization makes images of the numbers that an optimiser moves: [B H W C] → [B H W C]. It does not change what
// images there are, but which are near: gradient descent in other coordinates takes another way.
type Parametrization func(p *Node) *Node

// Pixels are images as they are. Their optimisation likes fine noise.
func Pixels(p *Node) *Node { return p }

// Fourier are images as sums of waves, each with its amplitude over its frequencyᵈᵉᶜᵃʸ: with 1, as in photographs, a step
// moves all scales of the image alike (Olah et al. 2017, "Preconditioning"). Numbers of variance 1 make images of variance 1.
//
// The waves are those of Hartley's transform, cas(t) = cos t + sin t in both directions: a real orthonormal basis that is
// one matrix product for each direction, which all backends have and differentiate.
func Fourier(decay float64) Parametrization {
	return func(p *Node) *Node {
		h, w := p.Shape().Dimensions[1], p.Shape().Dimensions[2]
		scale, squares := make([][]float64, h), 0.0
		for u := range scale {
			scale[u] = make([]float64, w)
			for v := range scale[u] {
				f := math.Hypot(frequency(u, h), frequency(v, w))
				scale[u][v] = math.Pow(math.Max(f, 1/math.Max(float64(h), float64(w))), -decay)
				squares += scale[u][v] * scale[u][v]
			}
		}
		rms := math.Sqrt(squares / float64(h*w))
		p = Mul(p, Reshape(DivScalar(ConstAs(p, scale), rms), 1, h, w, 1))
		p = Einsum("bhwc,hi->biwc", p, ConstAs(p, hartley(h)))
		p = Einsum("biwc,wj->bicj", p, ConstAs(p, hartley(w)))
		return TransposeAllAxes(p, 0, 1, 3, 2) // [B H W C]
	}
}

// frequency is that of wave k of n, in periods a pixel.
func frequency(k, n int) float64 { return float64(min(k, n-k)) / float64(n) }

func hartley(n int) [][]float64 {
	m := make([][]float64, n)
	for k := range m {
		m[k] = make([]float64, n)
		for i := range m[k] {
			sin, cos := math.Sincos(2 * math.Pi * float64(k*i%n) / float64(n))
			m[k][i] = (cos + sin) / math.Sqrt(float64(n))
		}
	}
	return m
}

// NaturalColor says how the colours of photographs go together: column j is what the j-th of three independent numbers
// adds to red, green and blue. It is the root of the covariance of ImageNet's colours (as published with Olah et al. 2017).
var NaturalColor = [][]float64{{0.26, 0.09, 0.02}, {0.27, 0.00, -0.05}, {0.27, -0.09, 0.03}}

// ColorOf measures, on images [N H W C], what NaturalColor holds for photographs: U√Λ of the covariance UΛUᵀ of the
// channels. Use it where images are not photographs or not of three channels.
func ColorOf(images *tensors.Tensor) ([][]float64, error) {
	shape := images.Shape()
	if shape.Rank() != 4 || !shape.DType.IsFloat() {
		return nil, fmt.Errorf("colour: images of shape %s, want floating point [N H W C]", shape)
	}
	c := shape.Dimensions[3]
	covariance := mat.NewSymDense(c, nil)
	values, mean := float64s(images), make([]float64, c)
	n := float64(len(values) / c)
	for i, v := range values {
		mean[i%c] += v / n
	}
	for i := 0; i < len(values); i += c {
		for a := range c {
			for b := range a + 1 {
				covariance.SetSym(a, b, covariance.At(a, b)+(values[i+a]-mean[a])*(values[i+b]-mean[b])/n)
			}
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(covariance, true) {
		return nil, fmt.Errorf("colour: the images hold values that are not finite")
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	root := make([][]float64, c)
	for a := range root {
		root[a] = make([]float64, c)
		for j, variance := range eigen.Values(nil) { // ascending: the greatest comes first in root
			root[a][c-1-j] = vectors.At(a, j) * math.Sqrt(math.Max(0, variance))
		}
	}
	return root, nil
}

// mixed turns independent channels into an image's, by the matrix color [C C] over the length of its longest column.
func mixed(x *Node, color [][]float64) *Node {
	longest := 0.0
	for j := range color {
		sum := 0.0
		for i := range color {
			sum += color[i][j] * color[i][j]
		}
		longest = math.Max(longest, math.Sqrt(sum))
	}
	return Einsum("bhwc,dc->bhwd", x, DivScalar(ConstAs(x, color), math.Max(longest, 1e-12)))
}

// bounded keeps each channel between low and high, by a sigmoid: zero is the middle.
func bounded(x *Node, low, high []float64) *Node {
	l, h := perChannel(x, low), perChannel(x, high)
	return Add(Mul(Sigmoid(x), Sub(h, l)), l)
}
