package irevnet

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
	"fovea/layers"
	"fovea/layers/layertest"
)

// The authors' configurations: weights, depth, and, for the bijective one, that no dimension is added or lost.
func TestParametersDepthAndVolume(t *testing.T) {
	b := backendtest.ForTest(t)
	for name, depth := range map[string]int{"imagenet": 301, "cifar": 163} {
		c := Variants[name]
		if got := Depth(c); got != depth {
			t.Errorf("%s is %d deep, want %d", name, got, depth)
		}
		s, err := layers.Summarize(b, Model(c), shapes.Make(dtypes.Float32, 1, c.Size, c.Size, c.Channels))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := s.Parameters(), Recipe.Params[name]; got != want {
			t.Errorf("%s has %d parameters, want %d", name, got, want)
		}
	}
	s, err := layers.Summarize(b, Representation(Variants["imagenet"]), shapes.Make(dtypes.Float32, 1, 224, 224, 3))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Outputs[0].Size(); got != 2*1536*7*7 || got != s.Inputs[0].Size() {
		t.Errorf("the last representation has %d dimensions, the image 150528", got)
	}
}

var tests = map[string]Config{
	"bijective": {Blocks: []int{2, 2}, Strides: []int{1, 2}, Widths: []int{6, 24}, Bottleneck: 2, Squeeze: true, Classes: 3, Size: 8, Channels: 3},
	"strided":   {Blocks: []int{1, 2}, Strides: []int{2, 1}, Widths: []int{8, 8}, Bottleneck: 1, Classes: 3, Size: 8, Channels: 4},
	"injective": {Blocks: []int{3, 3, 2}, Strides: []int{1, 2, 2}, Widths: []int{8, 32, 128}, Bottleneck: 4, Classes: 3, Size: 8, Channels: 3},
}

// shaken gives every statistic of the normalisations a value that a training could have left. It computes on the pure-Go backend,
// which has nothing to compile.
func shaken(t *testing.T, c Config) *model.Store {
	t.Helper()
	store := layertest.NewStore(4)
	x := layertest.Random[float32](3, 16, c.Size, c.Size, c.Channels)
	exec, err := model.NewExec(layertest.Go(), store, func(s *model.Scope, x *graph.Node) *graph.Node {
		store.SetTraining(x.Graph(), true)
		return Model(c)(s, x)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Finalize()
	for range 120 { // in training the running averages move, here until those of constant channels are small
		if _, err := exec.Call(x); err != nil {
			t.Fatal(err)
		}
	}
	for v := range store.IterVariables() { // off the backend, for any other; the state of the random numbers is of no use here
		if v.DType() != dtypes.Float32 {
			continue
		}
		value, err := v.Value()
		if err != nil {
			t.Fatal(err)
		}
		if err := v.SetValue(layertest.Host(value)); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

func TestInverse(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		for name, c := range tests {
			store := shaken(t, c)
			x := layertest.Random[float32](7, 2, c.Size, c.Size, c.Channels)
			y, err := model.CallOnce(b, store, Representation(c), x)
			if err != nil {
				t.Fatal(err)
			}
			moved := 0.0
			if y.Size() == x.Size() {
				moved = largest(y, x)
			}
			back, err := model.CallOnce(b, store, Inverse(c), layertest.Host(y))
			if err != nil {
				t.Fatal(err)
			}
			if d := largest(back, x); !(d < 1e-4) {
				t.Errorf("%s: the inverse misses by %g", name, d)
			}
			if y.Size() == x.Size() && moved < 0.1 {
				t.Errorf("%s: the network hardly changes its input, by %g: nothing is tested", name, moved)
			}
		}
	})
}

func largest(a, b *tensors.Tensor) float64 {
	x, y := tensors.MustCopyFlatData[float32](a), tensors.MustCopyFlatData[float32](b)
	if len(x) != len(y) {
		return math.Inf(1)
	}
	d := 0.0
	for i := range x {
		d = max(d, math.Abs(float64(x[i]-y[i])))
	}
	return d
}

// Squeeze keeps every value, in its place's block of channels, exactly.
func TestSqueeze(t *testing.T) {
	x := layertest.Random[float32](1, 2, 4, 6, 3)
	y, err := graph.CallOnce(layertest.Go(), Squeeze, x)
	if err != nil {
		t.Fatal(err)
	}
	if d := y.Shape().Dimensions; d[1] != 2 || d[2] != 3 || d[3] != 12 {
		t.Fatalf("[2 4 6 3] became %v", d)
	}
	back, err := graph.CallOnce(layertest.Go(), func(x *graph.Node) *graph.Node { return Unsqueeze(Squeeze(x)) }, x)
	if err != nil {
		t.Fatal(err)
	}
	if d := largest(back, x); d != 0 {
		t.Errorf("differs by %g after going there and back", d)
	}
	// Pixel (0, 0) of the squeezed image is made of the first 2×2 pixels.
	in, out := tensors.MustCopyFlatData[float32](x), tensors.MustCopyFlatData[float32](y)
	for i, at := range []int{0, 3, 18, 21} {
		for c := range 3 {
			if out[3*i+c] != in[at+c] {
				t.Fatalf("channel %d isn't pixel %d", 3*i+c, i)
			}
		}
	}
}

// A block keeps volumes: the determinant of its Jacobian is 1 or −1. It is computed column by column, in double precision.
func TestBlockKeepsVolume(t *testing.T) {
	for _, stride := range []int{1, 2} {
		k := coupling{name: "block", in: 2, inner: 3, out: 2 * stride * stride, stride: stride}
		store := layertest.NewStore(6)
		apply := func(x *tensors.Tensor) []float64 {
			y, err := model.CallOnce(layertest.Go(), store, func(s *model.Scope, x *graph.Node) *graph.Node {
				a, b := split(x, 2)
				return merge(k.forward(s, a, b))
			}, x)
			if err != nil {
				t.Fatal(err)
			}
			return tensors.MustCopyFlatData[float64](y)
		}
		x := layertest.Random[float64](8, 1, 2, 2, 4)
		flat := tensors.MustCopyFlatData[float64](x)
		n := len(flat)
		jacobian := make([][]float64, n)
		for i := range n {
			const epsilon = 1e-6
			moved := func(by float64) []float64 {
				v := append([]float64(nil), flat...)
				v[i] += by
				return apply(tensors.FromFlatDataAndDimensions(v, 1, 2, 2, 4))
			}
			up, down := moved(epsilon), moved(-epsilon)
			jacobian[i] = make([]float64, n)
			for j := range n {
				jacobian[i][j] = (up[j] - down[j]) / (2 * epsilon)
			}
		}
		if d := determinant(jacobian); math.Abs(math.Abs(d)-1) > 1e-5 {
			t.Errorf("stride %d: |det| = %g, want 1", stride, math.Abs(d))
		}
	}
}

// determinant by Gaussian elimination with pivots; it spoils m.
func determinant(m [][]float64) float64 {
	d := 1.0
	for i := range m {
		p := i
		for r := i; r < len(m); r++ {
			if math.Abs(m[r][i]) > math.Abs(m[p][i]) {
				p = r
			}
		}
		if p != i {
			m[p], m[i] = m[i], m[p]
			d = -d
		}
		d *= m[i][i]
		for r := i + 1; r < len(m); r++ {
			f := m[r][i] / m[i][i]
			for c := i; c < len(m); c++ {
				m[r][c] -= f * m[i][c]
			}
		}
	}
	return d
}
