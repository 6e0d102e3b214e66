package firstlayer

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"fovea/datasets"
	"fovea/internal/backend/backendtest"
	"fovea/layers"
)

// pink returns n patches of d values whose variances fall over three orders of magnitude, mixed by a random rotation: like
// those of images.
func pink(n, d int, random *rand.Rand) *mat.Dense {
	var qr mat.QR
	qr.Factorize(normals(d, d, random))
	var rotation, patches mat.Dense
	qr.QTo(&rotation)
	x := normals(n, d, random)
	for j := range d {
		deviation := math.Pow(10, -1.5*float64(j)/float64(d-1))
		for i := range n {
			x.Set(i, j, x.At(i, j)*deviation)
		}
	}
	patches.Mul(x, rotation.T())
	return &patches
}

func normals(n, d int, random *rand.Rand) *mat.Dense {
	x := mat.NewDense(n, d, nil)
	for i := range n {
		for j := range d {
			x.Set(i, j, random.NormFloat64())
		}
	}
	return x
}

func centred(x *mat.Dense) *mat.Dense {
	n, d := x.Dims()
	out := mat.DenseCopyOf(x)
	for j := range d {
		m := mat.Sum(x.ColView(j)) / float64(n)
		for i := range n {
			out.Set(i, j, x.At(i, j)-m)
		}
	}
	return out
}

func weightsOf(w *mat.Dense, size, channels int) *tensors.Tensor {
	d, filters := w.Dims()
	var flat []float32
	for i := range d {
		for k := range filters {
			flat = append(flat, float32(w.At(i, k)))
		}
	}
	return tensors.FromFlatDataAndDimensions(flat, size, size, channels, filters)
}

func profile(t *testing.T, c *Components, w *mat.Dense) []float64 {
	t.Helper()
	e, err := c.Profile(weightsOf(w, c.Size, c.Channels))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The profile of gradient descent on random targets from zero is the formula's at every time, and its correlation with whitening, 1/√λ,
// goes from strongly negative to nearly one.
func TestDescentFollowsTheFormula(t *testing.T) {
	const n, size, channels, filters, rate = 2000, 3, 3, 200, 0.5
	random := rand.New(rand.NewPCG(1, 1))
	patches := centred(pink(n, size*size*channels, random))
	c, err := components(patches, size, channels)
	if err != nil {
		t.Fatal(err)
	}
	targets := centred(normals(n, filters, random))
	d := size * size * channels
	var covariance, cross mat.Dense
	covariance.Mul(patches.T(), patches)
	covariance.Scale(1/float64(n-1), &covariance)
	cross.Mul(patches.T(), targets)
	cross.Scale(1/float64(n-1), &cross)
	// What the formula takes as |c|: over all filters, as the profile is.
	along := profile(t, c, &cross)
	white := make([]float64, d)
	for i, v := range c.Variance {
		white[i] = 1 / math.Sqrt(v)
	}
	w := mat.NewDense(d, filters, nil)
	step := 0
	for _, at := range []struct {
		steps      int
		whitening  [2]float64 // where its correlation with 1/√λ lies
		statistics float64    // the formula with |c| = √λ in place of the targets' own correlates at least so well
	}{{10, [2]float64{-1, -0.6}, 0.95}, {1000, [2]float64{-0.6, 0.9}, 0.9}, {30_000, [2]float64{0.95, 1}, 0.95}} {
		// 30,000 steps one by one take long: in the coordinates of the components each goes on its own, which the short runs check.
		if at.steps <= 1000 {
			for ; step < at.steps; step++ {
				var gradient mat.Dense
				gradient.Mul(&covariance, w)
				gradient.Sub(&gradient, &cross)
				gradient.Scale(rate, &gradient)
				w.Sub(w, &gradient)
			}
		} else {
			w = descended(c, &cross, rate, at.steps)
		}
		got, want := profile(t, c, w), LinearProfile(c.Variance, along, rate, at.steps)
		for i := range got {
			if math.Abs(got[i]-want[i]) > 2e-4*want[i]+1e-7 {
				t.Errorf("after %d steps component %d has the energy %g, the formula says %g", at.steps, i, got[i], want[i])
			}
		}
		if r := Correlation(got, white); r < at.whitening[0] || r > at.whitening[1] {
			t.Errorf("after %d steps the correlation with whitening is %.3f, want %v", at.steps, r, at.whitening)
		}
		if r := Correlation(got, Whitening(c.Variance, rate*float64(at.steps))); r < at.statistics {
			t.Errorf("after %d steps the formula of the variances alone correlates with %.3f", at.steps, r)
		}
	}
}

// descended is gradient descent in the components' own coordinates, where each weight is a recurrence a ← a + rate·(c − λa).
func descended(c *Components, cross *mat.Dense, rate float64, steps int) *mat.Dense {
	var along, w mat.Dense
	along.Mul(c.Vectors.T(), cross)
	d, filters := along.Dims()
	for i := range d {
		for k := range filters {
			a := 0.0
			for range steps {
				if next := a + rate*(along.At(i, k)-c.Variance[i]*a); next == a {
					break
				} else {
					a = next
				}
			}
			along.Set(i, k, a)
		}
	}
	w.Mul(c.Vectors, &along)
	return &w
}

// A convolutional network itself: filters, mean over all places, and a fixed read-out with orthonormal rows. What such a
// network sees of an image is its mean patch, so the components are those of mean patches.
func TestLinearNetworkFollowsTheFormula(t *testing.T) {
	const n, size, patch, filters, outputs, rate, steps = 48, 7, 3, 6, 3, 0.4, 60
	random := rand.New(rand.NewPCG(3, 1))
	x := make([]float32, n*size*size)
	for i := range x {
		x[i] = float32(random.NormFloat64())
	}
	means := mat.NewDense(n, patch*patch, nil)
	const places = (size - patch + 1) * (size - patch + 1)
	for i := range n {
		for dy := range patch {
			for dx := range patch {
				sum := 0.0
				for y := range size - patch + 1 {
					for xx := range size - patch + 1 {
						sum += float64(x[(i*size+y+dy)*size+xx+dx])
					}
				}
				means.Set(i, dy*patch+dx, 8*sum/places) // 8: means of noise are small
			}
		}
	}
	means = centred(means)
	y := centred(normals(n, outputs, random))
	c, err := components(means, patch, 1)
	if err != nil {
		t.Fatal(err)
	}
	var cross mat.Dense
	cross.Mul(means.T(), y)
	cross.Scale(1/float64(n-1), &cross)
	along := profile(t, c, &cross)
	for i := range along { // energy is a mean over all filters, and only as many directions as outputs are driven
		along[i] *= math.Sqrt(float64(outputs) / filters)
	}
	want := LinearProfile(c.Variance, along, rate, steps)

	var qr mat.QR
	qr.Factorize(normals(filters, outputs, random))
	var q mat.Dense
	qr.QTo(&q)
	var readout, targets []float32 // [filters outputs], [n outputs]
	for k := range filters {
		for o := range outputs {
			readout = append(readout, float32(q.At(k, o)))
		}
	}
	for i := range n {
		for o := range outputs {
			targets = append(targets, float32(y.At(i, o)))
		}
	}
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		descend, err := graph.NewExec(b, func(x, y, readout, w *graph.Node) *graph.Node {
			z := layers.Convolution(x, w, layers.ConvOptions{Pad: layers.Valid})        // [B h w F]
			z = graph.MulScalar(layers.GlobalMeanPool(z), 8)                            // [B F]
			z = graph.Sub(z, graph.ReduceAndKeep(z, graph.ReduceMean, 0))               // centred, as the patches are
			residue := graph.Sub(graph.Dot(z, readout).Product(), y)                    // [B outputs]
			loss := graph.DivScalar(graph.ReduceAllSum(graph.Square(residue)), 2*(n-1)) // its gradient is Σw − c
			return graph.Sub(w, graph.MulScalar(graph.Gradient(loss, w)[0], rate))      // [patch patch 1 F]
		})
		if err != nil {
			t.Fatal(err)
		}
		defer descend.Finalize()
		w := tensors.FromFlatDataAndDimensions(make([]float32, patch*patch*filters), patch, patch, 1, filters)
		for range steps {
			w, err = descend.Call1(tensors.FromFlatDataAndDimensions(x, n, size, size, 1), tensors.FromFlatDataAndDimensions(targets, n, outputs),
				tensors.FromFlatDataAndDimensions(readout, filters, outputs), w)
			if err != nil {
				t.Fatal(err)
			}
		}
		got, err := c.Profile(w)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if math.Abs(got[i]-want[i]) > 1e-3*want[i] {
				t.Errorf("component %d (variance %.3g) has the energy %g, the formula says %g", i, c.Variance[i], got[i], want[i])
			}
		}
	})
}

// The profile doesn't know the order or the signs of filters; its squares add up to the mean squared length of a filter; and independent
// Gaussian weights have a flat one.
func TestProfileOfFilters(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 1))
	const size, channels, filters = 3, 3, 40
	d := size * size * channels
	c, err := components(pink(500, d, random), size, channels)
	if err != nil {
		t.Fatal(err)
	}
	w := normals(d, filters, random)
	was := profile(t, c, w)
	changed := mat.NewDense(d, filters, nil)
	for k, from := range random.Perm(filters) {
		sign := float64(2*random.IntN(2) - 1)
		for i := range d {
			changed.Set(i, k, sign*w.At(i, from))
		}
	}
	squares := 0.0
	for i, e := range profile(t, c, changed) {
		if math.Abs(e-was[i]) > 1e-6 {
			t.Errorf("another order and other signs change the energy of component %d from %g to %g", i, was[i], e)
		}
		squares += e * e
	}
	if length := mat.Norm(w, 2); math.Abs(squares-length*length/filters) > 1e-4*squares {
		t.Errorf("the squares add up to %g, the mean squared length is %g", squares, length*length/filters)
	}
	// The standard error of an energy of 4000 filters is 1/√8000; four of them.
	for i, e := range profile(t, c, normals(d, 4000, random)) {
		if math.Abs(e-1) > 0.045 {
			t.Errorf("Gaussian weights have the energy %.3f along component %d, want 1", e, i)
		}
	}
}

// Components are orthonormal, their variances fall, and images that vary along one pattern have it as the first.
func TestPatchComponents(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 1))
	im := &datasets.Images{Name: "ramps", N: 50, H: 8, W: 8, C: 1, Labels: make([]int32, 50), Classes: []string{"ramp"}}
	for range im.N {
		slope := 30 * random.Float64()
		for range im.H {
			for x := range im.W {
				im.Pixels = append(im.Pixels, uint8(slope*float64(x)))
			}
		}
	}
	c, err := PatchComponents(im, 3, 2000, 1)
	if err != nil {
		t.Fatal(err)
	}
	var product mat.Dense
	product.Mul(c.Vectors.T(), c.Vectors)
	if identity := mat.NewDiagDense(9, slices.Repeat([]float64{1}, 9)); !mat.EqualApprox(&product, identity, 1e-9) {
		t.Error("the components are not orthonormal")
	}
	if !slices.IsSortedFunc(c.Variance, func(a, b float64) int { return int(math.Copysign(1, b-a)) }) {
		t.Errorf("the variances don't fall: %v", c.Variance)
	}
	// Rows of a ramp patch are equal: two components, brightness and slope, hold nearly everything.
	if sum := mat.Sum(mat.NewVecDense(9, slices.Clone(c.Variance))); (c.Variance[0]+c.Variance[1])/sum < 0.99 {
		t.Errorf("two components hold %.3f of the variance", (c.Variance[0]+c.Variance[1])/sum)
	}
	if tiles := c.Tiles(100); len(tiles) != 81 || math.Abs(float64(tiles[0])-c.Vectors.At(0, 0)) > 1e-6 || math.Abs(float64(tiles[9])-c.Vectors.At(0, 1)) > 1e-6 {
		t.Error("the tiles are not the columns")
	}
	for _, bad := range []func() error{
		func() error { _, err := PatchComponents(im, 9, 1000, 1); return err },
		func() error { _, err := PatchComponents(im, 3, 5, 1); return err },
		func() error {
			_, err := c.Profile(tensors.FromFlatDataAndDimensions(make([]float32, 8), 2, 2, 1, 2))
			return err
		},
	} {
		if bad() == nil {
			t.Error("input that doesn't fit passes")
		}
	}
}

// The fit finds the time of a profile that the formula made, whatever its scale, and whitening is its limit.
func TestFitTime(t *testing.T) {
	variance := make([]float64, 27)
	for i := range variance {
		variance[i] = 30 * math.Pow(10, -float64(i)/6)
	}
	for _, time := range []float64{0.03, 1, 40} {
		profile := Whitening(variance, time)
		for i := range profile {
			profile[i] *= 7
		}
		if got, r := FitTime(variance, profile); math.Abs(got/time-1) > 0.01 || r < 1-1e-6 {
			t.Errorf("a profile of time %g is fitted with %g (correlation %g)", time, got, r)
		}
	}
	for i, e := range Whitening(variance, 1e9) {
		if math.Abs(e*math.Sqrt(variance[i])-1) > 1e-9 {
			t.Errorf("in the limit component %d is not whitened", i)
		}
	}
	if e := LinearProfile([]float64{0, 1e-12}, []float64{2, 2}, 0.1, 50); math.Abs(e[0]-10) > 1e-9 || math.Abs(e[1]-10) > 1e-6 {
		t.Errorf("without variance: %v, want what the target drives, 10", e)
	}
}

func TestShuffledLabels(t *testing.T) {
	im := &datasets.Images{N: 100, Labels: make([]int32, 100), Classes: []string{"a", "b"}}
	for i := range im.Labels {
		im.Labels[i] = int32(i % 2)
	}
	out := shuffledLabels(im, 1)
	same := 0
	for i := range im.Labels {
		if out.Labels[i] == im.Labels[i] {
			same++
		}
	}
	if !slices.Equal(out.Counts(), im.Counts()) || same < 30 || same > 70 {
		t.Errorf("%d of 100 labels stay, counts %v", same, out.Counts())
	}
	if im.Labels[1] != 1 || !slices.Equal(shuffledLabels(im, 1).Labels, out.Labels) {
		t.Error("the labels of the caller change, or the seed doesn't decide")
	}
}

// The claim's value is the correlation of the profiles, whose components are stored one by one.
func TestValuesKeepTheProfile(t *testing.T) {
	o := &observation{start: []float64{1, 1, 2}, end: []float64{3, 1, 2}}
	v := o.values()
	if got := energies(func(name string) (float64, bool) { e, ok := v[name]; return e, ok }); !slices.Equal(got, o.end) {
		t.Errorf("%v comes back as %v", o.end, got)
	}
}
