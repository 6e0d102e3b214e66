package sparsenet

import (
	"math/bits"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
)

// A layer sees ⌊log₂ l⌋+1 earlier outputs: 6 of 32, 10 of 1000; a dense one all.
func TestFanIn(t *testing.T) {
	for l := 1; l <= 1000; l++ {
		if got, want := len(Sparse.Seen(l)), bits.Len(uint(l)); got != want {
			t.Fatalf("layer %d sees %d outputs, want %d", l, got, want)
		}
		if got := len(Dense.Seen(l)); got != l {
			t.Fatalf("layer %d of a DenseNet sees %d outputs", l, got)
		}
	}
	if a, b := len(Sparse.Seen(32)), len(Sparse.Seen(1000)); a != 6 || b != 10 {
		t.Errorf("fan-in %d at 32 and %d at 1000, want 6 and 10", a, b)
	}
	if seen := Sparse.Seen(9); !slices.Equal(seen, []int{8, 7, 5, 1}) {
		t.Errorf("the tenth sees %v, want 1, 2, 4 and 8 back", seen)
	}
}

// The shortest way between two layers is as long as their distance has ones in binary: at most ⌊log₂ L⌋+1 hops.
func TestShortestPaths(t *testing.T) {
	const depth = 200
	hops := make([]int, depth+1) // from layer 0
	for l := 1; l <= depth; l++ {
		hops[l] = depth
		for _, from := range Sparse.Seen(l) {
			hops[l] = min(hops[l], hops[from]+1)
		}
		if want := bits.OnesCount(uint(l)); hops[l] != want {
			t.Fatalf("layer %d is %d hops away, want %d", l, hops[l], want)
		}
		if hops[l] > bits.Len(uint(depth)) {
			t.Fatalf("layer %d is %d hops away", l, hops[l])
		}
	}
}

// The claim's sparse network has at most 0.7 of the dense one's parameters.
func TestClaimsBudget(t *testing.T) {
	b := backendtest.ForTest(t)
	count := func(c Config) float64 {
		s, err := layers.Summarize(b, Model(c), shapes.Make(dtypes.Float32, 1, c.Size, c.Size, 3))
		if err != nil {
			t.Fatal(err)
		}
		return float64(s.Parameters())
	}
	if ratio := count(small(Sparse, sparseGrowth)) / count(small(Dense, denseGrowth)); ratio > 0.7 || ratio < 0.5 {
		t.Errorf("the sparse network has %.3f of the parameters, want 0.5 to 0.7", ratio)
	}
}
