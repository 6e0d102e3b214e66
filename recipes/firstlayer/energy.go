package firstlayer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"fovea/datasets"
)

// Components are the principal components of patches: the coordinate system in which filters are looked at.
type Components struct {
	Size, Channels int        // patches are [Size Size Channels]
	Variance       []float64  // λ, from the greatest to the least
	Vectors        *mat.Dense // [d d], a component in each column
}

// PatchComponents computes the components of n patches at random places of the images, as a network gets them (normalised).
func PatchComponents(images *datasets.Images, size, n int, seed uint64) (*Components, error) {
	if images.N == 0 || size < 1 || size > min(images.H, images.W) {
		return nil, fmt.Errorf("patches of %d×%d from %d images of %d×%d: they don't fit", size, size, images.N, images.H, images.W)
	}
	d := size * size * images.C
	if n < 2*d {
		return nil, fmt.Errorf("%d patches say little about %d components: take more", n, d)
	}
	pixels := tensors.MustCopyFlatData[float32](images.Tensor(0, images.N))
	random := rand.New(rand.NewPCG(seed, 1))
	patches := mat.NewDense(n, d, nil)
	for i := range n {
		image, y, x := random.IntN(images.N), random.IntN(images.H-size+1), random.IntN(images.W-size+1)
		row := patches.RawRowView(i)
		for dy := range size {
			at := ((image*images.H+y+dy)*images.W + x) * images.C
			for k, v := range pixels[at : at+size*images.C] {
				row[dy*size*images.C+k] = float64(v)
			}
		}
	}
	return components(patches, size, images.C)
}

// components decomposes the covariance of the rows of patches.
func components(patches *mat.Dense, size, channels int) (*Components, error) {
	_, d := patches.Dims()
	covariance := mat.NewSymDense(d, nil)
	stat.CovarianceMatrix(covariance, patches, nil)
	var eigen mat.EigenSym
	if !eigen.Factorize(covariance, true) {
		return nil, fmt.Errorf("the covariance of the patches can't be decomposed: are there values that are not finite?")
	}
	ascending := eigen.Values(nil)
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	c := &Components{Size: size, Channels: channels, Vectors: mat.NewDense(d, d, nil)}
	for i := range d {
		c.Variance = append(c.Variance, max(ascending[d-1-i], 0)) // rounding may leave −1e-17
		c.Vectors.SetCol(i, mat.Col(nil, d-1-i, &vectors))
	}
	return c, nil
}

// Profile is the energy of a first layer along each component, eᵢ = √(mean over filters k of (pᵢ·wₖ)²); weights are
// [Size Size Channels F].
func (c *Components) Profile(weights *tensors.Tensor) ([]float64, error) {
	dims := weights.Shape().Dimensions
	if len(dims) != 4 || !slices.Equal(dims[:3], []int{c.Size, c.Size, c.Channels}) {
		return nil, fmt.Errorf("weights %v for components of %d×%d patches with %d channels", dims, c.Size, c.Size, c.Channels)
	}
	d, filters := len(c.Variance), dims[3]
	flat := tensors.MustCopyFlatData[float32](weights)
	w := mat.NewDense(d, filters, nil)
	for i, v := range flat {
		w.Set(i/filters, i%filters, float64(v))
	}
	var along mat.Dense
	along.Mul(c.Vectors.T(), w) // [d F]
	energy := make([]float64, d)
	for i := range energy {
		row := along.RawRowView(i)
		energy[i] = math.Sqrt(mat.Dot(mat.NewVecDense(filters, row), mat.NewVecDense(filters, row)) / float64(filters))
	}
	return energy, nil
}

// Tiles are the first n components as images [n Size Size Channels], in an order that Grid of the drawing package takes.
func (c *Components) Tiles(n int) []float32 {
	var tiles []float32
	for i := range min(n, len(c.Variance)) {
		for _, v := range mat.Col(nil, i, c.Vectors) {
			tiles = append(tiles, float32(v))
		}
	}
	return tiles
}

// Correlation is Pearson's; two profiles of one shape have 1, whatever their scale.
func Correlation(a, b []float64) float64 { return stat.Correlation(a, b, nil) }
