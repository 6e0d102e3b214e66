package attr

import (
	"fmt"
	"math"

	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"
)

// rows are features [N …] as a matrix [N D], and the mean of each column, which is taken out.
func rows(features *tensors.Tensor) (x *mat.Dense, mean []float64, err error) {
	shape := features.Shape()
	if shape.Rank() < 2 || !shape.DType.IsFloat() || shape.Dimensions[0] < 2 || shape.Size() == 0 {
		return nil, nil, fmt.Errorf("features of shape %s, want floating point [N …] of two examples or more", shape)
	}
	n := shape.Dimensions[0]
	d := shape.Size() / n
	values := float64s(features)
	mean = make([]float64, d)
	for i, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, nil, fmt.Errorf("features: example %d holds %v", i/d, v)
		}
		mean[i%d] += v / float64(n)
	}
	for i := range values {
		values[i] -= mean[i%d]
	}
	return mat.NewDense(n, d, values), mean, nil
}

// spectrum is the singular values s of x [N D], squared, greatest first, and the right singular vectors v [D r]. Those that
// rounding made are left out. It takes the eigenvectors of the smaller one of xᵀx and xxᵀ.
func spectrum(x *mat.Dense) (squares []float64, v *mat.Dense, err error) {
	n, d := x.Dims()
	var gram mat.SymDense
	wide := d > n
	if wide {
		gram.SymOuterK(1, x) // xxᵀ
	} else {
		gram.SymOuterK(1, x.T()) // xᵀx
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(&gram, true) {
		return nil, nil, fmt.Errorf("features: no eigenvectors were found for their %d×%d products", gram.SymmetricDim(), gram.SymmetricDim())
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	values := eigen.Values(nil) // ascending
	greatest := values[len(values)-1]
	rank := 0
	for _, value := range values {
		if value > 1e-12*greatest && value > 0 {
			rank++
		}
	}
	if rank == 0 {
		return nil, nil, fmt.Errorf("features: all %d examples are the same", n)
	}
	chosen := mat.NewDense(len(values), rank, nil)
	for j := range rank {
		from := len(values) - 1 - j
		squares = append(squares, values[from])
		for i := range len(values) {
			chosen.Set(i, j, vectors.At(i, from))
		}
	}
	if !wide {
		return squares, chosen, nil
	}
	v = mat.NewDense(d, rank, nil)
	v.Mul(x.T(), chosen) // V = xᵀU/s
	for j, square := range squares {
		for i := range d {
			v.Set(i, j, v.At(i, j)/math.Sqrt(square))
		}
	}
	return squares, v, nil
}

// squaredDistances are those between the rows of x, [N N].
func squaredDistances(x *mat.Dense) [][]float64 {
	n, _ := x.Dims()
	var products mat.SymDense
	products.SymOuterK(1, x)
	distances := make([][]float64, n)
	for i := range distances {
		distances[i] = make([]float64, n)
		for j := range n {
			distances[i][j] = math.Max(0, products.At(i, i)+products.At(j, j)-2*products.At(i, j))
		}
	}
	return distances
}
