package kernelheterogeneity

import (
	"context"
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"fovea/recipes"
)

// result is what the code of one picture is worth.
type result struct {
	sparseness float64
	psnr       float64
	pruned     []float64 // PSNR without the smallest coefficients, by level
}

// resilience is the mean PSNR over the levels.
func (r result) resilience() (mean float64) {
	for _, v := range r.pruned {
		mean += v / float64(len(r.pruned))
	}
	return mean
}

// code codes pictures and looks at the codes.
func code(ctx context.Context, t *recipes.Trial, c Config, kernels, pictures []float32) ([]result, error) {
	coder, err := NewCoder(t.Backend, c.Lambda)
	if err != nil {
		return nil, err
	}
	defer coder.Close()
	n := c.Size * c.Size
	var results []result
	const batch = 10
	for from := 0; from < len(pictures)/n; from += batch {
		some := pictures[from*n : min((from+batch)*n, len(pictures))]
		d := tensors.FromFlatDataAndDimensions(kernels, c.Atoms(), c.Kernel, c.Kernel)
		s := tensors.FromFlatDataAndDimensions(some, len(some)/n, c.Size, c.Size)
		code, err := coder.Encode(ctx, d, s, c.Iterations)
		if err != nil {
			return nil, err
		}
		part := make([]result, len(some)/n)
		for level, share := range levels {
			looks, err := code.Look(code.Limits(share))
			if err != nil {
				return nil, err
			}
			for i, look := range looks {
				picture := some[i*n : (i+1)*n]
				span := float64(slices.Max(picture) - slices.Min(picture))
				quality := 10 * math.Log10(span*span*float64(n)/look.Error)
				if level == 0 {
					part[i] = result{sparseness: 1 - look.Nonzero/float64(n*c.Atoms()), psnr: quality}
				}
				part[i].pruned = append(part[i].pruned, quality)
			}
		}
		code.Close()
		free([]*tensors.Tensor{d, s})
		results = append(results, part...)
		t.Progress(min(from+batch, len(pictures)/n), len(pictures)/n, "pictures coded")
	}
	return results, nil
}

// learn fits the kernels to pictures: in each step a few of them are coded, and the kernels move down the gradient of the error of
// their reconstruction and back to unit norm (Mairal et al. 2009, with a gradient step for the exact minimum).
func learn(ctx context.Context, t *recipes.Trial, c Config, kernels, pictures []float32) ([]float32, error) {
	coder, err := NewCoder(t.Backend, c.Lambda)
	if err != nil {
		return nil, err
	}
	defer coder.Close()
	improve, err := graph.NewExec(t.Backend, improved)
	if err != nil {
		return nil, err
	}
	defer improve.Finalize()
	n := c.Size * c.Size
	const batch, iterations = 4, 25
	d := tensors.FromFlatDataAndDimensions(slices.Clone(kernels), c.Atoms(), c.Kernel, c.Kernel)
	for step := range c.Learning {
		var some []float32
		for i := range batch {
			at := (step*batch + i) % (len(pictures) / n) * n
			some = append(some, pictures[at:at+n]...)
		}
		s := tensors.FromFlatDataAndDimensions(some, batch, c.Size, c.Size)
		code, err := coder.Encode(ctx, d, s, iterations)
		if err != nil {
			return nil, err
		}
		rate := float32(0.2 / math.Sqrt(1+float64(step)/4))
		next, err := improve.Call(d, code.Y, s, rate)
		if err != nil {
			return nil, err
		}
		code.Close()
		free([]*tensors.Tensor{d, s})
		d = next[0]
		t.Progress(step+1, c.Learning, "kernels learnt")
	}
	return tensors.CopyFlatData[float32](d)
}

// improved are the kernels [K n n] after a step that is a share rate of their norm along the gradient of ½‖Σ d_k∗y_k − s‖², of unit norm
// again.
func improved(kernels, y, s, rate *graph.Node) *graph.Node {
	dims := y.Shape().Dimensions
	f := fourier{dims[2], dims[3]}
	d := f.forward(f.padded(kernels)).each(func(n *graph.Node) *graph.Node { return graph.InsertAxes(n, 0) })
	z := mul(d, f.forward(y), false).each(func(n *graph.Node) *graph.Node { return graph.ReduceSum(n, 1) }) // [B H V]
	gradient := graph.Gradient(graph.ReduceAllSum(graph.Square(graph.Sub(f.inverse(z), s))), kernels)[0]    // [K n n]
	norm := func(n *graph.Node, axes ...int) *graph.Node {
		return graph.MaxScalar(graph.Sqrt(graph.ReduceAndKeep(graph.Square(n), graph.ReduceSum, axes...)), 1e-12)
	}
	moved := graph.Sub(kernels, graph.Mul(rate, graph.Div(graph.Mul(gradient, norm(kernels, 0, 1, 2)), norm(gradient, 0, 1, 2))))
	return graph.Div(moved, norm(moved, 1, 2))
}
