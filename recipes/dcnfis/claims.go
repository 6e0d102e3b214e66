package dcnfis

import (
	"context"
	"fmt"
	"math"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/datasets"
	"fovea/layers/attr"
	"fovea/layers/optim"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// small has LeNet's convolutions, and enough features that a product over them is nothing.
func small(h Head) Config {
	c := lenet(h)
	c.Hidden = []int{256}
	return c
}

// smallFit was a first guess, kept when both heads had learnt by its end, on validation digits.
var smallFit = recipes.Fit{
	Epochs: 8, Batch: 50, LogEvery: 20,
	Optimizer: func(steps int) optimizer.Interface {
		return optim.AdamW{LearningRate: optim.Cosine{Initial: 2e-3, Steps: steps}, WeightDecay: 5e-4, NoDecay: optim.BiasesAndNorms}
	},
}

// imageSeed begins the generated digits; seeds 100 and above were those of the choices.
const imageSeed = 55

// clustered is how many images medoids and silhouettes are taken of: both compare all with all.
const clustered = 600

var accuracyClaim = recipes.Claim[Config]{
	Name:      "accuracy",
	Statement: "A fuzzy head is at most 1 point less accurate than a dense one, and at least 9 of its 10 rules have a medoid of their own class.",
	Arms: []recipes.Arm[Config]{
		{Name: "dense", Config: small(Dense)}, {Name: "fuzzy", Config: small(Fuzzy)}, {Name: "product", Config: small(Product)},
	},
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		options := recipes.ImageOptions{Sets: []string{"digits"}, Size: c.Size, Train: 1650, Test: 3000, Seed: imageSeed}
		fit := smallFit
		if t.Scale == recipes.PaperScale {
			head := c.Head
			c, fit = Variants["resnet20"], PaperFit
			c.Head, options = head, recipes.ImageOptions{Sets: []string{"cifar10"}, Size: c.Size, Seed: 1}
		}
		data, err := t.Images(ctx, options)
		if err != nil {
			return nil, err
		}
		c.Size, c.Channels, c.Classes, c.Network.Classes = data.Train.H, data.Train.C, len(data.Train.Classes), len(data.Train.Classes)
		return measure(ctx, t, c, fit, data.Train, data.Test)
	},
	Tests: []recipes.Test{
		{
			Name: "as accurate", Statement: "what the fuzzy head adds to the dense one's test error", Unit: "points", Threshold: 1, AtMost: true,
			Value: func(v map[string]recipes.Values) float64 { return v["fuzzy"]["error"] - v["dense"]["error"] },
		},
		{
			Name: "medoids", Statement: "rules whose medoid among the training images is of their own class", Unit: "of 10", Threshold: 9,
			Value: func(v map[string]recipes.Values) float64 { return v["fuzzy"]["medoids"] },
		},
		{
			Name: "product", Statement: "test error of the product without logarithms: it is to fail", Unit: "%", Threshold: 80,
			Value: func(v map[string]recipes.Values) float64 { return v["product"]["error"] },
		},
		{
			Name: "separation", Statement: "silhouette of the classes in the features of test images, fuzzy minus dense", Reported: true,
			Value: func(v map[string]recipes.Values) float64 { return v["fuzzy"]["silhouette"] - v["dense"]["silhouette"] },
		},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		var arms []string
		var runs [][]float64
		for _, arm := range r.Arms {
			arms, runs = append(arms, arm.Name), append(runs, arm.Values["error"].Seeds)
		}
		caption := fmt.Sprintf("mean of %d seeds ± 2 standard errors", len(r.Seeds))
		for _, d := range r.Data {
			caption += fmt.Sprintf("; %s, %d×%d", d.Name, d.Shape[0], d.Shape[1])
			if d.Synthetic {
				caption += " (synthetic)"
			}
		}
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Bars(arms, []fig.BarSeries{fig.SeedBars("test error (%)", runs)}, fig.BarOptions{
				Title: "Test error by head", Label: "test error (%)", Format: "%.2f", Caption: caption,
			})
		})
		return map[string]recipes.Figure{"error": f}, err
	},
}

func measure(ctx context.Context, t *recipes.Trial, c Config, fit recipes.Fit, train, test *datasets.Images) (recipes.Values, error) {
	trainer, err := t.Trainer(Model(c), fit)
	if err != nil {
		return nil, err
	}
	if err := trainer.Run(ctx, train, nil); err != nil {
		return nil, err
	}
	e, err := trainer.Evaluate(ctx, test)
	if err != nil {
		return nil, err
	}
	values := recipes.Values{"error": 100 * (1 - e.Accuracy)}
	seen := test.Slice(0, min(test.N, clustered))
	features, err := rows(trainer.Features(ctx, seen, "features"))
	if err != nil {
		return nil, err
	}
	values["silhouette"] = Silhouette(features, seen.Labels, c.Classes)
	if c.Head != Fuzzy {
		return values, nil
	}
	some := train.Slice(0, min(train.N, clustered))
	if features, err = rows(trainer.Features(ctx, some, "features")); err != nil {
		return nil, err
	}
	firing, err := rows(trainer.Output(ctx, some))
	if err != nil {
		return nil, err
	}
	medoids, err := Medoids(features, firing)
	if err != nil {
		return nil, err
	}
	for k, i := range medoids {
		if i >= 0 && int(some.Labels[i]) == k {
			values["medoids"] += 10 / float64(c.Classes)
		}
	}
	if !t.Pictures() {
		return values, nil
	}
	if err := drawMedoids(t, trainer, c, some, medoids); err != nil {
		return nil, err
	}
	return values, drawMemberships(t, trainer, features)
}

// rows are the examples of a tensor [N n].
func rows(t *tensors.Tensor, err error) (Rows, error) {
	if err != nil {
		return nil, err
	}
	defer t.FinalizeAll()
	flat, n := tensors.MustCopyFlatData[float32](t), t.Shape().Dimensions[1]
	var all Rows
	for i := 0; i < len(flat); i += n {
		all = append(all, flat[i:i+n])
	}
	return all, nil
}

// drawMedoids shows the image that stands for each rule, and what in it makes the rule fire.
func drawMedoids(t *recipes.Trial, trainer *recipes.Trainer, c Config, im *datasets.Images, medoids []int) error {
	var heads []string
	var chosen, classes []int
	for k, i := range medoids {
		if i >= 0 {
			heads, chosen, classes = append(heads, "rule "+im.Classes[k]), append(chosen, i), append(classes, k)
		}
	}
	picked := im.Subset(chosen)
	x := picked.Tensor(0, picked.N)
	defer x.FinalizeAll()
	maps, err := attr.Explain(t.Backend, trainer.Store(), attr.Network(Model(c)), attr.Saliency, x, classes...)
	if err != nil {
		return err
	}
	defer maps.FinalizeAll()
	flat, n := tensors.MustCopyFlatData[float32](maps), im.H*im.W
	f, err := fig.Maybe(func() *fig.Figure {
		medoid, saliency := fig.CompareRow{Name: "medoid"}, fig.CompareRow{Name: "saliency"}
		for i := range picked.N {
			medoid.Images = append(medoid.Images, fig.FromImage(picked.Image(i)))
			medoid.Notes = append(medoid.Notes, "a "+picked.Class(i))
			saliency.Images = append(saliency.Images, scaled(flat[i*n:(i+1)*n], im.H, im.W))
		}
		return fig.Compare(heads, []fig.CompareRow{medoid, saliency}, fig.CompareOptions{
			Title: "What stands for each rule", Caption: "medoid of the training images for which the rule fires most, and the gradient of its strength; " + im.Info.Title,
		})
	})
	if err != nil {
		return err
	}
	return t.Figure("medoids", f)
}

// scaled divides a map by its largest value.
func scaled(m []float32, h, w int) fig.Image {
	var most float32
	for _, v := range m {
		most = max(most, v)
	}
	out := make([]float32, len(m))
	for i, v := range m {
		out[i] = v / max(most, 1e-30)
	}
	return fig.FromFloats(out, h, w)[0]
}

// drawMemberships shows how the rules see the three features that are active most.
func drawMemberships(t *recipes.Trial, trainer *recipes.Trainer, features Rows) error {
	var variables [2]Rows
	for i, name := range []string{"centres", "log_widths"} {
		value, err := trainer.Store().GetVariable("/output/" + name).Value()
		if err != nil {
			return err
		}
		if variables[i], err = rows(value.LocalClone()); err != nil {
			return err
		}
	}
	n := len(features[0])
	active, largest := make([]float64, n), make([]float64, n)
	for _, row := range features {
		for j, v := range row {
			active[j] += float64(v)
			largest[j] = max(largest[j], float64(v))
		}
	}
	var panels []*fig.Figure
	for range 3 {
		best := 0
		for j, v := range active {
			if v > active[best] {
				best = j
			}
		}
		active[best] = -1
		var series []fig.Series
		for k := range variables[0] {
			s := fig.Series{Name: fmt.Sprintf("rule %d", k)}
			for i := range 81 {
				v := 1.2 * largest[best] * float64(i) / 80
				d := (v - float64(variables[0][k][best])) / math.Exp(float64(variables[1][k][best]))
				s.X, s.Y = append(s.X, v), append(s.Y, math.Exp(-d*d/2))
			}
			series = append(series, s)
		}
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Curves(fig.CurveOptions{
				Title: fmt.Sprintf("Feature %d", best), XLabel: "value of the feature", YLabel: "membership μ", YRange: [2]float64{0, 1.02}, Width: 420, Height: 220,
			}, series...)
		})
		if err != nil {
			return err
		}
		panels = append(panels, f)
	}
	f, err := fig.Maybe(func() *fig.Figure { return fig.Column(panels...) })
	if err != nil {
		return err
	}
	return t.Figure("memberships", f)
}
