package deepinside

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"fovea/datasets"
)

// The flow equals the capacity of the cheapest of all cuts, found by trying every one.
func TestMaxFlowIsMinimumCut(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for round := range 200 {
		const n = 7
		type arc struct{ a, b, forth, back int }
		var arcs []arc
		g := newFlowGraph(n)
		for range 12 {
			a, b := r.IntN(n), r.IntN(n)
			if a == b {
				continue
			}
			x := arc{a, b, r.IntN(10), r.IntN(4)}
			arcs = append(arcs, x)
			g.edge(a, b, float64(x.forth), float64(x.back))
		}
		cutOf := func(inside func(int) bool) int {
			sum := 0
			for _, x := range arcs {
				if inside(x.a) && !inside(x.b) {
					sum += x.forth
				}
				if inside(x.b) && !inside(x.a) {
					sum += x.back
				}
			}
			return sum
		}
		least := math.MaxInt
		for set := range 1 << n {
			if set&1 != 0 && set&(1<<(n-1)) == 0 {
				least = min(least, cutOf(func(i int) bool { return set>>i&1 != 0 }))
			}
		}
		if flow := g.maxFlow(0, n-1); math.Abs(flow-float64(least)) > 1e-6 {
			t.Fatalf("round %d: flow %g, minimum cut %d", round, flow, least)
		}
		if got := cutOf(g.reachable); got != least {
			t.Fatalf("round %d: the reachable side cuts %d, the minimum is %d", round, got, least)
		}
	}
}

func TestMixtureFindsTwoColours(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	var colours [][3]float64
	for i := range 300 {
		c := [3]float64{50, 60, 200}
		if i%3 == 0 {
			c = [3]float64{220, 30, 40}
		}
		for a := range c {
			c[a] += 5 * r.NormFloat64()
		}
		colours = append(colours, c)
	}
	m := fitMixture(colours, 2, r)
	if len(m) != 2 {
		t.Fatalf("%d Gaussians", len(m))
	}
	slices.SortFunc(m, func(a, b gaussian) int { return int(a.mean[0] - b.mean[0]) })
	if math.Abs(m[0].weight-2.0/3) > 0.02 || math.Abs(m[0].mean[2]-200) > 2 || math.Abs(m[1].mean[0]-220) > 2 {
		t.Errorf("found %+v", m)
	}
	if m.log([3]float64{50, 60, 200}) < m.log([3]float64{128, 128, 128}) {
		t.Error("a colour of the set is less likely than grey")
	}
	if one := fitMixture([][3]float64{{1, 2, 3}, {1, 2, 3}}, 3, r); len(one) != 1 || math.IsNaN(one.log([3]float64{1, 2, 3})) {
		t.Errorf("two equal colours give %+v", one)
	}
}

// A red disc on noisy blue, with a saliency that lights up inside it and errs elsewhere: the cut must find the disc.
func TestSegmentFindsDisc(t *testing.T) {
	const h, w = 40, 44
	r := rand.New(rand.NewPCG(3, 3))
	pixels, saliency, disc := make([]uint8, 3*h*w), make([]float32, h*w), make([]bool, h*w)
	for i := range disc {
		y, x := i/w, i%w
		d := math.Hypot(float64(y-18), float64(x-27))
		disc[i] = d < 10
		colour := [3]int{40, 60, 170}
		if disc[i] {
			colour = [3]int{190, 60, 50}
		}
		for a := range colour {
			pixels[3*i+a] = uint8(colour[a] + r.IntN(31) - 15)
		}
		saliency[i] = float32(math.Exp(-d*d/40) + 0.1*r.Float64())
	}
	s, err := Segment(pixels, saliency, h, w, Default)
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for i := range disc {
		if disc[i] != s.Mask[i] {
			wrong++
		}
	}
	if wrong > 5 {
		t.Errorf("%d pixels are wrong", wrong)
	}
	if iou := BoxIoU(s.Box, [4]int{18, 9, 37, 28}); iou < 0.95 {
		t.Errorf("box %v has an overlap of %.2f", s.Box, iou)
	}
	if _, err := Segment(pixels, make([]float32, h*w), h, w, Default); err == nil {
		t.Error("a flat map was segmented")
	}
	if _, err := Segment(pixels[3:], saliency, h, w, Default); err == nil {
		t.Error("too few pixels were taken")
	}
}

func TestLargestComponentAndBox(t *testing.T) {
	picture := []string{
		"##..#",
		"#...#",
		"...##",
		"....#",
	}
	mask := make([]bool, 20)
	for i := range mask {
		mask[i] = picture[i/5][i%5] == '#'
	}
	got := LargestComponent(mask, 4, 5)
	count := 0
	for i, m := range got {
		if m {
			count++
			if i%5 < 3 {
				t.Errorf("pixel %d isn't of the largest part", i)
			}
		}
	}
	if box := boundingBox(got, 4, 5); count != 5 || box != [4]int{3, 0, 5, 4} {
		t.Errorf("%d pixels in %v", count, box)
	}
	if none := LargestComponent(make([]bool, 20), 4, 5); boundingBox(none, 4, 5) != [4]int{} {
		t.Error("an empty mask has a box")
	}
}

func TestQuantileAndIoU(t *testing.T) {
	v := []float32{5, 1, 4, 2, 3}
	for q, want := range map[float64]float64{0: 1, 0.2: 1, 0.5: 3, 0.8: 4, 0.95: 5, 1: 5} {
		if got := Quantile(v, q); got != want {
			t.Errorf("quantile %g is %g, want %g", q, got, want)
		}
	}
	for _, c := range []struct {
		a, b [4]int
		want float64
	}{
		{[4]int{0, 0, 2, 2}, [4]int{1, 1, 3, 3}, 1.0 / 7}, {[4]int{0, 0, 2, 2}, [4]int{0, 0, 2, 2}, 1}, {[4]int{0, 0, 1, 1}, [4]int{2, 2, 3, 3}, 0}, {},
	} {
		if got := BoxIoU(c.a, c.b); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("overlap of %v and %v is %g, want %g", c.a, c.b, got, c.want)
		}
	}
}

// What a window shows comes back to where it was: adding a window's own picture of a ramp gives a tenth of the ramp.
func TestWindowsComeBack(t *testing.T) {
	const h, w = 5, 7
	im := &datasets.Images{N: 1, H: h, W: w, C: 1}
	for i := range h * w {
		im.Pixels = append(im.Pixels, uint8(i+1))
	}
	for _, v := range []window{{}, {mirror: true}, {dy: 2, dx: -1}, {dy: -1, dx: 2, mirror: true}} {
		var m []float32
		for _, p := range v.see(im).Pixels {
			m = append(m, float32(p))
		}
		sum := make([]float32, h*w)
		v.add(sum, m, h, w)
		seen := 0
		for i, s := range sum {
			if s != 0 {
				seen++
				if math.Abs(float64(s)-float64(i+1)/10) > 1e-6 {
					t.Errorf("%+v: pixel %d got %g", v, i, s)
				}
			}
		}
		if want := (h - max(v.dy, -v.dy)) * (w - max(v.dx, -v.dx)); seen != want {
			t.Errorf("%+v: %d pixels came back, want %d", v, seen, want)
		}
	}
}

// Two images of 48×48 with an object of 6×6: a map whose largest value is in it, and one whose largest is a pixel beside it.
func TestCompareWithMasks(t *testing.T) {
	const side = 48
	im := &datasets.Images{N: 2, H: side, W: side, C: 1, Masks: make([]uint8, 2*side*side)}
	for n := range im.N {
		for y := 20; y < 26; y++ {
			for x := 20; x < 26; x++ {
				im.Masks[(n*side+y)*side+x] = 1
			}
		}
	}
	hit, beside, far := make([]float32, side*side), make([]float32, side*side), make([]float32, side*side)
	hit[22*side+22], hit[0] = 3, 1 // energies 9 and 1
	beside[19*side+26] = 2
	far[18*side+22] = 2
	area := 36.0 / (side * side)
	for _, c := range []struct {
		maps                   [][]float32
		energy, pointing, near float64
	}{
		{[][]float32{hit, beside}, 0.9 / area / 2, 0.5, 1},
		{[][]float32{hit, hit}, 0.9 / area, 1, 1},
		{[][]float32{far, beside}, 0, 0, 0.5},
	} {
		energy, pointing, near := compareWithMasks(c.maps, im)
		if math.Abs(energy-c.energy) > 1e-9 || pointing != c.pointing || near != c.near {
			t.Errorf("energy %g, pointing %g, near %g; want %g, %g, %g", energy, pointing, near, c.energy, c.pointing, c.near)
		}
	}
}
