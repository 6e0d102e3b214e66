package untrainable

import (
	"context"
	"fmt"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"fovea/datasets"
	"fovea/layers/optim"
	"fovea/notebooks/fig"
	"fovea/recipes"
)

const alone, untrainedGuide, trainedGuide = "alone", "untrained guide", "trained guide"

// layersOfTarget is the number of hidden layers, as in the paper.
const layersOfTarget = 48

// small is a fully connected network too deep to begin learning, and a convolutional one of six.
func small(alpha float64, trained bool) Config {
	c := Config{Alpha: alpha, Trained: trained, Classes: 10, Size: 16, Channels: 3}
	for range layersOfTarget {
		c.Target.Hidden = append(c.Target.Hidden, 128)
	}
	if alpha != 0 {
		c.Guide = Network{Filters: []int{16, 32, 64}, Hidden: []int{64}}
	}
	return c
}

func adam(rate float64) func(int) optimizer.Interface {
	return func(steps int) optimizer.Interface {
		return optim.AdamW{LearningRate: optim.Step{Initial: rate, Milestones: []int{steps * 2 / 3}}}
	}
}

var (
	smallFit = recipes.Fit{Steps: 500, Batch: 128, LogEvery: 20, Optimizer: adam(1e-3)}
	guideFit = recipes.Fit{Steps: 600, Batch: 64, LogEvery: 20, Optimizer: adam(2e-3)}
)

var guidanceClaim = recipes.Claim[Config]{
	Name:      "guidance",
	Statement: "A deep fully connected network that learns little alone gains at least 5 points of test accuracy from a trained guide, and at least 2 from an untrained one.",
	Arms: []recipes.Arm[Config]{
		{Name: alone, Config: small(0, false)}, {Name: untrainedGuide, Config: small(1, false)}, {Name: trainedGuide, Config: small(1, true)},
	},
	Measure: func(ctx context.Context, t *recipes.Trial, c Config) (recipes.Values, error) {
		options, fit, first := recipes.ImageOptions{Size: c.Size, Train: 5000, Test: 2000, Seed: 1}, smallFit, guideFit
		if t.Scale == recipes.PaperScale {
			paper := Variants["deep-fcn"]
			paper.Alpha, paper.Trained = c.Alpha, c.Trained
			if c.Alpha == 0 {
				paper.Guide = Network{}
			}
			c, options, fit, first = paper, recipes.ImageOptions{Size: paper.Size, Seed: 1}, PaperFit, PaperFit
		}
		data, err := t.Images(ctx, options)
		if err != nil {
			return nil, err
		}
		c.Classes, c.Channels = len(data.Train.Classes), data.Train.C
		return measure(ctx, t, c, fit, first, data.Train, data.Test)
	},
	Tests: []recipes.Test{
		{Name: "trained guide", Statement: "test accuracy with a trained guide less that alone", Unit: "points", Threshold: 5, Value: gain(trainedGuide, "accuracy")},
		{Name: "untrained guide", Statement: "test accuracy with an untrained guide less that alone", Unit: "points", Threshold: 2, Value: gain(untrainedGuide, "accuracy")},
		{Name: "alone", Statement: "test accuracy alone", Unit: "%", Reported: true, Value: func(v map[string]recipes.Values) float64 { return v[alone]["accuracy"] }},
		{Name: "guide", Statement: "test accuracy of the trained guide itself", Unit: "%", Reported: true, Value: func(v map[string]recipes.Values) float64 { return v[trainedGuide]["guide"] }},
		{Name: "training", Statement: "training accuracy with a trained guide less that alone", Unit: "points", Reported: true, Value: gain(trainedGuide, "training accuracy")},
	},
	Remark: "The trained guide gives what was asked (6.0 ± 0.9 points). The untrained one gives 2.9 ± 1.6, more than the 2 asked on average, which six seeds leave open.",
	Figures: func(r recipes.ClaimResult) (map[string]recipes.Figure, error) {
		var arms []string
		var test, training [][]float64
		for _, arm := range r.Arms {
			arms = append(arms, arm.Name)
			test, training = append(test, arm.Values["accuracy"].Seeds), append(training, arm.Values["training accuracy"].Seeds)
		}
		f, err := fig.Maybe(func() *fig.Figure {
			return fig.Bars(arms, []fig.BarSeries{fig.SeedBars("test", test), fig.SeedBars("training", training)}, fig.BarOptions{
				Title: fmt.Sprintf("A fully connected network of %d hidden layers", layersOfTarget), Label: "accuracy (%)", Format: "%.1f", Caption: fmt.Sprintf("mean of %d seeds ± 2 standard errors", len(r.Seeds)),
			})
		})
		return map[string]recipes.Figure{"guidance": f}, err
	},
}

func gain(arm, name string) func(map[string]recipes.Values) float64 {
	return func(v map[string]recipes.Values) float64 { return v[arm][name] - v[alone][name] }
}

func measure(ctx context.Context, t *recipes.Trial, c Config, fit, first recipes.Fit, train, test *datasets.Images) (recipes.Values, error) {
	values := recipes.Values{}
	var guide *recipes.Trainer
	if c.Trained {
		var err error
		if guide, err = t.Trainer(GuideModel(c), first); err != nil {
			return nil, err
		}
		if err := guide.Run(ctx, train, nil); err != nil {
			return nil, err
		}
		e, err := guide.Evaluate(ctx, test)
		if err != nil {
			return nil, err
		}
		values["guide"] = 100 * e.Accuracy
	}
	trainer, err := t.Trainer(Model(c), fit)
	if err != nil {
		return nil, err
	}
	few := train.Slice(0, min(128, train.N))
	if _, err := trainer.Evaluate(ctx, few); err != nil { // so that there are weights to set
		return nil, err
	}
	if guide != nil {
		if err := SetGuide(trainer, guide); err != nil {
			return nil, err
		}
	}
	var before [][]float64
	if c.Alpha != 0 && t.Pictures() {
		if before, err = similarities(t, trainer, c, few); err != nil {
			return nil, err
		}
	}
	if err := trainer.Run(ctx, train, nil); err != nil {
		return nil, err
	}
	for name, images := range map[string]*datasets.Images{"accuracy": test, "training accuracy": train} {
		e, err := trainer.Evaluate(ctx, images)
		if err != nil {
			return nil, err
		}
		values[name] = 100 * e.Accuracy
	}
	if before != nil {
		after, err := similarities(t, trainer, c, few)
		if err != nil {
			return nil, err
		}
		return values, draw(t, c, before, after)
	}
	return values, nil
}

// similarities are those of each layer of the guide, the rows, with each of the target.
func similarities(t *recipes.Trial, trainer *recipes.Trainer, c Config, images *datasets.Images) ([][]float64, error) {
	x := images.Tensor(0, images.N)
	defer x.FinalizeAll()
	y, err := model.CallOnce(t.Backend, trainer.Store(), func(s *model.Scope, x *graph.Node) *graph.Node {
		guide := guideTaps(s, x, c)
		_, target := c.Target.build(s, x)
		var all []*graph.Node
		for _, g := range guide {
			for _, layer := range target {
				all = append(all, Similarity(layer, g))
			}
		}
		return graph.Reshape(graph.Stack(all, 0), len(guide), len(target))
	}, x)
	if err != nil {
		return nil, err
	}
	flat, columns := tensors.MustCopyFlatData[float32](y), y.Shape().Dimensions[1]
	var rows [][]float64
	for i := 0; i < len(flat); i += columns {
		row := make([]float64, columns)
		for j := range row {
			row[j] = float64(flat[i+j])
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func draw(t *recipes.Trial, c Config, before, after [][]float64) error {
	f, err := fig.Maybe(func() *fig.Figure {
		heat := func(title string, m [][]float64) *fig.Figure {
			return fig.HeatMap(m, fig.HeatMapOptions{Title: title, XLabel: "layer of the target", YLabel: "layer of the guide", Rows: c.Guide.taps(), Columns: c.Target.taps(), Range: [2]float64{0, 1}})
		}
		return fig.Column(heat("Linear CKA, "+t.Arm+", before training", before), heat("After training", after))
	})
	if err != nil {
		return err
	}
	return t.Figure(map[string]string{untrainedGuide: "cka-untrained", trainedGuide: "cka-trained"}[t.Arm], f)
}
