package scattering

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute"

	"fovea/notebooks/fig"
	"fovea/recipes"
)

// Names of the arms.
const (
	waveletArm, tanhArm, randomArm, imageArm = "wavelets, modulus", "wavelets, tanh, means", "random, ReLU", "wavelets on images"
)

// boundsArms differ in all that the theory allows to differ.
func boundsArms() []recipes.Arm[Config] {
	line := func(m Module) Config {
		return Config{Modules: modules(m, 3), Output: m, Height: 1, Width: 512, Channels: 1, Classes: 1}
	}
	images := Module{Frame: Wavelets, Scales: 2, Orientations: 4, Activation: Modulus, Pool: Subsample, Factor: 2}
	return []recipes.Arm[Config]{
		{Name: waveletArm, Config: line(Module{Frame: Wavelets, Scales: 5, Activation: Modulus, Pool: Subsample, Factor: 2})},
		{Name: tanhArm, Config: line(Module{Frame: Wavelets, Scales: 5, Activation: Tanh, Pool: Mean, Factor: 2})},
		{Name: randomArm, Config: line(Module{Frame: Random, Scales: 5, Tight: true, Activation: ReLU, Pool: Subsample, Factor: 2})},
		{Name: imageArm, Config: Config{Modules: modules(images, 3), Output: images, Height: 64, Width: 64, Channels: 1, Classes: 1}},
	}
}

// tolerance is what rounding may add to a bound: more than double precision needs.
const tolerance = 1e-9

var boundsClaim = recipes.Claim[Config]{
	Name: "bounds",
	Statement: "Through three layers of any of the frames, features are never further apart than the signals, translations move them by no more than the bound, " +
		"and relative to the features by at least 1.8 times less with each layer of sub-sampling by 2.",
	Arms: boundsArms(),
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		signals := 4
		if t.Scale == recipes.PaperScale {
			signals, c.Width = 32, 2*c.Width
			if c.Height > 1 {
				c.Height *= 2
			}
		}
		m, err := measureBounds(ctx, t.Backend, c, uint64(t.Seed), signals)
		if err != nil {
			return nil, err
		}
		if t.Pictures() {
			if err := m.draw(t, c); err != nil {
				return nil, err
			}
		}
		return m.values(), nil
	},
	Tests: []recipes.Test{
		{
			Name: "non-expansive", Statement: "pairs of signals, random or deformed, that are no further apart in features, least of all arms", Unit: "%", Threshold: 100,
			Value: least("non-expansive"),
		},
		{
			Name: "translation bound", Statement: "translations within the bound 2π|t|K‖f‖/(S₁···Sₙ), least of all arms", Unit: "%", Threshold: 100,
			Value: least("within bound"),
		},
		{
			Name: "vertical invariance", Statement: "by what factor a layer lowers the relative error of a translation, wavelets with the modulus", Unit: "×", Threshold: 1.8,
			Value: func(v map[string]recipes.Values) float64 { return v[waveletArm]["gain a layer"] },
		},
		{
			Name: "vertical invariance elsewhere", Statement: "the same, least of the other arms", Unit: "×", Reported: true,
			Value: func(v map[string]recipes.Values) float64 {
				return min(v[tanhArm]["gain a layer"], v[randomArm]["gain a layer"], v[imageArm]["gain a layer"])
			},
		},
		{
			Name: "band-limited", Statement: "exponent of the features' error in the size of a deformation, band-limited signals, wavelets with the modulus", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v[waveletArm]["exponent, band-limited"] },
		},
		{
			Name: "cartoon", Statement: "the same for signals with jumps, whose bound grows with the root", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v[waveletArm]["exponent, cartoon"] },
		},
		{
			Name: "cartoon signals", Statement: "exponent of the signals' own change, with jumps", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v[waveletArm]["signal's exponent, cartoon"] },
		},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		var arms []string
		var runs [][]float64
		for _, arm := range r.Arms {
			arms, runs = append(arms, arm.Name), append(runs, arm.Values["gain a layer"].Seeds)
		}
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Bars(arms, []fig.BarSeries{fig.SeedBars("gain", runs)}, fig.BarOptions{
				Title: "How much less each layer feels a translation by 8 samples", Label: "times less, geometric mean of three layers",
				Caption: fmt.Sprintf("relative error of features of white noise; mean of %d seeds ± 2 standard errors", len(r.Seeds)),
			})
		})
		return map[string]recipes.Figure{"gain": f}, err
	},
}

func least(name string) func(map[string]recipes.Values) float64 {
	return func(byArm map[string]recipes.Values) float64 {
		lowest := math.Inf(1)
		for _, v := range byArm {
			lowest = min(lowest, v[name])
		}
		return lowest
	}
}

// bounds are what one trial measures.
type bounds struct {
	Stretches []float64
	Shifts    *Shifts
	Bends     map[Class]*Bends
}

var (
	// shifts are multiples of the product of all factors: only by such is a translation on the grid one in each layer.
	shifts = []int{8, 16, 32, 64}
	// sizes of deformations, as shares of the width
	sizes = []float64{1. / 1024, 1. / 512, 1. / 256, 1. / 128, 1. / 64, 1. / 32}
)

// measureBounds draws all signals, and random frames, anew for each seed.
func measureBounds(ctx context.Context, b compute.Backend, c Config, seed uint64, signals int) (*bounds, error) {
	c.Modules = append([]Module(nil), c.Modules...)
	for i := range c.Modules {
		c.Modules[i].Seed += 17 * seed
	}
	c.Output.Seed += 17 * seed
	e, err := NewExtractor(b, c)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	r := rand.New(rand.NewPCG(seed, 34))
	m := &bounds{Bends: map[Class]*Bends{}}
	if m.Stretches, err = e.Stretch(6*signals, r); err != nil {
		return nil, err
	}
	far := len(shifts)
	for shifts[far-1] > c.Width/2 {
		far--
	}
	if m.Shifts, err = e.Translations(signals, shifts[:far], r); err != nil {
		return nil, err
	}
	scaled := make([]float64, len(sizes))
	for i, s := range sizes {
		scaled[i] = s * float64(c.Width)
	}
	for _, class := range Classes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if m.Bends[class], err = e.Deformations(class, signals, scaled, r); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *bounds) values() recipes.Values {
	stretches := m.Stretches
	v := recipes.Values{"gain a layer": m.Shifts.Gain(0)}
	for class, b := range m.Bends {
		v["exponent, "+string(class)], v["signal's exponent, "+string(class)] = b.Exponent(), slope(b.Size, b.Signal)
		stretches = append(stretches, b.Stretches...)
	}
	v["non-expansive"], v["largest stretch"] = within(stretches)
	v["within bound"], v["largest share of bound"] = within(m.Shifts.OfBound)
	return v
}

// within is the share of ratios, in percent, that are at most 1, and the largest ratio.
func within(ratios []float64) (percent, largest float64) {
	for _, ratio := range ratios {
		largest = max(largest, ratio)
		if ratio <= 1+tolerance {
			percent += 100 / float64(len(ratios))
		}
	}
	return math.Round(1e6*percent) / 1e6, largest
}

// draw makes the figures of the first arm's first trial.
func (m *bounds) draw(t *recipes.Trial, c Config) error {
	if t.Arm != waveletArm {
		return nil
	}
	var translation, deformation, filters []fig.Series
	for n := range m.Shifts.Error {
		colour := fig.Palette[n]
		name := fmt.Sprintf("layer %d", n)
		translation = append(translation, fig.Series{Name: name, X: m.Shifts.T, Y: m.Shifts.Error[n], Color: colour, Points: true},
			fig.Series{Name: name + ", bound", X: m.Shifts.T, Y: m.Shifts.Bound[n], Color: colour, Dashed: true})
	}
	for i, class := range Classes {
		b := m.Bends[class]
		deformation = append(deformation, fig.Series{Name: "features, " + string(class), X: b.Size, Y: b.Error, Color: fig.Palette[i], Points: true},
			fig.Series{Name: "signals, " + string(class), X: b.Size, Y: b.Signal, Color: fig.Palette[i], Dashed: true})
	}
	frame := NewFrame(c.Modules[0], c.Height, c.Width)
	half := c.Width / 2
	x := make([]float64, half)
	for k := range x {
		x[k] = frequency(k, c.Width)
	}
	power := func(re []float64) []float64 {
		y := make([]float64, half)
		for k := range y {
			y[k] = re[k] * re[k]
		}
		return y
	}
	filters = append(filters, fig.Series{Name: "χ", X: x, Y: power(frame.Low)})
	for j, b := range frame.Bands {
		filters = append(filters, fig.Series{Name: fmt.Sprintf("octave %d", j+1), X: x, Y: power(b.Re)})
	}
	filters = append(filters, fig.Series{Name: "all", X: x, Y: frame.Energy()[:half], Dashed: true})
	for name, draw := range map[string]func() *fig.Figure{
		"translation": func() *fig.Figure {
			return fig.Curves(fig.CurveOptions{
				Title: "Features move less with each layer", Caption: "wavelets with the modulus, white noise of 512 samples, first seed",
				XLabel: "translation (samples)", YLabel: "change of features / ‖f‖", LogX: true, LogY: true,
			}, translation...)
		},
		"deformation": func() *fig.Figure {
			return fig.Curves(fig.CurveOptions{
				Title: "Features change less than the signals under deformations", Caption: "wavelets with the modulus, all layers, first seed",
				XLabel: "largest displacement (samples)", YLabel: "change / ‖f‖", LogX: true, LogY: true,
			}, deformation...)
		},
		"filters": func() *fig.Figure {
			return fig.Curves(fig.CurveOptions{
				Title: "The frame in the frequency plane", Caption: "an analytic wavelet counts half: it has no mirror image in a real signal",
				XLabel: "frequency (cycles a sample)", YLabel: "energy",
			}, filters...)
		},
	} {
		f, err := fig.Maybe(draw)
		if err != nil {
			return err
		}
		if err := t.Figure(name, f); err != nil {
			return err
		}
	}
	return nil
}
