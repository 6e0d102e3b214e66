package layers_test

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
	"fovea/layers/layertest"
)

// A network is a function; its table is read off the graph, without weights.
func ExampleSummarize() {
	network := func(s *model.Scope, x *graph.Node) *graph.Node { // [B 32 32 3]
		for i, filters := range []int{16, 32} {
			x = layers.Conv(s.In("conv%d", i+1), x, layers.ConvOptions{Filters: filters, NoBias: true})
			x = layers.BatchNorm(s.In("norm%d", i+1), x, layers.BatchNormOptions{})
			x = layers.Tap(layers.ReLU(x), fmt.Sprintf("conv%d", i+1))
			x = layers.MaxPool(x, layers.PoolOptions{})
		}
		return layers.Dense(s.In("logits"), layers.Flatten(x), 10) // [B 10]
	}
	summary, err := layers.Summarize(layertest.Go(), network, shapes.Make(dtypes.Float32, 1, 32, 32, 3))
	if err != nil {
		panic(err)
	}
	fmt.Print(summary)
	// Output:
	// layer   kind       output        parameters    MACs
	// conv1   Conv 3×3   [1 32 32 16]         432   442 k
	// norm1   BatchNorm  [1 32 32 16]          32       0
	//         MaxPool    [1 16 16 16]           0       0
	// conv2   Conv 3×3   [1 16 16 32]       4,608  1.18 M
	// norm2   BatchNorm  [1 16 16 32]          64       0
	//         MaxPool    [1 8 8 32]             0       0
	// logits  Dense      [1 10]            20,490  20.5 k
	// 25,626 parameters (0.1 MiB), 96 not trained; 1.64 MMACs and 0.2 MiB of layer outputs for input [1 32 32 3]
}
