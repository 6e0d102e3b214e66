package kernelheterogeneity

import (
	"context"
	"fmt"

	"github.com/gomlx/gomlx/core/tensors"

	"fovea/notebooks/fig"
	"fovea/recipes"
)

const homogeneous, heterogeneous, learnt = "homogeneous", "heterogeneous", "learnt"

func small(orientations int, bandwidths []float64, learning int) Config {
	return Config{
		Orientations: orientations, Bandwidths: bandwidths, Learning: learning, Kernel: 8, Frequency: 0.2,
		Lambda: 0.1, Iterations: 80, Size: 64, Images: 10,
	}
}

var sparsenessClaim = recipes.Claim[Config]{
	Name:      "sparseness",
	Statement: "By as many kernels, those of three bandwidths code natural images with at most 0.95 of the coefficients that those of one bandwidth need, and do not reconstruct them better.",
	Arms: []recipes.Arm[Config]{
		{Name: homogeneous, Config: small(18, []float64{thin}, 0)}, {Name: heterogeneous, Config: small(6, spread(3), 0)},
		{Name: learnt, Config: small(6, spread(3), 10)},
	},
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		if t.Scale == recipes.PaperScale {
			c = Variants[map[string]string{homogeneous: "homogeneous", heterogeneous: "heterogeneous", learnt: "heterogeneous-learnt"}[t.Arm]]
		}
		data, err := open(t, c)
		if err != nil {
			return nil, err
		}
		return measure(ctx, t, c, normalized(data.Train), normalized(data.Test))
	},
	Tests: []recipes.Test{
		{
			Name: "coefficients", Statement: "coefficients that are not zero with three bandwidths over those with one", Unit: "×", Threshold: 0.95, AtMost: true,
			Value: func(v map[string]recipes.Values) float64 {
				return (1 - v[heterogeneous][sparseness]) / (1 - v[homogeneous][sparseness])
			},
		},
		{
			Name: "reconstruction", Statement: "PSNR with three bandwidths less that with one", Unit: "dB", Threshold: 0, AtMost: true,
			Value: func(v map[string]recipes.Values) float64 { return v[heterogeneous][psnr] - v[homogeneous][psnr] },
		},
		{
			Name: "sparser images", Statement: "images of ten whose code has fewer coefficients with three bandwidths", Unit: "images", Reported: true,
			Value: func(v map[string]recipes.Values) float64 {
				return wins(v, func(a, b float64) bool { return a > b }, sparseness)
			},
		},
		{
			Name: "resilience", Statement: "mean PSNR while up to nine tenths of the coefficients are taken away, three bandwidths less one", Unit: "dB", Reported: true,
			Value: func(v map[string]recipes.Values) float64 {
				return v[heterogeneous][resilience] - v[homogeneous][resilience]
			},
		},
		{
			Name: "learnt coefficients", Statement: "coefficients with kernels learnt from three bandwidths over those before", Unit: "×", Reported: true,
			Value: func(v map[string]recipes.Values) float64 {
				return (1 - v[learnt][sparseness]) / (1 - v[heterogeneous][sparseness])
			},
		},
		{
			Name: "learnt reconstruction", Statement: "PSNR with kernels learnt from three bandwidths less that before", Unit: "dB", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v[learnt][psnr] - v[heterogeneous][psnr] },
		},
	},
	Remark:  "Three bandwidths need 0.948 ± 0.008 of the coefficients: fewer in nine images of ten, but just at the threshold of 0.95, which six seeds leave open.",
	Figures: figures,
}

func of(name string, image int) string { return fmt.Sprintf("%s of image %d", name, image+1) }

func wins(v map[string]recipes.Values, better func(a, b float64) bool, name string) (n float64) {
	for i := 0; ; i++ {
		a, ok := v[heterogeneous][of(name, i)]
		if !ok {
			return n
		}
		if better(a, v[homogeneous][of(name, i)]) {
			n++
		}
	}
}

func measure(ctx context.Context, t *recipes.Trial, c Config, train, test []float32) (recipes.Values, error) {
	kernels, err := dictionary(ctx, t, c, train)
	if err != nil {
		return nil, err
	}
	results, err := code(ctx, t, c, kernels, test)
	if err != nil {
		return nil, err
	}
	values, n := recipes.Values{}, float64(len(results))
	for i, r := range results {
		values[of(sparseness, i)], values[of(psnr, i)] = r.sparseness, r.psnr
		values[sparseness] += r.sparseness / n
		values[psnr] += r.psnr / n
		values[resilience] += r.resilience() / n
		for level, v := range r.pruned {
			values[without(levels[level])] += v / n
		}
	}
	if !t.Pictures() {
		return values, nil
	}
	f, err := fig.Maybe(func() *fig.Figure {
		tiles := fig.FromTensor(tensors.FromFlatDataAndDimensions(kernels, c.Atoms(), c.Kernel, c.Kernel, 1))
		return fig.Grid(tiles, fig.GridOptions{Title: fmt.Sprintf("Kernels, %s", t.Arm), Columns: 12, Normalize: fig.PerImage, Scale: 5})
	})
	if err != nil {
		return nil, err
	}
	return values, t.Figure("kernels-"+t.Arm, f)
}

func without(share float64) string { return fmt.Sprintf("%s without %.0f %%", psnr, 100*share) }

// figures draws quality against sparseness, a point for each image, and quality against the coefficients taken away.
func figures(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
	var clouds []fig.Cloud
	var curves []fig.Series
	for _, arm := range r.Arms {
		cloud := fig.Cloud{Name: arm.Name}
		for i := 0; ; i++ {
			s, ok := arm.Values[of(sparseness, i)]
			if !ok {
				break
			}
			cloud.X, cloud.Y = append(cloud.X, s.Seeds...), append(cloud.Y, arm.Values[of(psnr, i)].Seeds...)
		}
		clouds = append(clouds, cloud)
		runs := make([][]float64, len(r.Seeds))
		var x []float64
		for _, share := range levels {
			x = append(x, 100*share)
			for i, v := range arm.Values[without(share)].Seeds {
				runs[i] = append(runs[i], v)
			}
		}
		series := fig.SeedSeries(arm.Name, x, runs)
		series.Note = ""
		curves = append(curves, series)
	}
	caption := fmt.Sprintf("images of %d seeds", len(r.Seeds))
	f, err := fig.Maybe(func() *fig.Figure {
		return fig.Column(
			fig.Scatter(fig.ScatterOptions{Title: "Reconstruction by sparseness, by dictionary", Caption: caption, XLabel: sparseness, YLabel: "PSNR (dB)"}, clouds...),
			fig.Curves(fig.CurveOptions{Title: "Resilience", Caption: "means ± 2 standard errors", XLabel: "smallest coefficients taken away (%)", YLabel: "PSNR (dB)"}, curves...),
		)
	})
	return map[string]recipes.Figure{"sparseness": f}, err
}
