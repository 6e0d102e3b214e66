package layertest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// Go is the pure-Go backend, on which small graphs compile at once.
var Go = sync.OnceValue(func() compute.Backend {
	b, err := compute.NewWithConfig("go")
	if err != nil {
		panic(err)
	}
	return b
})

// NewStore is an empty store whose random numbers are repeatable.
func NewStore(seed int64) *model.Store {
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(seed); err != nil {
		panic(err)
	}
	return store
}

// Random is a tensor of normal random numbers, the same for the same seed.
func Random[T float32 | float64](seed uint64, dimensions ...int) *tensors.Tensor {
	r, n := rand.New(rand.NewPCG(seed, 0)), 1
	for _, d := range dimensions {
		n *= d
	}
	values := make([]T, n)
	for i := range values {
		values[i] = T(r.NormFloat64())
	}
	return tensors.FromFlatDataAndDimensions(values, dimensions...)
}

// Host copies a tensor off its backend, so that it can be given to another.
func Host(t *tensors.Tensor) *tensors.Tensor {
	switch t.DType() {
	case dtypes.Float32:
		return tensors.FromFlatDataAndDimensions(tensors.MustCopyFlatData[float32](t), t.Shape().Dimensions...)
	case dtypes.Float64:
		return tensors.FromFlatDataAndDimensions(tensors.MustCopyFlatData[float64](t), t.Shape().Dimensions...)
	}
	panic(fmt.Sprintf("layertest: tensor of type %s", t.DType()))
}

// Floats are the values of a float32 or float64 tensor.
func Floats(t *tensors.Tensor) []float64 {
	if t.DType() == dtypes.Float64 {
		return tensors.MustCopyFlatData[float64](t)
	}
	values := tensors.MustCopyFlatData[float32](t)
	wide := make([]float64, len(values))
	for i, v := range values {
		wide[i] = float64(v)
	}
	return wide
}

func maxDifference(a, b *tensors.Tensor) float64 { return difference(Floats(a), Floats(b)) }

// difference is the largest |got−want|, relative to the largest |want| where that is more than 1. Different lengths
// are infinitely different, NaN stays NaN.
func difference(got, want []float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	diff, scale := 0.0, 1.0
	for i := range got {
		if math.IsNaN(got[i]) || math.IsNaN(want[i]) {
			return math.NaN()
		}
		diff = max(diff, math.Abs(got[i]-want[i]))
		scale = max(scale, math.Abs(want[i]))
	}
	return diff / scale
}

func notFinite(values []float64) (n int) {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			n++
		}
	}
	return n
}

func allZero(values []float64) bool {
	for _, v := range values {
		if v != 0 {
			return false
		}
	}
	return true
}

func head(values []float64) []float64 { return values[:min(len(values), 12)] }
