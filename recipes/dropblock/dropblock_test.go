package dropblock

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers/layertest"
)

// Equation 1 in numbers.
func TestGamma(t *testing.T) {
	for _, c := range []struct {
		map_, block int
		want        float64
	}{{14, 7, 0.00625}, {7, 7, 0.1}, {28, 7, 0.00331}, {16, 1, 0.1}} {
		if got := Gamma(c.map_, c.map_, c.block, 0.9); math.Abs(got-c.want) > 5e-6 {
			t.Errorf("γ(%d, %d, 0.9) = %g, want %g", c.map_, c.block, got, c.want)
		}
	}
}

// train applies DropBlock in training to ones [B H W C].
func train(t *testing.T, b compute.Backend, seed int64, block int, keep float64, shared bool, dims ...int) []float32 {
	t.Helper()
	store := layertest.NewStore(seed)
	y, err := model.CallOnce(b, store, func(s *model.Scope, drop *graph.Node) *graph.Node {
		g := drop.Graph()
		store.SetTraining(g, true)
		return DropBlock(s, graph.Ones(g, shapes.Make(dtypes.Float32, dims...)), block, drop, shared)
	}, float32(1-keep))
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float32](y)
}

func meanAndZeros(y []float32) (mean, zeros float64) {
	for _, v := range y {
		mean += float64(v) / float64(len(y))
		if v == 0 {
			zeros += 1 / float64(len(y))
		}
	}
	return mean, zeros
}

// dropShareOf is the share that the paper's scheme drops of a map of n×n, computed place by place: squares overlap.
func dropShareOf(n, block int, keep float64) float64 {
	gamma := Gamma(n, n, block, keep)
	holding := func(i int) int { return min(i, n-block) - max(0, i-block+1) + 1 } // squares that hold place i, along an axis
	var sum float64
	for y := range n {
		for x := range n {
			sum += 1 - math.Pow(1-gamma, float64(holding(y)*holding(x)))
		}
	}
	return sum / float64(n*n)
}

// The share that is dropped is near 1−keep, not equal to it; constant maps keep their mean exactly, on both backends.
func TestDropsTheShare(t *testing.T) {
	for n, want := range map[int]float64{14: 0.0927, 28: 0.0918} {
		if got := dropShareOf(n, 7, 0.9); math.Abs(got-want) > 0.003 {
			t.Errorf("squares of 7 drop %.4f of a map of %d, want about %.4f", got, n, want)
		}
	}
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		for _, c := range []struct{ n, block int }{{14, 7}, {7, 7}, {28, 7}, {9, 1}, {6, 3}, {5, 0}} {
			mean, zeros := meanAndZeros(train(t, b, 1, c.block, 0.9, false, 64, c.n, c.n, 16))
			if math.Abs(mean-1) > 1e-3 {
				t.Errorf("map of %d, squares of %d: ones have the mean %g", c.n, c.block, mean)
			}
			block := c.block
			if block == 0 {
				block = c.n
			}
			// 1024 masks; a map that is dropped whole has a deviation of 0.3/√1024 = 0.01.
			if want := dropShareOf(c.n, block, 0.9); math.Abs(zeros-want) > 0.03 {
				t.Errorf("map of %d, squares of %d: %.4f are dropped, want %.4f", c.n, c.block, zeros, want)
			}
		}
	})
}

// What is dropped are squares: of a mask with a single square, block² values; of block 1, single values; of the map's own size,
// whole channels.
func TestDropsSquares(t *testing.T) {
	b := layertest.Go()
	const n, block, channels = 12, 4, 32
	y := train(t, b, 2, block, 0.95, false, 8, n, n, channels)
	squares := 0
	for image := range 8 {
		for c := range channels {
			at := func(i, j int) bool { return y[((image*n+i)*n+j)*channels+c] == 0 }
			for i := range n {
				for j := range n {
					if !at(i, j) {
						continue
					}
					squares++
					if !inSquare(at, i, j, n, block) {
						t.Fatalf("place (%d, %d) is dropped, but no square of %d that holds it is", i, j, block)
					}
				}
			}
		}
	}
	if squares == 0 {
		t.Fatal("nothing was dropped")
	}
	whole := train(t, b, 3, 0, 0.5, false, 4, 3, 3, 16)
	for i, v := range whole {
		image, c := i/(9*16), i%16
		if first := whole[image*9*16+c]; (v == 0) != (first == 0) {
			t.Fatal("a channel is dropped in part")
		}
	}
	shared := train(t, b, 3, 2, 0.5, true, 4, 6, 6, 8)
	for i, v := range shared {
		if (v == 0) != (shared[i-i%8] == 0) {
			t.Fatal("channels that share a mask differ")
		}
	}
}

func inSquare(at func(i, j int) bool, i, j, n, block int) bool {
	for top := max(0, i-block+1); top <= min(i, n-block); top++ {
		for left := max(0, j-block+1); left <= min(j, n-block); left++ {
			all := true
			for v := range block * block {
				all = all && at(top+v/block, left+v%block)
			}
			if all {
				return true
			}
		}
	}
	return false
}

// Nothing happens in evaluation, nor with keep 1.
func TestIdentity(t *testing.T) {
	b := layertest.Go()
	if mean, zeros := meanAndZeros(train(t, b, 1, 3, 1, false, 2, 6, 6, 4)); zeros != 0 || math.Abs(mean-1) > 1e-9 {
		t.Errorf("keep 1 drops %g, mean %g", zeros, mean)
	}
	y, err := model.CallOnce(b, layertest.NewStore(1), func(s *model.Scope, x *graph.Node) *graph.Node {
		y := DropBlock(s, x, 3, graph.Scalar(x.Graph(), dtypes.Float32, 0.5), false)
		return graph.ReduceAllMax(graph.Abs(graph.Sub(y, x)))
	}, layertest.Random[float32](1, 2, 6, 6, 4))
	if err != nil {
		t.Fatal(err)
	}
	if d := layertest.Floats(y)[0]; d != 0 {
		t.Errorf("evaluation changes values by %g", d)
	}
}

// The share grows from 0 to 1−keep over the ramp, a step at a time, and stays.
func TestRamp(t *testing.T) {
	c := Config{Keep: 0.8, Ramp: 4}
	store := layertest.NewStore(1)
	exec, err := model.NewExec(layertest.Go(), store, func(s *model.Scope, x *graph.Node) *graph.Node {
		store.SetTraining(x.Graph(), true)
		return graph.Add(dropShare(s, x.Graph(), c), graph.MulScalar(x, 0))
	})
	if err != nil {
		t.Fatal(err)
	}
	for step, want := range []float64{0, 0.05, 0.1, 0.15, 0.2, 0.2} {
		y, err := exec.Call(float32(0))
		if err != nil {
			t.Fatal(err)
		}
		if got := layertest.Floats(y[0])[0]; math.Abs(got-want) > 1e-6 {
			t.Errorf("step %d drops %g, want %g", step, got, want)
		}
	}
}
