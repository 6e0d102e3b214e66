package operators

import (
	"context"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/layers"
	"fovea/layers/layertest"
)

func TestRowsOfAConvolutionAndANormalisation(t *testing.T) {
	r := &Report{}
	m := newMeter(context.Background(), layertest.Go())
	defer m.close()
	r.Rows = m.convolution(conv{size: 2, window: 3, in: 2, out: 3, stride: 1})
	r.Rows = append(r.Rows, m.elementwise("batch norm", []int{2, 4, 4, 3}, 7, func(s *model.Scope, x *graph.Node) *graph.Node {
		return layers.BatchNorm(s.In("norm"), x, layers.BatchNormOptions{})
	}))
	if m.err != nil || len(r.Rows) != 4 {
		t.Fatalf("%d rows, %v", len(r.Rows), m.err)
	}
	for _, row := range r.Rows {
		if !(row.Plain > 0 && row.Ours > 0 && row.Limit > 0) {
			t.Errorf("%+v: times must be positive", row)
		}
	}
	if want := 2.0 * batch * 2 * 2 * 9 * 2 * 3 / m.peak / 1e6; r.Rows[0].Limit < want {
		t.Errorf("limit %g ms, want at least the arithmetic's %g", r.Rows[0].Limit, want)
	}
	var b strings.Builder
	if r.Print(&b); !strings.Contains(b.String(), "3×3, 2→3") {
		t.Errorf("table without the convolution:\n%s", &b)
	}
}

func TestMeasureStops(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if r, err := Measure(ctx, layertest.Go(), nil); err == nil {
		t.Errorf("interrupted, it gave %v", r)
	}
}
