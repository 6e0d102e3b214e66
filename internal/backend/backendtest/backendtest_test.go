package backendtest

import (
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
)

func TestEachForTestComputes(t *testing.T) {
	names := map[string]bool{}
	EachForTest(t, func(t *testing.T, b compute.Backend) {
		names[b.Name()] = true
		y, err := graph.CallOnce(b, func(x *graph.Node) *graph.Node { return graph.ReduceAllSum(graph.Square(x)) }, []float32{3, 4})
		if err != nil {
			t.Fatal(err)
		}
		if got := y.Value().(float32); got != 25 {
			t.Errorf("3²+4² = %v on %s", got, b.Name())
		}
	})
	if !names["Go Backend"] {
		t.Errorf("ran on %v, want the Go backend among them", names)
	}
	if IsXLA() != names["xla"] {
		t.Errorf("IsXLA is %v, and the tests ran on %v", IsXLA(), names)
	}
}
