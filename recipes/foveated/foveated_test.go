package foveated

import (
	"image"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/internal/backend/backendtest"
	"fovea/layers"
	"fovea/layers/layertest"
)

// tiny32 has 16 radii and 16 angles on images of 33×33, whose middle is a pixel.
var tiny32 = Config{Size: 33, View: 16, Polar: true, Inner: 1.5}

// Sampling has no parameters: the counts are those of the residual networks.
func TestParameters(t *testing.T) {
	for name, want := range Recipe.Params {
		c := Variants[name]
		s, err := layers.Summarize(layertest.Go(), Model(c), shapes.Make(dtypes.Float32, 1, c.Size, c.Size, 3))
		if err != nil {
			t.Fatal(err)
		}
		if s.Parameters() != want {
			t.Errorf("%s has %d parameters, want %d", name, s.Parameters(), want)
		}
	}
}

// Turning the places by a column's angle gives the places of the next column, and scaling them by the radii's ratio those of the next row.
func TestTurningAndZoomingAreShifts(t *testing.T) {
	radii := Radii(0.5, 20, 12)
	const columns = 10
	ratio := radii[1] / radii[0]
	y, x := LogPolar(radii, columns)
	sin, cos := math.Sincos(2 * math.Pi / columns)
	for i := range radii {
		for j := range columns {
			at, next, below := i*columns+j, i*columns+(j+1)%columns, (i+1)*columns+j
			if d := math.Hypot(x[at]*cos-y[at]*sin-x[next], x[at]*sin+y[at]*cos-y[next]); d > 1e-12*radii[i]+1e-12 {
				t.Fatalf("row %d, column %d turned is off by %g", i, j, d)
			}
			if i+1 < len(radii) {
				if d := math.Hypot(x[at]*ratio-x[below], y[at]*ratio-y[below]); d > 1e-10 {
					t.Fatalf("row %d, column %d zoomed is off by %g", i, j, d)
				}
			}
		}
	}
	if math.Abs(radii[0]-0.5) > 1e-12 || math.Abs(radii[11]-20) > 1e-9 {
		t.Errorf("radii from %g to %g", radii[0], radii[11])
	}
}

// A geometric sequence has as many samples in every ring of the same ratio, so a density of 1/r²: samples an area of 2π·r·dr.
func TestDensity(t *testing.T) {
	const columns = 64
	y, x := LogPolar(Radii(1, 64, 61), columns) // a ratio of 2^(1/10)
	density := func(from, to float64) float64 {
		n := 0
		for i := range y {
			if r := math.Hypot(y[i], x[i]); r >= from && r < to {
				n++
			}
		}
		return float64(n) / (math.Pi * (to*to - from*from))
	}
	for _, r := range []float64{1.01, 2.02, 4.04, 8.08} {
		if ratio := density(r, 2*r) / density(2*r, 4*r); math.Abs(ratio-4) > 1e-9 {
			t.Errorf("from radius %g to twice that the density falls to 1/%g, want 1/4", r, ratio)
		}
	}
}

func sample(t *testing.T, b compute.Backend, c Config, x *tensors.Tensor) []float64 {
	t.Helper()
	y, err := graph.CallOnce(b, func(x *graph.Node) *graph.Node { return View(c, x) }, x)
	if err != nil {
		t.Fatal(err)
	}
	if d := y.Shape().Dimensions; d[1] != c.View || d[2] != c.View {
		t.Fatalf("a view of %v", d)
	}
	return layertest.Floats(y)
}

// picture is the image of a function of the place relative to the middle, [1 n n 1].
func picture(n int, f func(y, x float64) float64) *tensors.Tensor {
	data, middle := make([]float32, n*n), float64(n-1)/2
	for i := range data {
		data[i] = float32(f(float64(i/n)-middle, float64(i%n)-middle))
	}
	return tensors.FromFlatDataAndDimensions(data, 1, n, n, 1)
}

// A quarter turn moves pixels to pixels, so the view moves by a quarter of the columns without any error; a constant image has a constant view
// up to the border.
func TestViews(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		c := tiny32
		noise := tensors.MustCopyFlatData[float32](layertest.Random[float32](1, c.Size, c.Size))
		at := func(i, j int) float32 { return noise[i*c.Size+j] }
		turned := make([]float32, len(noise))
		for i := range c.Size {
			for j := range c.Size {
				turned[j*c.Size+c.Size-1-i] = at(i, j) // clockwise
			}
		}
		before := sample(t, b, c, tensors.FromFlatDataAndDimensions(noise, 1, c.Size, c.Size, 1))
		after := sample(t, b, c, tensors.FromFlatDataAndDimensions(turned, 1, c.Size, c.Size, 1))
		for i := range c.View {
			for j := range c.View {
				if d := after[i*c.View+(j+c.View/4)%c.View] - before[i*c.View+j]; math.Abs(d) > 1e-5 {
					t.Fatalf("a quarter turn: row %d, column %d is off by %g", i, j, d)
				}
			}
		}
		for _, polar := range []bool{true, false} {
			c := c
			c.Polar = polar
			for i, v := range sample(t, b, c, picture(c.Size, func(_, _ float64) float64 { return 2.5 })) {
				if math.Abs(v-2.5) > 1e-6 {
					t.Fatalf("polar %v: sample %d of a constant image is %g", polar, i, v)
				}
			}
		}
		// Places outside of the image are zero.
		y, err := graph.CallOnce(b, func(x *graph.Node) *graph.Node { return Sample(x, []float64{-2, 1, 0.5}, []float64{0, 9, 0.5}, 1, 3) }, picture(3, func(y, x float64) float64 { return y + 2*x + 7 }))
		if err != nil {
			t.Fatal(err)
		}
		if got := layertest.Floats(y); got[0] != 0 || got[1] != 0 || math.Abs(got[2]-5.5) > 1e-6 {
			t.Errorf("samples outside and inside: %v", got)
		}
	})
}

// Of smooth images: a radial one is constant along every row, turning by any column's angle moves columns, zooming by a power of the ratio moves rows.
func TestSmoothImages(t *testing.T) {
	b := layertest.Go()
	c := Config{Size: 129, View: 32, Polar: true, Inner: 4}
	radial := sample(t, b, c, picture(c.Size, func(y, x float64) float64 { return math.Cos(math.Hypot(y, x) / 12) }))
	for i := range c.View {
		row := radial[i*c.View : (i+1)*c.View]
		if d := slices.Max(row) - slices.Min(row); d > 0.01 {
			t.Errorf("row %d of a radial image varies by %g", i, d)
		}
	}
	f := func(y, x float64) float64 { return math.Cos(x/9) + math.Sin(y/7+x/15) }
	plain := sample(t, b, c, picture(c.Size, f))
	const columns, rows = 5, 3
	sin, cos := math.Sincos(2 * math.Pi * columns / float64(c.View))
	turned := sample(t, b, c, picture(c.Size, func(y, x float64) float64 { return f(y*cos-x*sin, x*cos+y*sin) }))
	radii := Radii(c.Inner, c.outer(), c.View)
	zoom := radii[rows] / radii[0]
	zoomed := sample(t, b, c, picture(c.Size, func(y, x float64) float64 { return f(y/zoom, x/zoom) }))
	for i := range c.View {
		for j := range c.View {
			if d := turned[i*c.View+(j+columns)%c.View] - plain[i*c.View+j]; math.Abs(d) > 0.01 {
				t.Fatalf("turned by %d columns: row %d, column %d is off by %g", columns, i, j, d)
			}
			if i+rows < c.View {
				if d := zoomed[(i+rows)*c.View+j] - plain[i*c.View+j]; math.Abs(d) > 0.01 {
					t.Fatalf("zoomed by %d rows: row %d, column %d is off by %g", rows, i, j, d)
				}
			}
		}
	}
	// What the view tells of the image is near it where samples are close together.
	back, err := graph.CallOnce(b, func(x *graph.Node) *graph.Node { return c.Inverse(View(c, x)) }, picture(c.Size, f))
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range layertest.Floats(back) {
		y, x := float64(i/c.Size)-64, float64(i%c.Size)-64
		if r := math.Hypot(y, x); r > c.Inner && r < 20 && math.Abs(v-f(y, x)) > 0.1 {
			t.Fatalf("at radius %g the inverse is %g, the image %g", r, v, f(y, x))
		}
	}
}

// The gradient reaches the images: each sample's shares sum to 1, so the gradients sum to the number of samples.
func TestGradientReachesTheImage(t *testing.T) {
	backendtest.EachForTest(t, func(t *testing.T, b compute.Backend) {
		y, err := graph.CallOnce(b, func(x *graph.Node) *graph.Node {
			return graph.Gradient(graph.ReduceAllSum(View(tiny32, x)), x)[0]
		}, picture(tiny32.Size, func(y, x float64) float64 { return y * x }))
		if err != nil {
			t.Fatal(err)
		}
		var sum float64
		for _, v := range layertest.Floats(y) {
			sum += v
		}
		if want := float64(tiny32.View * tiny32.View); math.Abs(sum-want) > 1e-2 {
			t.Errorf("gradients sum to %g, want %g", sum, want)
		}
	})
}

// With convolutions that wrap around and no stride, turning the view turns the feature maps of the units.
func TestWrap(t *testing.T) {
	run := func(wrap bool) float64 {
		c := small(true, wrap)
		c.Network.Stages, c.Network.Widths, c.Network.Classes = []int{1}, []int{4}, 0
		store := layertest.NewStore(1)
		net := func(s *model.Scope, view *graph.Node) *graph.Node {
			h := hooks(c)
			o := layers.ConvOptions{Filters: 4, NoBias: true}
			if h.Conv == nil {
				return layers.Conv(s, view, o)
			}
			return h.Conv(s, view, "conv1", o, c.Network.Units()[0])
		}
		y, err := model.CallOnce(layertest.Go(), store, func(s *model.Scope, x *graph.Node) *graph.Node {
			roll := func(x *graph.Node) *graph.Node {
				return graph.Concatenate([]*graph.Node{graph.SliceAxis(x, 2, graph.AxisRange(3)), graph.SliceAxis(x, 2, graph.AxisRange(0, 3))}, 2)
			}
			first := net(s.In("net"), x)
			return graph.ReduceAllMax(graph.Abs(graph.Sub(roll(first), net(s.Shared("net"), roll(x)))))
		}, layertest.Random[float32](1, 2, 8, 8, 3))
		if err != nil {
			t.Fatal(err)
		}
		return layertest.Floats(y)[0]
	}
	if d := run(true); d > 1e-5 {
		t.Errorf("with wrapping a turned view gives maps that are off by %g", d)
	}
	if d := run(false); d < 1e-2 {
		t.Errorf("without wrapping the border should show, but maps differ by %g", d)
	}
}

// A quarter turn, a zoom by 2 and a shift do to pixels what they say.
func TestWarp(t *testing.T) {
	canvas := image.NewNRGBA(image.Rect(0, 0, 41, 41))
	for i := range 41 * 41 {
		canvas.Pix[4*i], canvas.Pix[4*i+1], canvas.Pix[4*i+3] = uint8(5*(i%41)), uint8(5*(i/41)), 255
	}
	at := func(p Pose, i, j int) (x, y int) {
		pixel := Warp(canvas, 20, 20, p, 9)[(i*9+j)*3:]
		return int(pixel[0]), int(pixel[1])
	}
	for _, c := range []struct {
		pose   Pose
		i, j   int
		wx, wy int // of the canvas, in fifths
	}{
		{Pose{Zoom: 1}, 4, 8, 24, 20}, {Pose{Zoom: 1, Turn: 90}, 8, 4, 24, 20}, {Pose{Zoom: 2}, 4, 8, 22, 20}, {Pose{Zoom: 0.5}, 8, 4, 20, 28},
		{Pose{Zoom: 1, DX: 3}, 4, 8, 21, 20}, {Pose{Zoom: 1, DY: -2}, 4, 4, 20, 22},
	} {
		if x, y := at(c.pose, c.i, c.j); x != 5*c.wx || y != 5*c.wy {
			t.Errorf("%+v: pixel (%d, %d) comes from (%g, %g), want (%d, %d)", c.pose, c.i, c.j, float64(x)/5, float64(y)/5, c.wx, c.wy)
		}
	}
}

func TestScenes(t *testing.T) {
	g := generator{64, 3}
	sets := g.posed(16, []Pose{{Zoom: 1}, {Zoom: 1, DX: 16}})
	for _, im := range append(sets, g.training(16)) {
		if err := im.Validate(); err != nil {
			t.Fatal(err)
		}
		for k, n := range im.Counts() {
			if n != 2 {
				t.Errorf("class %d has %d of 16 images", k, n)
			}
		}
	}
	for i, s := range g.searches(6, 4) {
		if !s.box.In(image.Rect(0, 0, 128, 128)) || s.views.Validate() != nil || len(s.fixated) != 16 || s.fixated[0] != image.Pt(16, 16) || s.fixated[15] != image.Pt(112, 112) {
			t.Errorf("scene %d: box %v, fixations %v, %v", i, s.box, s.fixated, s.views.Validate())
		}
	}
}
