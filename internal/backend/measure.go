package backend

import (
	"context"
	"fmt"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Speed is a measured rate of float32 arithmetic.
type Speed struct {
	Name   string  `json:"name"`
	GFLOPS float64 `json:"gflops"` // 10⁹ operations a second; a multiply-add counts as two
}

// Measure times a matrix product and a convolution, for half a second each after the compilation.
func Measure(ctx context.Context, b compute.Backend) ([]Speed, error) {
	// The pure-Go backend would take seconds for a convolution of the size that fills XLA's threads.
	n, batch, side, channels := 1024, 32, 32, 64
	if b.Name() != "xla" {
		n, batch, side, channels = 512, 2, 16, 16
	}
	zeros := func(dimensions ...int) *tensors.Tensor {
		return tensors.FromShape(shapes.Make(dtypes.Float32, dimensions...))
	}
	var speeds []Speed
	for _, task := range []struct {
		name  string
		flops float64
		fn    func(x, w *graph.Node) *graph.Node
		x, w  *tensors.Tensor
	}{
		{fmt.Sprintf("matrix product %d×%d", n, n), 2 * float64(n*n*n),
			func(x, w *graph.Node) *graph.Node { return graph.Dot(x, w).Product() }, zeros(n, n), zeros(n, n)},
		{fmt.Sprintf("convolution 3×3, %d images %d×%d, %d→%d channels", batch, side, side, channels, channels),
			2 * float64(batch*side*side*9*channels*channels),
			func(x, w *graph.Node) *graph.Node { return graph.Convolve(x, w).PadSame().Done() },
			zeros(batch, side, side, channels), zeros(3, 3, channels, channels)},
	} {
		// The sum makes the result a scalar, so that waiting for it is all that is copied.
		exec, err := graph.NewExec(b, func(x, w *graph.Node) *graph.Node { return graph.ReduceAllSum(task.fn(x, w)) })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", task.name, err)
		}
		once := func() error {
			out, err := exec.Call(task.x, task.w)
			if err != nil {
				return fmt.Errorf("%s: %w", task.name, err)
			}
			_ = tensors.ToScalar[float32](out[0])
			return out[0].FinalizeAll()
		}
		if err := once(); err != nil { // compiles
			return nil, err
		}
		runs, start := 0, time.Now()
		for time.Since(start) < 500*time.Millisecond {
			if err := once(); err != nil {
				return nil, err
			}
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			runs++
		}
		speeds = append(speeds, Speed{task.name, task.flops * float64(runs) / time.Since(start).Seconds() / 1e9})
		exec.Finalize()
	}
	return speeds, nil
}
