package increasingcomplexity

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gomlx/gomlx/core/tensors"

	"fovea/datasets"
	"fovea/recipes"
)

// Mixture is a set of four classes in a space of few dimensions. The first is the standard normal distribution. Each of the others differs
// from it in directions of its own and in one respect: the mean, the covariance at equal mean, the fourth moments at equal
// mean and covariance.
type Mixture struct {
	Dimensions int     `json:"dimensions"`
	Directions int     `json:"directions"` // in which a class differs
	Shift      float64 `json:"shift"`      // of the mean, in each direction
	Spread     float64 `json:"spread"`     // deviation in each direction
	Noise      float64 `json:"noise"`      // fourth moments: ±√(1−Noise²) and normal noise of this deviation
}

// Kinds name what each class but the first differs in.
var kinds = []string{"mean", "covariance", "fourth moment"}

// Draw fills x [D] with a draw of a class.
func (m Mixture) Draw(r *rand.Rand, class int, x []float64) {
	for i := range x {
		x[i] = r.NormFloat64()
	}
	if class == 0 {
		return
	}
	own := x[(class-1)*m.Directions : class*m.Directions]
	for i, v := range own {
		switch class {
		case 1:
			own[i] = v + m.Shift
		case 2:
			own[i] = v * m.Spread
		case 3:
			own[i] = m.Noise * v
			if centre := math.Sqrt(1 - m.Noise*m.Noise); r.Uint32N(2) == 0 {
				own[i] += centre
			} else {
				own[i] -= centre
			}
		}
	}
}

// evidence is log p(x|class)/p(x|first): the best test of the pair asks for its sign.
func (m Mixture) evidence(class int, x []float64) (sum float64) {
	logNormal := func(v, mean, deviation float64) float64 {
		z := (v - mean) / deviation
		return -z*z/2 - math.Log(deviation)
	}
	for _, v := range x[(class-1)*m.Directions : class*m.Directions] {
		sum -= logNormal(v, 0, 1)
		switch class {
		case 1:
			sum += logNormal(v, m.Shift, 1)
		case 2:
			sum += logNormal(v, 0, m.Spread)
		case 3:
			centre := math.Sqrt(1 - m.Noise*m.Noise)
			a, b := logNormal(v, centre, m.Noise), logNormal(v, -centre, m.Noise)
			sum += max(a, b) + math.Log1p(math.Exp(-math.Abs(a-b))) - math.Ln2
		}
	}
	return sum
}

// Best is the accuracy of the best test of a class against the first, by n draws of each.
func (m Mixture) Best(class, n int, seed uint64) float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float64, m.Dimensions)
	right := 0
	for range n {
		m.Draw(r, class, x)
		if m.evidence(class, x) > 0 {
			right++
		}
		m.Draw(r, 0, x)
		if m.evidence(class, x) <= 0 {
			right++
		}
	}
	return float64(right) / float64(2*n)
}

// reach is what a byte can say: from −reach to reach deviations, in steps of a fiftieth.
const reach = 6

// images puts draws into images of one row, so that they are trained on as all else: a pixel is a coordinate, and what the network sees
// after normalisation is the coordinate itself, rounded.
func (m Mixture) images(n int, r *rand.Rand) *datasets.Images {
	im := &datasets.Images{
		Name: "mixture", N: n, H: 1, W: m.Dimensions, C: 1, Classes: append([]string{"normal"}, kinds...), Synthetic: true,
		Norm: datasets.Normalization{Mean: []float32{0.5}, Std: []float32{1.0 / (2 * reach)}},
	}
	x := make([]float64, m.Dimensions)
	for i := range n {
		class := i % 4
		m.Draw(r, class, x)
		im.Labels = append(im.Labels, int32(class))
		for _, v := range x {
			im.Pixels = append(im.Pixels, uint8(math.Round(min(max(v/(2*reach)+0.5, 0), 1)*255)))
		}
	}
	return im
}

func (m Mixture) open(t *recipes.Trial, train, test int) (recipes.Data, error) {
	return t.Generated("mixture of moments", uint64(t.Seed), func() (recipes.Data, error) {
		r := rand.New(rand.NewPCG(uint64(t.Seed), 0x3141))
		return recipes.Data{Train: m.images(train, r), Valid: m.images(4, r), Test: m.images(test, r)}, nil
	})
}

// pairs are the accuracies in percent of telling each class from the first, the other two left out of account.
func pairs(ctx context.Context, trainer *recipes.Trainer, im *datasets.Images) ([]float64, error) {
	output, err := trainer.Output(ctx, im)
	if err != nil {
		return nil, err
	}
	logits := tensors.MustCopyFlatData[float32](output)
	right, all := make([]float64, 3), make([]float64, 3)
	for i, label := range im.Labels {
		z := logits[4*i : 4*i+4]
		for k := 1; k < 4; k++ {
			if label == 0 || int(label) == k {
				all[k-1]++
				if (z[k] > z[0]) == (int(label) == k) {
					right[k-1]++
				}
			}
		}
	}
	for k := range right {
		right[k] *= 100 / all[k]
	}
	return right, nil
}

// mixtureStudy has a row for each step that is looked at and a column of pair accuracy for each kind of difference.
func mixtureStudy(ctx context.Context, t *recipes.Trial, c Config) (*recipes.Table, error) {
	data, err := c.Mixture.open(t, 40_000, 8000)
	if err != nil {
		return nil, err
	}
	accuracy, err := course(ctx, t, c, data.Train, func(trainer *recipes.Trainer) ([]float64, error) { return pairs(ctx, trainer, data.Test) })
	if err != nil {
		return nil, err
	}
	table := &recipes.Table{Columns: kinds}
	for i, step := range logSteps(c.Steps) {
		table.Rows = append(table.Rows, recipes.Row{Name: fmt.Sprintf("step %d", step), Values: accuracy[i]})
	}
	return table, nil
}
