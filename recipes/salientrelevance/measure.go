package salientrelevance

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/datasets"
	"fovea/layers/attr"
	"fovea/recipes"
)

// kinds are the maps that are compared, in the order in which explain returns them.
var kinds = []string{"gradient", "relevance", "salient relevance"}

// threeMaps gives all of them in one program, [B H W 3].
func threeMaps(c Config) attr.Method {
	return func(s *model.Scope, network attr.Network, x *graph.Node, target attr.Target) *graph.Node {
		relevance := Relevance(s, network, x, target)
		return graph.Stack([]*graph.Node{attr.Saliency(s, network, x, target), relevance, Saliency(relevance, c)}, -1)
	}
}

// A maps has the maps of images by kind, each [H W], and what the network says of the images.
type maps struct {
	of      map[string][][]float32
	classes []int     // the likeliest ones, which are explained
	scores  []float64 // their logits
}

func explain(ctx context.Context, t *recipes.Trial, trainer *recipes.Trainer, im *datasets.Images, c Config) (*maps, error) {
	k := len(im.Classes)
	explainer, err := attr.NewExplainer(t.Backend, trainer.Store(), attr.Network(Classifier(c.Network, k)), threeMaps(c))
	if err != nil {
		return nil, err
	}
	defer explainer.Close()
	m := &maps{of: map[string][][]float32{}}
	if m.classes, m.scores, err = likeliest(ctx, trainer, im); err != nil {
		return nil, err
	}
	const batch = 20 // a pair of pixels takes a number, so larger ones need much memory
	for i := 0; i < im.N; i += batch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		j := min(i+batch, im.N)
		x := im.Tensor(i, j)
		found, outputs, err := explainer.Explain(x, m.classes[i:j]...)
		_ = x.FinalizeAll()
		if err != nil {
			return nil, err
		}
		flat := tensors.MustCopyFlatData[float32](found)
		_, _ = found.FinalizeAll(), outputs.FinalizeAll()
		area := im.H * im.W
		for n := range j - i {
			for kind, name := range kinds {
				one := make([]float32, area)
				for p := range one {
					one[p] = flat[(n*area+p)*len(kinds)+kind]
				}
				m.of[name] = append(m.of[name], one)
			}
		}
		t.Progress(j, im.N, "maps")
	}
	return m, nil
}

// likeliest is the class of the largest logit of each image, and that logit.
func likeliest(ctx context.Context, trainer *recipes.Trainer, im *datasets.Images) (classes []int, scores []float64, err error) {
	output, err := trainer.Output(ctx, im)
	if err != nil {
		return nil, nil, err
	}
	k := len(im.Classes)
	logits := tensors.MustCopyFlatData[float32](output)
	for n := range im.N {
		row := logits[n*k : (n+1)*k]
		best := slices.Index(row, slices.Max(row))
		classes, scores = append(classes, best), append(scores, float64(row[best]))
	}
	return classes, scores, nil
}

// largest marks the given share of the pixels, those with the largest values; of equal ones the first.
func largest(m []float32, share float64) []bool {
	order := make([]int, len(m))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(m[b], m[a]) })
	marked := make([]bool, len(m))
	for _, p := range order[:int(share*float64(len(m)))] {
		marked[p] = true
	}
	return marked
}

// inside is the share of a map's sum that lies on the object: the energy-based pointing game of Wang et al. 2020, with masks.
func inside(m []float32, mask []uint8) float64 {
	var on, all float64
	for p, v := range m {
		all += float64(v)
		if mask[p] != 0 {
			on += float64(v)
		}
	}
	if all == 0 {
		return 0
	}
	return on / all
}

// pieces counts the parts of a mask that hang together by sides.
func pieces(mask []bool, h, w int) int {
	rest, count := slices.Clone(mask), 0
	for start := range rest {
		if !rest[start] {
			continue
		}
		count++
		rest[start] = false
		for stack := []int{start}; len(stack) > 0; {
			p := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			visit := func(q int, within bool) {
				if within && rest[q] {
					rest[q] = false
					stack = append(stack, q)
				}
			}
			visit(p-w, p >= w)
			visit(p+w, p < (h-1)*w)
			visit(p-1, p%w > 0)
			visit(p+1, p%w < w-1)
		}
	}
	return count
}

// drop is by how much the logits of the explained classes fall, on average, when marked pixels are covered with what covers has
// there.
func (m *maps) drop(ctx context.Context, trainer *recipes.Trainer, im, covers *datasets.Images, marked func(image int) []bool) (float64, error) {
	covered := *im
	covered.Pixels = slices.Clone(im.Pixels)
	for n := range im.N {
		pixels, cover := covered.PixelsAt(n), covers.PixelsAt(n)
		for p, hit := range marked(n) {
			if hit {
				copy(pixels[p*im.C:(p+1)*im.C], cover[p*im.C:])
			}
		}
	}
	output, err := trainer.Output(ctx, &covered)
	if err != nil {
		return 0, err
	}
	logits, sum := tensors.MustCopyFlatData[float32](output), 0.0
	for n, class := range m.classes {
		sum += m.scores[n] - float64(logits[n*len(im.Classes)+class])
	}
	return sum / float64(im.N), nil
}

// blurred has the mean of the square around each pixel, of an eighth of the image either way: it hides what is there, and does not
// look like something else, as one colour may (Fong, Vedaldi 2017, section 4.1).
func blurred(im *datasets.Images) *datasets.Images {
	out, reach := *im, max(1, im.H/8)
	out.Pixels = make([]uint8, len(im.Pixels))
	for n := range im.N {
		from, to := im.PixelsAt(n), out.PixelsAt(n)
		for y := range im.H {
			for x := range im.W {
				for c := range im.C {
					sum, count := 0, 0
					for v := max(0, y-reach); v <= min(im.H-1, y+reach); v++ {
						for u := max(0, x-reach); u <= min(im.W-1, x+reach); u++ {
							sum += int(from[(v*im.W+u)*im.C+c])
							count++
						}
					}
					to[(y*im.W+x)*im.C+c] = uint8((sum + count/2) / count)
				}
			}
		}
	}
	return &out
}

// compare measures the maps against the objects' masks and the network.
func (m *maps) compare(ctx context.Context, trainer *recipes.Trainer, im *datasets.Images, seed uint64) (recipes.Values, error) {
	values, n, covers := recipes.Values{}, float64(im.N), blurred(im)
	var err error
	for _, kind := range kinds {
		for i, one := range m.of[kind] {
			values["inside, "+kind] += inside(one, im.MaskAt(i)) / n
			values["pieces, "+kind] += float64(pieces(largest(one, 0.1), im.H, im.W)) / n
		}
		if values["drop, "+kind], err = m.drop(ctx, trainer, im, covers, func(i int) []bool { return largest(m.of[kind][i], 0.2) }); err != nil {
			return nil, err
		}
	}
	for i := range im.N {
		for _, v := range im.MaskAt(i) {
			values["object"] += float64(v) / float64(im.H*im.W) / n
		}
	}
	random := rand.New(rand.NewPCG(seed, 1))
	if values["drop, random"], err = m.drop(ctx, trainer, im, covers, func(int) []bool {
		noise := make([]float32, im.H*im.W)
		for p := range noise {
			noise[p] = random.Float32()
		}
		return largest(noise, 0.2)
	}); err != nil {
		return nil, err
	}
	// Scattered pixels are another damage than a region: the regions of other images are alike in all but the place.
	values["drop, another's"], err = m.drop(ctx, trainer, im, covers, func(i int) []bool {
		return largest(m.of["salient relevance"][(i+1)%im.N], 0.2)
	})
	return values, err
}
