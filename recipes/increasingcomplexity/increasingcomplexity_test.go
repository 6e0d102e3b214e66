package increasingcomplexity

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"fovea/datasets"
	"fovea/datasets/synth"
	"fovea/internal/backend/backendtest"
	"fovea/recipes"
)

func shapes(t *testing.T, n int) *datasets.Images {
	t.Helper()
	im, err := synth.Shapes(synth.ShapesOptions{N: n, Size: 16, Classes: 2, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	small := grey(im)
	// A corner of 6×6, so that there are many images to a pixel.
	out := *small
	out.H, out.W, out.Pixels, out.Masks, out.Boxes = 6, 6, nil, nil, nil
	for i := range small.N {
		p := small.PixelsAt(i)
		for y := 5; y < 11; y++ {
			out.Pixels = append(out.Pixels, p[16*y+5:16*y+11]...)
		}
	}
	return &out
}

// moments are those of the images of a class, by definition.
func moments(im *datasets.Images, class int) (mean []float64, covariance *mat.SymDense) {
	var rows []float64
	d, n := im.H*im.W*im.C, 0
	for i, label := range im.Labels {
		if int(label) == class {
			n++
			for _, p := range im.PixelsAt(i) {
				rows = append(rows, float64(p))
			}
		}
	}
	x := mat.NewDense(n, d, rows)
	covariance = new(mat.SymDense)
	stat.CovarianceMatrix(covariance, x, nil)
	for j := range d {
		mean = append(mean, stat.Mean(mat.Col(nil, j, x), nil))
	}
	return mean, covariance
}

// The Cholesky factor gives the covariance back.
func TestCholesky(t *testing.T) {
	im := shapes(t, 400)
	g, err := FitGaussian(im, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	_, covariance := moments(im, 1)
	var product, difference mat.Dense
	product.Mul(g.Lower, g.Lower.T())
	difference.Sub(&product, covariance)
	for j := range len(g.Mean) {
		difference.Set(j, j, difference.At(j, j)-ridge)
	}
	if d := mat.Max(&difference); d > 1e-4 {
		t.Errorf("L·Lᵀ differs from the covariance by %g", d)
	}
}

// Draws have the mean within 5σ/√n at each pixel, and a covariance within O(√(D/n)); isotropic ones have the variance trace(Σ)/D.
func TestDrawsHaveTheMoments(t *testing.T) {
	im := shapes(t, 600)
	const n = 20_000
	for class := range 2 {
		mean, covariance := moments(im, class)
		d := len(mean)
		for _, isotropic := range []bool{false, true} {
			g, err := FitGaussian(im, class, isotropic)
			if err != nil {
				t.Fatal(err)
			}
			x := g.Draw(rand.New(rand.NewPCG(1, 2)), n)
			want := covariance
			if isotropic {
				want = mat.NewSymDense(d, nil)
				for j := range d {
					want.SetSym(j, j, mat.Trace(covariance)/float64(d))
				}
			}
			for j := range d {
				if off, sigma := math.Abs(stat.Mean(mat.Col(nil, j, x), nil)-mean[j]), math.Sqrt(want.At(j, j)); off > 5*sigma/math.Sqrt(n) {
					t.Errorf("class %d, isotropic %v: the mean of pixel %d is off by %g at a deviation of %g", class, isotropic, j, off, sigma)
				}
			}
			var got mat.SymDense
			stat.CovarianceMatrix(&got, x, nil)
			var difference mat.Dense
			difference.Sub(&got, want)
			if rel, bound := mat.Norm(&difference, 2)/mat.Norm(want, 2), 3*math.Sqrt(float64(d)/n); rel > bound {
				t.Errorf("class %d, isotropic %v: the covariance is off by %g of its norm, want at most %g", class, isotropic, rel, bound)
			}
		}
	}
}

// A clone has the labels of its images, and near means in spite of clipping; the same seed makes the same one.
func TestClone(t *testing.T) {
	im := shapes(t, 400)
	for _, c := range []Clone{GaussianClone, IsotropicClone} {
		a, err := c.of(im, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Validate(); err != nil {
			t.Fatal(err)
		}
		b, _ := c.of(im, 1)
		other, _ := c.of(im, 2)
		if string(a.Pixels) != string(b.Pixels) || string(a.Pixels) == string(other.Pixels) || string(a.Pixels) == string(im.Pixels) {
			t.Errorf("%s: clones are not by their seed", c)
		}
		for class := range 2 {
			want, _ := moments(im, class)
			got, _ := moments(a, class)
			for j := range want {
				if math.Abs(want[j]-got[j]) > 25 {
					t.Errorf("%s, class %d: mean %g of pixel %d, want about %g", c, class, got[j], j, want[j])
				}
			}
		}
	}
	if same, err := Images.of(im, 1); err != nil || same != im {
		t.Error("no clone is the images themselves")
	}
	if _, err := Clone("wgan").of(im, 1); err == nil {
		t.Error("an unknown clone is made")
	}
	if _, err := FitGaussian(im.Slice(0, 2), 0, false); err == nil {
		t.Error("a covariance of one image")
	}
}

// One seed begins with the same network whatever it is trained on.
func TestSameStart(t *testing.T) {
	b := backendtest.ForTest(t)
	im := shapes(t, 100)
	var first []float64
	for _, c := range []Clone{Images, GaussianClone, IsotropicClone} {
		train, err := c.of(im, 7)
		if err != nil {
			t.Fatal(err)
		}
		v, err := accuracies(context.Background(), recipes.NewTrial(b, recipes.SmallScale, 7), Config{Clone: c, Network: TwoLayer, Steps: 3, Batch: 20, Rate: 0.05}, train, im)
		if err != nil {
			t.Fatal(err)
		}
		first = append(first, v[at("accuracy", 0)])
		if _, ok := v[at("accuracy", 3)]; !ok || len(v) != 5 {
			t.Errorf("%s: looked at %v", c, v)
		}
	}
	if first[0] != first[1] || first[0] != first[2] {
		t.Errorf("accuracies before the first step are %v", first)
	}
}

// Each class differs in one respect alone, and the best test of each pair is about as good.
func TestMixture(t *testing.T) {
	m := mixed.Mixture
	const n = 200_000
	r := rand.New(rand.NewPCG(5, 6))
	x := make([]float64, m.Dimensions)
	for class := range 4 {
		var first, second, fourth [3]float64 // of the first direction of each kind
		for range n {
			m.Draw(r, class, x)
			for k := range 3 {
				v := x[k*m.Directions]
				first[k] += v / n
				second[k] += v * v / n
				fourth[k] += v * v * v * v / n
			}
		}
		for k := range 3 {
			own := class == k+1
			if (math.Abs(first[k]) > 0.02) != (own && k == 0) {
				t.Errorf("class %d: mean %g in a direction of %s", class, first[k], kinds[k])
			}
			if variance := second[k] - first[k]*first[k]; (math.Abs(variance-1) > 0.02) != (own && k == 1) {
				t.Errorf("class %d: variance %g in a direction of %s", class, variance, kinds[k])
			}
			if own && k == 2 && fourth[k] > 2.5 {
				t.Errorf("class %d: fourth moment %g, want less than the normal one, 3", class, fourth[k])
			}
		}
	}
	for class := 1; class < 4; class++ {
		if best := m.Best(class, 40_000, 1); math.Abs(best-0.85) > 0.01 {
			t.Errorf("the best test of %s is right in %.4f of cases, want about 0.85", kinds[class-1], best)
		}
	}
	im := m.images(40, r)
	if err := im.Validate(); err != nil {
		t.Error(err)
	}
}

func TestDeparture(t *testing.T) {
	steps := []int{0, 1, 2, 4}
	for _, c := range []struct {
		accuracy []float64
		want     float64
	}{{[]float64{50, 60, 70, 80}, 1.5}, {[]float64{50, 50, 50, 60}, 4}, {[]float64{70, 50, 50, 60}, 1}} {
		if got := departure(steps, c.accuracy); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("departure of %v is %g, want %g", c.accuracy, got, c.want)
		}
	}
	if s := logSteps(20); s[0] != 0 || s[1] != 1 || s[len(s)-1] != 20 || s[len(s)-2] != 15 {
		t.Errorf("steps %v", s)
	}
}
