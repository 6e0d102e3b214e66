package attr

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	. "github.com/gomlx/gomlx/support/exceptions"
)

// RandomizeOptions configures Randomize.
type RandomizeOptions struct {
	// Independent randomises one layer at a time and leaves the others as they were learnt. Otherwise layers are
	// randomised from the output down, each together with all above it.
	Independent bool
	// Magnitudes compares magnitudes, which is what an eye sees of a saliency map, and the sterner test: that an object is still
	// marked, though with other signs, counts as unchanged. Otherwise values are compared as they are, summed over channels.
	Magnitudes bool
	// Threshold is the similarity from which on a map counts as unchanged; 0: 0.5.
	Threshold float64
	Seed      uint64
	Progress  func(done, total int, note string)
}

// A Sanity is how one method's maps fared when the weights were made random.
type Sanity struct {
	Method string
	// Spearman is the rank correlation with the maps of the network as it is, and SSIM their structural
	// similarity (0 for maps under 7×7): means over the images, for each of the Layers.
	Layers         []string
	Spearman, SSIM []float64
	// Unchanged is how many of the Layers could be made random with a Spearman of at least the threshold: for a cascade all
	// from the output down to the first one that changes the map, otherwise each by itself.
	Unchanged int
	// Passed says that the map depends on what was learnt: fewer layers are Unchanged than half of all, rounded down.
	Passed bool
}

// String is a line for a report.
func (s Sanity) String() string {
	verdict := "depends on the weights"
	if !s.Passed {
		verdict = fmt.Sprintf("does not change when %d of %d layers are random", s.Unchanged, len(s.Layers))
	}
	numbers := make([]string, len(s.Spearman))
	for i, v := range s.Spearman {
		numbers[i] = fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%s: %s (rank correlation %s)", s.Method, verdict, strings.Join(numbers, ", "))
}

// Randomize asks whether maps show what a network has learnt (Adebayo et al. 2018, "Sanity Checks for Saliency Maps"): it makes
// the layers' weights random and compares the maps with those of the network as it is. A method whose maps stay shows the
// image, as an edge detector does, not the network. The results come in the order of the methods' names. images [B H W C] and
// classes are as for Explain; the store is not changed.
//
// A layer is a variable of two axes or more and the smaller ones that follow it, such as biases and what normalisation
// learns. Its new values are normal with the mean and the deviation of the old ones, so that signals keep their size.
func Randomize(ctx context.Context, backend compute.Backend, store *model.Store, network Network, methods map[string]Method, images *tensors.Tensor, classes []int, o RandomizeOptions) ([]Sanity, error) {
	if err := checkImages(images); err != nil {
		return nil, fmt.Errorf("randomisation: %w", err)
	}
	if o.Threshold == 0 {
		o.Threshold = 0.5
	}
	copied, err := store.Clone()
	if err != nil {
		return nil, err
	}
	defer copied.Finalize()
	stack, err := layersOf(backend, copied, network, images.Shape())
	if err != nil {
		return nil, fmt.Errorf("randomisation: %w", err)
	}
	slices.Reverse(stack) // from the output down
	names := make([]string, len(stack))
	for i, l := range stack {
		names[i] = l.name
	}

	explainers := map[string]*Explainer{}
	defer func() {
		for _, e := range explainers {
			e.Close()
		}
	}()
	var found []Sanity
	learnt := map[string][][]float64{}
	d := images.Shape().Dimensions
	explain := func(name string) ([][]float64, error) {
		result, outputs, err := explainers[name].Explain(images, classes...)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		defer release(result, outputs)
		if o.Magnitudes {
			return magnitudes(result, d)
		}
		return perPixel(result, d)
	}
	for _, name := range slices.Sorted(maps.Keys(methods)) {
		if explainers[name], err = NewExplainer(backend, copied, network, methods[name]); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if learnt[name], err = explain(name); err != nil {
			return nil, err
		}
		found = append(found, Sanity{Method: name, Layers: names})
	}

	r, total := rand.New(rand.NewPCG(o.Seed, 0)), len(stack)*len(found)
	for i, l := range stack {
		if err := l.randomize(r); err != nil {
			return nil, err
		}
		for k := range found {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("randomisation: stopped at layer %d of %d: %w", i+1, len(stack), err)
			}
			now, err := explain(found[k].Method)
			if err != nil {
				return nil, err
			}
			spearman, ssim := alike(learnt[found[k].Method], now, d)
			found[k].Spearman, found[k].SSIM = append(found[k].Spearman, spearman), append(found[k].SSIM, ssim)
			if o.Progress != nil {
				o.Progress(i*len(found)+k+1, total, fmt.Sprintf("%s random, %s", l.name, found[k].Method))
			}
		}
		if o.Independent {
			if err := l.restore(); err != nil {
				return nil, err
			}
		}
	}
	for k := range found {
		s := &found[k]
		for _, v := range s.Spearman {
			if v >= o.Threshold {
				s.Unchanged++
			} else if !o.Independent {
				break
			}
		}
		s.Passed = s.Unchanged < max(1, len(s.Layers)/2)
	}
	return found, nil
}

// magnitudes are the maps' absolute values, summed over channels.
func magnitudes(maps *tensors.Tensor, images []int) ([][]float64, error) {
	shape := maps.Shape()
	values := make([]float32, 0, shape.Size())
	for _, v := range float64s(maps) {
		values = append(values, float32(math.Abs(v)))
	}
	positive := tensors.FromFlatDataAndDimensions(values, shape.Dimensions...)
	defer release(positive)
	return perPixel(positive, images)
}

func alike(a, b [][]float64, d []int) (spearman, ssim float64) {
	for i := range a {
		spearman += Spearman(a[i], b[i]) / float64(len(a))
		if d[1] >= 7 && d[2] >= 7 {
			ssim += SSIM(a[i], b[i], d[1], d[2]) / float64(len(a))
		}
	}
	return spearman, ssim
}

// A learntLayer are variables that are made random together, with the values they had.
type learntLayer struct {
	name      string
	variables []*model.Variable
	values    [][]float32
}

// layersOf lists the layers that a network uses, in the order of its forward pass.
func layersOf(backend compute.Backend, store *model.Store, network Network, images shapes.Shape) ([]*learntLayer, error) {
	type used struct {
		variable *model.Variable
		id       NodeId
	}
	var order []used
	g := NewGraph(backend, "layers")
	defer g.Finalize()
	model.SetStore(g, store)
	err := TryCatch[error](func() {
		network(store.RootScope(), Parameter(g, "x", images))
		for v := range store.IterVariables() {
			if v.Trainable && v.DType() == dtypes.Float32 && v.InUseByGraph(g) {
				order = append(order, used{v, v.NodeValue(g).Id()})
			}
		}
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(order, func(a, b used) int { return cmp.Compare(a.id, b.id) })
	var stack []*learntLayer
	for _, u := range order {
		if len(stack) == 0 || u.variable.Shape().Rank() > 1 {
			stack = append(stack, &learntLayer{name: strings.Trim(u.variable.Scope(), "/")})
		}
		value, err := u.variable.Value()
		if err != nil {
			return nil, fmt.Errorf("%s has no value yet: train the network or load its weights first: %w", u.variable.Path(), err)
		}
		l := stack[len(stack)-1]
		l.variables = append(l.variables, u.variable)
		l.values = append(l.values, tensors.MustCopyFlatData[float32](value))
	}
	if len(stack) == 0 {
		return nil, fmt.Errorf("the network has no variables that are trained")
	}
	return stack, nil
}

func (l *learntLayer) randomize(r *rand.Rand) error {
	for i, v := range l.variables {
		sum, squares, n := 0.0, 0.0, float64(len(l.values[i]))
		for _, w := range l.values[i] {
			sum += float64(w)
			squares += float64(w) * float64(w)
		}
		deviation := math.Sqrt(math.Max(0, squares/n-sum/n*sum/n))
		values := make([]float32, len(l.values[i]))
		for k := range values {
			values[k] = float32(sum/n + deviation*r.NormFloat64())
		}
		if err := v.SetValue(tensors.FromFlatDataAndDimensions(values, v.Shape().Dimensions...)); err != nil {
			return err
		}
	}
	return nil
}

func (l *learntLayer) restore() error {
	for i, v := range l.variables {
		if err := v.SetValue(tensors.FromFlatDataAndDimensions(l.values[i], v.Shape().Dimensions...)); err != nil {
			return err
		}
	}
	return nil
}
