package gbcnn

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/datasets"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// Epochs are those of each step; a single network has boostings times as many. The paper's steps run until the error stalls.
const (
	boostings   = 5 // T of the claims
	epochs      = 2
	tableEpochs = 40
	tableRate   = 5e-3 // five times the paper's, so that a step of few epochs comes to its end
)

func small(steps int) Config {
	return Config{Stages: [][]int{{8, 8}, {16, 16}, {32, 32}}, Steps: steps, Units: 20, Classes: 10, Shape: []int{16, 16, 3}}
}

func table(steps int) Config {
	return Config{Steps: steps, Units: 20, Classes: tableClasses, Shape: []int{1, tableColumns, 1}}
}

var imagesClaim = recipes.Claim[Config]{
	Name:      "images",
	Statement: "Boosting lowers the training cross-entropy in at least 4 of 5 steps. What it does to the accuracy is reported.",
	Arms:      []recipes.Arm[Config]{{Name: "CNN", Config: small(0)}, {Name: "GB-CNN", Config: small(boostings)}},
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		options, fit := recipes.ImageOptions{Size: c.Shape[0], Train: 3300, Test: 2000, Seed: 1}, smallFit
		if t.Scale == recipes.PaperScale {
			steps := c.Steps
			c, fit, options = paper(steps), paperFit, recipes.ImageOptions{Size: 32, Seed: 1}
		}
		data, err := t.Images(ctx, options)
		if err != nil {
			return nil, err
		}
		c.Classes = len(data.Train.Classes)
		return measure(ctx, t, c, fit, t.Arm == "GB-CNN", data.Train, data.Test)
	},
	Tests: []recipes.Test{
		{Name: "steps", Statement: "steps that lower the training cross-entropy", Unit: "of 5", Threshold: 4, Value: value("GB-CNN", "falls")},
		{Name: "accuracy", Statement: "what boosting gains in test accuracy", Unit: "points", Reported: true, Value: gain("GB-CNN", "CNN")},
	},
	Figures: figures("images", "CNN", "GB-CNN"),
}

var tableClaim = recipes.Claim[Config]{
	Name:      "table",
	Statement: "On a table, boosting lowers the training cross-entropy in at least 4 of 5 steps, and ends no more than half a point below a single network.",
	Arms:      []recipes.Arm[Config]{{Name: "DNN", Config: table(boostings)}, {Name: "GB-DNN", Config: table(boostings)}},
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		data, err := t.Generated("table of clusters", 1, tableData)
		if err != nil {
			return nil, err
		}
		fit := smallFit
		fit.Epochs, fit.Optimizer = tableEpochs, func(int) optimizer.Interface { return optimizer.Adam().LearningRate(tableRate).Done() }
		if t.Scale == recipes.PaperScale {
			fit = paperFit
		}
		return measure(ctx, t, c, fit, t.Arm == "GB-DNN", data.Train, data.Test)
	},
	Tests: []recipes.Test{
		{Name: "steps", Statement: "steps that lower the training cross-entropy", Unit: "of 5", Threshold: 4, Value: value("GB-DNN", "falls")},
		{Name: "accuracy", Statement: "what boosting gains in test accuracy", Unit: "points", Threshold: -0.5, Value: gain("GB-DNN", "DNN")},
	},
	Seeds:   5,
	Figures: figures("table", "DNN", "GB-DNN"),
}

// smallFit is one step of the claims: the paper's optimiser and a smaller batch, since the sets are small.
var smallFit = recipes.Fit{Epochs: epochs, Batch: 32, Optimizer: adam}

// measure boosts, or trains the network of c as one by cross-entropy for as many epochs as all steps have together.
func measure(ctx context.Context, t *recipes.Trial, c Config, fit recipes.Fit, boost bool, images, test *datasets.Images) (recipes.Values, error) {
	if !boost {
		fit.Epochs *= boostings
		trainer, err := t.Trainer(Model(c), fit)
		if err != nil {
			return nil, err
		}
		if err := trainer.Run(ctx, images, nil); err != nil {
			return nil, err
		}
		e, err := trainer.Evaluate(ctx, test)
		return recipes.Values{"accuracy": 100 * e.Accuracy}, err
	}
	b, err := Boost(ctx, c, Options{Steps: boostings, Fit: fit}, t.Trainer, images, test)
	if err != nil {
		return nil, err
	}
	values := recipes.Values{"accuracy": 100 * b.Logits[0].Accuracy(test.Labels, c.Classes), "falls": 0}
	for i, v := range b.CrossEntropy {
		values[fmt.Sprintf("cross-entropy %d", i)] = v
		if i > 0 && v < b.CrossEntropy[i-1] {
			values["falls"]++
		}
	}
	return values, nil
}

func value(arm, name string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return v[arm][name] }
}

func gain(arm, than string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return v[arm]["accuracy"] - v[than]["accuracy"] }
}

// figures draws the training cross-entropy by boosting step, and the accuracies.
func figures(name, single, boosted string) func(recipes.ClaimResult) (map[string]recipes.Figure, error) {
	return func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		f, err := fig.Maybe(func() *fig.Figure {
			var runs [][]float64
			var steps []float64
			for seed := range r.Seeds {
				var run []float64
				for i := range boostings + 1 {
					run = append(run, r.Arms[1].Values[fmt.Sprintf("cross-entropy %d", i)].Seeds[seed])
				}
				runs = append(runs, run)
			}
			for i := range boostings + 1 {
				steps = append(steps, float64(i))
			}
			caption := fmt.Sprintf("%s; %d seeds", r.Data[0].Name, len(r.Seeds))
			if r.Data[0].Synthetic {
				caption += " (synthetic)"
			}
			return fig.Row(
				fig.Curves(fig.CurveOptions{Title: "Training cross-entropy of the sum", XLabel: "boosting steps", YLabel: "cross-entropy", Caption: caption, Width: 300},
					fig.SeedSeries(boosted, steps, runs)),
				fig.Bars([]string{single, boosted}, []fig.BarSeries{fig.SeedBars("accuracy", [][]float64{r.Arms[0].Values["accuracy"].Seeds, r.Arms[1].Values["accuracy"].Seeds})},
					fig.BarOptions{Title: "Test accuracy", Label: "test accuracy (%)", Format: "%.1f", Caption: caption}),
			)
		})
		return map[string]recipes.Figure{name: f}, err
	}
}

const (
	tableColumns = 20
	tableClasses = 4
)

// tableData is a table of 20 columns: each of the 4 classes is 3 round clusters around random centres, which overlap.
func tableData() (recipes.Data, error) {
	const clusters = 3
	r := rand.New(rand.NewPCG(1, 0x6b))
	var centres [tableClasses * clusters][tableColumns]float64
	for i := range centres {
		for j := range centres[i] {
			centres[i][j] = 0.6 * r.NormFloat64()
		}
	}
	draw := func(n int, seed uint64, part string) *datasets.Images {
		r := rand.New(rand.NewPCG(seed, 0x6c))
		im := &datasets.Images{
			Name: "clusters/" + part, N: n, H: 1, W: tableColumns, C: 1, Synthetic: true, Classes: []string{"a", "b", "c", "d"},
			Norm: datasets.Normalization{Mean: []float32{0.5}, Std: []float32{0.125}},
		}
		for range n {
			cluster := r.IntN(len(centres))
			for _, centre := range centres[cluster] {
				v := 127.5 + 0.125*255*(centre+r.NormFloat64()) // one pixel is a 32nd of a deviation
				im.Pixels = append(im.Pixels, uint8(min(max(v, 0), 255)))
			}
			im.Labels = append(im.Labels, int32(cluster%tableClasses))
		}
		return im
	}
	return recipes.Data{Train: draw(2000, 1, "train"), Valid: draw(10_000, 2, "valid"), Test: draw(10_000, 3, "test")}, nil
}
