package attr_test

import (
	"context"
	"errors"
	"math"
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

// tapped has a tap of 3 channels on images of 2 channels, without kinks, and classes on top.
func tapped(s *model.Scope, x *Node) *Node { // [B 6 6 2]
	x = layers.Tap(layers.Conv(s.In("conv"), x, layers.ConvOptions{Filters: 3, Size: 1}), "conv") // [B 6 6 3]
	return layers.Dense(s.In("dense"), layers.Flatten(x), 4)
}

func visualize(t *testing.T, b compute.Backend, store *model.Store, n attr.Network, objective attr.Objective, o attr.VisualizeOptions) *attr.Visualization {
	t.Helper()
	found, err := attr.Visualize(context.Background(), b, store, n, objective, o)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// For a linear map the image that climbs direction v against λ‖x‖² is Wv/2λ at every place, in any parametrisation.
func TestDirectionOfALinearNetwork(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		for name, p := range map[string]attr.Parametrization{"pixels": attr.Pixels, "fourier": attr.Fourier(1)} {
			store, vector := layertest.NewStore(1), []float64{1, -2, 0.5}
			objective := attr.Direction("conv", vector, 0).Plus(attr.LpNorm(2).Times(-1))
			found := visualize(t, b, store, tapped, objective, attr.VisualizeOptions{Images: 2, Height: 6, Width: 6, Channels: 2, Steps: 400, Rate: 0.2, Parametrization: p})
			w := layertest.Floats(store.GetVariable("/conv/weights").MustValue()) // [1 1 2 3]
			var want []float64
			for range 2 * 36 {
				for in := range 2 {
					sum := 0.0
					for out, v := range vector {
						sum += w[in*3+out] * v
					}
					want = append(want, sum) // mean over places of w·x − mean over values of x²: x = w·(places·2)/(2·places)
				}
			}
			near(t, name, layertest.Floats(found.Images), want, 0.02)
			if len(found.History) != 400 || found.Scores[0] <= found.History[0][0] {
				t.Errorf("%s: %d steps from %v to %v", name, len(found.History), found.History[0], found.Scores)
			}
		}
	})
}

// Fourier's waves are orthonormal and scaled to variance 1; without decay it only turns the space.
func TestFourierKeepsLengths(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		p := layertest.Random[float32](3, 1, 6, 10, 2)
		x, err := CallOnce(b, func(p *Node) *Node { return attr.Fourier(0)(p) }, p)
		if err != nil {
			t.Fatal(err)
		}
		square := func(t *tensors.Tensor) (sum float64) {
			for _, v := range layertest.Floats(t) {
				sum += v * v
			}
			return sum
		}
		near(t, "length", []float64{square(x)}, []float64{square(p)}, 1e-5)
		// A single number of the lowest wave is an even image.
		one := make([]float32, 36)
		one[0] = 1
		even, err := CallOnce(b, func(p *Node) *Node { return attr.Fourier(1)(p) }, tensors.FromFlatDataAndDimensions(one, 1, 6, 6, 1))
		if err != nil {
			t.Fatal(err)
		}
		values := layertest.Floats(even)
		for _, v := range values {
			near(t, "even", []float64{v}, values[:1], 1e-5)
		}
	})
}

// Transforms with known random numbers move as they say.
func TestTransforms(t *testing.T) {
	ramp := make([]float32, 5*5)
	for i := range ramp {
		ramp[i] = float32(i)
	}
	x := tensors.FromFlatDataAndDimensions(ramp, 1, 5, 5, 1)
	for name, test := range map[string]struct {
		transforms []attr.Transform
		u          []float32
		at         func(y, x int) float64
	}{
		"jitter":       {[]attr.Transform{attr.Jitter(1)}, []float32{0.99, 0.01}, func(y, x int) float64 { return float64((y+1)*5 + x - 1) }},
		"zoom":         {[]attr.Transform{attr.Zoom(1, 3)}, []float32{0.5}, func(y, x int) float64 { return 12 + float64(y-2)*2.5 + float64(x-2)*0.5 }},
		"turn":         {[]attr.Transform{attr.Rotate(90)}, []float32{1}, func(y, x int) float64 { return 12 - float64(x-2)*5 + float64(y-2) }},
		"border":       {[]attr.Transform{attr.Border(1)}, []float32{0}, func(y, x int) float64 { return 12 + (float64(y-2)*5+float64(x-2))*5/3 }},
		"jitter, turn": {[]attr.Transform{attr.Jitter(1), attr.Rotate(90)}, []float32{0.99, 0.5, 1}, func(y, x int) float64 { return 12 - float64(x-3)*5 + float64(y-2) }},
	} {
		t.Run(name, func(t *testing.T) {
			backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
				// The network hands on what it sees, and the objective looks at it in the middle, where nothing comes from outside.
				seen, err := attr.Transformed(b, layertest.Host(x), tensors.FromFlatDataAndDimensions(test.u, 1, len(test.u)), test.transforms, []float64{-1})
				if err != nil {
					t.Fatal(err)
				}
				values := layertest.Floats(seen)
				for y := 1; y < 4; y++ {
					for x := 1; x < 4; x++ {
						near(t, name, values[y*5+x:][:1], []float64{test.at(y, x)}, 1e-4)
					}
				}
			})
		})
	}
}

func TestVisualizeRobustly(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		o := attr.VisualizeOptions{Images: 3, Height: 12, Width: 12, Channels: 2, Steps: 30, Low: []float64{-2, -1}, High: []float64{2, 3},
			Transforms: append(attr.Robust(24), attr.Border(1)), Fill: []float64{0, 1}, Seed: 3}
		objective := attr.Each(attr.Channel("conv", 0), attr.Neuron("conv", -1, -1, 1), attr.Energy("conv")).
			Plus(attr.Diversity("conv").Times(0.1), attr.TotalVariation(1).Times(-0.01))
		// The dense layer has been made for images of 6×6: taps before it are there for 12×12 all the same.
		store := layertest.NewStore(1)
		explain(t, b, store, tapped, attr.Saliency, layertest.Random[float32](1, 1, 6, 6, 2), 0)
		found := visualize(t, b, store, tapped, objective, o)
		for i, score := range found.Scores {
			if !(score > found.History[0][i]) {
				t.Errorf("image %d: the objective went from %g to %g", i, found.History[0][i], score)
			}
		}
		for i, v := range layertest.Floats(found.Images) {
			if low, high := o.Low[i%2], o.High[i%2]; !(v >= low && v <= high) {
				t.Fatalf("value %g is not within %g and %g", v, low, high)
			}
		}
		again := visualize(t, b, store, tapped, objective, o)
		near(t, "the same seed", layertest.Floats(again.Images), layertest.Floats(found.Images), 1e-5)
	})
}

// The 1×1 convolution of 2 channels into 3 loses nothing: the image comes back.
func TestInvert(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store, images := layertest.NewStore(1), layertest.Random[float32](4, 2, 6, 6, 2)
		found, err := attr.Invert(context.Background(), b, store, tapped, images, "conv", nil, attr.VisualizeOptions{Steps: 300, Parametrization: attr.Pixels})
		if err != nil {
			t.Fatal(err)
		}
		near(t, "image", layertest.Floats(found.Images), layertest.Floats(images), 0.05)
		if found.Scores[0] < -1e-3 || found.Scores[0] > 0 {
			t.Errorf("score %g, want next to 0", found.Scores[0])
		}
		exaggerated, err := attr.Caricature(context.Background(), b, store, tapped, images, "conv", 0, attr.VisualizeOptions{Steps: 100})
		if err != nil {
			t.Fatal(err)
		}
		if exaggerated.Scores[0] < 1 {
			t.Errorf("a caricature has %g of what the image has", exaggerated.Scores[0])
		}
	})
}

func TestDream(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		store, images := layertest.NewStore(1), layertest.Random[float32](4, 2, 12, 16, 2)
		energy := func(x *tensors.Tensor) (sum float64) {
			features, err := attr.Features(context.Background(), b, store, tapped, x, "conv", attr.FeatureOptions{Batch: 1})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range layertest.Floats(features) {
				sum += f * f
			}
			return sum
		}
		before, steps := energy(images), 0
		dreamt, err := attr.Dream(context.Background(), b, store, tapped, images, attr.Energy("conv"), attr.DreamOptions{
			Octaves: 3, Steps: 4, Rate: 0.1, Low: []float64{-4, -4}, High: []float64{4, 4}, Progress: func(done, total int, _ string) { steps = done }})
		if err != nil {
			t.Fatal(err)
		}
		if after := energy(dreamt); !(after > before) || steps != 12 || !dreamt.Shape().Equal(images.Shape()) {
			t.Errorf("energy went from %g to %g in %d steps, shape %s", before, after, steps, dreamt.Shape())
		}
	})
}

func TestColorOf(t *testing.T) {
	// Two channels with covariance [[4, 2], [2, 4]]: eigenvalues 6 and 2.
	values := []float32{}
	for _, a := range []float64{-1, 1} {
		for _, b := range []float64{-1, 1} {
			values = append(values, float32(math.Sqrt(3)*a+b), float32(math.Sqrt(3)*a-b))
		}
	}
	root, err := attr.ColorOf(tensors.FromFlatDataAndDimensions(values, 1, 2, 2, 2))
	if err != nil {
		t.Fatal(err)
	}
	at := func(i, j int) float64 { return root[i][0]*root[j][0] + root[i][1]*root[j][1] }
	near(t, "covariance", []float64{at(0, 0), at(0, 1), at(1, 1)}, []float64{4, 2, 4}, 1e-6)
	near(t, "first", []float64{math.Hypot(root[0][0], root[1][0])}, []float64{math.Sqrt(6)}, 1e-6)
}

func TestVisualizeErrors(t *testing.T) {
	b, store := layertest.Go(), layertest.NewStore(1)
	explain(t, b, store, tapped, attr.Saliency, layertest.Random[float32](1, 1, 6, 6, 2), 0)
	size := attr.VisualizeOptions{Height: 6, Width: 6, Channels: 2, Steps: 2}
	for want, test := range map[string]struct {
		objective attr.Objective
		change    func(*attr.VisualizeOptions)
	}{
		`no tap "conv9": the network has conv`:     {attr.Channel("conv9", 0), nil},
		`channel 3 of "conv": there are 0 to 2`:    {attr.Channel("conv", 3), nil},
		"class 4 of the outputs: there are 0 to 3": {attr.Logit(4), nil},
		"place (6, 0)":                               {attr.Neuron("conv", 6, 0, 0), nil},
		"a vector of 2 numbers":                      {attr.Direction("conv", []float64{1, 2}, 0), nil},
		"2 objectives for 1 images":                  {attr.Each(attr.Logit(0), attr.Logit(1)), nil},
		"two images or more":                         {attr.Diversity("conv"), nil},
		"set Height, Width and Channels":             {attr.Logit(0), func(o *attr.VisualizeOptions) { o.Height = 0 }},
		"set both Low and High":                      {attr.Logit(0), func(o *attr.VisualizeOptions) { o.Low = []float64{0, 0} }},
		"Fill has 1 numbers for 2 channels":          {attr.Logit(0), func(o *attr.VisualizeOptions) { o.Fill = []float64{0} }},
		"nothing of an image of 6×6":                 {attr.Logit(0), func(o *attr.VisualizeOptions) { o.Transforms = []attr.Transform{attr.Border(3)} }},
		"different shape":                            {attr.Logit(0), func(o *attr.VisualizeOptions) { o.Height = 8 }},
		`no tap "out": the network has conv; the ne`: {attr.Channel("out", 0), func(o *attr.VisualizeOptions) { o.Height = 8 }},
	} {
		o := size
		if test.change != nil {
			test.change(&o)
		}
		_, err := attr.Visualize(context.Background(), b, store, tapped, test.objective, o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	size.Steps = 50
	size.Progress = func(done, _ int, _ string) {
		if done == 3 {
			cancel()
		}
	}
	found, err := attr.Visualize(ctx, b, store, tapped, attr.Logit(0), size)
	if !errors.Is(err, context.Canceled) || found == nil || len(found.History) != 3 {
		t.Errorf("cancelled: %v, %v", found, err)
	}
}
