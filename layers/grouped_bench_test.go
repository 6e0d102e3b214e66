package layers

import (
	"fmt"
	"testing"

	"github.com/gomlx/gomlx/core/graph"

	"fovea/internal/backend/backendtest"
	"fovea/layers/layertest"
)

// BenchmarkDepthwise compares the two ways to a depthwise convolution, forward and backward: GoMLX's grouped convolution,
// whose gradient is two convolutions a channel, and shifted multiply-adds, which Convolution takes.
func BenchmarkDepthwise(b *testing.B) {
	backend := backendtest.ForTest(b)
	const channels = 64
	for _, size := range []int{3, 5, 9} {
		ones, pads := []int{1, 1}, [][2]int{{size / 2, size / 2}, {size / 2, size / 2}}
		for name, f := range map[string]func(x, k *graph.Node) *graph.Node{
			"grouped": func(x, k *graph.Node) *graph.Node {
				return graph.Convolve(x, k).PaddingPerDim(pads).ChannelGroupCount(channels).Done()
			},
			"shifted": func(x, k *graph.Node) *graph.Node { return depthwise(x, k, ones, ones, pads) },
		} {
			b.Run(fmt.Sprintf("%d×%d/%s", size, size, name), func(b *testing.B) {
				exec := graph.MustNewExec(backend, func(x, k *graph.Node) []*graph.Node {
					y := graph.ReduceAllSum(graph.Square(f(x, k)))
					return append(graph.Gradient(y, x, k), y)
				})
				defer exec.Finalize()
				x, k := layertest.Random[float32](1, 32, 16, 16, channels), layertest.Random[float32](2, size, size, 1, channels)
				step := func() {
					for _, out := range exec.MustCall(x, k) {
						out.MustFinalizeAll()
					}
				}
				step() // compiles
				for b.Loop() {
					step()
				}
			})
		}
	}
}
