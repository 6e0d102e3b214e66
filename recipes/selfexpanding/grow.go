package selfexpanding

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"fovea/recipes"
)

// Growth says how and when the network may grow.
type Growth struct {
	Step      int     `json:"step"`      // channels that are added at once
	Tau       float64 `json:"tau"`       // a candidate must have τ times the present score
	MaxDepth  int     `json:"max_depth"` // convolutions of a block
	Budget    int     `json:"budget"`    // λ = 1/Budget²: of a candidate with as many new parameters 1/e of the score counts
	Images    int     `json:"images"`    // that the score is computed on
	Deviation float64 `json:"deviation"` // of new filters' weights
}

// An Expansion adds channels to a block, or with none a convolution that at first is the identity.
type Expansion struct {
	Block, Channels int
}

func (e Expansion) String() string {
	if e.Channels == 0 {
		return fmt.Sprintf("a layer in block %d", e.Block+1)
	}
	return fmt.Sprintf("%d channels in block %d", e.Channels, e.Block+1)
}

// Candidates are the expansions that the network may try next.
func (c Config) Candidates() (all []Expansion) {
	for b, block := range c.Blocks {
		if block.Depth < c.Growth.MaxDepth {
			all = append(all, Expansion{Block: b})
		}
		all = append(all, Expansion{b, c.Growth.Step})
	}
	return all
}

// Weights are the variables of a network by path.
type Weights map[string]*tensors.Tensor

// WeightsOf copies those of a trainer.
func WeightsOf(t *recipes.Trainer) (Weights, error) {
	w := Weights{}
	for _, v := range t.Variables() {
		value, err := v.Value()
		if err != nil {
			return nil, err
		}
		if w[v.Path()], err = value.LocalClone(); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// Load puts copies of the weights into a store, in which no network needs to have been built yet.
func (w Weights) Load(store *model.Store) error {
	for _, path := range slices.Sorted(maps.Keys(w)) { // variables have the order in which they are made
		value, err := w[path].LocalClone()
		if err != nil {
			return err
		}
		if v := store.GetVariable(path); v != nil {
			err = v.SetValue(value)
		} else {
			_, err = store.CreateVariable(path, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Parameters counts what is trained.
func (c Config) Parameters() (n int) {
	in := c.Channels
	for b, block := range c.Blocks {
		if b == len(c.Blocks)-1 {
			in += c.Blocks[0].Width
		}
		for range block.Depth {
			n += 9*in*block.Width + 2*block.Width
			in = block.Width
		}
	}
	return n + (in+1)*c.Mixed + (c.Mixed+1)*c.Classes
}

// Grow returns the expanded network with its weights; those that it gets are not changed. In evaluation the new network computes what the
// old one did: exactly so with new channels, whose outgoing weights are zero, and but for the ε of the normalisation with a new
// layer, if the slope is zero. With a slope a the new layer takes negative values a times once more.
func Grow(c Config, w Weights, e Expansion, r *rand.Rand) (Config, Weights) {
	grown, next := c, maps.Clone(w)
	grown.Blocks = slices.Clone(c.Blocks)
	block, width := &grown.Blocks[e.Block], c.Blocks[e.Block].Width
	name := func(kind string, layer int, variable string) string {
		return fmt.Sprintf("/%s/%s%d/%s", blockName(e.Block), kind, layer+1, variable)
	}
	if e.Channels == 0 {
		next[name("conv", block.Depth, "weights")] = identity(width)
		for variable, value := range fresh {
			next[name("norm", block.Depth, variable)] = extend(nil, width, value)
		}
		block.Depth++
		return grown, next
	}
	block.Width += e.Channels
	for j := range block.Depth {
		inside := e.Channels
		if j == 0 {
			inside = 0 // what comes into the block is as it was
		}
		path := name("conv", j, "weights")
		in := next[path].Shape().Dimensions[2]
		next[path] = widen(next[path], in, inside, e.Channels, c.Growth.Deviation, r)
		for variable, value := range fresh {
			path := name("norm", j, variable)
			next[path] = extend(next[path], block.Width, value)
		}
	}
	// Whoever reads the block gets zero weights for what is new, where that comes in its input.
	last := len(c.Blocks) - 1
	reads := func(path string, behind int) {
		next[path] = widen(next[path], behind, e.Channels, 0, 0, r)
	}
	if e.Block == last {
		reads("/mix/weights", width)
		return grown, next
	}
	reads(fmt.Sprintf("/%s/conv1/weights", blockName(e.Block+1)), width)
	if e.Block == 0 { // the skip; its channels come last
		path := fmt.Sprintf("/%s/conv1/weights", blockName(last))
		reads(path, next[path].Shape().Dimensions[2])
	}
	return grown, next
}

// fresh is how a normalisation begins.
var fresh = map[string]float32{"scale": 1, "offset": 0, "mean": 0, "variance": 1}

// extend lengthens a vector to n with a value.
func extend(t *tensors.Tensor, n int, value float32) *tensors.Tensor {
	var x []float32
	if t != nil {
		x = tensors.MustCopyFlatData[float32](t)
	}
	for len(x) < n {
		x = append(x, value)
	}
	return tensors.FromFlatDataAndDimensions(x, n)
}

// identity is a 3×3 kernel whose centre alone is set, [3 3 n n]: a whole window of ones would be a blur.
func identity(n int) *tensors.Tensor {
	x := make([]float32, 9*n*n)
	for i := range n {
		x[(4*n+i)*n+i] = 1
	}
	return tensors.FromFlatDataAndDimensions(x, 3, 3, n, n)
}

// widen puts more input channels with zero weights into a kernel behind the first `behind` ones, and more filters with random weights at
// its end.
func widen(t *tensors.Tensor, behind, moreIn, moreOut int, deviation float64, r *rand.Rand) *tensors.Tensor {
	d := t.Shape().Dimensions
	old := tensors.MustCopyFlatData[float32](t)
	taps, in, out := d[0]*d[1], d[2]+moreIn, d[3]+moreOut
	x := make([]float32, taps*in*out)
	for tap := range taps {
		for i := range in {
			row := x[(tap*in+i)*out:][:out]
			from := i
			if i >= behind {
				from = i - moreIn
			}
			if i < behind || from >= behind {
				copy(row, old[(tap*d[2]+from)*d[3]:][:d[3]])
			}
			for o := d[3]; o < out; o++ {
				row[o] = float32(deviation * r.NormFloat64())
			}
		}
	}
	return tensors.FromFlatDataAndDimensions(x, d[0], d[1], in, out)
}
