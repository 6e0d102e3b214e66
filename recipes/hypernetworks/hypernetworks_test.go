package hypernetworks

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
)

func count(t *testing.T, c Config) int {
	t.Helper()
	s, err := layers.Summarize(backendtest.ForTest(t), Model(c), shapes.Make(dtypes.Float32, 1, c.Input[0], c.Input[1], c.Input[2]))
	if err != nil {
		t.Fatal(err)
	}
	if out := s.Outputs[0].Dimensions; !slices.Equal(out, []int{1, 10}) {
		t.Errorf("output %v", out)
	}
	return s.Parameters()
}

// The second kernel of the MNIST net, 12,544 weights, comes from 4,240 parameters and an embedding of 4; the rest of the two
// nets is the same.
func TestParametersOfMNIST(t *testing.T) {
	if n := two.Generator.Parameters(7, 1); n != 4_244 {
		t.Errorf("the generator with an embedding has %d parameters, want 4,244", n)
	}
	generated, learned := count(t, Variants["two"]), count(t, Variants["two-learned"])
	if learned-generated != 12_544-4_244 {
		t.Errorf("%d parameters with a learned kernel and %d with a generated one differ by %d, want %d", learned, generated, learned-generated, 12_544-4_244)
	}
}

// One generator serves all kernels of a residual network, each tile of 16×16 channels with an embedding: what the count by
// hand of tiles says is what the graph has.
func TestParametersOfWideNets(t *testing.T) {
	for name, tiles := range map[string]int{
		// 12 kernels a stage, of which the first has half of the others' input channels.
		"40-1": 12 + 11*4 + 2 + 11*16 + 8, // its first stage doesn't change the width
		"40-2": 11*4 + 2 + 11*16 + 8 + 11*64 + 32,
	} {
		c := Variants[name]
		weights := 9 * 16 * 16 * tiles // each tile is generated in place of as many weights
		got := count(t, learned(c)) - count(t, c)
		if want := weights - c.Generator.Parameters(3, tiles); got != want {
			t.Errorf("%s: the generator saves %d parameters, want %d", name, got, want)
		}
	}
}

// generate evaluates a kernel with the given variables, the others from a seed.
func generate(t *testing.T, b compute.Backend, o Generator, size, in, out int, set map[string][]float32) []float32 {
	t.Helper()
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(1); err != nil {
		t.Fatal(err)
	}
	exec := model.MustNewExec1(b, store, func(s *model.Scope, like *graph.Node) *graph.Node {
		return o.Kernel(s.In("layer"), s.In("shared"), like, size, in, out)
	})
	defer exec.Finalize()
	k := exec.MustCall1(float32(0))
	if set != nil {
		for path, values := range set {
			v := store.GetVariable(path)
			if v == nil {
				t.Fatalf("there is no variable %s", path)
			}
			if err := v.SetValue(tensors.FromFlatDataAndDimensions(values, v.Shape().Dimensions...)); err != nil {
				t.Fatal(err)
			}
		}
		k = exec.MustCall1(float32(0))
	}
	if want := []int{size, size, in, out}; !slices.Equal(k.Shape().Dimensions, want) {
		t.Fatalf("kernel %v, want %v", k.Shape(), want)
	}
	return tensors.MustCopyFlatData[float32](k)
}

// With d = f²·N_out, the second map the identity and the first one's weights zero, the biases B_i are the kernel: any kernel
// of one layer can be generated.
func TestAnyKernel(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		const size, n = 3, 2
		d := size * size * n
		identity, wanted := make([]float32, d*d), make([]float32, n*d)
		for i := range d {
			identity[i*d+i] = 1
		}
		for i := range wanted {
			wanted[i] = float32(i + 1)
		}
		k := generate(t, b, Generator{Embedding: 2, Hidden: d, Tile: n}, size, n, n, map[string][]float32{
			"/shared/project/weights": make([]float32, 2*n*d), "/shared/project/biases": wanted, "/shared/out/weights": identity,
		})
		for i := range n { // input channel i has slice i of the biases: windows and output channels
			for w := range size * size {
				for o := range n {
					if got, want := k[(w*n+i)*n+o], wanted[i*d+w*n+o]; got != want {
						t.Errorf("K[%d, %d, %d] is %g, want %g", w, i, o, got, want)
					}
				}
			}
		}
	})
}

// Tiles with one embedding are alike, and those with others are not; each is where its channels are.
func TestTiles(t *testing.T) {
	const size, in, out = 1, 4, 2 // two tiles of 2×2, one above the other
	o := Generator{Embedding: 1, Hidden: 3, Tile: 2}
	for _, same := range []bool{true, false} {
		z := []float32{1, 1}
		if !same {
			z[1] = -2
		}
		k := generate(t, backendtest.ForTest(t), o, size, in, out, map[string][]float32{"/layer/embedding": z})
		if equal := slices.Equal(k[:4], k[4:]); equal != same {
			t.Errorf("embeddings %v give tiles %v and %v", z, k[:4], k[4:])
		}
	}
}

// The loss reaches the embedding through the kernel.
func TestGradientOfEmbedding(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store := model.NewStore()
		if err := store.SetRNGStateFromSeed(2); err != nil {
			t.Fatal(err)
		}
		x := tensors.FromFlatDataAndDimensions([]float32{1, -2, 3, 4, 0, 1, 2, -1}, 1, 2, 2, 2)
		g, err := model.CallOnce(b, store, func(s *model.Scope, x *graph.Node) *graph.Node {
			k := Generator{Embedding: 3, Hidden: 2, Tile: 2}.Kernel(s.In("layer"), s.In("shared"), x, 3, 2, 2)
			y := graph.ReduceAllSum(graph.Square(layers.Convolution(x, k, layers.ConvOptions{})))
			return graph.Gradient(y, store.GetVariable("/layer/embedding").NodeValue(x.Graph()))[0]
		}, x)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range tensors.MustCopyFlatData[float32](g) {
			if v == 0 {
				t.Errorf("z[%d] has no gradient", i)
			}
		}
	})
}

func TestOddChannels(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("tiles of 16 channels made a kernel from 24")
		}
	}()
	generate(t, backendtest.ForTest(t), wide(40, 2).Generator, 3, 24, 16, nil)
}

func ExampleGenerator_Parameters() {
	fmt.Println(two.Generator.Parameters(7, 1), "make", 7*7*16*16)
	// Output: 4244 make 12544
}
