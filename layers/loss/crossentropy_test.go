package loss_test

import (
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers/layertest"
	"fovea/layers/loss"
)

func value(t *testing.T, b compute.Backend, smoothing float64, labels, logits any) float64 {
	t.Helper()
	y, err := CallOnce(b, func(labels, logits *Node) *Node {
		return loss.SoftmaxCrossEntropy(smoothing)([]*Node{labels}, []*Node{logits})
	}, labels, logits)
	if err != nil {
		t.Fatal(err)
	}
	return layertest.Floats(y)[0]
}

func TestSoftmaxCrossEntropy(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		logits := [][]float32{{1, 2, 3}, {0, 0, 0}}
		z := math.Log(math.Exp(1) + math.Exp(2) + math.Exp(3))
		first, second := z-3, math.Log(3)
		smooth := z - 0.9*3 - 0.1*(1+2+3)/3
		for _, test := range []struct {
			name           string
			smoothing      float64
			labels, logits any
			want           float64
		}{
			{"labels [B]", 0, []int32{2, 0}, logits, (first + second) / 2},
			{"labels [B 1]", 0, [][]int64{{2}, {0}}, logits, (first + second) / 2},
			{"probabilities", 0, [][]float32{{0, 0, 1}, {0.5, 0.5, 0}}, logits, (first + second) / 2},
			{"smoothed", 0.1, []int32{2, 0}, logits, (smooth + second) / 2},
			{"padded", 0, []int32{2, -1}, logits, first},
			{"padded and smoothed", 0.1, []int32{2, -1}, logits, smooth},
			{"nothing but padding", 0, []int32{-1, -1}, logits, 0},
			{"large logits", 0, []int32{0, 1}, [][]float32{{1e4, 0, 0}, {0, 1e4, -1e4}}, 0},
			{"large and wrong", 0, []int32{1}, [][]float32{{1e4, 0, 0}}, 1e4},
		} {
			if got := value(t, b, test.smoothing, test.labels, test.logits); !(math.Abs(got-test.want) < 1e-5*max(1, test.want)) {
				t.Errorf("%s: %.7g, want %.7g", test.name, got, test.want)
			}
		}
		layertest.CheckGradient(t, b, layertest.NewStore(1), func(_ *model.Scope, x *Node) *Node {
			return loss.SoftmaxCrossEntropy(0.2)([]*Node{Const(x.Graph(), []int32{1, 0, -1})}, []*Node{x})
		}, layertest.Random[float64](1, 3, 4), 0)
	})
}

func TestErrorsNameTheShapes(t *testing.T) {
	b := layertest.Go()
	_, err := CallOnce(b, func(labels, logits *Node) *Node {
		return loss.SoftmaxCrossEntropy(0)([]*Node{labels}, []*Node{logits})
	}, tensors.FromValue([]int32{1, 2, 3}), tensors.FromValue([][]float32{{1, 2}}))
	if err == nil || !strings.Contains(err.Error(), "want [B] or [B 1]") {
		t.Errorf("error %v", err)
	}
}
