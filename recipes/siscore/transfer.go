package siscore

import (
	"context"
	"fmt"

	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"fovea/datasets"
	"fovea/recipes"
)

// FewShot is the share, from 0 to 1, of the query images that a linear classifier on the network's pooled features gets right. It is fitted by
// ridge regression to the first shots images of each class in support.
func FewShot(ctx context.Context, trainer *recipes.Trainer, support, query *datasets.Images, shots int) (float64, error) {
	classes := len(support.Classes)
	var chosen []int
	left := make([]int, classes)
	for i, label := range support.Labels {
		if left[label] < shots {
			left[label]++
			chosen = append(chosen, i)
		}
	}
	if len(chosen) != classes*shots {
		return 0, fmt.Errorf("%d images hold no %d of each of %d classes", support.N, shots, classes)
	}
	support = support.Subset(chosen)
	x, err := pooled(ctx, trainer, support)
	if err != nil {
		return 0, err
	}
	targets := mat.NewDense(support.N, classes, nil)
	for i, label := range support.Labels {
		targets.Set(i, int(label), 1)
	}
	// With fewer images than features the dual form has the smaller system: W = Xᵀ(XXᵀ + λI)⁻¹Y.
	var gram mat.SymDense
	gram.SymOuterK(1, x)
	ridge := 0.01 * mat.Trace(&gram) / float64(support.N)
	for i := range support.N {
		gram.SetSym(i, i, gram.At(i, i)+ridge)
	}
	var factor mat.Cholesky
	var dual, w, scores mat.Dense
	if !factor.Factorize(&gram) {
		return 0, fmt.Errorf("the features of %d images have no positive definite products", support.N)
	}
	if err := factor.SolveTo(&dual, targets); err != nil {
		return 0, err
	}
	w.Mul(x.T(), &dual)
	q, err := pooled(ctx, trainer, query)
	if err != nil {
		return 0, err
	}
	scores.Mul(q, &w)
	right := 0
	for i, label := range query.Labels {
		row, best := scores.RawRowView(i), 0
		for k := range row {
			if row[k] > row[best] {
				best = k
			}
		}
		if int32(best) == label {
			right++
		}
	}
	return float64(right) / float64(query.N), nil
}

// pooled are the features before the classes with a last column of ones, [N C+1].
func pooled(ctx context.Context, trainer *recipes.Trainer, im *datasets.Images) (*mat.Dense, error) {
	t, err := trainer.Features(ctx, im, "pool")
	if err != nil {
		return nil, err
	}
	flat, n := tensors.MustCopyFlatData[float32](t), t.Shape().Dimensions[1]
	x := mat.NewDense(im.N, n+1, nil)
	for i := range im.N {
		for j := range n {
			x.Set(i, j, float64(flat[i*n+j]))
		}
		x.Set(i, n, 1)
	}
	return x, nil
}
