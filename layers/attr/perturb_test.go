package attr_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"fovea/layers"
	"fovea/layers/attr"
	"fovea/layers/layertest"
)

// features are the feature maps of tap conv2 of averaged, [B 4 4 5] in rows of images.
func features(t *testing.T, store *model.Store, x *tensors.Tensor) [][]float64 {
	t.Helper()
	a, err := model.CallOnceN(layertest.Go(), store, func(s *model.Scope, inputs []*Node) []*Node {
		x := inputs[0]
		y := averaged(s, x)
		node, err := layers.TapNode(x.Graph(), "conv2")
		if err != nil {
			t.Fatal(err)
		}
		return []*Node{node, y} // the Go backend wants the last node among the outputs
	}, x)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Collect(slices.Chunk(layertest.Floats(a[0]), 80))
}

func weighted(features []float64, weights []float64) []float64 {
	var m []float64
	for place := range len(features) / len(weights) {
		v := 0.0
		for k, w := range weights {
			v += w * features[place*len(weights)+k]
		}
		m = append(m, max(v, 0))
	}
	return m
}

// For S = Σ_k w_k·mean(A_k) + b leaving out map k takes w_k·mean(A_k) away.
func TestAblationCAMOfALinearHead(t *testing.T) {
	b, store, x := layertest.Go(), layertest.NewStore(1), images(2)
	got := explain(t, b, store, averaged, attr.AtTapSize(attr.AblationCAM("conv2")), x, 2)
	w, scores := layertest.Floats(store.GetVariable("/dense/weights").MustValue()), logits(t, b, store, averaged, x)
	var want []float64
	for i, a := range features(t, store, x) {
		weights := make([]float64, 5)
		for j, v := range a {
			weights[j%5] += v / 16 * w[j%5*3+2] / scores[i][2]
		}
		want = append(want, weighted(a, weights)...)
	}
	near(t, "map", got, want, 1e-4)
}

// Score-CAM from its algorithm, in plain Go, an image and a mask at a time.
func TestScoreCAMByHand(t *testing.T) {
	b, store, x := layertest.Go(), layertest.NewStore(1), images(2)
	got := explain(t, b, store, averaged, attr.AtTapSize(attr.ScoreCAM("conv2")), x, 1)
	values := tensors.MustCopyFlatData[float32](x)
	var want []float64
	for i, a := range features(t, store, x) {
		weights, total := make([]float64, 5), 0.0
		for k := range weights {
			seen := slices.Clone(values[i*128 : (i+1)*128])
			mask := make([]float64, 64)
			for p := range mask { // 4×4 to 8×8: neighbours with the shares 3/4 and 1/4, the outer ones at the edge twice
				row, column := p/8, p%8
				for _, r := range []struct {
					at    int
					share float64
				}{{row / 2, 0.75}, {(row-1)/2 + row%2, 0.25}} {
					for _, c := range []struct {
						at    int
						share float64
					}{{column / 2, 0.75}, {(column-1)/2 + column%2, 0.25}} {
						mask[p] += r.share * c.share * a[(min(r.at, 3)*4+min(c.at, 3))*5+k]
					}
				}
			}
			least, largest := slices.Min(mask), slices.Max(mask)
			for p := range mask {
				share := 0.0
				if largest > least {
					share = (mask[p] - least) / (largest - least)
				}
				seen[p*2] *= float32(share)
				seen[p*2+1] *= float32(share)
			}
			weights[k] = math.Exp(logits(t, b, store, averaged, tensors.FromFlatDataAndDimensions(seen, 1, 8, 8, 2))[0][1])
			total += weights[k]
		}
		for k := range weights {
			weights[k] /= total
		}
		want = append(want, weighted(a, weights)...)
	}
	near(t, "map", got, want, 1e-4)
}

func TestEigenCAMIsAProjection(t *testing.T) {
	b, store, x := layertest.Go(), layertest.NewStore(1), images(2)
	got := explain(t, b, store, averaged, attr.AtTapSize(attr.EigenCAM("conv2")), x, 0)
	var want []float64
	for _, a := range features(t, store, x) {
		var svd mat.SVD
		if !svd.Factorize(mat.NewDense(16, 5, slices.Clone(a)), mat.SVDThin) {
			t.Fatal("no decomposition")
		}
		var v mat.Dense
		svd.VTo(&v)
		first := mat.Col(nil, 0, &v)
		if sum(first) < 0 { // features are not negative, so neither is the vector with the right sign
			for i := range first {
				first[i] = -first[i]
			}
		}
		want = append(want, weighted(a, first)...)
	}
	near(t, "map", got, want, 1e-4)
	// With fewer places than channels it goes by places.
	few := func(s *model.Scope, x *Node) *Node {
		x = layers.Tap(layers.Conv(s.In("conv"), x, layers.ConvOptions{Filters: 9, Size: 4, Stride: 4, Pad: layers.Valid}), "conv") // [B 2 2 9]
		return layers.Dense(s.In("dense"), layers.Flatten(x), 3)
	}
	if m := explain(t, b, layertest.NewStore(1), few, attr.AtTapSize(attr.EigenCAM("conv")), x, 0); sum(m) <= 0 || slices.Min(m) < 0 {
		t.Errorf("map %v", m)
	}
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// Windows of two every two pixels on an image of three: the last ones hang over, and pixels that two windows cover have the
// mean of both.
func TestOcclusionOfALinearNetwork(t *testing.T) {
	b, store, x := layertest.Go(), layertest.NewStore(1), layertest.Random[float32](2, 1, 3, 3, 2)
	w := func() []float64 {
		explain(t, b, store, linear, attr.Saliency, x, 0)
		return layertest.Floats(store.GetVariable("/dense/weights").MustValue())
	}()
	pixels := layertest.Floats(x)
	for _, stride := range []int{1, 2} {
		var total, covers [9]float64
		for top := 0; top < 3 && (top == 0 || top-stride+2 < 3); top += stride {
			for left := 0; left < 3 && (left == 0 || left-stride+2 < 3); left += stride {
				fall, covered := 0.0, []int{}
				for row := top; row < min(top+2, 3); row++ {
					for column := left; column < min(left+2, 3); column++ {
						p := row*3 + column
						covered = append(covered, p)
						for c := range 2 {
							fall += w[(p*2+c)*4+1] * (pixels[p*2+c] - 0.5)
						}
					}
				}
				for _, p := range covered {
					total[p] += fall
					covers[p]++
				}
			}
		}
		for p := range total {
			total[p] /= covers[p]
		}
		got := explain(t, b, store, linear, attr.Occlusion(attr.OcclusionOptions{Size: 2, Stride: stride, Value: 0.5}), x, 1)
		near(t, "map", got, total[:], 1e-5)
	}
	for _, o := range []attr.OcclusionOptions{{Size: 4}, {Size: 1, Stride: 2}, {Size: -1}} {
		if _, err := attr.Explain(b, store, linear, attr.Occlusion(o), x, 1); err == nil || !strings.Contains(err.Error(), "want it inside of the image") {
			t.Errorf("%+v: error %v", o, err)
		}
	}
}

// With cells of one pixel, kept with probability p, the expected map of S = Σ c_i is (1−p)·c_i + p·S.
func TestRISEOfALinearNetwork(t *testing.T) {
	b, store, x := layertest.Go(), layertest.NewStore(1), layertest.Random[float32](2, 1, 3, 3, 2)
	contributions := explain(t, b, store, linear, attr.InputTimesGradient, x, 1)
	const masks, keep = 6000, 0.4
	score, spread := sum(contributions), 0.0
	for _, c := range contributions {
		spread += c * c
	}
	var want []float64
	for p := range 9 {
		want = append(want, (1-keep)*(contributions[2*p]+contributions[2*p+1])+keep*score)
	}
	o := attr.RISEOptions{Masks: masks, Grid: 3, Keep: keep, Logits: true}
	got := explain(t, b, store, linear, attr.RISE(o), x, 1)
	limit := 6 * math.Sqrt(spread+score*score) / math.Sqrt(masks*keep)
	off := 0.0
	for p := range want {
		off = max(off, math.Abs(got[p]-want[p]))
	}
	if off > limit || limit > 0.5*(slices.Max(want)-slices.Min(want)) {
		t.Errorf("map %v, want %v: off by %g, the error of chance is at most %g", got, want, off, limit)
	}
	o.Keep, o.Masks = 1, 3 // everything is seen always
	for _, v := range explain(t, b, store, linear, attr.RISE(o), x, 1) {
		near(t, "nothing hidden", []float64{v}, []float64{score}, 1e-5)
	}
}
