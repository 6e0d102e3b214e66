package dropblock

import (
	"context"
	"errors"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"fovea/datasets"
	"fovea/recipes"
)

// The leak of section 1: a dropped value is not gone as long as its neighbours tell it. Here the values are the brightness of
// pixels, in windows around a dropped one.
const (
	radius  = 7 // windows of 15×15
	side    = 2*radius + 1
	samples = 4000 // windows to fit a linear map on, and as many to test it on
)

// share is dropped at random under dropout: as many values of a window as a square of 7×7 has.
const share = 49.0 / (side * side)

var leakClaim = recipes.Claim[Config]{
	Name:      "leak",
	Statement: "From what is left of its neighbours, the linear prediction of a dropped pixel explains less of its variance, by 0.25, under squares of 7×7 than under dropout of as many values.",
	Arms: []recipes.Arm[Config]{
		{Name: "itself", Config: drops(1, 1)}, {Name: "dropout", Config: drops(1, 1-share)}, {Name: "3×3", Config: drops(3, 1-share)},
		{Name: "5×5", Config: drops(5, 1-share)}, {Name: "7×7", Config: drops(7, 1-share)},
	},
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		data, err := t.Images(ctx, recipes.ImageOptions{Train: 2000, Test: 1000, Seed: 1})
		if err != nil {
			return nil, err
		}
		r2, err := leak(c, data.Train, data.Test, uint64(t.Seed))
		return recipes.Values{"R²": r2}, err
	},
	Tests: []recipes.Test{
		{
			Name: "7×7 against dropout", Statement: "explained variance (R²) of a dropped pixel under dropout minus that under squares of 7×7", Threshold: 0.25,
			Value: func(v map[string]recipes.Values) float64 { return v["dropout"]["R²"] - v["7×7"]["R²"] },
		},
		{
			Name: "3×3 against 7×7", Statement: "the same for squares of 3×3 minus 7×7", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v["3×3"]["R²"] - v["7×7"]["R²"] },
		},
		{
			Name: "dropout", Statement: "R² under dropout", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v["dropout"]["R²"] },
		},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		return bars("leak", "What the neighbours tell of a dropped pixel", "R²", "explained variance (R²)", "%.2f", r)
	},
}

// drops is a configuration that stands for what is dropped, on the network of the accuracy claim.
func drops(block int, keep float64) Config {
	c := small
	c.Block, c.Keep = block, keep
	return c
}

// leak is R² on windows of test of the linear least squares prediction of a dropped pixel from its window with the dropped values at
// zero, fitted on windows of train.
func leak(c Config, train, test *datasets.Images, seed uint64) (float64, error) {
	r := rand.New(rand.NewPCG(seed, 1))
	x, y := windows(c, train, r)
	n := side*side + 1
	var gram mat.SymDense
	gram.SymOuterK(1, x.T())
	for i := range n {
		gram.SetSym(i, i, gram.At(i, i)+1e-3*samples) // the centre's column is all zero
	}
	var right, w, predicted mat.VecDense
	right.MulVec(x.T(), y)
	var cholesky mat.Cholesky
	if !cholesky.Factorize(&gram) {
		return 0, errors.New("the windows' second moments are not positive definite: are the images empty?")
	}
	if err := cholesky.SolveVecTo(&w, &right); err != nil {
		return 0, err
	}
	x, y = windows(c, test, r)
	predicted.MulVec(x, &w)
	mean := mat.Sum(y) / samples
	var wrong, all float64
	for i := range samples {
		wrong += square(y.AtVec(i) - predicted.AtVec(i))
		all += square(y.AtVec(i) - mean)
	}
	return 1 - wrong/all, nil
}

func square(v float64) float64 { return v * v }

// windows draws windows around dropped pixels: x [samples side²+1], with a last column of ones, and what was dropped, y [samples].
func windows(c Config, im *datasets.Images, r *rand.Rand) (x *mat.Dense, y *mat.VecDense) {
	x, y = mat.NewDense(samples, side*side+1, nil), mat.NewVecDense(samples, nil)
	for i := range samples {
		pixels := im.PixelsAt(r.IntN(im.N))
		y0, x0 := r.IntN(im.H-side+1), r.IntN(im.W-side+1)
		// The square that drops the pixel in the middle has it at any of its places, all alike.
		top, left := radius-r.IntN(c.Block), radius-r.IntN(c.Block)
		row := x.RawRowView(i)
		for v := range side {
			for u := range side {
				at := ((y0+v)*im.W + x0 + u) * im.C
				var bright float64
				for _, p := range pixels[at : at+im.C] {
					bright += (float64(p)/255 - 0.5) / float64(im.C)
				}
				gone := v >= top && v < top+c.Block && u >= left && u < left+c.Block
				if c.Block == 1 { // dropout
					gone = gone || r.Float64() >= c.Keep
				}
				if !gone {
					row[v*side+u] = bright
				}
				if v == radius && u == radius {
					y.SetVec(i, bright)
				}
			}
		}
		row[side*side] = 1
	}
	return x, y
}
