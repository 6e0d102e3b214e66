package sppnet

import (
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
)

func newScope(g *graph.Graph) *model.Scope {
	store := model.NewStore()
	model.SetStore(g, store)
	return store.RootScope()
}

// shapeOf builds a network and returns the shape of one of its taps.
func shapeOf(t *testing.T, build func(), g *graph.Graph, tap string) []int {
	t.Helper()
	build()
	node, err := layers.TapNode(g, tap)
	if err != nil {
		t.Fatal(err)
	}
	return node.Shape().Dimensions
}
