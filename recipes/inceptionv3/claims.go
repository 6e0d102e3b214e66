package inceptionv3

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/gomlx/gomlx/core/tensors"

	"fovea/datasets"
	"fovea/layers/metric"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

// small is the network of the claims: a block of sevens on a grid of 7×7, a quarter of the filters.
func small(sevens Sevens) Config {
	return Config{Stem: SmallStem, Middle: []int{128}, Sevens: sevens, Width: 0.25, Classes: 10, Size: 16, Channels: 3}
}

// smallFit is the usual training of small networks, the same for all arms of a claim.
func smallFit(epochs int) recipes.Fit {
	return recipes.Fit{Epochs: epochs, Batch: 32, LearningRate: 0.05, LogEvery: 50}
}

// epsilon is the smoothing and auxiliary the weight of that head, both as published; wrong is the share of training labels that another class takes
// the place of.
const epsilon, auxiliary, wrong = 0.1, 0.4, 0.2

var smoothingClaim = recipes.Claim[Config]{
	Name: "smoothing",
	Statement: "Where a fifth of the training labels is wrong, smoothing them by 0.1 lowers the calibration error on test images by 30 %, " +
		"and the gap between logits ends within 20 % of where the smoothed loss is least.",
	Arms:    []recipes.Arm[Config]{{Name: "hard", Config: small(Factorised)}, {Name: "smoothed", Config: small(Factorised)}},
	Measure: measureSmoothing,
	Tests: []recipes.Test{
		{
			Name: "calibration", Statement: "how much smoothing lowers the expected calibration error", Unit: "%", Threshold: 30,
			Value: func(v map[string]recipes.Values) float64 {
				return 100 * (1 - v["smoothed"]["calibration error"]/v["hard"]["calibration error"])
			},
		},
		{Name: "accuracy", Statement: "what smoothing adds to the test accuracy", Unit: "points", Reported: true, Value: gain("smoothed", "hard")},
		{
			Name: "gap", Threshold: 0.2, AtMost: true,
			Statement: "distance of the training images' gap from the one where the smoothed loss is least, 4.51, as a share of that",
			Value: func(v map[string]recipes.Values) float64 {
				return math.Abs(v["smoothed"]["gap"]/Gap(10, epsilon) - 1)
			},
		},
	},
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		return bars("smoothing", "Hard and smoothed labels", r, "calibration error", "error")
	},
}

func measureSmoothing(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
	data, c, fit, err := setUp(ctx, t, c, recipes.ImageOptions{Train: 1110, Test: 2000}, 30)
	if err != nil {
		return nil, err
	}
	train := data.Train
	if t.Scale != recipes.PaperScale {
		train = Mislabelled(train, wrong, uint64(t.Seed))
	}
	fit.Loss = Loss(0, auxiliary)
	if t.Arm == "smoothed" {
		fit.Loss = Loss(epsilon, auxiliary)
	}
	trainer, err := t.Trainer(Model(c), fit)
	if err != nil {
		return nil, err
	}
	if err := trainer.Run(ctx, train, nil); err != nil {
		return nil, err
	}
	test, err := trainer.Predict(ctx, data.Test)
	if err != nil {
		return nil, err
	}
	calibration, err := metric.NewCalibration(test, data.Test.Labels, 15)
	if err != nil {
		return nil, err
	}
	confidences, hits := fig.Confidences{Name: t.Arm}, 0
	for i, p := range test {
		best := slices.Index(p, slices.Max(p))
		right := best == int(data.Test.Labels[i])
		confidences.Values, confidences.Correct = append(confidences.Values, float64(p[best])), append(confidences.Correct, right)
		if right {
			hits++
		}
	}
	if t.Pictures() {
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Calibration(fig.RankingOptions{Title: "Reliability with " + t.Arm + " labels"}, confidences)
		})
		if err != nil {
			return nil, err
		}
		if err := t.Figure("reliability-"+t.Arm, f); err != nil {
			return nil, err
		}
	}
	logits, err := trainer.Output(ctx, train)
	if err != nil {
		return nil, err
	}
	accuracy := 100 * float64(hits) / float64(len(test))
	return recipes.Values{
		"accuracy": accuracy, "error": 100 - accuracy, "calibration error": 100 * calibration.Expected,
		"likelihood": calibration.Likelihood, "gap": gap(logits, train.Labels),
	}, nil
}

// gap is the mean over images of the label's logit minus the mean of the others.
func gap(logits *tensors.Tensor, labels []int32) float64 {
	z, k := tensors.MustCopyFlatData[float32](logits), logits.Shape().Dimensions[1]
	total := 0.0
	for i, label := range labels {
		row := z[i*k : (i+1)*k]
		others := 0.0
		for j, v := range row {
			if j != int(label) {
				others += float64(v)
			}
		}
		total += float64(row[label]) - others/float64(k-1)
	}
	return total / float64(len(labels))
}

// Mislabelled gives a share of the images, drawn by the seed, the label of one of the other classes.
func Mislabelled(images *datasets.Images, share float64, seed uint64) *datasets.Images {
	noisy := *images
	noisy.Labels = slices.Clone(images.Labels)
	r := rand.New(rand.NewPCG(seed, 28))
	for _, i := range r.Perm(images.N)[:int(share*float64(images.N))] {
		other := r.Int32N(int32(len(images.Classes)) - 1)
		if other >= noisy.Labels[i] {
			other++
		}
		noisy.Labels[i] = other
	}
	return &noisy
}

var sevensClaim = recipes.Claim[Config]{
	Name:      "sevens",
	Statement: "Convolutions of 1×7 and 7×1 lose no more than a point of test accuracy on whole ones of 7×7, with 14/49 of their weights.",
	Arms: []recipes.Arm[Config]{
		{Name: "7x7", Config: small(Whole)}, {Name: "1x7 and 7x1", Config: small(Factorised)}, {Name: "three 3x3", Config: small(Stacked)},
	},
	Budget:  20 * time.Minute, // enough for twice the seeds
	Measure: measureSevens,
	Tests: []recipes.Test{
		{Name: "accuracy", Statement: "what 1×7 and 7×1 add to the test accuracy of 7×7", Unit: "points", Threshold: -1, Value: gain("1x7 and 7x1", "7x7")},
		{Name: "stacked", Statement: "what three 3×3 add to that of 7×7", Unit: "points", Reported: true, Value: gain("three 3x3", "7x7")},
		{
			Name: "parameters", Statement: "parameters of the network with 1×7 and 7×1 over those with 7×7", Unit: "×", Reported: true,
			Value: func(v map[string]recipes.Values) float64 {
				return v["1x7 and 7x1"]["parameters"] / v["7x7"]["parameters"]
			},
		},
	},
	Remark: "The pair of 1×7 and 7×1 has two fifths of the whole window's parameters, and loses 1.8 ± 0.7 points after 4 epochs, where it may lose one; three 3×3 lose as much (2.0 ± 0.6). On maps of 7×7 a window " +
		"of 7×7 covers nearly all; the paper says that factorising works on grids of 12 to 20, but on one of 15×15 a validation seed lost more (see the card).",
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		return bars("sevens", "Windows of 7×7", r, "error")
	},
}

func measureSevens(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
	data, c, fit, err := setUp(ctx, t, c, recipes.ImageOptions{Train: 4000, Test: 2000}, 4)
	if err != nil {
		return nil, err
	}
	trainer, err := t.Trainer(Model(c), fit)
	if err != nil {
		return nil, err
	}
	if err := trainer.Run(ctx, data.Train, nil); err != nil {
		return nil, err
	}
	test, err := trainer.Evaluate(ctx, data.Test)
	if err != nil {
		return nil, err
	}
	parameters := 0
	for _, v := range trainer.Variables() {
		if v.Trainable {
			parameters += v.Shape().Size()
		}
	}
	return recipes.Values{"accuracy": 100 * test.Accuracy, "error": 100 * (1 - test.Accuracy), "parameters": float64(parameters)}, nil
}

// setUp opens the images; at paper scale they are those that the user names, and the network is the paper's with the arm's sevens.
func setUp(ctx context.Context, t *recipes.Trial, c Config, o recipes.ImageOptions, epochs int) (recipes.Data, Config, recipes.Fit, error) {
	fit := smallFit(epochs)
	if t.Scale == recipes.PaperScale {
		sevens := c.Sevens
		c, fit, o = Variants["v3"], paperFit, recipes.ImageOptions{}
		c.Sevens = sevens
	}
	o.Size, o.Seed = c.Size, 1
	data, err := t.Images(ctx, o)
	if err == nil {
		c.Classes, c.Channels = len(data.Train.Classes), data.Train.C
	}
	return data, c, fit, err
}

func gain(arm, than string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return v[arm]["accuracy"] - v[than]["accuracy"] }
}

// bars draws measured percentages with a bar for each arm.
func bars(file, title string, r recipes.ClaimResult, values ...string) (map[string]recipes.Figure, error) {
	var series []fig.BarSeries
	for _, arm := range r.Arms {
		var runs [][]float64
		for _, value := range values {
			runs = append(runs, arm.Values[value].Seeds)
		}
		series = append(series, fig.SeedBars(arm.Name, runs))
	}
	f, err := fig.Maybe(func() *fig.Figure {
		return fig.Bars(values, series, fig.BarOptions{
			Title: title, Label: strings.Join(values, ", ") + " (%)", Format: "%.1f",
			Caption: fmt.Sprintf("test images; mean of %d seeds ± 2 standard errors", len(r.Seeds)),
		})
	})
	return map[string]recipes.Figure{file: f}, err
}
