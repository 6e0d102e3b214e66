package weightsymmetry

import (
	"fmt"
	"math"
	"path"
	"strings"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// A LayerAngle compares a layer's backward path with its weights.
type LayerAngle struct {
	Scope string
	// Path is the angle in degrees between the weights and what errors go back through, as long lists of numbers: 0 for back-propagation.
	Path float64
	// Plastic is the same for the plastic matrix alone, where it has the shape of the weights; NaN elsewhere. Near 90° no
	// backward matrix is like the forward one.
	Plastic float64
	// Norm is the size of the path over that of the weights.
	Norm float64
}

// Angles compares the backward paths of a trained network, in the order of its layers. Direct feedback has none to compare.
func Angles(store *model.Store) (all []LayerAngle, err error) {
	for v := range store.IterVariables() {
		if v.Name() != "weights" || strings.HasPrefix(v.Path(), "/sgd/") {
			continue
		}
		w, err := matrix(v)
		if err != nil {
			return nil, err
		}
		a := LayerAngle{Scope: strings.TrimPrefix(v.Scope(), "/"), Plastic: math.NaN()}
		b, r := store.GetVariable(path.Join(v.Scope(), fixed)), store.GetVariable(path.Join(v.Scope(), plastic))
		var back mat.Matrix
		switch {
		case b == nil && r == nil:
			continue // errors do not go back through this layer, or through its weights
		case b == nil || r == nil:
			one := b
			if one == nil {
				one = r
			}
			m, err := matrix(one)
			if err != nil {
				return nil, err
			}
			back = m
			if r != nil {
				a.Plastic, _ = compare(w, m)
			}
		default:
			rm, err := matrix(r)
			if err != nil {
				return nil, err
			}
			bm, err := matrix(b)
			if err != nil {
				return nil, err
			}
			var through mat.Dense
			through.Mul(rm, bm) // [… in · middle][middle out]
			back = &through
			if _, middle := rm.Dims(); middle == w.RawMatrix().Cols {
				a.Plastic, _ = compare(w, rm)
			}
		}
		if a.Path, a.Norm = compare(w, back); math.IsNaN(a.Path) {
			return nil, fmt.Errorf("the weights of %s are all zero, or so is their backward path", a.Scope)
		}
		all = append(all, a)
	}
	return all, nil
}

// matrix is a variable [… in out] as rows of out.
func matrix(v *model.Variable) (*mat.Dense, error) {
	value, err := v.Value()
	if err != nil {
		return nil, err
	}
	flat, err := tensors.CopyFlatData[float32](value)
	if err != nil {
		return nil, err
	}
	data := make([]float64, len(flat))
	for i, x := range flat {
		data[i] = float64(x)
	}
	dims := value.Shape().Dimensions
	columns := dims[len(dims)-1]
	return mat.NewDense(len(data)/columns, columns, data), nil
}

// compare returns the angle between two matrices in degrees and the second's norm over the first's.
func compare(a, b mat.Matrix) (angle, ratio float64) {
	x, y := mat.DenseCopyOf(a).RawMatrix().Data, mat.DenseCopyOf(b).RawMatrix().Data
	nx, ny := floats.Norm(x, 2), floats.Norm(y, 2)
	cosine := floats.Dot(x, y) / (nx * ny)
	return math.Acos(max(-1, min(1, cosine))) * 180 / math.Pi, ny / nx
}
