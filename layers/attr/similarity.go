package attr

import (
	"context"
	"fmt"
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// LinearCKA is the similarity of two representations of the same examples, x [N …] and y [N …]: a scalar between 0 and 1
// that rotations and scales of either leave as it is (Kornblith et al. 2019, section 3: linear centred kernel alignment,
// HSIC(x, y)/√(HSIC(x, x) HSIC(y, y))). With few examples of many numbers it is far above 0 even for noise: there take
// Similarities.
func LinearCKA(x, y *Node) *Node {
	k, l := gram(x), gram(y) // [N N]
	if !k.Shape().Equal(l.Shape()) {
		Panicf("attr.LinearCKA: representations %s and %s, want as many examples", x.Shape(), y.Shape())
	}
	product := func(a, b *Node) *Node { return ReduceAllSum(Mul(a, b)) }
	return Div(product(k, l), Sqrt(AddScalar(Mul(product(k, k), product(l, l)), 1e-30)))
}

// gram are the products of examples x [N …] with one another, [N N]: centred, and over their number of values.
func gram(x *Node) *Node {
	x = asFloat32(x)
	x = Reshape(x, x.Shape().Dimensions[0], -1) // [N D]
	x = Sub(x, ReduceAndKeep(x, ReduceMean, 0))
	return DivScalar(Einsum("nd,md->nm", x, x), float64(x.Shape().Dimensions[1]))
}

// unbiased is the estimate of HSIC from two Gram matrices [N N] that noise leaves at 0 on average (Song et al. 2012; Nguyen et al.
// 2021, eq. 3). It needs four examples. The matrices' diagonals must have been taken out.
func unbiased(k, l *Node) *Node {
	n := float64(k.Shape().Dimensions[0])
	kRows, lRows := ReduceSum(k, -1), ReduceSum(l, -1) // [N]
	trace := ReduceAllSum(Mul(k, l))
	sums := DivScalar(Mul(ReduceAllSum(k), ReduceAllSum(l)), (n-1)*(n-2))
	cross := MulScalar(ReduceAllSum(Mul(kRows, lRows)), 2/(n-2))
	return DivScalar(Sub(Add(trace, sums), cross), n*(n-3))
}

// Layers are taps of a network whose representations are compared.
type Layers struct {
	Store   *model.Store
	Network Network
	Taps    []string
}

// Similarities is the linear CKA of each tap of a with each of b on images [N H W C]: [tap of a][tap of b]. It takes the
// images batch by batch and averages the unbiased HSIC over batches, so that the result does not depend on the batch
// size but for noise, and wide maps fit (Nguyen et al. 2021, eq. 2). Values can be a little below 0. A batch has four
// images or more; what is left over at the end is not used.
func Similarities(ctx context.Context, backend compute.Backend, a, b Layers, images *tensors.Tensor, batch int) ([][]float64, error) {
	if err := checkImages(images); err != nil {
		return nil, fmt.Errorf("CKA: %w", err)
	}
	n := images.Shape().Dimensions[0]
	if batch == 0 {
		batch = min(n, 256)
	}
	if len(a.Taps) == 0 || len(b.Taps) == 0 || batch < 4 || batch > n {
		return nil, fmt.Errorf("CKA: %d and %d taps, batches of %d out of %d images; it takes taps of both, and four images or more", len(a.Taps), len(b.Taps), batch, n)
	}
	left, err := gramsOf(backend, a)
	if err != nil {
		return nil, err
	}
	defer left.Finalize()
	right, err := gramsOf(backend, b)
	if err != nil {
		return nil, err
	}
	defer right.Finalize()
	// The Gram matrices of both networks come together in a third program, since each has a store of its own.
	compare := MustNewExec(backend, func(grams []*Node) []*Node {
		var all []*Node
		for _, group := range [2][]*Node{grams[:len(a.Taps)], grams[len(a.Taps):]} {
			for _, k := range group {
				all = append(all, unbiased(k, k))
			}
		}
		for _, k := range grams[:len(a.Taps)] {
			for _, l := range grams[len(a.Taps):] {
				all = append(all, unbiased(k, l))
			}
		}
		return []*Node{Stack(all, 0)}
	})
	defer compare.Finalize()

	sums := make([]float64, len(a.Taps)+len(b.Taps)+len(a.Taps)*len(b.Taps))
	err = inBatches(ctx, images, batch, func(_ int, x *tensors.Tensor) error {
		if x.Shape().Dimensions[0] < batch {
			return nil
		}
		grams, err := left.Call(x)
		if err != nil {
			return err
		}
		defer release(grams...)
		others, err := right.Call(x)
		if err != nil {
			return err
		}
		defer release(others...)
		var inputs []any
		for _, k := range append(grams[:len(a.Taps):len(a.Taps)], others[:len(b.Taps)]...) {
			inputs = append(inputs, k)
		}
		outputs, err := compare.Call(inputs...)
		if err != nil {
			return err
		}
		for i, v := range tensors.MustCopyFlatData[float32](outputs[0]) {
			sums[i] += float64(v)
		}
		release(outputs...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("CKA: %w", err)
	}
	own, cross := sums[:len(a.Taps)+len(b.Taps)], sums[len(a.Taps)+len(b.Taps):]
	cka := make([][]float64, len(a.Taps))
	for i := range cka {
		cka[i] = make([]float64, len(b.Taps))
		for j := range cka[i] {
			cka[i][j] = cross[i*len(b.Taps)+j] / math.Sqrt(math.Max(own[i]*own[len(a.Taps)+j], 1e-30))
		}
	}
	return cka, nil
}

// gramsOf is the program images → the Gram matrix of each tap without its diagonal.
func gramsOf(backend compute.Backend, l Layers) (*model.Exec, error) {
	return model.NewExec(backend, l.Store, func(s *model.Scope, x *Node) []*Node {
		a := activate(s, l.Network, x)
		var grams []*Node
		for _, tap := range l.Taps {
			k := gram(tapped(a, tap, false))
			diagonal := ConvertDType(Diagonal(x.Graph(), k.Shape().Dimensions[0]), dtypes.Float32)
			grams = append(grams, Mul(k, OneMinus(diagonal)))
		}
		return grams
	})
}
