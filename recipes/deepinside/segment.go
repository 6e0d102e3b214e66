package deepinside

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
)

// A Segmentation is what Segment found in one image of h×w pixels.
type Segmentation struct {
	Foreground, Background []bool // [h w], the seeds
	Mask                   []bool // [h w], the largest connected part of the cut
	Box                    [4]int // x0, y0, x1, y1 around Mask, x1 and y1 exclusive; empty if Mask is
}

// Segment cuts the object out of an image (section 3.2): pixels of high saliency seed the object and those of low saliency the
// background, two colour models are fitted to the seeds, and a graph cut (Boykov, Jolly 2001) labels every pixel so
// that colours fit and borders follow edges. The largest connected part stays.
// pixels are [h w 3], saliency is [h w].
func Segment(pixels []uint8, saliency []float32, h, w int, c Config) (*Segmentation, error) {
	n := h * w
	if h < 2 || w < 2 || len(pixels) != 3*n || len(saliency) != n {
		return nil, errors.New("segment: want h×w×3 pixels and h×w saliencies of an image of at least 2×2")
	}
	if !(0 <= c.Background && c.Background < c.Foreground && c.Foreground < 1) || c.Gaussians < 1 || c.Smoothness < 0 {
		return nil, errors.New("segment: want 0 ≤ background < foreground < 1, at least one Gaussian and no negative smoothness")
	}
	s := &Segmentation{Foreground: make([]bool, n), Background: make([]bool, n)}
	high, low := Quantile(saliency, c.Foreground), Quantile(saliency, c.Background)
	if !(high > low) {
		return nil, errors.New("segment: the saliency is the same nearly everywhere, so nothing can be seeded")
	}
	colours := make([][3]float64, n)
	var object, background [][3]float64
	for i := range n {
		colours[i] = [3]float64{float64(pixels[3*i]), float64(pixels[3*i+1]), float64(pixels[3*i+2])}
		switch {
		case float64(saliency[i]) >= high:
			s.Foreground[i] = true
			object = append(object, colours[i])
		case float64(saliency[i]) <= low:
			s.Background[i] = true
			background = append(background, colours[i])
		}
	}
	r := rand.New(rand.NewPCG(1, uint64(n)))
	cut := cutImage(colours, h, w, s, fitMixture(object, c.Gaussians, r), fitMixture(background, c.Gaussians, r), c.Smoothness)
	s.Mask = LargestComponent(cut, h, w)
	s.Box = boundingBox(s.Mask, h, w)
	return s, nil
}

// cutImage minimises Σ −log p(colour | label) + smoothness · Σ exp(−‖difference‖²/2σ²) over neighbours of unlike labels,
// with the seeds held fast.
func cutImage(colours [][3]float64, h, w int, s *Segmentation, object, background mixture, smoothness float64) []bool {
	n := h * w
	source, sink := n, n+1
	g := newFlowGraph(n + 2)
	// σ² is the mean squared difference of neighbours (Rother et al. 2004, eq. 5).
	var sum float64
	pairs := 0
	neighbours(h, w, func(a, b int) { sum += squared(colours[a], colours[b]); pairs++ })
	sigma := max(sum/float64(pairs), 1)
	neighbours(h, w, func(a, b int) {
		weight := smoothness * math.Exp(-squared(colours[a], colours[b])/(2*sigma))
		g.edge(a, b, weight, weight)
	})
	hard := 1 + 8*smoothness // more than all edges of a pixel together
	for i := range n {
		switch {
		case s.Foreground[i]:
			g.edge(source, i, hard, 0)
		case s.Background[i]:
			g.edge(i, sink, hard, 0)
		default:
			// A label costs what cuts the arc to the other side; only the difference matters.
			d := object.log(colours[i]) - background.log(colours[i])
			g.edge(source, i, max(d, 0), 0)
			g.edge(i, sink, max(-d, 0), 0)
		}
	}
	g.maxFlow(source, sink)
	cut := make([]bool, n)
	for i := range cut {
		cut[i] = g.reachable(i)
	}
	return cut
}

// neighbours calls f for each pair of pixels that share a side.
func neighbours(h, w int, f func(a, b int)) {
	for y := range h {
		for x := range w {
			if x+1 < w {
				f(y*w+x, y*w+x+1)
			}
			if y+1 < h {
				f(y*w+x, (y+1)*w+x)
			}
		}
	}
}

// Quantile is the smallest value that at least the share q of the values doesn't exceed. It panics without values.
func Quantile(values []float32, q float64) float64 {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return float64(sorted[min(max(i, 0), len(sorted)-1)])
}

// LargestComponent keeps the largest set of true pixels that hang together by sides; of equal ones the first.
func LargestComponent(mask []bool, h, w int) []bool {
	label := make([]int, h*w)
	best, bestSize := 0, 0
	for i, next := 0, 1; i < h*w; i++ {
		if !mask[i] || label[i] != 0 {
			continue
		}
		size := 0
		stack := []int{i}
		label[i] = next
		for len(stack) > 0 {
			p := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			size++
			visit := func(q int, inside bool) {
				if inside && mask[q] && label[q] == 0 {
					label[q] = next
					stack = append(stack, q)
				}
			}
			visit(p-w, p >= w)
			visit(p+w, p < (h-1)*w)
			visit(p-1, p%w > 0)
			visit(p+1, p%w < w-1)
		}
		if size > bestSize {
			best, bestSize = next, size
		}
		next++
	}
	out := make([]bool, h*w)
	for i := range out {
		out[i] = bestSize > 0 && label[i] == best
	}
	return out
}

func boundingBox(mask []bool, h, w int) [4]int {
	box := [4]int{w, h, 0, 0}
	for y := range h {
		for x := range w {
			if mask[y*w+x] {
				box = [4]int{min(box[0], x), min(box[1], y), max(box[2], x+1), max(box[3], y+1)}
			}
		}
	}
	if box[2] == 0 {
		return [4]int{}
	}
	return box
}

// BoxIoU is the area that two boxes share over the area that they cover together; 0 if both are empty.
func BoxIoU(a, b [4]int) float64 {
	area := func(x [4]int) float64 { return float64(max(0, x[2]-x[0]) * max(0, x[3]-x[1])) }
	both := area([4]int{max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])})
	if union := area(a) + area(b) - both; union > 0 {
		return both / union
	}
	return 0
}
