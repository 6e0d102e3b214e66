package weightsymmetry

import (
	"context"
	"fmt"

	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/datasets"
	"fovea/layers/optim"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

func small(rule Rule, ratio int) Config {
	return Config{Rule: rule, Ratio: ratio, Filters: []int{8, 8, 16, 16, 32, 32}, Classes: 6, Size: 16, Channels: 3}
}

// The names of the arms that the tests speak of.
const (
	armBP  = "back-propagation"
	armFA  = "feedback alignment"
	armPFA = "product, orthogonal"
)

const smallEpochs = 10

// imageSeed begins the generated images; all that is here was chosen on validation images of another one, 1001.
var imageSeed uint64 = 1

var smallFit = recipes.Fit{
	Epochs: smallEpochs, Batch: 64, LogEvery: 25, Augment: datasets.Flip(),
	Optimizer: func(steps int) optimizer.Interface {
		return DecaySGD{
			SGD:   optim.SGD{LearningRate: optim.Cosine{Initial: 0.05, Steps: steps}, Momentum: 0.9},
			Decay: optim.Step{Initial: 0.05, Milestones: []int{steps / smallEpochs}, Gamma: 0.01},
		}
	},
}

var feedbackClaim = recipes.Claim[Config]{
	Name: "feedback",
	Statement: "In a convolutional net product feedback alignment is within 2 points of back-propagation and at least 5 above feedback alignment, " +
		"with a backward path within 30° of the weights.",
	Arms: []recipes.Arm[Config]{
		{Name: armBP, Config: small(BackPropagation, 0)}, {Name: armFA, Config: small(FeedbackAlignment, 0)},
		{Name: "direct feedback", Config: small(DirectFeedback, 0)},
		{Name: armPFA, Config: small(ProductFeedback, 1)}, {Name: "product, expanding", Config: small(ProductFeedback, 2)},
	},
	Measure: measure,
	Tests: []recipes.Test{
		{Name: "behind back-propagation", Statement: "test accuracy of back-propagation less that of the orthogonal product", Unit: "points", Threshold: 2, AtMost: true, Value: lead(armBP, armPFA)},
		{Name: "above feedback alignment", Statement: "test accuracy of the orthogonal product less that of feedback alignment", Unit: "points", Threshold: 5, Value: lead(armPFA, armFA)},
		{Name: "path", Statement: "mean angle between the weights and the backward path of the orthogonal product", Unit: "°", Threshold: 30, AtMost: true, Value: value(armPFA, "path")},
		{Name: "path of feedback alignment", Statement: "the same of feedback alignment", Unit: "°", Threshold: 50, Value: value(armFA, "path")},
		{Name: "no symmetry", Statement: "mean angle between the weights and the plastic matrix of the orthogonal product", Unit: "°", Reported: true, Value: value(armPFA, "plastic")},
		{Name: "expanding", Statement: "test accuracy of back-propagation less that of the expanding product", Unit: "points", Reported: true, Value: lead(armBP, "product, expanding")},
		{Name: "direct feedback", Statement: "test accuracy of back-propagation less that of direct feedback", Unit: "points", Reported: true, Value: lead(armBP, "direct feedback")},
	},
	Figures: figures,
}

func value(arm, name string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return v[arm][name] }
}

func lead(arm, than string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return v[arm]["accuracy"] - v[than]["accuracy"] }
}

func measure(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
	options, fit := recipes.ImageOptions{Sets: []string{"shapes"}, Size: c.Size, Classes: 6, Train: 4400, Test: 2000, Seed: imageSeed}, smallFit
	if t.Scale == recipes.PaperScale {
		paper := Variants["resnet20"]
		paper.Rule, paper.Ratio = c.Rule, c.Ratio
		if c.Ratio > 1 {
			paper.Ratio = Variants["resnet20"].Ratio
		}
		c, options, fit = paper, recipes.ImageOptions{Size: paper.Size, Seed: 1}, PaperFit
	}
	data, err := t.Images(ctx, options)
	if err != nil {
		return nil, err
	}
	c.Classes, c.Channels = len(data.Train.Classes), data.Train.C
	trainer, err := t.Trainer(Model(c), fit)
	if err != nil {
		return nil, err
	}
	feed, err := data.Train.Batches(datasets.BatchOptions{
		Size: fit.Batch, Shuffle: true, Seed: uint64(t.Seed), Last: datasets.DropLast, Infinite: true, Augment: fit.Augment,
	})
	if err != nil {
		return nil, err
	}
	// The course of accuracy and angles, for the figure, on images that decide nothing.
	values, epoch := recipes.Values{}, 0
	look := func(ctx context.Context) (recipes.Evaluation, error) {
		epoch++
		e, err := trainer.Evaluate(ctx, data.Valid)
		if err != nil {
			return e, err
		}
		values[after("validation accuracy", epoch)] = 100 * e.Accuracy
		angles, err := Angles(trainer.Store())
		if err != nil || len(angles) == 0 {
			return e, err
		}
		for _, name := range []string{"path", "plastic"} {
			if m, ok := mean(angles, name); ok {
				values[name], values[after(name, epoch)] = m, m
			}
		}
		return e, nil
	}
	if err := trainer.RunFeed(ctx, feed, look); err != nil {
		return nil, err
	}
	test, err := trainer.Evaluate(ctx, data.Test)
	values["accuracy"] = 100 * test.Accuracy
	return values, err
}

func after(name string, epoch int) string { return fmt.Sprintf("%s after %d", name, epoch) }

// mean is that of the path's or the plastic matrix's angle over the layers; false where there is none.
func mean(angles []LayerAngle, name string) (float64, bool) {
	var sum float64
	n := 0
	for _, a := range angles {
		angle := a.Path
		if name == "plastic" {
			angle = a.Plastic
		}
		if angle == angle {
			sum += angle
			n++
		}
	}
	return sum / float64(max(n, 1)), n > 0
}

// figures draws the courses: accuracy and angle of the path by epoch.
func figures(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
	courses := func(name string) (series []fig.Series) {
		for _, arm := range r.Arms {
			var x []float64
			var runs [][]float64
			for epoch := 1; ; epoch++ {
				stat, ok := arm.Values[after(name, epoch)]
				if !ok {
					break
				}
				x = append(x, float64(epoch))
				for i, v := range stat.Seeds {
					if epoch == 1 {
						runs = append(runs, nil)
					}
					runs[i] = append(runs[i], v)
				}
			}
			if len(runs) > 0 {
				s := fig.SeedSeries(arm.Name, x, runs)
				s.Note = ""
				series = append(series, s)
			}
		}
		return series
	}
	f, err := fig.Maybe(func() *fig.Figure {
		caption := fmt.Sprintf("means of %d seeds ± 2 standard errors", len(r.Seeds))
		return fig.Column(
			fig.Curves(fig.CurveOptions{Title: "Accuracy by the way back of errors", Caption: caption, XLabel: "epoch", YLabel: "validation accuracy (%)"}, courses("validation accuracy")...),
			fig.Curves(fig.CurveOptions{Title: "Angle between weights and backward path", Caption: caption, XLabel: "epoch", YLabel: "degrees", YRange: [2]float64{0, 95}}, courses("path")...),
		)
	})
	return map[string]recipes.Figure{"feedback": f}, err
}
