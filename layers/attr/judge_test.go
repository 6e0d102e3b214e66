package attr_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/attr"
	"fovea/layers/layertest"
)

// twoSided has the outputs Σwx and 0 for images [B 3 3 1], so that the probability of class 0 is the sigmoid of Σwx.
func twoSided(w []float64) attr.Network {
	return func(_ *model.Scope, x *Node) *Node {
		x = Mul(layers.Flatten(x), Reshape(ConstAs(x, w), 1, 9)) // [B 9]
		score := ReduceAndKeep(x, ReduceSum, -1)                 // [B 1]
		return Concatenate([]*Node{score, ZerosLike(score)}, -1)
	}
}

var weights = []float64{2, -1, 0.5, 3, -2, 0.25, 1, -0.5, 0.75}

func judge(t *testing.T, b compute.Backend, n attr.Network, x *tensors.Tensor, classes ...int) *attr.Judge {
	t.Helper()
	j, err := attr.NewJudge(b, layertest.NewStore(1), n, x, classes, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	return j
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// On an image of ones the map w deletes the terms of Σw from the greatest down, so the course is known.
func TestCoursesOfALinearNetwork(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		ones := slices.Repeat([]float32{1}, 9)
		x := tensors.FromFlatDataAndDimensions(slices.Concat(ones, ones), 2, 3, 3, 1)
		var values []float32
		for _, w := range weights {
			values = append(values, float32(w))
		}
		// The second image has the worst map there is: the other way round.
		for _, w := range weights {
			values = append(values, -float32(w))
		}
		m := tensors.FromFlatDataAndDimensions(values, 2, 3, 3)
		j := judge(t, b, twoSided(weights), x, 0)
		deleted, err := j.Deletion(context.Background(), m, attr.CourseOptions{Steps: 9})
		if err != nil {
			t.Fatal(err)
		}
		sorted := slices.Sorted(slices.Values(weights)) // ascending
		rest := 0.0
		for _, w := range weights {
			rest += w
		}
		down, up := []float64{sigmoid(rest)}, []float64{sigmoid(rest)}
		a, c := rest, rest
		for i := range 9 {
			a, c = a-sorted[8-i], c-sorted[i]
			down, up = append(down, sigmoid(a)), append(up, sigmoid(c))
		}
		near(t, "deletion", deleted.Scores[0], down, 1e-5)
		near(t, "deletion the other way", deleted.Scores[1], up, 1e-5)
		area := 0.0
		for i := range 9 {
			area += (down[i] + down[i+1]) / 18
		}
		near(t, "area", deleted.Areas[:1], []float64{area}, 1e-5)
		near(t, "mean area", []float64{deleted.Area()}, []float64{(deleted.Areas[0] + deleted.Areas[1]) / 2}, 1e-9)
		near(t, "mean course", deleted.Mean()[9:], []float64{0.5}, 1e-5)

		// An even image is its own blur: nothing is there to put in.
		inserted, err := j.Insertion(context.Background(), m, attr.CourseOptions{Steps: 3})
		if err != nil {
			t.Fatal(err)
		}
		near(t, "insertion into an even image", inserted.Scores[0], slices.Repeat([]float64{sigmoid(rest)}, 4), 1e-5)

		drop, err := j.Drop(context.Background(), m)
		if err != nil {
			t.Fatal(err)
		}
		kept := 0.0 // w × its share max(0, w)/3
		for _, w := range weights {
			kept += w * max(0, w) / 3
		}
		near(t, "drop", []float64{drop.Before[0], drop.After[0]}, []float64{sigmoid(rest), sigmoid(kept)}, 1e-5)
	})
}

func TestDrops(t *testing.T) {
	a := attr.Drops{Before: []float64{0.5, 0.8, 0.4, 0.2}, After: []float64{0.25, 0.9, 0.4, 0.1}}
	c := attr.Drops{Before: a.Before, After: []float64{0.5, 0.1, 0.4, 0}}
	near(t, "average drop, increase, wins", []float64{a.Average(), a.Increase(), a.WinRate(c)}, []float64{0.25, 0.25, (0 + 1 + 0.5 + 1) / 4}, 1e-9)
}

// The gradient of a linear score says all of it; half the gradient misses half of each change, but for its scale.
func TestInfidelityOfALinearNetwork(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		x := layertest.Random[float32](1, 2, 3, 3, 1)
		j := judge(t, b, twoSided(weights), x, 0)
		var gradient, half []float32
		squares := 0.0
		for range 2 {
			for _, w := range weights {
				gradient, half = append(gradient, float32(w)), append(half, float32(w/2))
				squares += w * w / 2
			}
		}
		infidelity := func(m []float32, o attr.InfidelityOptions, dims ...int) []float64 {
			got, err := j.Infidelity(context.Background(), tensors.FromFlatDataAndDimensions(m, dims...), o)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		o := attr.InfidelityOptions{Noise: 0.5, Samples: 400}
		near(t, "gradient", infidelity(gradient, o, 2, 3, 3, 1), []float64{0, 0}, 1e-6)
		near(t, "gradient as a map of pixels", infidelity(gradient, o, 2, 3, 3), []float64{0, 0}, 1e-6)
		// E(½Iᵀw)² = ¼σ²‖w‖²
		near(t, "half of it", infidelity(half, o, 2, 3, 3, 1), slices.Repeat([]float64{0.25 * 0.25 * squares}, 2), 0.2)
		o.Scaled = true
		near(t, "half of it, scaled", infidelity(half, o, 2, 3, 3, 1), []float64{0, 0}, 1e-5)
	})
}

// The gradient of a linear network does not move at all; input times gradient moves with the input.
func TestMaxSensitivityOfALinearNetwork(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		x := tensors.FromFlatDataAndDimensions(slices.Repeat([]float32{1}, 18), 2, 3, 3, 1)
		sensitivity := func(m attr.Method) []float64 {
			e, err := attr.NewExplainer(b, layertest.NewStore(1), twoSided(weights), m)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			got, err := attr.MaxSensitivity(context.Background(), e, x, []int{0}, attr.SensitivityOptions{Radius: 0.1, Samples: 20})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		near(t, "gradient", sensitivity(attr.InputGradient), []float64{0, 0}, 1e-6)
		inputTimesGradient := func(s *model.Scope, n attr.Network, x *Node, target attr.Target) *Node {
			return Mul(x, attr.InputGradient(s, n, x, target))
		}
		for _, v := range sensitivity(inputTimesGradient) { // each value moves by at most a tenth
			if v > 0.1 || v < 0.04 {
				t.Errorf("sensitivity of input × gradient is %g", v)
			}
		}
	})
}

func TestLocation(t *testing.T) {
	m := tensors.FromFlatDataAndDimensions([]float32{
		0, 0, 0, 1, 5, 1, -9, 2, 1,
		9, 0, 0, 0, 0, 0, 0, 0, 1,
	}, 2, 3, 3)
	masks := attr.BoxMasks([][4]int{{1, 1, 3, 3}, {1, 1, 9, 3}}, 3, 3)
	if !slices.Equal(masks[:9], []uint8{0, 0, 0, 0, 1, 1, 0, 1, 1}) || !slices.Equal(masks[:9], masks[9:]) {
		t.Fatalf("masks %v", masks)
	}
	for tolerance, want := range [][]bool{{true, false}, {true, true}} {
		hits, err := attr.PointingGame(m, masks, tolerance)
		if err != nil || !slices.Equal(hits, want) {
			t.Errorf("tolerance %d: hits %v, %v", tolerance, hits, err)
		}
	}
	shares, err := attr.EnergyInMask(m, masks)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "energy", shares, []float64{0.9, 0.1}, 1e-6)
	if _, err := attr.PointingGame(m, masks[1:], 0); err == nil || !strings.Contains(err.Error(), "17 values of masks") {
		t.Errorf("masks of another size: %v", err)
	}
}

func TestLikeness(t *testing.T) {
	near(t, "Spearman", []float64{
		attr.Spearman([]float64{1, 2, 3, 4}, []float64{10, 20, 30, 1000}),
		attr.Spearman([]float64{1, 2, 3}, []float64{3, 2, 1}),
		attr.Spearman([]float64{1, 1, 2, 2}, []float64{1, 1, 2, 2}),
		attr.Spearman([]float64{1, 2, 2, 4}, []float64{1, 3, 2, 4}), // ranks 0 1.5 1.5 3 and 0 2 1 3
		attr.Spearman([]float64{1, 1, 1}, []float64{1, 2, 3}),
	}, []float64{1, -1, 1, 4.5 / math.Sqrt(4.5*5), 0}, 1e-9)
	a := layertest.Floats(layertest.Random[float64](1, 20, 20))
	c := layertest.Floats(layertest.Random[float64](2, 20, 20))
	scaled := make([]float64, len(a))
	for i, v := range a {
		scaled[i] = 5*v - 3
	}
	near(t, "SSIM with itself", []float64{attr.SSIM(a, a, 20, 20), attr.SSIM(a, scaled, 20, 20)}, []float64{1, 1}, 1e-9)
	if s := attr.SSIM(a, c, 20, 20); math.Abs(s) > 0.25 {
		t.Errorf("SSIM of unrelated noise is %g", s)
	}
}

func TestJudgeErrors(t *testing.T) {
	b, x := layertest.Go(), layertest.Random[float32](1, 2, 3, 3, 1)
	for want, make := range map[string]func() error{
		"classes 0 to 1": func() error {
			_, err := attr.NewJudge(b, layertest.NewStore(1), twoSided(weights), x, []int{2}, nil)
			return err
		},
		"2 numbers for 1": func() error {
			_, err := attr.NewJudge(b, layertest.NewStore(1), twoSided(weights), x, []int{0}, []float64{0, 0})
			return err
		},
		"want [2 3 3]": func() error {
			_, err := judge(t, b, twoSided(weights), x, 0).Drop(context.Background(), layertest.Random[float32](1, 2, 3, 4))
			return err
		},
		"holds NaN": func() error {
			_, err := judge(t, b, twoSided(weights), x, 0).Drop(context.Background(), tensors.FromFlatDataAndDimensions(slices.Repeat([]float32{float32(math.NaN())}, 18), 2, 3, 3))
			return err
		},
		"3 classes for 2": func() error {
			_, err := attr.NewJudge(b, layertest.NewStore(1), twoSided(weights), x, []int{0, 1, 1}, nil)
			return err
		},
		"a single image is": func() error {
			_, err := attr.NewJudge(b, layertest.NewStore(1), twoSided(weights), layertest.Random[float32](1, 3, 3, 1), []int{0}, nil)
			return err
		},
	} {
		if err := make(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := judge(t, b, twoSided(weights), x, 0).Deletion(ctx, layertest.Random[float32](1, 2, 3, 3), attr.CourseOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
